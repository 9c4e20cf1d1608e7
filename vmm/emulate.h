/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Executes, in place of the processor, the one instruction that touched a device's registers in
 * memory, or that moves strings between memory and ports. Known is what programs access devices
 * with: moves, arithmetic and logic, bit tests, exchanges, strings.
 */
#include <stdbool.h>
#include <stdint.h>

#include "abi/vcpu.h"
#include "lib/insn.h"

enum emulate_result {
    EMULATE_DONE,    /* the state is as the instruction leaves it. A REP may stop in between: RIP
                        then stays, so that the guest goes on when it is entered */
    EMULATE_UNKNOWN, /* not an instruction for here; nothing changed */
    EMULATE_FAULT,   /* an operation refused, and has seen to the guest's exception. What was
                        moved before stays moved, as on the processor; otherwise nothing changed */
};

/* Sizes are 1, 2, 4 or 8 bytes. Values are zero-extended. False: EMULATE_FAULT. */
struct emulate_ops {
    /* A device's register at a guest-physical address; does not cross a page. */
    bool (*access)(void *context, uint64_t gpa, unsigned size, bool write, uint64_t *value);
    /* Guest memory, or again a device, at a linear address, with the rights of the guest as it
     * stands; may cross a page. */
    bool (*linear)(void *context, uint64_t linear, unsigned size, bool write, uint64_t *value);
    /* May that be written? Asked before something is read that can be read only once. */
    bool (*may_write)(void *context, uint64_t linear, unsigned size);
    /* A port; sizes 1, 2 and 4. For emulate_string_io only. */
    bool (*port)(void *context, uint16_t port, unsigned size, bool write, uint64_t *value);
    void *context;
};

/* How the guest's code at CS:RIP is to be decoded. Needs STATE_CONTROL and CODE. */
enum insn_mode emulate_mode(const struct vcpu_state *state);

/* The linear address of an offset in a segment (enum vcpu_segment_index, ES to GS). Limits are
 * not checked. Needs STATE_SEGMENTS. */
uint64_t emulate_linear(const struct vcpu_state *state, enum insn_mode mode, unsigned segment,
                        uint64_t offset);

/* Executes `insn`, which stands at the guest's RIP and whose memory operand is not RAM but, in
 * the page of `fault_gpa`, a device. Needs STATE_IP, RSP and SEGMENTS; marks what it changes
 * dirty. */
enum emulate_result emulate_mmio(struct vcpu_state *state, const struct insn *insn,
                                 const struct emulate_ops *ops, uint64_t fault_gpa);

/* Executes INS or OUTS, with or without REP. Needs STATE_IP and SEGMENTS. */
enum emulate_result emulate_string_io(struct vcpu_state *state, const struct insn *insn,
                                      const struct emulate_ops *ops);
