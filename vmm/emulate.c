/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An instruction with a memory operand is brought into one form (struct operation), computed on
 * values alone (struct outcome), and only then written back: memory first, which may be refused,
 * then registers, flags and RIP. Strings go their own way below.
 */
#include "emulate.h"

#define CF 0x001u
#define PF 0x004u
#define AF 0x010u
#define ZF 0x040u
#define SF 0x080u
#define DF 0x400u
#define OF 0x800u
#define STATUS_FLAGS (CF | PF | AF | ZF | SF | OF)
#define RF 0x10000u

#define EFER_LMA (UINT64_C(1) << 10)
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

static uint64_t mask_of(unsigned size)
{
    return UINT64_MAX >> (64 - 8 * size);
}

static uint64_t sign_extend(uint64_t value, unsigned size)
{
    uint64_t sign = UINT64_C(1) << (8 * size - 1);

    return ((value & mask_of(size)) ^ sign) - sign;
}

/* `old` with its lowest `size` bytes replaced; 32-bit results clear the upper half. */
static uint64_t merge(uint64_t old, unsigned size, uint64_t value)
{
    uint64_t keep = size < 4 ? ~mask_of(size) : 0;

    return (old & keep) | (value & mask_of(size));
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
    return state->gpr[number] & mask_of(size);
}

static void write_register(struct vcpu_state *state, const struct insn *insn, unsigned number,
                           unsigned size, uint64_t value)
{
    if (is_high_byte(insn, number, size)) {
        uint64_t *gpr = &state->gpr[number - 4];
        *gpr = (*gpr & ~UINT64_C(0xff00)) | (value & 0xff) << 8;
        return;
    }
    state->gpr[number] = merge(state->gpr[number], size, value);
    if (number == GPR_RSP) {
        state->dirty |= STATE_RSP;
    }
}

/* The instruction is over. */
static void advance(struct vcpu_state *state, const struct insn *insn)
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

enum kind {
    ADD, OR, ADC, SBB, AND, SUB, XOR, CMP, /* as the opcodes number them */
    BT, BTS, BTR, BTC,                     /* likewise */
    MOV, TEST, XCHG, XADD, CMPXCHG, NOT, NEG, INC, DEC,
};

struct operation {
    enum kind kind;
    unsigned size;    /* bytes in memory */
    bool immediate;   /* the other operand is no register */
    bool to_register; /* which is the destination */
    bool sign;        /* a smaller memory operand is extended so */
    unsigned wide;    /* to this size */
    bool bit_string;  /* BT with a register: reaches beyond the operand */
};

static bool set(struct operation *operation, enum kind kind, bool immediate, bool to_register)
{
    operation->kind = kind;
    operation->immediate = immediate;
    operation->to_register = to_register;
    return true;
}

static bool extend(struct operation *operation, unsigned size, bool sign)
{
    operation->size = size;
    operation->sign = sign;
    return set(operation, MOV, false, true);
}

/* Opcodes that the ModRM's middle field completes. */
static bool group(struct operation *operation, const struct insn *insn)
{
    static const enum kind unary[8] = { TEST, TEST, NOT, NEG };
    unsigned member = insn->reg & 7;

    switch (insn->opcode) {
    case 0xc6:
    case 0xc7:
        return member == 0 && set(operation, MOV, true, false);
    case 0xf6:
    case 0xf7:
        return member < 4 && set(operation, unary[member], true, false);
    case 0xfe:
    case 0xff:
        return member < 2 && set(operation, member == 0 ? INC : DEC, true, false);
    default: /* 80 to 83 */
        return set(operation, ADD + member, true, false);
    }
}

static bool one_byte_opcode(struct operation *operation, const struct insn *insn)
{
    uint8_t opcode = insn->opcode;

    if (opcode < 0x40 && (opcode & 7) < 4) {
        return set(operation, ADD + (opcode >> 3), false, opcode & 2);
    }
    switch (opcode) {
    case 0x63:
        return insn->mode == INSN_64 && insn->operand_size >= 4 && extend(operation, 4, true);
    case 0x80:
    case 0x81:
    case 0x82:
    case 0x83:
    case 0xc6:
    case 0xc7:
    case 0xf6:
    case 0xf7:
    case 0xfe:
    case 0xff:
        return group(operation, insn);
    case 0x84:
    case 0x85:
        return set(operation, TEST, false, false);
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
        operation->bit_string = true;
        return set(operation, BT + (opcode >> 3 & 3), false, false);
    case 0xba:
        return (insn->reg & 4) && set(operation, BT + (insn->reg & 3), true, false);
    case 0xb0:
    case 0xb1:
        return set(operation, CMPXCHG, false, false);
    case 0xb6:
    case 0xb7:
        return extend(operation, opcode & 1 ? 2 : 1, false);
    case 0xbe:
    case 0xbf:
        return extend(operation, opcode & 1 ? 2 : 1, true);
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

/* ---- Arithmetic --------------------------------------------------------------------------- */

struct outcome {
    bool writes_memory, writes_register, writes_accumulator;
    uint64_t memory, reg; /* of the accumulator, if that is the one */
    uint64_t rflags;
};

/* `carry` and `overflow` hold, bit by bit, what each position passed on or overflowed. */
static uint64_t status_flags(uint64_t result, uint64_t carry, uint64_t overflow, unsigned size)
{
    unsigned top = 8 * size - 1;

    return (carry >> top & 1 ? CF : 0u) | (carry >> 3 & 1 ? AF : 0u) |
           (overflow >> top & 1 ? OF : 0u) | (result >> top & 1 ? SF : 0u) |
           ((result & mask_of(size)) == 0 ? ZF : 0u) |
           (__builtin_parity((unsigned)result & 0xff) ? 0u : PF);
}

static void set_status(uint64_t *rflags, uint64_t flags, uint64_t kept)
{
    *rflags = (*rflags & (~(uint64_t)STATUS_FLAGS | kept)) | (flags & ~kept);
}

static uint64_t add(uint64_t a, uint64_t b, unsigned carry, unsigned size, uint64_t *flags)
{
    uint64_t sum = a + b + carry;

    *flags = status_flags(sum, (a & b) | ((a | b) & ~sum), (a ^ sum) & (b ^ sum), size);
    return sum & mask_of(size);
}

static uint64_t subtract(uint64_t a, uint64_t b, unsigned borrow, unsigned size, uint64_t *flags)
{
    uint64_t rest = a - b - borrow;

    *flags = status_flags(rest, (~a & b) | ((~a | b) & rest), (a ^ b) & (a ^ rest), size);
    return rest & mask_of(size);
}

/* The eight operations of the opcodes 00 to 3f. */
static uint64_t calculate(enum kind kind, uint64_t a, uint64_t b, unsigned size, uint64_t *rflags)
{
    unsigned carry = (kind == ADC || kind == SBB) && (*rflags & CF);
    uint64_t flags, result;

    switch (kind) {
    case ADD:
    case ADC:
        result = add(a, b, carry, size, &flags);
        break;
    case SUB:
    case SBB:
    case CMP:
        result = subtract(a, b, carry, size, &flags);
        break;
    default:
        result = kind == OR ? a | b : kind == AND ? a & b : a ^ b;
        flags = status_flags(result, 0, 0, size);
        break;
    }
    set_status(rflags, flags, 0);
    return result;
}

static void compute_two(const struct operation *operation, uint64_t memory, uint64_t other,
                        struct outcome *out)
{
    uint64_t a = operation->to_register ? other : memory;
    uint64_t b = operation->to_register ? memory : other;
    uint64_t result = calculate(operation->kind, a, b, operation->size, &out->rflags);

    out->memory = out->reg = result;
    out->writes_register = operation->kind != CMP && operation->to_register;
    out->writes_memory = operation->kind != CMP && !operation->to_register;
}

static void compute_bit(const struct operation *operation, uint64_t memory, uint64_t other,
                        struct outcome *out)
{
    uint64_t bit = UINT64_C(1) << (other & (8 * operation->size - 1));

    out->rflags = (out->rflags & ~(uint64_t)CF) | (memory & bit ? CF : 0);
    out->memory = operation->kind == BTS   ? memory | bit
                  : operation->kind == BTR ? memory & ~bit
                                           : memory ^ bit;
    out->writes_memory = operation->kind != BT;
}

static void compute_one(const struct operation *operation, uint64_t memory, struct outcome *out)
{
    bool counts = operation->kind == INC || operation->kind == DEC; /* CF stays */
    uint64_t flags;

    out->writes_memory = true;
    if (operation->kind == NOT) {
        out->memory = ~memory & mask_of(operation->size);
        return;
    }
    out->memory = operation->kind == INC   ? add(memory, 1, 0, operation->size, &flags)
                  : operation->kind == DEC ? subtract(memory, 1, 0, operation->size, &flags)
                                           : subtract(0, memory, 0, operation->size, &flags);
    set_status(&out->rflags, flags, counts ? CF : 0);
}

/* Memory is written in either case (SDM vol 2, "CMPXCHG"). */
static void compute_cmpxchg(const struct operation *operation, uint64_t memory, uint64_t other,
                            uint64_t accumulator, struct outcome *out)
{
    bool equal = accumulator == memory;

    calculate(CMP, accumulator, memory, operation->size, &out->rflags);
    out->writes_memory = true;
    out->memory = equal ? other : memory;
    out->writes_accumulator = !equal;
    out->reg = memory;
}

static void compute(const struct operation *operation, uint64_t memory, uint64_t other,
                    uint64_t accumulator, struct outcome *out)
{
    uint64_t flags;

    switch (operation->kind) {
    case BT:
    case BTS:
    case BTR:
    case BTC:
        compute_bit(operation, memory, other, out);
        return;
    case MOV:
        out->writes_register = operation->to_register;
        out->writes_memory = !operation->to_register;
        out->reg = operation->sign ? sign_extend(memory, operation->size) : memory;
        out->memory = other;
        return;
    case TEST:
        calculate(AND, memory, other, operation->size, &out->rflags);
        return;
    case XCHG:
    case XADD:
        out->writes_register = out->writes_memory = true;
        out->reg = memory;
        out->memory = other;
        if (operation->kind == XADD) {
            out->memory = add(memory, other, 0, operation->size, &flags);
            set_status(&out->rflags, flags, 0);
        }
        return;
    case CMPXCHG:
        compute_cmpxchg(operation, memory, other, accumulator, out);
        return;
    case NOT:
    case NEG:
    case INC:
    case DEC:
        compute_one(operation, memory, out);
        return;
    default:
        compute_two(operation, memory, other, out);
        return;
    }
}

/* ---- Memory ------------------------------------------------------------------------------- */

/* The device's page, as the guest's address and the physical one. */
struct window {
    const struct emulate_ops *ops;
    uint64_t linear, gpa;
};

static bool crosses_page(uint64_t linear, unsigned size)
{
    return (linear & IN_PAGE) + size > PAGE_SIZE;
}

/* `linear` starts in the window's page. What the hardware told was the address of the first byte
 * without RAM: of an access across pages that may be the second page, so it is translated. */
static bool access_window(const struct window *window, uint64_t linear, unsigned size, bool write,
                          uint64_t *value)
{
    const struct emulate_ops *ops = window->ops;
    uint64_t gpa = (window->gpa & ~IN_PAGE) | (linear & IN_PAGE);

    if (crosses_page(linear, size)) {
        return ops->linear(ops->context, linear, size, write, value);
    }
    return ops->access(ops->context, gpa, size, write, value);
}

static uint64_t cut(uint64_t address, unsigned address_size)
{
    return address & mask_of(address_size);
}

/* Of BT with a register, the bits' number counts from the operand on, in both directions. */
static uint64_t operand_offset(const struct vcpu_state *state, const struct insn *insn,
                               const struct operation *operation, uint64_t other)
{
    uint64_t offset = insn_offset(insn, state->gpr, state->rip);

    if (operation->bit_string) {
        unsigned shift = operation->size == 2 ? 4 : operation->size == 4 ? 5 : 6;
        int64_t operands = (int64_t)sign_extend(other, operation->size) >> shift;
        offset = cut(offset + (uint64_t)operands * operation->size, insn->address_size);
    }
    return offset;
}

static enum emulate_result execute(struct vcpu_state *state, const struct insn *insn,
                                   const struct operation *operation, struct window *window)
{
    unsigned register_number = insn->has_modrm ? insn->reg : GPR_RAX;
    uint64_t other = operation->immediate
                         ? insn->immediate & mask_of(operation->size)
                         : read_register(state, insn, register_number, operation->wide);
    struct outcome outcome = { .rflags = state->rflags };
    uint64_t memory = 0;

    window->linear = emulate_linear(state, insn->mode, insn->memory.segment,
                                    operand_offset(state, insn, operation, other));
    bool reads = operation->kind != MOV || operation->to_register;
    if (reads && !access_window(window, window->linear, operation->size, false, &memory)) {
        return EMULATE_FAULT;
    }
    compute(operation, memory, other, state->gpr[GPR_RAX] & mask_of(operation->size), &outcome);
    if (outcome.writes_memory &&
        !access_window(window, window->linear, operation->size, true, &outcome.memory)) {
        return EMULATE_FAULT;
    }
    if (outcome.writes_register) {
        write_register(state, insn, register_number, operation->wide, outcome.reg);
    }
    if (outcome.writes_accumulator) {
        state->gpr[GPR_RAX] = merge(state->gpr[GPR_RAX], operation->size, outcome.reg);
    }
    state->rflags = outcome.rflags;
    advance(state, insn);
    return EMULATE_DONE;
}

/* ---- Strings ------------------------------------------------------------------------------ */

/* Elements moved by one call: the guest shall not wait long for its interrupts. */
#define ELEMENTS_MAX 1024

enum string { MOVS, STOS, LODS, INS, OUTS };

struct string_step {
    enum string kind;
    unsigned size;
    uint64_t source, destination; /* linear addresses, of the element that comes next */
    struct window *window;        /* STOS, LODS */
    const struct emulate_ops *ops;
};

static bool move_element(struct vcpu_state *state, const struct string_step *step)
{
    const struct emulate_ops *ops = step->ops;
    uint16_t port = (uint16_t)state->gpr[GPR_RDX];
    uint64_t *rax = &state->gpr[GPR_RAX];
    uint64_t value = *rax & mask_of(step->size);

    switch (step->kind) {
    case STOS:
        return access_window(step->window, step->destination, step->size, true, &value);
    case LODS:
        if (!access_window(step->window, step->source, step->size, false, &value)) {
            return false;
        }
        *rax = merge(*rax, step->size, value);
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

static void step_register(struct vcpu_state *state, const struct insn *insn, enum vcpu_gpr number,
                          uint64_t by)
{
    state->gpr[number] = merge(state->gpr[number], insn->address_size, state->gpr[number] + by);
}

static bool is_repeated(const struct insn *insn)
{
    return insn->prefixes & (INSN_REP | INSN_REPNE);
}

static bool is_finished(const struct vcpu_state *state, const struct insn *insn)
{
    return is_repeated(insn) && cut(state->gpr[GPR_RCX], insn->address_size) == 0;
}

static void locate(const struct vcpu_state *state, const struct insn *insn,
                   struct string_step *step)
{
    step->source = emulate_linear(state, insn->mode, insn->memory.segment,
                                  cut(state->gpr[GPR_RSI], insn->address_size));
    step->destination = emulate_linear(state, insn->mode, SEG_ES,
                                       cut(state->gpr[GPR_RDI], insn->address_size));
}

/* The registers go on to the next element. */
static void count_element(struct vcpu_state *state, const struct insn *insn,
                          const struct string_step *step)
{
    uint64_t by = state->rflags & DF ? -(uint64_t)step->size : step->size;

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

/* Only of the page that faulted the physical address is known. */
static bool has_left_window(const struct string_step *step)
{
    uint64_t linear = step->kind == LODS ? step->source : step->destination;

    return step->window && ((linear ^ step->window->linear) & ~IN_PAGE);
}

static enum emulate_result execute_string(struct vcpu_state *state, const struct insn *insn,
                                          struct string_step *step)
{
    locate(state, insn, step);
    if (step->window) {
        step->window->linear = step->kind == LODS ? step->source : step->destination;
    }
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
        advance(state, insn);
    }
    return EMULATE_DONE;
}

/* ---- Entrances ---------------------------------------------------------------------------- */

static bool is_string(const struct insn *insn, uint8_t opcode)
{
    return insn->encoding == INSN_LEGACY && insn->map == MAP_ONE_BYTE &&
           (insn->opcode & 0xfe) == opcode;
}

enum emulate_result emulate_mmio(struct vcpu_state *state, const struct insn *insn,
                                 const struct emulate_ops *ops, uint64_t fault_gpa)
{
    struct window window = { .ops = ops, .gpa = fault_gpa };
    struct string_step step = { .size = insn->operand_size, .ops = ops };
    struct operation operation;

    if (is_string(insn, 0xa4)) {
        step.kind = MOVS;
        return execute_string(state, insn, &step);
    }
    if (is_string(insn, 0xaa) || is_string(insn, 0xac)) {
        step.kind = is_string(insn, 0xaa) ? STOS : LODS;
        step.window = &window;
        return execute_string(state, insn, &step);
    }
    if (!recognise(&operation, insn)) {
        return EMULATE_UNKNOWN;
    }
    return execute(state, insn, &operation, &window);
}

enum emulate_result emulate_string_io(struct vcpu_state *state, const struct insn *insn,
                                      const struct emulate_ops *ops)
{
    struct string_step step = { .ops = ops };

    if (!is_string(insn, 0x6c) && !is_string(insn, 0x6e)) {
        return EMULATE_UNKNOWN;
    }
    step.kind = is_string(insn, 0x6c) ? INS : OUTS;
    step.size = insn->operand_size == 8 ? 4 : insn->operand_size; /* no ports of 64 bits */
    return execute_string(state, insn, &step);
}
