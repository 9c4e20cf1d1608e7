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

#include "vm.h"

#define CR0_PG (UINT64_C(1) << 31)
#define CR4_PSE (UINT64_C(1) << 4)
#define CR4_PAE (UINT64_C(1) << 5)
#define EFER_LMA (UINT64_C(1) << 10)
#define PTE_PRESENT 0x1u
#define PTE_LARGE 0x80u
#define PTE_ADDRESS UINT64_C(0x000ffffffffff000)

/* ---- Translation -------------------------------------------------------------------------- */

/* Tables of 64-bit entries (SDM vol 3, 4.4 and 4.5), from the level that translates the bits
 * from `shift` on. */
static uint8_t *walk_64(const struct guest_ram *ram, uint64_t table, unsigned shift,
                        unsigned largest, uint64_t linear)
{
    for (;; shift -= 9) {
        const uint64_t *place = guest_ram_at(ram, table + (linear >> shift & 0x1ff) * 8, 8);
        uint64_t entry = place ? *place : 0;
        if (!(entry & PTE_PRESENT)) {
            return NULL;
        }
        table = entry & PTE_ADDRESS;
        if (shift == PAGE_SHIFT || (shift <= largest && (entry & PTE_LARGE))) {
            uint64_t in_page = (UINT64_C(1) << shift) - 1;
            return guest_ram_at(ram, (table & ~in_page) | (linear & in_page), 1);
        }
    }
}

/* Tables of 32-bit entries (SDM vol 3, 4.3). */
static uint8_t *walk_32(const struct guest_ram *ram, const struct vcpu_state *state,
                        uint32_t linear)
{
    uint64_t directory = (state->cr3 & 0xfffff000) + (uint64_t)(linear >> 22) * 4;
    const uint32_t *place = guest_ram_at(ram, directory, 4);
    uint32_t pde = place ? *place : 0;

    if ((pde & PTE_PRESENT) && (pde & PTE_LARGE) && (state->cr4 & CR4_PSE)) {
        uint64_t high = (uint64_t)(pde >> 13 & 0xff) << 32; /* PSE-36 */
        return guest_ram_at(ram, high | (pde & 0xffc00000) | (linear & 0x3fffff), 1);
    }
    place = pde & PTE_PRESENT
                ? guest_ram_at(ram, (pde & 0xfffff000) + (uint64_t)(linear >> 12 & 0x3ff) * 4, 4)
                : NULL;
    uint32_t pte = place ? *place : 0;

    return pte & PTE_PRESENT ? guest_ram_at(ram, (pte & 0xfffff000) | (linear & 0xfff), 1) : NULL;
}

/* The byte at a linear address, or NULL. Tables are aligned, so that an entry never straddles
 * the end of RAM, and RAM is aligned to pages, so that what follows in the page is there too. */
static uint8_t *translate(const struct guest_ram *ram, const struct vcpu_state *state,
                          uint64_t linear)
{
    if (state->efer & EFER_LMA) {
        return walk_64(ram, state->cr3 & PTE_ADDRESS, 39, 30, linear);
    }
    if (!(state->cr0 & CR0_PG)) {
        return guest_ram_at(ram, (uint32_t)linear, 1);
    }
    if (state->cr4 & CR4_PAE) {
        return walk_64(ram, state->cr3 & 0xffffffe0, 30, 21, (uint32_t)linear);
    }
    return walk_32(ram, state, (uint32_t)linear);
}

static uint64_t linear_ip(const struct vcpu_state *state)
{
    return code_is_64_bit(state) ? state->rip : (uint32_t)(state->segment[SEG_CS].base + state->rip);
}

void code_fetch(struct vm *vm, struct code *code)
{
    const struct guest_ram *ram = &vm->machine.setup.ram;

    vm_need(vm, STATE_IP | STATE_CONTROL | STATE_SEGMENTS);
    uint64_t linear = linear_ip(vm->state);
    const uint8_t *from = NULL;

    code->length = 0;
    while (code->length < CODE_MAX) {
        if (!from || (linear & (PAGE_SIZE - 1)) == 0) {
            from = translate(ram, vm->state, linear);
            if (!from) {
                return;
            }
        }
        code->byte[code->length++] = *from++;
        linear++;
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
    bool long_mode = code_is_64_bit(vm->state);
    struct code code;
    uint32_t word = 0;
    unsigned at = 0;

    code_fetch(vm, &code);
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
    const struct vcpu_state *state = vm->state;

    vm_need(vm, STATE_IP | STATE_CONTROL | STATE_SEGMENTS);
    uint64_t linear = linear_ip(state);
    const uint8_t *from = translate(&vm->machine.setup.ram, state, linear);

    if (from && (linear & (PAGE_SIZE - 1)) <= PAGE_SIZE - sizeof(uint32_t)) {
        uint32_t word;
        __builtin_memcpy(&word, from, sizeof(word));
        uint32_t length = match(word, state->exit.reason);
        if (length != 0) {
            return length;
        }
    }
    return long_way(vm);
}
