/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What the two halves of the emulator, operations and strings, share. */
#include "emulate.h"

/* The page that faulted: the one place in memory whose physical address is known. */
struct emulate_window {
    const struct emulate_ops *ops;
    uint64_t gpa;
};

/* An access that starts in the window's page. What the hardware told may be the address of the
 * first byte without RAM: when the access goes on into the next page, that one's. So it is
 * translated anew then. */
bool emulate_access(const struct emulate_window *window, uint64_t linear, unsigned size,
                    bool write, uint64_t *value);

/* The instruction is over: RIP goes on, and what held for one instruction only is gone. */
void emulate_advance(struct vcpu_state *state, const struct insn *insn);

/* MOVS, STOS or LODS? */
bool emulate_is_string(const struct insn *insn);

/* Executes one of them. MOVS has two operands in memory, of which the window says nothing: it
 * goes by linear addresses. */
enum emulate_result emulate_string_mmio(struct vcpu_state *state, const struct insn *insn,
                                        const struct emulate_window *window);
