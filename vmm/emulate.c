/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An instruction with a memory operand is brought into one form (struct operation), computed on
 * values alone (struct outcome), and only then written back: memory first, which may be refused,
 * then registers, flags and RIP. Strings go their own way: emulate_string.c.
 */
#include "arithmetic.h"
#include "emulate_parts.h"
#include "lib/registers.h"

#define RF 0x10000u

#define SEGMENT_LONG 0x200u /* L and D/B, in vcpu_segment.attributes */
#define SEGMENT_BIG 0x400u

#define IN_PAGE (PAGE_SIZE - 1)

/* ---- State -------------------------------------------------------------------------------- */

enum insn_mode emulate_mode(const struct vcpu_state *state)
{
    uint16_t attributes = state->segment[SEG_CS].attributes;

    if ((state->efer & EFER_LMA) && (attributes & SEGMENT_LONG)) {
        return INSN_64;
    }
    return attributes & SEGMENT_BIG ? INSN_32 : INSN_16;
}

uint64_t emulate_linear(const struct vcpu_state *state, enum insn_mode mode, unsigned segment,
                        uint64_t offset)
{
    uint64_t base = state->segment[segment].base;

    if (mode == INSN_64) { /* only FS and GS have a base there */
        return segment == SEG_FS || segment == SEG_GS ? base + offset : offset;
    }
    return (uint32_t)(base + offset);
}

/* AH, CH, DH, BH: bytes without REX, from the fifth on (SDM vol 2, table 3-1). */
static bool is_high_byte(const struct insn *insn, unsigned number, unsigned size)
{
    return size == 1 && insn->rex == 0 && number >= 4;
}

static uint64_t read_register(const struct vcpu_state *state, const struct insn *insn,
                              unsigned number, unsigned size)
{
    if (is_high_byte(insn, number, size)) {
        return state->gpr[number - 4] >> 8 & 0xff;
    }
    return state->gpr[number] & operand_mask(size);
}

static void write_register(struct vcpu_state *state, const struct insn *insn, unsigned number,
                           unsigned size, uint64_t value)
{
    if (is_high_byte(insn, number, size)) {
        uint64_t *gpr = &state->gpr[number - 4];
        *gpr = (*gpr & ~UINT64_C(0xff00)) | (value & 0xff) << 8;
        return;
    }
    state->gpr[number] = operand_merge(state->gpr[number], size, value);
    if (number == GPR_RSP) {
        state->dirty |= STATE_RSP;
    }
}

void emulate_advance(struct vcpu_state *state, const struct insn *insn)
{
    state->rip += insn->length;
    if (insn->mode != INSN_64) {
        state->rip &= insn->mode == INSN_32 ? UINT32_MAX : UINT16_MAX;
    }
    state->rflags &= ~(uint64_t)RF;
    state->interruptibility &= ~(uint32_t)BLOCKED_BY_STI_OR_MOV_SS;
    state->dirty |= STATE_IP;
}

/* ---- Operations --------------------------------------------------------------------------- */

enum kind { ARITHMETIC, BIT, MOV, NOT, NEG, XCHG, XADD, CMPXCHG };
enum bit { BT, BTS, BTR, BTC }; /* as the opcodes number them */

struct operation {
    enum kind kind;
    enum arithmetic arithmetic; /* of ARITHMETIC */
    enum bit bit;               /* of BIT */
    bool immediate;             /* the other operand is no register */
    bool to_register;           /* which is the destination */
    bool only_flags;            /* CMP, TEST */
    bool bit_string;            /* BT with a register: reaches beyond the operand */
    bool sign;                  /* a smaller operand in memory is extended so */
    unsigned size, wide;        /* bytes, in memory and as register */
};

static bool set(struct operation *operation, enum kind kind, bool immediate, bool to_register)
{
    operation->kind = kind;
    operation->immediate = immediate;
    operation->to_register = to_register;
    return true;
}

static bool set_arithmetic(struct operation *operation, unsigned which, bool immediate,
                           bool to_register)
{
    operation->arithmetic = (enum arithmetic)which;
    operation->only_flags = which == CMP;
    return set(operation, ARITHMETIC, immediate, to_register);
}

static bool set_test(struct operation *operation, bool immediate)
{
    set_arithmetic(operation, AND, immediate, false);
    operation->only_flags = true;
    return true;
}

static bool set_bit(struct operation *operation, unsigned which, bool immediate)
{
    operation->bit = (enum bit)which;
    operation->bit_string = !immediate;
    return set(operation, BIT, immediate, false);
}

static bool set_extend(struct operation *operation, unsigned size, bool sign)
{
    operation->size = size;
    operation->sign = sign;
    return set(operation, MOV, false, true);
}

static bool set_group_3(struct operation *operation, unsigned member)
{
    return member < 2 ? set_test(operation, true)
                      : member < 4 && set(operation, member == 2 ? NOT : NEG, true, false);
}

static bool one_byte_opcode(struct operation *operation, const struct insn *insn)
{
    uint8_t opcode = insn->opcode;
    unsigned member = insn->reg & 7;

    if (opcode < 0x40 && (opcode & 7) < 4) {
        return set_arithmetic(operation, opcode >> 3, false, opcode & 2);
    }
    switch (opcode) {
    case 0x63: /* MOVSXD */
        return insn->mode == INSN_64 && insn->operand_size >= 4 &&
               set_extend(operation, 4, true);
    case 0x80:
    case 0x81:
    case 0x82:
    case 0x83:
        return set_arithmetic(operation, member, true, false);
    case 0x84:
    case 0x85:
        return set_test(operation, false);
    case 0x86:
    case 0x87:
        return set(operation, XCHG, false, false);
    case 0x88:
    case 0x89:
    case 0xa2:
    case 0xa3:
        return set(operation, MOV, false, false);
    case 0x8a:
    case 0x8b:
    case 0xa0:
    case 0xa1:
        return set(operation, MOV, false, true);
    case 0xc6:
    case 0xc7:
        return member == 0 && set(operation, MOV, true, false);
    case 0xf6:
    case 0xf7:
        return set_group_3(operation, member);
    case 0xfe:
    case 0xff:
        return member < 2 && set_arithmetic(operation, INC + member, true, false);
    default:
        return false;
    }
}

static bool two_byte_opcode(struct operation *operation, const struct insn *insn)
{
    uint8_t opcode = insn->opcode;

    switch (opcode) {
    case 0xa3:
    case 0xab:
    case 0xb3:
    case 0xbb:
        return set_bit(operation, opcode >> 3 & 3, false);
    case 0xba:
        return (insn->reg & 4) && set_bit(operation, insn->reg & 3, true);
    case 0xb0:
    case 0xb1:
        return set(operation, CMPXCHG, false, false);
    case 0xb6:
    case 0xb7:
        return set_extend(operation, opcode & 1 ? 2 : 1, false);
    case 0xbe:
    case 0xbf:
        return set_extend(operation, opcode & 1 ? 2 : 1, true);
    case 0xc0:
    case 0xc1:
        return set(operation, XADD, false, false);
    case 0xc3: /* MOVNTI */
        return insn->operand_size >= 4 && set(operation, MOV, false, false);
    default:
        return false;
    }
}

static bool recognise(struct operation *operation, const struct insn *insn)
{
    *operation = (struct operation){ .size = insn->operand_size, .wide = insn->operand_size };
    if (insn->encoding != INSN_LEGACY || !insn->has_memory) {
        return false;
    }
    return insn->map == MAP_ONE_BYTE ? one_byte_opcode(operation, insn)
           : insn->map == MAP_0F     ? two_byte_opcode(operation, insn)
                                     : false;
}

/* ---- What they do with values --------------------------------------------------------------- */

struct outcome {
    bool writes_memory, writes_register, writes_accumulator;
    uint64_t memory, reg; /* of the accumulator, if that is the one */
    uint64_t rflags;
};

static void compute_arithmetic(const struct operation *operation, uint64_t memory, uint64_t other,
                               struct outcome *out)
{
    bool to_register = operation->to_register;
    uint64_t result =
        arithmetic(operation->arithmetic, to_register ? other : memory,
                   to_register ? memory : other, operation->size, &out->rflags);

    out->memory = out->reg = result;
    out->writes_register = !operation->only_flags && to_register;
    out->writes_memory = !operation->only_flags && !to_register;
}

static void compute_bit(const struct operation *operation, uint64_t memory, uint64_t other,
                        struct outcome *out)
{
    uint64_t bit = UINT64_C(1) << (other & (8 * operation->size - 1));

    out->rflags = (out->rflags & ~(uint64_t)RFLAGS_CF) | (memory & bit ? RFLAGS_CF : 0);
    out->memory = operation->bit == BTS   ? memory | bit
                  : operation->bit == BTR ? memory & ~bit
                                          : memory ^ bit;
    out->writes_memory = operation->bit != BT;
}

/* Memory is written in either case (SDM vol 2, "CMPXCHG"). */
static void compute_cmpxchg(const struct operation *operation, uint64_t memory, uint64_t other,
                            uint64_t accumulator, struct outcome *out)
{
    bool equal = accumulator == memory;

    arithmetic(CMP, accumulator, memory, operation->size, &out->rflags);
    out->writes_memory = true;
    out->memory = equal ? other : memory;
    out->writes_accumulator = !equal;
    out->reg = memory;
}

static void compute(const struct operation *operation, uint64_t memory, uint64_t other,
                    uint64_t accumulator, struct outcome *out)
{
    unsigned size = operation->size;

    switch (operation->kind) {
    case ARITHMETIC:
        compute_arithmetic(operation, memory, other, out);
        break;
    case BIT:
        compute_bit(operation, memory, other, out);
        break;
    case MOV:
        out->writes_register = operation->to_register;
        out->writes_memory = !operation->to_register;
        out->reg = operation->sign ? operand_sign_extend(memory, size) : memory;
        out->memory = other;
        break;
    case NOT:
        out->writes_memory = true;
        out->memory = ~memory & operand_mask(size);
        break;
    case NEG:
        out->writes_memory = true;
        out->memory = arithmetic(SUB, 0, memory, size, &out->rflags);
        break;
    case XCHG:
        out->writes_register = out->writes_memory = true;
        out->reg = memory;
        out->memory = other;
        break;
    case XADD:
        out->writes_register = out->writes_memory = true;
        out->reg = memory;
        out->memory = arithmetic(ADD, memory, other, size, &out->rflags);
        break;
    case CMPXCHG:
        compute_cmpxchg(operation, memory, other, accumulator, out);
        break;
    }
}

/* ---- Memory ------------------------------------------------------------------------------- */

bool emulate_access(const struct emulate_window *window, uint64_t linear, unsigned size,
                    bool write, uint64_t *value)
{
    const struct emulate_ops *ops = window->ops;

    if ((linear & IN_PAGE) + size > PAGE_SIZE) {
        return ops->linear(ops->context, linear, size, write, value);
    }
    return ops->access(ops->context, (window->gpa & ~IN_PAGE) | (linear & IN_PAGE), size, write,
                       value);
}

/* Of BT with a register, the bits' number counts from the operand on, in both directions. */
static uint64_t operand_offset(const struct vcpu_state *state, const struct insn *insn,
                               const struct operation *operation, uint64_t other)
{
    uint64_t offset = insn_offset(insn, state->gpr, state->rip);

    if (operation->bit_string) {
        unsigned shift = operation->size == 2 ? 4 : operation->size == 4 ? 5 : 6;
        int64_t operands = (int64_t)operand_sign_extend(other, operation->size) >> shift;
        offset = (offset + (uint64_t)operands * operation->size) & operand_mask(insn->address_size);
    }
    return offset;
}

static enum emulate_result execute(struct vcpu_state *state, const struct insn *insn,
                                   const struct operation *operation,
                                   const struct emulate_window *window)
{
    unsigned number = insn->has_modrm ? insn->reg : GPR_RAX;
    uint64_t accumulator = state->gpr[GPR_RAX] & operand_mask(operation->size);
    uint64_t other = operation->immediate
                         ? insn->immediate & operand_mask(operation->size)
                         : read_register(state, insn, number, operation->wide);
    uint64_t linear = emulate_linear(state, insn->mode, insn->memory.segment,
                                     operand_offset(state, insn, operation, other));
    bool reads = operation->kind != MOV || operation->to_register;
    struct outcome outcome = { .rflags = state->rflags };
    uint64_t memory = 0;

    if (reads && !emulate_access(window, linear, operation->size, false, &memory)) {
        return EMULATE_FAULT;
    }
    compute(operation, memory, other, accumulator, &outcome);
    if (outcome.writes_memory &&
        !emulate_access(window, linear, operation->size, true, &outcome.memory)) {
        return EMULATE_FAULT;
    }
    if (outcome.writes_register) {
        write_register(state, insn, number, operation->wide, outcome.reg);
    }
    if (outcome.writes_accumulator) {
        state->gpr[GPR_RAX] = operand_merge(state->gpr[GPR_RAX], operation->size, outcome.reg);
    }
    state->rflags = outcome.rflags;
    emulate_advance(state, insn);
    return EMULATE_DONE;
}

enum emulate_result emulate_mmio(struct vcpu_state *state, const struct insn *insn,
                                 const struct emulate_ops *ops, uint64_t fault_gpa)
{
    struct emulate_window window = { .ops = ops, .gpa = fault_gpa };
    struct operation operation;

    if (emulate_is_string(insn)) {
        return emulate_string_mmio(state, insn, &window);
    }
    if (!recognise(&operation, insn)) {
        return EMULATE_UNKNOWN;
    }
    return execute(state, insn, &operation, &window);
}
