/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The guest's memory as its own instructions see it: through its page tables. */
#include "emulate.h"
#include "lib/walk.h"
#include "vm.h"

/* 0 to 3. STATE_SEGMENTS is valid. */
static inline unsigned guest_privilege(const struct vcpu_state *state)
{
    return state->segment[SEG_SS].attributes >> 5 & 3;
}

/* WALK_USER when the guest executes at privilege 3. */
static inline unsigned guest_access(const struct vcpu_state *state)
{
    return guest_privilege(state) == 3 ? WALK_USER : 0;
}

/* walk() with the guest's registers and tables, which get their accessed and dirty bits.
 * STATE_IP and STATE_CONTROL are valid. */
enum walk_status guest_walk(struct vm *vm, uint64_t linear, unsigned access,
                            struct walk_result *out);

/* What an emulated instruction does to the VM: devices and ports by the buses, memory by the
 * guest's tables, with the page fault injected where they refuse. STATE_IP, CONTROL and SEGMENTS
 * are valid. */
struct emulate_ops guest_ops(struct vm *vm);
