/* SPDX-License-Identifier: Apache-2.0 */
#include "guest_state.h"

#include "arguments.h"
#include "chance.h"
#include "lib/string.h"

#define RFLAGS_IF (1UL << 9)
#define CR0_REAL 0x10UL            /* ET */
#define CR0_PROTECTED 0x11UL       /* PE */
#define CR0_PAGED 0x80000011UL     /* PG */
#define CR4_PAE (1UL << 5)
#define EFER_LONG 0x500UL          /* LME, LMA */

/* Guest-physical: what guest_tables writes. */
#define VECTORS 0x0000u            /* of real mode: each to HALTS */
#define HALTS 0x1000u
#define TOP_TABLE 0x2000u          /* identical map of 1 GiB */
#define SECOND_TABLE 0x3000u
#define THIRD_TABLE 0x4000u
#define STACK 0x5ff0u
#define CODE 0x6000u               /* .. the end of the 16 pages */
#define CODE_END (GUEST_KIT_PAGES * PAGE_SIZE)

static bool is_tame(void)
{
    return argument_given("tame");
}

static bool is_calm(void)
{
    return is_tame() || argument_given("calm");
}

/* ---- Memory ---------------------------------------------------------------------------------- */

extern const uint8_t guest_halts[], guest_tame[], guest_fierce[], guest_code_end[]; /* .S */

uint64_t guest_code_page(void)
{
    const uint8_t *end = is_calm() ? guest_fierce : guest_code_end;
    uint64_t pages = (uint64_t)(end - guest_tame) / PAGE_SIZE;

    return (uint64_t)guest_tame + below(pages) * PAGE_SIZE;
}

unsigned guest_kit(void *memory, unsigned number, uint64_t *address)
{
    bool halts = number == HALTS / PAGE_SIZE;

    if (halts || number >= CODE / PAGE_SIZE) {
        *address = halts ? (uint64_t)guest_halts : guest_code_page();
        return MEM_READ | MEM_EXECUTE;
    }
    *address = (uint64_t)memory + number * PAGE_SIZE;
    return MEM_READ | MEM_WRITE;
}

void guest_tables(void *memory)
{
    uint8_t *base = memory;
    uint32_t *vectors = (uint32_t *)(base + VECTORS);
    uint64_t *third = (uint64_t *)(base + THIRD_TABLE);

    memory_set(base, 0, CODE);
    for (unsigned i = 0; i < 256; i++) {
        vectors[i] = (HALTS >> 4) << 16;
    }
    *(uint64_t *)(base + TOP_TABLE) = SECOND_TABLE | 7;
    *(uint64_t *)(base + SECOND_TABLE) = THIRD_TABLE | 7;
    for (unsigned i = 0; i < 512; i++) {
        third[i] = (uint64_t)i << 21 | 0x87; /* 2 MiB, writable, for users too */
    }
}

/* ---- States ---------------------------------------------------------------------------------- */

static void set_segments(struct vcpu_state *state, uint16_t code, uint16_t data, uint32_t limit)
{
    for (unsigned i = 0; i <= SEG_GS; i++) {
        state->segment[i] = (struct vcpu_segment){.attributes = data, .limit = limit};
    }
    state->segment[SEG_CS].attributes = code;
    state->segment[SEG_LDTR] = (struct vcpu_segment){.attributes = SEGMENT_UNUSABLE};
    state->segment[SEG_TR] = (struct vcpu_segment){.attributes = 0x8b, .limit = 0xffff};
    state->gdtr = state->idtr = (struct vcpu_segment){.limit = 0xffff};
}

/* Real mode, protected mode, long mode. */
static void set_mode(struct vcpu_state *state, unsigned mode)
{
    state->cr2 = 0;
    state->cr3 = TOP_TABLE;
    state->cr4 = state->efer = 0;
    state->pat = 0x0007040600070406;
    state->dr7 = 0x400;
    state->xcr0 = 1;
    state->fmask = state->lstar = state->cstar = state->star = state->kernel_gs_base = 0;
    state->sysenter_cs = state->sysenter_esp = state->sysenter_eip = 0;
    state->interruptibility = 0;
    state->rip = CODE + below(CODE_END - CODE);
    state->rflags = 2 | RFLAGS_IF;
    state->gpr[GPR_RSP] = STACK;
    switch (mode) {
    case 0:
        state->cr0 = CR0_REAL;
        set_segments(state, 0x9b, 0x93, 0xffff);
        break;
    case 1:
        state->cr0 = CR0_PROTECTED;
        set_segments(state, 0xc9b, 0xc93, UINT32_MAX);
        break;
    default:
        state->cr0 = CR0_PAGED;
        state->cr4 = CR4_PAE;
        state->efer = EFER_LONG;
        set_segments(state, 0xa9b, 0xc93, UINT32_MAX);
    }
}

/* Words of the page, beginning behind what the reply itself looks at. */
static void spoil(struct vcpu_state *state)
{
    volatile uint64_t *words = (volatile uint64_t *)state;
    uint64_t first = offsetof(struct vcpu_state, gpr) / 8;

    for (uint64_t i = 1 + below(4); i > 0; i--) {
        uint64_t at = first + below(sizeof(*state) / 8 - first);

        words[at] = once_in(2) ? wild() : words[at] ^ 1UL << below(64);
    }
}

static void set_gprs(struct vcpu_state *state)
{
    for (unsigned i = 0; i < GPR_COUNT; i++) {
        if (i != GPR_RSP) {
            state->gpr[i] = once_in(2) ? below(0x10000) : wild();
        }
    }
}

/* Whatever was spoiled: the state of real mode in which every exception finds its vector. */
static void soften(struct vcpu_state *state)
{
    state->cr0 = CR0_REAL;
    state->cr4 = state->efer = 0;
    set_segments(state, 0x9b, 0x93, 0xffff);
    state->rflags = 2 | RFLAGS_IF;
    state->interruptibility = 0;
    state->gpr[GPR_RSP] = STACK;
}

void guest_state(struct vcpu_state *state)
{
    set_mode(state, (unsigned)below(3));
    set_gprs(state);
    state->rflags ^= once_in(4) ? RFLAGS_IF : 0;
    if (once_in(16)) {
        for (unsigned i = offsetof(struct vcpu_state, gpr) / 8; i < sizeof(*state) / 8; i++) {
            ((volatile uint64_t *)state)[i] = any();
        }
    } else if (once_in(2)) {
        spoil(state);
    }
    if (is_tame()) {
        soften(state);
    } else if (is_calm()) {
        state->rflags |= RFLAGS_IF;
    }
}

static void inject(struct vcpu_state *state)
{
    uint8_t has_error = (uint8_t)below(once_in(8) ? 4 : 2);

    if (once_in(4)) {
        state->injection = (struct vcpu_injection){
            .valid = (uint8_t)below(once_in(8) ? 4 : 2),
            .type = once_in(8) ? (uint8_t)any() : (uint8_t)(INJECT_NMI + below(2)),
            .vector = once_in(4) ? 2 : (uint8_t)below(34),
            .has_error = is_tame() ? 0 : has_error,
            .error = (uint32_t)any(),
        };
    }
    if (once_in(4)) {
        state->irq = once_in(8) ? (uint32_t)any() : IRQ_VALID | (uint32_t)(16 + below(240));
    }
}

void guest_reply(struct vcpu_state *state)
{
    state->injection = (struct vcpu_injection){0};
    state->irq = 0;
    state->dirty = 0;
    switch (below(4)) {
    case 0:
        state->dirty = STATE_IP;
        state->rip += state->exit.insn_length ? state->exit.insn_length : 1 + below(4);
        break;
    case 1:
        guest_state(state);
        state->dirty = once_in(2) ? STATE_ALL : (uint32_t)any() & STATE_ALL;
        break;
    case 2:
        guest_state(state);
        state->dirty = STATE_ALL & ~(uint32_t)STATE_XCR0;
        break;
    default:
        state->dirty = once_in(8) ? (uint32_t)any() : 1u << below(9);
    }
    if (is_calm()) {
        state->rflags |= RFLAGS_IF;
        state->dirty |= STATE_IP;
    }
    inject(state);
}

bool guest_address_is_kernels(uint64_t address)
{
    return address >= 0xffffff0000000000 && address != 0xffffffff80200000 &&
           address < UINT64_MAX - 0xfff;
}
