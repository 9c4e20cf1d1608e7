/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the guest stands in its code, for hardware that tells neither the length of an
 * intercepted instruction nor its bytes.
 *
 * Since the exit's reason says which instruction it was, only its prefixes can vary, and no
 * general decoder is needed. The bytes are read anew for every exit through the guest's own page
 * tables, as the guest may change both at any time; what is remembered of a place only makes it
 * quick to see that they have not changed. The walk checks no rights and sets no accessed bits,
 * as the processor has done both a moment ago.
 */
#include "code.h"

#include "emulate.h"
#include "guest.h"
#include "lib/registers.h"

#define PTE_PRESENT 0x1u
#define PTE_LARGE 0x80u
#define PTE_ADDRESS UINT64_C(0x000ffffffffff000)

/* ---- Translation -------------------------------------------------------------------------- */

/* The guest's other vCPUs may write there at the same time. */
static uint64_t read_once(const uint64_t *from)
{
    return __atomic_load_n(from, __ATOMIC_RELAXED);
}

/*
 * The byte at a linear address of a guest in long mode, or NULL (SDM vol 3, 4.5); in *place, the
 * entries on the way. RAM begins at 0 and is whole pages, so that a table that begins in RAM lies
 * in it.
 */
static const uint8_t *translate_long(const struct guest_ram *ram, uint64_t cr3, uint64_t linear,
                                     struct code_place *place)
{
    uint64_t table = cr3 & PTE_ADDRESS, entry;
    unsigned shift = 39, level = 0;
    const uint64_t *at;

    for (;; shift -= 9, level++) {
        if (table >= ram->size) {
            return NULL;
        }
        at = (const uint64_t *)(ram->host + table) + (linear >> shift & 0x1ff);
        entry = read_once(at);
        if (!(entry & PTE_PRESENT)) {
            return NULL;
        }
        place->entry[level] = at;
        place->value[level] = entry;
        table = entry & PTE_ADDRESS;
        if (shift == PAGE_SHIFT || ((entry & PTE_LARGE) && shift != 39)) {
            break;
        }
    }
    while (++level < 4) {
        place->entry[level] = at;
        place->value[level] = entry;
    }
    uint64_t in_page = (UINT64_C(1) << shift) - 1;
    uint64_t gpa = (table & ~in_page) | (linear & in_page);

    return gpa < ram->size ? ram->host + gpa : NULL;
}

/* The same in all modes. */
static const uint8_t *translate(struct vcpu *vcpu, uint64_t linear)
{
    const struct guest_ram *ram = &vcpu->vm->machine.setup.ram;
    struct walk_result result;

    if (vcpu->state->efer & EFER_LMA) {
        struct code_place unused;
        return translate_long(ram, vcpu->state->cr3, linear, &unused);
    }
    return guest_walk(vcpu, linear, WALK_FETCH | guest_access(vcpu), &result) == WALK_DONE
               ? guest_ram_at(ram, result.gpa, 1)
               : NULL;
}

/* Where the next instruction is. */
static uint64_t find_linear_ip(struct vcpu *vcpu)
{
    const struct vcpu_state *state = vcpu->state;

    vcpu_need(vcpu, STATE_IP | STATE_CONTROL | STATE_CODE);
    return code_is_64_bit(state) ? state->rip
                                 : (uint32_t)(state->segment[SEG_CS].base + state->rip);
}

void code_fetch(struct vcpu *vcpu, struct code *code)
{
    uint64_t linear = find_linear_ip(vcpu);
    const uint8_t *from = translate(vcpu, linear);
    uint64_t in_page = PAGE_SIZE - (linear & (PAGE_SIZE - 1));

    code->length = 0;
    if (!from) {
        return;
    }
    if (in_page >= CODE_MAX) {
        __builtin_memcpy(code->byte, from, CODE_MAX);
        code->length = CODE_MAX;
        return;
    }
    __builtin_memcpy(code->byte, from, in_page);
    code->length = (uint8_t)in_page;
    from = translate(vcpu, linear + in_page);
    if (from) {
        __builtin_memcpy(code->byte + in_page, from, CODE_MAX - in_page);
        code->length = CODE_MAX;
    }
}

/* RIP of a place that nobody stands at: no canonical address. */
#define CODE_NOWHERE (UINT64_C(1) << 63)

/* ---- Places ------------------------------------------------------------------------------- */

static inline uint64_t read_bytes(const struct code_place *place, unsigned half)
{
    uint64_t bytes;

    __builtin_memcpy(&bytes, place->at + half * sizeof(bytes), sizeof(bytes));
    return bytes;
}

static inline bool has_entry(const struct code_place *place, unsigned level)
{
    return read_once(place->entry[level]) == place->value[level];
}

/* Does the guest stand at this place, which is in use, and is it as it was? STATE_IP, CONTROL and
 * CODE are valid. This is on the way of every CPUID where the hardware tells no length: no loop. */
static inline bool is_same(const struct code_place *place, const struct vcpu_state *state)
{
    return place->rip == state->rip && place->cr3 == state->cr3 &&
           code_is_64_bit(state) && has_entry(place, 0) && has_entry(place, 1) &&
           has_entry(place, 2) && has_entry(place, 3) &&
           read_bytes(place, 0) == place->bytes[0] && read_bytes(place, 1) == place->bytes[1];
}

/* Takes up the place where the guest stands; at == NULL if it cannot be remembered. */
static void find_place(const struct vcpu *vcpu, struct code_place *place)
{
    const struct vcpu_state *state = vcpu->state;

    *place = (struct code_place){ .rip = CODE_NOWHERE };
    if (!code_is_64_bit(state) || (state->rip & (PAGE_SIZE - 1)) > PAGE_SIZE - CODE_WINDOW) {
        return;
    }
    place->at =
        translate_long(&vcpu->vm->machine.setup.ram, state->cr3, state->rip, place);
    if (place->at) {
        place->rip = state->rip;
        place->cr3 = state->cr3;
        place->bytes[0] = read_bytes(place, 0);
        place->bytes[1] = read_bytes(place, 1);
    }
}

static inline struct code_place *hash(struct vcpu *vcpu)
{
    struct code_place *place = &vcpu->code.place[vcpu->state->rip / 8 % CODE_PLACES];

    __asm__("" : "+r"(place)); /* computed once, and not again for each of its fields */
    return place;
}

/* The bytes there, as they were when it was taken up. */
static void fetch_place(struct vcpu *vcpu, const struct code_place *place, struct code *code)
{
    if (place->at) {
        __builtin_memcpy(code->byte, place->bytes, CODE_MAX);
        code->length = CODE_MAX;
    } else {
        code_fetch(vcpu, code);
    }
}

__attribute__((noinline)) static void decode_place(struct vcpu *vcpu, struct code_place *place)
{
    struct code code;

    fetch_place(vcpu, place, &code);
    place->decoded =
        insn_decode(&place->insn, code.byte, code.length, emulate_mode(vcpu->state)) > 0;
}

const struct insn *code_decode(struct vcpu *vcpu)
{
    vcpu_need(vcpu, STATE_IP | STATE_CONTROL | STATE_CODE);
    struct code_place *place = hash(vcpu);

    if (!place->decoded || !is_same(place, vcpu->state)) {
        find_place(vcpu, place);
        decode_place(vcpu, place);
    }
    return place->decoded ? &place->insn : NULL;
}

/* ---- Lengths ------------------------------------------------------------------------------ */

/* What an exit's reason says of its instruction: one of these, first byte lowest. */
struct opcode {
    uint8_t length; /* 0: an instruction with operands, or none at all */
    uint32_t value[2];
};

static const struct opcode opcodes[EXIT_REASON_COUNT] = {
    [EXIT_CPUID] = { 2, { 0xa20f, 0xa20f } },
    [EXIT_HLT] = { 1, { 0xf4, 0xf4 } },
    [EXIT_MSR_READ] = { 2, { 0x320f, 0x320f } },
    [EXIT_MSR_WRITE] = { 2, { 0x300f, 0x300f } },
    [EXIT_HYPERCALL] = { 3, { 0xd9010f, 0xc1010f } }, /* VMMCALL, VMCALL */
    [EXIT_CACHE] = { 2, { 0x080f, 0x090f } },         /* INVD, WBINVD */
    [EXIT_XSETBV] = { 3, { 0xd1010f, 0xd1010f } },
};

/* The length of the opcode when `word` starts with what the reason says; otherwise 0. */
static uint32_t match(uint32_t word, uint32_t reason)
{
    const struct opcode *opcode = &opcodes[reason];

    word &= (1u << 8 * opcode->length) - 1;
    return word == opcode->value[0] || word == opcode->value[1] ? opcode->length : 0;
}

static bool is_prefix(uint8_t byte, bool long_mode)
{
    switch (byte) {
    case 0x26: /* segments */
    case 0x2e:
    case 0x36:
    case 0x3e:
    case 0x64:
    case 0x65:
    case 0x66: /* sizes */
    case 0x67:
    case 0xf0: /* LOCK, REP */
    case 0xf2:
    case 0xf3:
        return true;
    default:
        return long_mode && (byte & 0xf0) == 0x40; /* REX */
    }
}

static uint32_t find_length(struct vcpu *vcpu, const struct code_place *place)
{
    struct code code;
    uint32_t word = 0;
    unsigned at = 0;

    fetch_place(vcpu, place, &code);
    bool long_mode = code_is_64_bit(vcpu->state);
    while (at < code.length && is_prefix(code.byte[at], long_mode)) {
        at++;
    }
    for (unsigned i = 0; i < 3 && at + i < code.length; i++) {
        word |= (uint32_t)code.byte[at + i] << 8 * i;
    }
    uint32_t length = match(word, vcpu->state->exit.reason);

    return length != 0 ? at + length : 0;
}

__attribute__((noinline)) static uint32_t take_up_length(struct vcpu *vcpu,
                                                         struct code_place *place)
{
    find_place(vcpu, place);
    place->reason = vcpu->state->exit.reason;
    place->length = find_length(vcpu, place);
    return place->length;
}

__attribute__((noinline)) uint32_t code_length(struct vcpu *vcpu)
{
    vcpu_need(vcpu, STATE_IP | STATE_CONTROL | STATE_CODE);
    struct code_place *place = hash(vcpu);

    return place->reason == vcpu->state->exit.reason && is_same(place, vcpu->state)
               ? place->length
               : take_up_length(vcpu, place);
}
