/* SPDX-License-Identifier: Apache-2.0 */
#include "virt/vtlb.h"

#include "count.h"
#include "kernel/cpu.h"
#include "kernel/log.h"
#include "kernel/memory.h"
#include "kernel/remote.h"
#include "kernel/thread.h"
#include "lib/insn.h"
#include "lib/registers.h"
#include "lib/string.h"
#include "virt/virt.h"
#include "virt/vm.h"

#define VECTOR_DOUBLE_FAULT 8
#define VECTOR_PAGE_FAULT 14

/* Instructions for comparing before interrupts get their chance. */
#define BUDGET 1100u

/* ---- CR3 -------------------------------------------------------------------------------------- */

static enum shadow_mode mode_of(const struct walk_registers *guest)
{
    return !(guest->cr0 & CR0_PG)    ? SHADOW_FLAT
           : guest->efer & EFER_LMA  ? SHADOW_LONG
           : guest->cr4 & CR4_PAE    ? SHADOW_PAE
                                     : SHADOW_32;
}

/* Until that is done the guest faults at its next step, and runs on no old translation. */
static void begin_load(struct vcpu *vcpu, bool keep)
{
    struct vtlb *vtlb = vcpu->vtlb;

    vtlb->keep = keep;
    vtlb->load = VTLB_TO_LOAD;
    vtlb->root = arch_pool_physical(vtlb->nothing);
    virt->flush(vcpu);
}

void vtlb_forget(struct vcpu *vcpu)
{
    shadow_forget(&vcpu->vtlb->shadows);
    begin_load(vcpu, false);
}

/* The first of the tables for the guest's CR3. */
static void find_root(struct vtlb *vtlb)
{
    struct shadow *top = shadow_load(&vtlb->shadows, vtlb->guest.cr3, vtlb->keep);

    if (top) {
        COUNT(load);
        vtlb->top = top;
        vtlb->load = VTLB_LOADING;
    }
}

/* One step of it. With the kernel's lock. */
static void load(struct vcpu *vcpu)
{
    struct vtlb *vtlb = vcpu->vtlb;
    unsigned budget = BUDGET;

    if (vtlb->load == VTLB_TO_LOAD) {
        find_root(vtlb);
        budget /= vtlb->shadows.pcids ? 2 : 1; /* it has looked at all that are kept */
    }
    if (vtlb->load == VTLB_LOADING &&
        shadow_check(&vtlb->shadows, vtlb->top, &budget)) {
        vtlb->shadows.stale = false;
        vtlb->load = VTLB_LOADED;
        vtlb->root = arch_pool_physical(vtlb->top->table);
        virt->flush(vcpu);
    }
}

/* Is there nothing left to do before the tables can be used? With the kernel's lock. */
static bool is_loaded(struct vcpu *vcpu)
{
    vtlb_refresh(vcpu, __atomic_load_n(&vcpu->vm->generation, __ATOMIC_RELAXED));
    if (vcpu->vtlb->shadows.full) {
        if (!shadow_make_room(&vcpu->vtlb->shadows)) {
            vtlb_forget(vcpu);
        }
        return false;
    }
    if (vcpu->vtlb->load == VTLB_LOADED) {
        return true;
    }
    load(vcpu);
    return false;
}

/* After a change. */
static void settle(struct vcpu *vcpu)
{
    struct vtlb *vtlb = vcpu->vtlb;

    if (vtlb->shadows.unchecked) {
        vtlb->load = VTLB_LOADING;
        vtlb->root = arch_pool_physical(vtlb->nothing);
    }
    if (vtlb->shadows.stale || vtlb->shadows.unchecked) {
        vtlb->shadows.stale = false;
        virt->flush(vcpu);
    }
}

/* ---- The guest's tables ----------------------------------------------------------------------- */

struct reader {
    const struct arch_space *gpa;
    uint64_t start;      /* of the page that was looked up last, often a large one, */
    struct mapping page; /* and where it is; no size: none was */
    bool denied;         /* an entry stands in memory that cannot be written */
    unsigned marks;      /* accessed or dirty bits set */
};

static void *entry_window(struct reader *reader, uint64_t gpa, unsigned rights)
{
    if (gpa - reader->start >= reader->page.size) {
        if (!arch_space_lookup(reader->gpa, gpa, &reader->page)) {
            reader->page.size = 0;
            return NULL;
        }
        reader->start = gpa & ~(reader->page.size - 1);
        reader->page.physical &= ~(reader->page.size - 1);
    }
    phys_addr physical = reader->page.physical + (gpa - reader->start);

    return rights & ~reader->page.rights
               ? NULL
               : (uint8_t *)arch_window(physical & ~(PAGE_SIZE - 1)) + physical % PAGE_SIZE;
}

/* The guest's other vCPUs may write there at the same time: read once. */
static bool read_entry(void *context, uint64_t gpa, unsigned size, uint64_t *value)
{
    const void *place = entry_window(context, gpa, MEM_READ);

    if (place) {
        *value = size == 8 ? __atomic_load_n((const uint64_t *)place, __ATOMIC_RELAXED)
                           : __atomic_load_n((const uint32_t *)place, __ATOMIC_RELAXED);
    }
    return place != NULL;
}

static bool replace_entry(void *context, uint64_t gpa, unsigned size, uint64_t expected,
                          uint64_t desired)
{
    struct reader *reader = context;
    void *place = entry_window(reader, gpa, MEM_READ | MEM_WRITE);
    uint32_t expected_32 = (uint32_t)expected;

    reader->marks++;
    if (!place) {
        reader->denied = true;
        return false;
    }
    return size == 8 ? __atomic_compare_exchange_n((uint64_t *)place, &expected, desired, false,
                                                   __ATOMIC_SEQ_CST, __ATOMIC_RELAXED)
                     : __atomic_compare_exchange_n((uint32_t *)place, &expected_32,
                                                   (uint32_t)desired, false, __ATOMIC_SEQ_CST,
                                                   __ATOMIC_RELAXED);
}

/* ---- #PF -------------------------------------------------------------------------------------- */

/* For the handler, as a nested violation would be. */
static bool violation(struct vcpu_exit *exit, uint64_t gpa, unsigned access)
{
    *exit = (struct vcpu_exit){.reason = EXIT_MEMORY,
                               .memory = {.gpa = gpa,
                                          .access = access & WALK_FETCH   ? MEM_EXECUTE
                                                    : access & WALK_WRITE ? MEM_WRITE
                                                                          : MEM_READ}};
    return false;
}

/* The guest's own fault. It may have come of delivering another event (SDM vol 3, table 6-5): a
 * second #PF makes a double fault, and that one's the end; any other event gives way. */
static bool inject(struct vcpu *vcpu, struct vcpu_exit *exit, uint64_t address, uint32_t error)
{
    bool exception = vcpu->event.valid && vcpu->event.type == EVENT_EXCEPTION;
    bool twice = exception && vcpu->event.vector == VECTOR_PAGE_FAULT;

    if (exception && vcpu->event.vector == VECTOR_DOUBLE_FAULT) {
        vcpu->event.valid = false;
        *exit = (struct vcpu_exit){.reason = EXIT_SHUTDOWN, .raw = {0, 0}};
        return false;
    }
    virt->set_cr2(vcpu, address);
    vcpu_pend(vcpu, (struct vcpu_event){.valid = true,
                                        .type = EVENT_EXCEPTION,
                                        .vector = twice ? VECTOR_DOUBLE_FAULT : VECTOR_PAGE_FAULT,
                                        .has_error = true,
                                        .error = twice ? 0 : error});
    return true;
}

/*
 * Whom the page is for. CR0.WP is really set: where the guest has it clear, a page that its
 * supervisor writes all the same is the supervisor's alone until a user's access takes that back,
 * and no code to it that SMEP would keep it from.
 */
static uint64_t leaf_bits(const struct walk_registers *guest, const struct walk_result *page,
                          unsigned access, unsigned held)
{
    bool forced = (access & WALK_WRITE) && !(page->rights & WALK_WRITE);
    bool user = (page->rights & WALK_USER) && !forced;
    bool write = ((page->rights & WALK_WRITE) || forced) && page->dirty && (held & MEM_WRITE);
    bool fetch = (page->rights & WALK_FETCH) && (held & MEM_EXECUTE) &&
                 !(forced && (page->rights & WALK_USER) && (guest->cr4 & CR4_SMEP));

    return SHADOW_PRESENT | SHADOW_ACCESSED | SHADOW_DIRTY | (write ? SHADOW_WRITE : 0) |
           (user ? SHADOW_USER : 0) | (fetch ? 0 : SHADOW_NO_EXECUTE);
}

/* With the kernel's lock: the guest-physical space stays as it is. */
static bool page_fault(struct vcpu *vcpu, struct vcpu_exit *exit)
{
    struct vtlb *vtlb = vcpu->vtlb;
    uint64_t linear = vtlb->shadows.mode == SHADOW_LONG ? exit->exception.address
                                                         : (uint32_t)exit->exception.address;
    unsigned access = exit->exception.error & (WALK_WRITE | WALK_USER | WALK_FETCH);
    struct reader reader = {.gpa = &vcpu->vm->gpa};
    const struct walk_memory memory = {read_entry, replace_entry, &reader};
    struct walk_result page;
    struct mapping held;

    if (!is_loaded(vcpu)) {
        return true;
    }
    if (vtlb->guest.cr4 & CR4_SMAP) {
        virt->state_get(vcpu, STATE_IP);
        vtlb->guest.rflags = vcpu->state->rflags;
    }
    switch (walk(&vtlb->guest, &memory, linear, access, &page)) {
    case WALK_DONE:
        break;
    case WALK_FAULT:
        return inject(vcpu, exit, linear, page.error_code);
    case WALK_UNREADABLE:
        return violation(exit, page.gpa, WALK_READ);
    case WALK_CHANGED:
        return !reader.denied || violation(exit, page.gpa, WALK_WRITE);
    default:
        return true; /* no page fault comes of it: the guest tries again */
    }
    unsigned needed = access & WALK_FETCH   ? MEM_EXECUTE
                      : access & WALK_WRITE ? MEM_WRITE
                                            : MEM_READ;

    if (!arch_space_lookup(&vcpu->vm->gpa, page.gpa, &held) || (needed & ~held.rights)) {
        return violation(exit, page.gpa, access);
    }
    COUNT(fill);
    shadow_fill(&vtlb->shadows, vtlb->top, linear, &page, &held,
                leaf_bits(&vtlb->guest, &page, access, held.rights), reader.marks > 0);
    settle(vcpu);
    return true;
}

bool vtlb_page_fault(struct vcpu *vcpu, struct vcpu_exit *exit)
{
    if (!kernel_lock(arch_this_cpu())) {
        return true; /* its thread has ended meanwhile */
    }
    bool kept = page_fault(vcpu, exit);

    kernel_unlock();
    return kept;
}

/* ---- Instructions ----------------------------------------------------------------------------- */

/* The bytes at RIP, where the processor has just read them. With the kernel's lock. */
static unsigned fetch(struct vcpu *vcpu, uint64_t linear, uint8_t *bytes)
{
    const struct vtlb *vtlb = vcpu->vtlb;
    unsigned length = 0;
    phys_addr at;

    while (length < INSN_MAX_LENGTH &&
           shadow_lookup(&vtlb->shadows, vtlb->top, linear + length, &at)) {
        unsigned offset = at % PAGE_SIZE, rest = PAGE_SIZE - offset;

        rest = rest < INSN_MAX_LENGTH - length ? rest : INSN_MAX_LENGTH - length;
        memory_copy(bytes + length, (uint8_t *)arch_window(at - offset) + offset, rest);
        length += rest;
    }
    return length;
}

#define ATTRIBUTE_LONG 0x200u
#define ATTRIBUTE_BIG 0x400u

/* The instruction, where the processor has told nothing of it. `state` is a copy: the VMM could
 * write to the page. */
static bool decode(struct vcpu *vcpu, const struct vcpu_state *state, struct insn *insn)
{
    const struct vcpu_segment *code = &state->segment[SEG_CS];
    bool wide = vcpu->vtlb->shadows.mode == SHADOW_LONG && (code->attributes & ATTRIBUTE_LONG);
    enum insn_mode mode = wide ? INSN_64 : code->attributes & ATTRIBUTE_BIG ? INSN_32 : INSN_16;
    uint8_t bytes[INSN_MAX_LENGTH];
    unsigned available = fetch(vcpu, wide ? state->rip : (uint32_t)(code->base + state->rip), bytes);

    return insn_decode(insn, bytes, available, mode) > 0;
}

static uint64_t operand_of(const struct insn *insn, const struct vcpu_state *state)
{
    unsigned segment = insn->memory.segment % SEG_COUNT;
    uint64_t offset = insn_offset(insn, state->gpr, state->rip);

    if (insn->mode != INSN_64) {
        return (uint32_t)(offset + state->segment[segment].base);
    }
    return segment == SEG_FS || segment == SEG_GS ? offset + state->segment[segment].base : offset;
}
_Static_assert((int)INSN_FS == SEG_FS && (int)INSN_GS == SEG_GS, "numbered alike");

/* The instruction is done; a guest that steps is told. */
static void step_over(struct vcpu *vcpu, uint32_t length)
{
    const volatile struct vcpu_state *page = vcpu->state; /* the VMM may write to it: read once */
    const struct vcpu_ip ip = {page->rip + length, page->rflags,
                               page->interruptibility & BLOCKED_BY_NMI};

    if (canonical(ip.rip) && (ip.rflags & (~RFLAGS_DEFINED | RFLAGS_ONE)) == RFLAGS_ONE) {
        vcpu->ip = ip;
        virt->load_ip(vcpu);
    }
}

bool vtlb_invlpg(struct vcpu *vcpu, struct vcpu_exit *exit)
{
    struct vtlb *vtlb = vcpu->vtlb;
    uint64_t linear = exit->exception.address;
    uint32_t length = exit->insn_length;
    struct insn insn;

    virt->state_get(vcpu, length > 0 ? STATE_IP : STATE_IP | STATE_RSP | STATE_SEGMENTS);
    if (!kernel_lock(arch_this_cpu())) {
        return true;
    }
    if (is_loaded(vcpu)) {
        if (length == 0) {
            const struct vcpu_state state = *vcpu->state;

            if (decode(vcpu, &state, &insn) && insn.has_memory) {
                length = insn.length;
                linear = operand_of(&insn, &state);
            }
        }
        if (length > 0) {
            shadow_invalidate(&vtlb->shadows, vtlb->top,
                              vtlb->shadows.mode == SHADOW_LONG ? linear : (uint32_t)linear);
            settle(vcpu);
            step_over(vcpu, length);
        }
    }
    kernel_unlock();
    return true;
}

#define OPCODE_MOV_FROM_CR 0x20
#define OPCODE_MOV_TO_CR 0x22

/* Which register it is to or from, where the processor has not told; and its length. */
static bool decode_mov_cr(struct vcpu *vcpu, struct vcpu_exit *exit)
{
    const struct vcpu_state state = *vcpu->state;
    struct insn insn;

    if (!decode(vcpu, &state, &insn) || insn.map != MAP_0F || (insn.prefixes & INSN_LOCK) ||
        insn.opcode != (exit->cr.write ? OPCODE_MOV_TO_CR : OPCODE_MOV_FROM_CR)) {
        return false;
    }
    exit->cr.gpr = insn.rm;
    exit->cr.decode = false;
    exit->insn_length = insn.length;
    return true;
}

/* MOV to and from CR3; what is out of the ordinary is the VMM's. With the kernel's lock. */
static bool mov_cr3(struct vcpu *vcpu, struct vcpu_exit *exit)
{
    struct walk_registers *guest = &vcpu->vtlb->guest;
    uint64_t *gpr = vcpu->state->gpr;

    if (!is_loaded(vcpu) || (exit->cr.decode && !decode_mov_cr(vcpu, exit)) ||
        exit->insn_length == 0) {
        return false;
    }
    bool rsp = exit->cr.gpr == GPR_RSP; /* Linux has no other register at a system call */

    if (exit->cr.write) {
        if (rsp) {
            virt->state_get(vcpu, STATE_RSP);
        }
        uint64_t value = *(const volatile uint64_t *)&gpr[exit->cr.gpr];
        bool keep = (guest->cr4 & CR4_PCIDE) && (value & CR3_KEEP);

        value &= keep ? ~CR3_KEEP : ~0UL;
        if (value >> guest->physical_bits) {
            return false;
        }
        guest->cr3 = value;
        begin_load(vcpu, keep);
        load(vcpu);
    } else {
        gpr[exit->cr.gpr] = guest->cr3;
        if (rsp) {
            virt->state_set(vcpu, vcpu->state, STATE_RSP); /* any value is good */
        }
    }
    step_over(vcpu, exit->insn_length);
    return true;
}

bool vtlb_cr_access(struct vcpu *vcpu, struct vcpu_exit *exit)
{
    bool kept;

    if (!vcpu->vtlb || exit->cr.number != 3) {
        return false;
    }
    virt->state_get(vcpu, STATE_IP | (exit->cr.decode ? (uint32_t)STATE_CODE : 0));
    if (!kernel_lock(arch_this_cpu())) {
        return true;
    }
    kept = mov_cr3(vcpu, exit);
    kernel_unlock();
    return kept;
}

/* ---- Making, changing and ending -------------------------------------------------------------- */

/* What of the registers the entries were made for. */
static bool alike(const struct walk_registers *a, const struct walk_registers *b)
{
    return !((a->cr0 ^ b->cr0) & (CR0_PG | CR0_WP)) &&
           !((a->cr4 ^ b->cr4) & (CR4_PSE | CR4_PAE | CR4_SMEP | CR4_SMAP | CR4_LA57)) &&
           !((a->efer ^ b->efer) & (EFER_LMA | EFER_NXE));
}

void vtlb_set(struct vcpu *vcpu, uint64_t cr0, uint64_t cr3, uint64_t cr4, uint64_t efer)
{
    struct vtlb *vtlb = vcpu->vtlb;
    struct walk_registers old = vtlb->guest, *guest = &vtlb->guest;

    guest->cr0 = cr0;
    guest->cr3 = cr3;
    guest->cr4 = cr4;
    guest->efer = vtlb_guest_efer(efer, cr0);
    if (!alike(&old, guest)) {
        shadow_forget(&vtlb->shadows);
    }
    vtlb->shadows.mode = mode_of(guest);
    vtlb->shadows.large_4m = (cr4 & CR4_PSE) != 0;
    vtlb->shadows.globals = (cr4 & CR4_PGE) != 0;
    vtlb->shadows.pcids = (cr4 & CR4_PCIDE) != 0;
    shadow_forget_global(&vtlb->shadows);
    begin_load(vcpu, false);
}

void vtlb_create(struct vcpu *vcpu)
{
    struct quota *quota = vcpu->vm->quota;
    struct vtlb *vtlb = frame_alloc(quota);

    vtlb->nothing = frame_alloc(quota);
    vtlb->root = arch_pool_physical(vtlb->nothing);
    vtlb->load = VTLB_TO_LOAD;
    vtlb->guest.physical_bits = (uint8_t)virt->limits->physical_bits;
    vtlb->guest.gigabyte_pages = virt->limits->gigabyte_pages;
    vtlb->shadows.quota = quota;
    vtlb->shadows.gpa = &vcpu->vm->gpa;
    shadow_create(&vtlb->shadows);
    vcpu->vtlb = vtlb;
}

bool vtlb_destroy(struct vcpu *vcpu)
{
    struct vtlb *vtlb = vcpu->vtlb;

    if (!shadow_destroy(&vtlb->shadows)) {
        return false;
    }
    frame_free_zero(vcpu->vm->quota, vtlb->nothing);
    frame_free(vcpu->vm->quota, vtlb);
    vcpu->vtlb = NULL;
    return true;
}
