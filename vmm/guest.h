/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The guest's memory as its own instructions see it: through its page tables. */
#include "emulate.h"
#include "lib/walk.h"
#include "vm.h"

/* WALK_USER when the guest executes at privilege 3, otherwise 0. STATE_CONTROL and CODE are
 * valid. */
unsigned guest_access(struct vcpu *vcpu);

/* walk() with the guest's registers and tables, which get their accessed and dirty bits.
 * STATE_IP and STATE_CONTROL are valid. */
enum walk_status guest_walk(struct vcpu *vcpu, uint64_t linear, unsigned access,
                            struct walk_result *out);

/* What an emulated instruction does to the VM: devices and ports by the buses, memory by the
 * guest's tables, with the page fault injected where they refuse. STATE_IP, CONTROL and CODE are
 * valid. */
struct emulate_ops guest_ops(struct vcpu *vcpu);
