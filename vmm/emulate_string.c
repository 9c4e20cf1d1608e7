/* SPDX-License-Identifier: Apache-2.0 */
/* Strings: STOS, LODS and MOVS on devices in memory, INS and OUTS on ports. */
#include "arithmetic.h"
#include "emulate_parts.h"

#define RFLAGS_DF 0x400u
#define IN_PAGE (PAGE_SIZE - 1)

/* Elements moved by one call: the guest shall not wait long for its interrupts. */
#define ELEMENTS_MAX 1024

enum string { MOVS, STOS, LODS, INS, OUTS };

struct string_step {
    enum string kind;
    unsigned size;
    uint64_t source, destination; /* linear addresses, of the element that comes next */
    const struct emulate_ops *ops;
    const struct emulate_window *window; /* STOS, LODS */
    uint64_t page;                       /* there, a linear address in it */
};

static bool move_element(struct vcpu_state *state, const struct string_step *step)
{
    const struct emulate_ops *ops = step->ops;
    uint16_t port = (uint16_t)state->gpr[GPR_RDX];
    uint64_t *rax = &state->gpr[GPR_RAX];
    uint64_t value = *rax & operand_mask(step->size);

    switch (step->kind) {
    case STOS:
        return emulate_access(step->window, step->destination, step->size, true, &value);
    case LODS:
        if (!emulate_access(step->window, step->source, step->size, false, &value)) {
            return false;
        }
        *rax = operand_merge(*rax, step->size, value);
        return true;
    case MOVS:
        return ops->may_write(ops->context, step->destination, step->size) &&
               ops->linear(ops->context, step->source, step->size, false, &value) &&
               ops->linear(ops->context, step->destination, step->size, true, &value);
    case INS:
        return ops->may_write(ops->context, step->destination, step->size) &&
               ops->port(ops->context, port, step->size, false, &value) &&
               ops->linear(ops->context, step->destination, step->size, true, &value);
    case OUTS:
        return ops->linear(ops->context, step->source, step->size, false, &value) &&
               ops->port(ops->context, port, step->size, true, &value);
    }
    return false;
}

static uint64_t address_register(const struct vcpu_state *state, const struct insn *insn,
                                 enum vcpu_gpr number)
{
    return state->gpr[number] & operand_mask(insn->address_size);
}

static void step_register(struct vcpu_state *state, const struct insn *insn, enum vcpu_gpr number,
                          uint64_t by)
{
    uint64_t *gpr = &state->gpr[number];

    *gpr = operand_merge(*gpr, insn->address_size, *gpr + by);
}

static bool is_repeated(const struct insn *insn)
{
    return insn->prefixes & (INSN_REP | INSN_REPNE);
}

static bool is_finished(const struct vcpu_state *state, const struct insn *insn)
{
    return is_repeated(insn) && address_register(state, insn, GPR_RCX) == 0;
}

static void locate(const struct vcpu_state *state, const struct insn *insn,
                   struct string_step *step)
{
    step->source = emulate_linear(state, insn->mode, insn->memory.segment,
                                  address_register(state, insn, GPR_RSI));
    step->destination = emulate_linear(state, insn->mode, SEG_ES,
                                       address_register(state, insn, GPR_RDI));
}

/* The registers go on to the next element. */
static void count_element(struct vcpu_state *state, const struct insn *insn,
                          const struct string_step *step)
{
    uint64_t by = state->rflags & RFLAGS_DF ? -(uint64_t)step->size : step->size;

    if (step->kind == MOVS || step->kind == LODS || step->kind == OUTS) {
        step_register(state, insn, GPR_RSI, by);
    }
    if (step->kind == MOVS || step->kind == STOS || step->kind == INS) {
        step_register(state, insn, GPR_RDI, by);
    }
    if (is_repeated(insn)) {
        step_register(state, insn, GPR_RCX, UINT64_MAX);
    }
}

static uint64_t in_window(const struct string_step *step)
{
    return step->kind == LODS ? step->source : step->destination;
}

static bool has_left_window(const struct string_step *step)
{
    return step->window && ((in_window(step) ^ step->page) & ~IN_PAGE);
}

static enum emulate_result execute_string(struct vcpu_state *state, const struct insn *insn,
                                          struct string_step *step)
{
    locate(state, insn, step);
    step->page = in_window(step);
    for (unsigned i = 0; i < ELEMENTS_MAX && !is_finished(state, insn); i++) {
        if (!move_element(state, step)) {
            return EMULATE_FAULT;
        }
        count_element(state, insn, step);
        locate(state, insn, step);
        if (!is_repeated(insn) || has_left_window(step)) {
            break;
        }
    }
    if (!is_repeated(insn) || is_finished(state, insn)) {
        emulate_advance(state, insn);
    }
    return EMULATE_DONE;
}

/* `opcode` and the next: of bytes, and of larger operands. */
static bool is_opcode(const struct insn *insn, uint8_t opcode)
{
    return insn->encoding == INSN_LEGACY && insn->map == MAP_ONE_BYTE &&
           (insn->opcode & 0xfe) == opcode;
}

bool emulate_is_string(const struct insn *insn)
{
    return is_opcode(insn, 0xa4) || is_opcode(insn, 0xaa) || is_opcode(insn, 0xac);
}

enum emulate_result emulate_string_mmio(struct vcpu_state *state, const struct insn *insn,
                                        const struct emulate_window *window)
{
    struct string_step step = {
        .kind = is_opcode(insn, 0xa4) ? MOVS : is_opcode(insn, 0xaa) ? STOS : LODS,
        .size = insn->operand_size,
        .window = is_opcode(insn, 0xa4) ? NULL : window,
        .ops = window->ops,
    };

    return execute_string(state, insn, &step);
}

enum emulate_result emulate_string_io(struct vcpu_state *state, const struct insn *insn,
                                      const struct emulate_ops *ops)
{
    struct string_step step = {
        .kind = is_opcode(insn, 0x6c) ? INS : OUTS,
        .size = insn->operand_size == 8 ? 4 : insn->operand_size, /* no ports of 64 bits */
        .ops = ops,
    };

    if (!is_opcode(insn, 0x6c) && !is_opcode(insn, 0x6e)) {
        return EMULATE_UNKNOWN;
    }
    return execute_string(state, insn, &step);
}
