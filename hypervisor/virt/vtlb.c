/* SPDX-License-Identifier: Apache-2.0 */
#include "virt/vtlb.h"

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

/* ---- Shadow tables (SDM vol 3, 4.4 and 4.5) --------------------------------------------------- */

#define SHADOW_PRESENT (1UL << 0)
#define SHADOW_WRITE (1UL << 1)
#define SHADOW_USER (1UL << 2)
#define SHADOW_MARKED (3UL << 5) /* accessed and dirty: nobody reads them */
#define SHADOW_LARGE (1UL << 7)
#define SHADOW_NO_EXECUTE (1UL << 63)
#define SHADOW_ADDRESS 0x000ffffffffff000UL
#define LARGE_SIZE (1UL << 21)
#define PAE_ROOTS 4

static bool long_mode(const struct vtlb *vtlb)
{
    return (vtlb->guest.efer & EFER_LMA) != 0;
}

/* A table, zero; those that are held suffice. */
static uint64_t *take_table(struct vtlb *vtlb)
{
    KASSERT(vtlb->used < vtlb->held);
    uint64_t *table = vtlb->frame[vtlb->used++];

    memory_set(table, 0, PAGE_SIZE);
    return table;
}

/* With three levels the processor may read the first table only when CR3 is loaded
 * (SDM vol 3, 4.4.1): all its entries are there from the beginning. */
static void make_root(struct vtlb *vtlb)
{
    uint64_t *root;

    vtlb->used = 0;
    vtlb->split = false;
    root = take_table(vtlb);
    for (unsigned i = 0; i < PAE_ROOTS && !long_mode(vtlb); i++) {
        root[i] = arch_pool_physical(take_table(vtlb)) | SHADOW_PRESENT;
    }
}

void vtlb_flush(struct vcpu *vcpu)
{
    make_root(vcpu->vtlb);
    virt->flush(vcpu);
}

/* The entry of that level (0: 4 KiB, 1: 2 MiB) for a linear address, with the tables above it. */
static uint64_t *entry_of(struct vcpu *vcpu, uint64_t linear, unsigned last)
{
    struct vtlb *vtlb = vcpu->vtlb;
    uint64_t *table = vtlb->frame[0];

    for (unsigned level = long_mode(vtlb) ? 3 : 2;; level--) {
        uint64_t *entry = &table[linear >> (PAGE_SHIFT + 9 * level) & 511];

        if (level == last) {
            return entry;
        }
        if (!(*entry & SHADOW_PRESENT) || (*entry & SHADOW_LARGE)) {
            if (*entry & SHADOW_PRESENT) {
                virt->flush(vcpu);
            }
            *entry = arch_pool_physical(take_table(vtlb)) | SHADOW_PRESENT | SHADOW_WRITE |
                     SHADOW_USER;
        }
        table = arch_pool_pointer(*entry & SHADOW_ADDRESS);
    }
}

/* More tables, while the quota pays for them; or all are given up. With the kernel's lock. */
static void provide_tables(struct vcpu *vcpu)
{
    struct vtlb *vtlb = vcpu->vtlb;

    while (vtlb->held - vtlb->used < 3) {
        uint64_t *frame =
            vtlb->held < VTLB_FRAMES ? frame_alloc(vcpu->vm->quota) : NULL;

        if (!frame) {
            vtlb_flush(vcpu);
            return;
        }
        vtlb->frame[vtlb->held++] = frame;
    }
}

/* ---- The guest's tables ----------------------------------------------------------------------- */

struct reader {
    const struct arch_space *gpa;
    bool denied; /* an entry stands in memory that cannot be written */
};

static void *guest_memory(const struct arch_space *gpa, uint64_t address, unsigned rights)
{
    struct mapping mapping;

    if (!arch_space_lookup(gpa, address, &mapping) || (rights & ~mapping.rights)) {
        return NULL;
    }
    return (uint8_t *)arch_window(mapping.physical & ~(PAGE_SIZE - 1)) + address % PAGE_SIZE;
}

/* The guest's other vCPUs may write there at the same time: read once. */
static bool read_entry(void *context, uint64_t gpa, unsigned size, uint64_t *value)
{
    const struct reader *reader = context;
    const void *place = guest_memory(reader->gpa, gpa, MEM_READ);

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
    void *place = guest_memory(reader->gpa, gpa, MEM_READ | MEM_WRITE);
    uint32_t expected_32 = (uint32_t)expected;

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

    return SHADOW_PRESENT | SHADOW_MARKED | (write ? SHADOW_WRITE : 0) | (user ? SHADOW_USER : 0) |
           (fetch ? 0 : SHADOW_NO_EXECUTE);
}

static void fill(struct vcpu *vcpu, uint64_t linear, unsigned access,
                 const struct walk_result *page, const struct mapping *memory)
{
    bool large = page->page_shift >= 21 && memory->size >= LARGE_SIZE &&
                 (vcpu->vtlb->guest.cr0 & CR0_PG);
    uint64_t size = large ? LARGE_SIZE : PAGE_SIZE;

    provide_tables(vcpu);
    vcpu->vtlb->split |= page->page_shift > (large ? 21 : PAGE_SHIFT);
    uint64_t *entry = entry_of(vcpu, linear, large ? 1 : 0);
    uint64_t value = (memory->physical & ~(size - 1)) | (large ? SHADOW_LARGE : 0) |
                     leaf_bits(&vcpu->vtlb->guest, page, access, memory->rights);

    if (*entry & SHADOW_PRESENT) { /* rights may go with it, and a table */
        virt->flush(vcpu);
    }
    *entry = value;
}

/* With the kernel's lock: the guest-physical space stays as it is. */
static bool page_fault(struct vcpu *vcpu, struct vcpu_exit *exit)
{
    struct vtlb *vtlb = vcpu->vtlb;
    uint64_t linear = exit->exception.address;
    unsigned access = exit->exception.error & (WALK_WRITE | WALK_USER | WALK_FETCH);
    struct reader reader = {.gpa = &vcpu->vm->gpa};
    const struct walk_memory memory = {read_entry, replace_entry, &reader};
    struct walk_result page;
    struct mapping held;

    vtlb_refresh(vcpu, __atomic_load_n(&vcpu->vm->generation, __ATOMIC_RELAXED));
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
    fill(vcpu, linear, access, &page, &held);
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

/* ---- INVLPG ----------------------------------------------------------------------------------- */

/* Forgets the page that holds this address. */
static void invalidate(struct vcpu *vcpu, uint64_t linear)
{
    struct vtlb *vtlb = vcpu->vtlb;
    uint64_t *table = vtlb->frame[0];

    if (vtlb->split) {
        vtlb_flush(vcpu);
        return;
    }
    for (unsigned level = long_mode(vtlb) ? 3 : 2;; level--) {
        uint64_t *entry = &table[linear >> (PAGE_SHIFT + 9 * level) & 511];

        if (!(*entry & SHADOW_PRESENT)) {
            return;
        }
        if (level == 0 || (*entry & SHADOW_LARGE)) {
            *entry = 0;
            virt->flush(vcpu);
            return;
        }
        table = arch_pool_pointer(*entry & SHADOW_ADDRESS);
    }
}

/* The bytes at RIP, as far as they are mapped. With the kernel's lock. */
static unsigned fetch(struct vcpu *vcpu, uint64_t linear, uint8_t *bytes)
{
    struct reader reader = {.gpa = &vcpu->vm->gpa};
    const struct walk_memory memory = {read_entry, NULL, &reader};
    struct walk_result page;
    unsigned length = 0;

    while (length < INSN_MAX_LENGTH) {
        const uint8_t *from = NULL;
        uint64_t at = linear + length;
        unsigned rest = PAGE_SIZE - at % PAGE_SIZE;

        if (walk(&vcpu->vtlb->guest, &memory, at, WALK_FETCH, &page) == WALK_DONE) {
            from = guest_memory(&vcpu->vm->gpa, page.gpa, MEM_READ);
        }
        if (!from) {
            break;
        }
        rest = rest < INSN_MAX_LENGTH - length ? rest : INSN_MAX_LENGTH - length;
        memory_copy(bytes + length, from, rest);
        length += rest;
    }
    return length;
}

#define ATTRIBUTE_LONG 0x200u
#define ATTRIBUTE_BIG 0x400u

/* The instruction, where the processor has told nothing of it: its length, or 0. `state` is a
 * copy: the VMM could write to the page. */
static uint32_t find_operand(struct vcpu *vcpu, const struct vcpu_state *state, uint64_t *linear)
{
    const struct vcpu_segment *code = &state->segment[SEG_CS];
    bool wide = long_mode(vcpu->vtlb) && (code->attributes & ATTRIBUTE_LONG);
    enum insn_mode mode = wide ? INSN_64 : code->attributes & ATTRIBUTE_BIG ? INSN_32 : INSN_16;
    uint8_t bytes[INSN_MAX_LENGTH];
    struct insn insn;

    if (!kernel_lock(arch_this_cpu())) {
        return 0;
    }
    unsigned available = fetch(vcpu, wide ? state->rip : (uint32_t)(code->base + state->rip), bytes);

    kernel_unlock();
    int length = insn_decode(&insn, bytes, available, mode);

    if (length <= 0 || !insn.has_memory) {
        return 0;
    }
    unsigned segment = insn.memory.segment;

    *linear = insn_offset(&insn, state->gpr, state->rip);
    if (!wide) {
        *linear = (uint32_t)(*linear + state->segment[segment % SEG_COUNT].base);
    } else if (segment == INSN_FS || segment == INSN_GS) {
        *linear += state->segment[segment].base;
    }
    return (uint32_t)length;
}

bool vtlb_invlpg(struct vcpu *vcpu, struct vcpu_exit *exit)
{
    uint64_t linear = exit->exception.address;
    uint32_t length = exit->insn_length;

    virt->state_get(vcpu, length > 0 ? STATE_IP : STATE_IP | STATE_RSP | STATE_SEGMENTS);
    const struct vcpu_state state = *vcpu->state;

    if (length == 0) {
        length = find_operand(vcpu, &state, &linear);
    }
    const struct vcpu_ip ip = {state.rip + length, state.rflags,
                               state.interruptibility & BLOCKED_BY_NMI};

    if (canonical(ip.rip) && (ip.rflags & (~RFLAGS_DEFINED | RFLAGS_ONE)) == RFLAGS_ONE) {
        invalidate(vcpu, linear);
        vcpu->ip = ip;
        virt->load_ip(vcpu);
    }
    return true;
}

/* ---- Making, changing and ending -------------------------------------------------------------- */

void vtlb_set(struct vcpu *vcpu, uint64_t cr0, uint64_t cr3, uint64_t cr4, uint64_t efer)
{
    struct walk_registers *guest = &vcpu->vtlb->guest;

    guest->cr0 = cr0;
    guest->cr3 = cr3;
    guest->cr4 = cr4;
    guest->efer = vtlb_guest_efer(efer, cr0);
    vtlb_flush(vcpu);
}

enum status vtlb_create(struct vcpu *vcpu)
{
    struct quota *quota = vcpu->vm->quota;
    struct vtlb *vtlb;

    if (!quota_allows(quota, 1 + VTLB_FRAMES_MIN)) {
        return STATUS_NO_MEMORY;
    }
    vtlb = frame_alloc(quota);
    while (vtlb->held < VTLB_FRAMES_MIN) {
        vtlb->frame[vtlb->held++] = frame_alloc(quota);
    }
    vtlb->root = arch_pool_physical(vtlb->frame[0]);
    vtlb->guest.physical_bits = (uint8_t)virt->limits->physical_bits;
    vtlb->guest.gigabyte_pages = virt->limits->gigabyte_pages;
    make_root(vtlb);
    vcpu->vtlb = vtlb;
    return STATUS_OK;
}

void vtlb_destroy(struct vcpu *vcpu)
{
    struct vtlb *vtlb = vcpu->vtlb;

    while (vtlb->held > 0) {
        frame_free(vcpu->vm->quota, vtlb->frame[--vtlb->held]);
    }
    frame_free(vcpu->vm->quota, vtlb);
    vcpu->vtlb = NULL;
}
