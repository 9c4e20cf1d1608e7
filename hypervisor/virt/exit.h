/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What becomes of an exit: kept by the kernel, or forwarded with the state that it needs. */
#include "abi/vcpu.h"

struct vcpu;

struct exit_rule {
    /* The kernel deals with it and the guest goes on; NULL: forward. False: it has become another
     * exit, which is. */
    bool (*keep)(struct vcpu *vcpu, struct vcpu_exit *exit);
    uint32_t groups; /* enum vcpu_state_group brought along when forwarded ... */
    uint32_t decode; /* ... and these where the hardware did not give the instruction's length */
};

extern const struct exit_rule exit_rules[EXIT_REASON_COUNT];
