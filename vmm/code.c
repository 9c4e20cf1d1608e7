/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the guest stands in its code, for hardware that tells neither the length of an
 * intercepted instruction nor its bytes.
 *
 * Since the exit's reason says which instruction it was, only its prefixes can vary, and no
 * general decoder is needed. The bytes are read anew for every exit through the guest's own page
 * tables: the guest may change those at any time, so no cached translation would be right. The
 * walk checks no rights and sets no accessed bits, as the processor has done both a moment ago.
 */
#include "code.h"

#include "guest.h"

#define EFER_LMA (UINT64_C(1) << 10)
#define PTE_PRESENT 0x1u
#define PTE_LARGE 0x80u
#define PTE_ADDRESS UINT64_C(0x000ffffffffff000)

/* ---- Translation -------------------------------------------------------------------------- */

/*
 * The byte at a linear address of a guest in long mode, or NULL (SDM vol 3, 4.5). This is on the
 * way of every CPUID where the hardware tells no length, so it is as short as can be: RAM begins
 * at 0 and is whole pages, so that a table that begins in RAM lies in it.
 */
static const uint8_t *translate_long(const struct guest_ram *ram, uint64_t cr3, uint64_t linear)
{
    uint64_t table = cr3 & PTE_ADDRESS;
    unsigned shift = 39;

    for (;; shift -= 9) {
        if (table >= ram->size) {
            return NULL;
        }
        uint64_t entry = ((const uint64_t *)(ram->host + table))[linear >> shift & 0x1ff];
        if (!(entry & PTE_PRESENT)) {
            return NULL;
        }
        table = entry & PTE_ADDRESS;
        if (shift == PAGE_SHIFT || ((entry & PTE_LARGE) && shift != 39)) {
            break;
        }
    }
    uint64_t in_page = (UINT64_C(1) << shift) - 1;
    uint64_t gpa = (table & ~in_page) | (linear & in_page);

    return gpa < ram->size ? ram->host + gpa : NULL;
}

/* The same in all modes. */
static const uint8_t *translate(struct vm *vm, uint64_t linear)
{
    const struct guest_ram *ram = &vm->machine.setup.ram;
    struct walk_result result;

    if (vm->state->efer & EFER_LMA) {
        return translate_long(ram, vm->state->cr3, linear);
    }
    return guest_walk(vm, linear, WALK_FETCH | guest_access(vm), &result) == WALK_DONE
               ? guest_ram_at(ram, result.gpa, 1)
               : NULL;
}

/* Where the next instruction is. */
static uint64_t find_linear_ip(struct vm *vm)
{
    const struct vcpu_state *state = vm->state;

    vm_need(vm, STATE_IP | STATE_CONTROL | STATE_CODE);
    return code_is_64_bit(state) ? state->rip
                                 : (uint32_t)(state->segment[SEG_CS].base + state->rip);
}

void code_fetch(struct vm *vm, struct code *code)
{
    uint64_t linear = find_linear_ip(vm);
    const uint8_t *from = translate(vm, linear);
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
    from = translate(vm, linear + in_page);
    if (from) {
        __builtin_memcpy(code->byte + in_page, from, CODE_MAX - in_page);
        code->length = CODE_MAX;
    }
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

/* With prefixes, or across the end of a page. */
static uint32_t long_way(struct vm *vm)
{
    struct code code;
    uint32_t word = 0;
    unsigned at = 0;

    code_fetch(vm, &code);
    bool long_mode = code_is_64_bit(vm->state);
    while (at < code.length && is_prefix(code.byte[at], long_mode)) {
        at++;
    }
    for (unsigned i = 0; i < 3 && at + i < code.length; i++) {
        word |= (uint32_t)code.byte[at + i] << 8 * i;
    }
    uint32_t length = match(word, vm->state->exit.reason);

    return length != 0 ? at + length : 0;
}

/* The usual case is short: no prefix, and no end of a page in the next four bytes. */
uint32_t code_length(struct vm *vm)
{
    uint64_t linear = find_linear_ip(vm);
    const uint8_t *from = translate(vm, linear);

    if (from && (linear & (PAGE_SIZE - 1)) <= PAGE_SIZE - sizeof(uint32_t)) {
        uint32_t word;
        __builtin_memcpy(&word, from, sizeof(word));
        uint32_t length = match(word, vm->state->exit.reason);
        if (length != 0) {
            return length;
        }
    }
    return long_way(vm);
}
