/* SPDX-License-Identifier: Apache-2.0 */
#include "pager.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/cpu.h"
#include "kernel/log.h"
#include "kernel/memory.h"
#include "kernel/remote.h"
#include "kernel/thread.h"
#include "virt/virt.h"
#include "virt/vm.h"
#include "virt/vtlb.h"

#define RULE(condition)                                                                            \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "pager: %s:%d: %s\n", __func__, __LINE__, #condition);                 \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

#define LARGE (2UL << 20)
#define RAM_SIZE (4 * LARGE)    /* the lower half is there in pages of 4 KiB, the upper in large ones */
#define TABLES 16u              /* pages that the guest uses as tables, from 0x1000 on */
#define DIRECTORIES 0x11000UL   /* PAE's first tables, 32 bytes each */
#define POOL_FRAMES 1024u
#define HIT_MAX 64u

struct pager_counts pager_counts;

static _Alignas(LARGE) uint8_t ram[RAM_SIZE];
static _Alignas(PAGE_SIZE) uint8_t pool[POOL_FRAMES * PAGE_SIZE];
static pager_choice *choose_from;
static void *choose_context;
static struct quota quota;
static struct vm vm;
static struct vcpu_state state;
static struct vcpu vcpu;

static uint32_t choose(uint32_t limit)
{
    return choose_from(choose_context, limit);
}

/* ---- What the kernel is to the vTLB ----------------------------------------------------------- */

struct cpu cpus[CPU_MAX], *fake_cpu = &cpus[0];

bool kernel_lock(struct cpu *cpu)
{
    (void)cpu;
    return true;
}

void kernel_unlock(void)
{
}

_Noreturn void panic(const char *format, ...)
{
    fprintf(stderr, "pager: panic: %s\n", format);
    abort();
}

void log_line(const char *format, ...)
{
    (void)format;
}

phys_addr arch_pool_physical(const void *pointer)
{
    return (phys_addr)pointer;
}

void *arch_pool_pointer(phys_addr physical)
{
    return (void *)physical; // NOLINT
}

void *arch_window(phys_addr page)
{
    RULE(page % PAGE_SIZE == 0);
    return (void *)page; // NOLINT
}

bool arch_space_lookup(const struct arch_space *space, uint64_t address, struct mapping *out)
{
    (void)space;
    if (address >= RAM_SIZE) {
        return false;
    }
    *out = (struct mapping){(phys_addr)ram + address, address < RAM_SIZE / 2 ? PAGE_SIZE : LARGE,
                            MEM_ALL};
    return true;
}

/* ---- The processor ---------------------------------------------------------------------------- */

/* What it remembers of the tables that it has walked; nothing tells it to forget but a flush. */
static struct hit {
    uint64_t page, entry; /* linear; the entry that maps it */
    uint64_t size;
} hits[HIT_MAX];
static unsigned hit_count, hit_next;
static uint64_t real_cr3, roots[4];

static void flush(struct vcpu *self)
{
    hit_count = hit_next = 0;
    real_cr3 = self->vtlb->root;
    memcpy(roots, arch_pool_pointer(real_cr3), sizeof(roots)); /* with three levels */
}

static uint64_t guest_cr2;

static void set_cr2(struct vcpu *self, uint64_t address)
{
    (void)self;
    guest_cr2 = address;
}

static uint64_t guest_rsp;

static void state_get(struct vcpu *self, uint32_t groups)
{
    if (groups & STATE_RSP) {
        self->state->gpr[GPR_RSP] = guest_rsp;
    }
}

static enum status state_set(struct vcpu *self, const struct vcpu_state *in, uint32_t groups)
{
    RULE(groups == STATE_RSP);
    (void)self;
    guest_rsp = in->gpr[GPR_RSP];
    return STATUS_OK;
}

static void load_ip(struct vcpu *self)
{
    self->state->rip = self->ip.rip;
}

static const struct vcpu_limits limits = {.physical_bits = 40, .gigabyte_pages = 1};
static const struct virt_ops ops = {.limits = &limits,
                                    .flush = flush,
                                    .set_cr2 = set_cr2,
                                    .state_get = state_get,
                                    .state_set = state_set,
                                    .load_ip = load_ip};
const struct virt_ops *virt = &ops;

static bool is_long(void)
{
    return vcpu.vtlb->guest.efer & EFER_LMA;
}

static bool allows(uint64_t entry, unsigned access)
{
    uint64_t cr4 = vtlb_real_cr4(vcpu.vtlb->guest.cr0, vcpu.vtlb->guest.cr4);
    bool user_page = entry & SHADOW_USER;

    if ((access & WALK_WRITE) && !(entry & SHADOW_WRITE)) {
        return false; /* WP is really set */
    }
    if ((access & WALK_FETCH) && (entry & SHADOW_NO_EXECUTE)) {
        return false;
    }
    if (access & WALK_USER) {
        return user_page;
    }
    return !user_page || !(cr4 & (access & WALK_FETCH ? CR4_SMEP : CR4_SMAP));
}

/* The entry that maps it, with the rights of those above; 0: there is none. */
static uint64_t walk_real(uint64_t linear, uint64_t *size)
{
    uint64_t *table = is_long() ? arch_pool_pointer(real_cr3) : roots;
    uint64_t rights = SHADOW_WRITE | SHADOW_USER, no_execute = 0;

    for (unsigned level = is_long() ? 3 : 2;; level--) {
        uint64_t entry = table[linear >> SHADOW_SHIFT(level) & (level == 2 && !is_long() ? 3 : 511)];

        if (!(entry & SHADOW_PRESENT)) {
            return 0;
        }
        if (!is_long() && level == 2) { /* PAE's first entries: reserved bits, and QEMU's habit */
            RULE((entry & 0x1c6) == 0);
            ((uint64_t *)arch_pool_pointer(real_cr3))[linear >> 30 & 3] |= SHADOW_ACCESSED;
        }
        if (is_long() || level < 2) {
            rights &= entry;
            no_execute |= entry & SHADOW_NO_EXECUTE;
        }
        *size = 1UL << SHADOW_SHIFT(level);
        if (level == 0 || (level == 1 && (entry & SHADOW_LARGE))) {
            RULE((entry & 0x000ffffffffff000UL & (*size - 1)) == 0);
            RULE(entry & SHADOW_ACCESSED);
            return (entry & ~(SHADOW_WRITE | SHADOW_USER)) | rights | no_execute;
        }
        table = arch_pool_pointer(entry & 0x000ffffffffff000UL);
    }
}

/* One try: the physical address, or 0 and the error code of a page fault. */
static phys_addr try_real(uint64_t linear, unsigned access, uint32_t *error)
{
    uint64_t size, entry;

    for (unsigned i = 0; i < hit_count; i++) {
        if (linear - hits[i].page < hits[i].size && allows(hits[i].entry, access)) {
            pager_counts.hits++;
            return (hits[i].entry & 0x000ffffffffff000UL) | (linear - hits[i].page);
        }
    }
    for (unsigned i = 0; i < hit_count; i++) { /* a fault, and it looks again (SDM vol 3, 4.10.4) */
        if (linear - hits[i].page < hits[i].size) {
            hits[i] = hits[--hit_count];
            i--;
        }
    }
    entry = walk_real(linear, &size);
    if (entry == 0 || !allows(entry, access)) {
        *error = (entry ? WALK_ERROR_PRESENT : 0) | access;
        return 0;
    }
    struct hit hit = {linear & ~(size - 1), entry, size};

    if (hit_count < HIT_MAX) {
        hits[hit_count++] = hit;
    } else {
        hits[hit_next++ % HIT_MAX] = hit;
    }
    return (entry & 0x000ffffffffff000UL & ~(size - 1)) | (linear & (size - 1));
}

/* ---- An access, on both ----------------------------------------------------------------------- */

enum outcome { OUTCOME_DONE, OUTCOME_FAULT, OUTCOME_VIOLATION };

struct result {
    enum outcome outcome;
    uint64_t gpa; /* of DONE and VIOLATION */
    uint32_t error;
};

#define TRIES 200

static struct result access_vtlb(uint64_t linear, unsigned access)
{
    for (unsigned tries = 0; tries < TRIES; tries++) {
        uint32_t error = 0;
        phys_addr physical = try_real(linear, access, &error);

        if (physical) {
            return (struct result){OUTCOME_DONE, physical - (phys_addr)ram, 0};
        }
        struct vcpu_exit exit = {.reason = EXIT_PAGE_FAULT,
                                 .exception = {.vector = 14, .error = error, .address = linear}};

        if (!vtlb_page_fault(&vcpu, &exit)) {
            RULE(exit.reason == EXIT_MEMORY);
            pager_counts.violations++;
            return (struct result){OUTCOME_VIOLATION, exit.memory.gpa, 0};
        }
        if (vcpu.event.valid) {
            RULE(vcpu.event.vector == 14 && vcpu.event.has_error && guest_cr2 == linear);
            vcpu.event.valid = false;
            pager_counts.faults++;
            return (struct result){OUTCOME_FAULT, 0, vcpu.event.error};
        }
        pager_counts.fills++;
    }
    fprintf(stderr, "pager: 0x%lx access 0x%x mode %d cr0 %lx cr4 %lx efer %lx load %d: no end\n",
            linear, access, vcpu.vtlb->shadows.mode, vcpu.vtlb->guest.cr0, vcpu.vtlb->guest.cr4,
            vcpu.vtlb->guest.efer, vcpu.vtlb->load);
    abort();
}

static bool read_ram(void *context, uint64_t gpa, unsigned size, uint64_t *value)
{
    (void)context;
    *value = 0;
    if (gpa < RAM_SIZE) {
        memcpy(value, ram + gpa, size);
    }
    return gpa < RAM_SIZE;
}

static bool replace_ram(void *context, uint64_t gpa, unsigned size, uint64_t expected,
                        uint64_t desired)
{
    (void)context;
    (void)expected;
    memcpy(ram + gpa, &desired, size);
    return true;
}

static struct result access_guest(uint64_t linear, unsigned access)
{
    static const struct walk_memory memory = {read_ram, replace_ram, NULL};
    struct walk_result page;

    switch (walk(&vcpu.vtlb->guest, &memory, linear, access, &page)) {
    case WALK_DONE:
        return (struct result){page.gpa < RAM_SIZE ? OUTCOME_DONE : OUTCOME_VIOLATION, page.gpa, 0};
    case WALK_FAULT:
        return (struct result){OUTCOME_FAULT, 0, page.error_code};
    case WALK_UNREADABLE:
        return (struct result){OUTCOME_VIOLATION, page.gpa, 0};
    default:
        abort();
    }
}

static _Alignas(8) uint8_t before[(TABLES + 2) * PAGE_SIZE], after[(TABLES + 2) * PAGE_SIZE];

static void compare(uint64_t linear, unsigned access)
{
    memcpy(before, ram, sizeof(before));
    struct result guest = access_guest(linear, access);

    memcpy(after, ram, sizeof(after));
    memcpy(ram, before, sizeof(before));
    struct result vtlb = access_vtlb(linear, access);

    pager_counts.accesses++;
    if (guest.outcome != vtlb.outcome || guest.gpa != vtlb.gpa || guest.error != vtlb.error ||
        memcmp(ram, after, sizeof(after)) != 0) {
        fprintf(stderr, "pager: 0x%lx access 0x%x mode %d: guest %d 0x%lx %x, vTLB %d 0x%lx %x%s\n",
                linear, access, vcpu.vtlb->shadows.mode, guest.outcome, guest.gpa, guest.error,
                vtlb.outcome, vtlb.gpa, vtlb.error,
                memcmp(ram, after, sizeof(after)) ? ", memory differs" : "");
        abort();
    }
}

/* ---- The guest -------------------------------------------------------------------------------- */

static const uint64_t roots_of[4] = {0x1000, 0x2000, 0x3000, 0x4000};
static bool changed_global, changed_directory;

#define PCIDS 4
static bool changed[PCIDS]; /* something, since the guest invalidated what it has */

static bool has_pcids(void)
{
    return vcpu.vtlb->guest.cr4 & CR4_PCIDE;
}

static unsigned pcid(void)
{
    return has_pcids() ? vcpu.vtlb->guest.cr3 % PCIDS : 0;
}

static uint64_t probe(void)
{
    static const uint16_t index[] = {0, 1, 5, 511};
    enum shadow_mode mode = vcpu.vtlb->shadows.mode;
    uint64_t offset = (uint64_t)index[choose(4)] << 12 | (uint64_t)index[choose(3)] << 21 |
                      choose(512) * 8;

    if (mode == SHADOW_LONG) {
        offset |= (uint64_t)choose(2) << 30 | (uint64_t)choose(2) * 0xffff800000000000UL;
    } else {
        offset |= (uint64_t)choose(4) << 30;
    }
    return mode == SHADOW_FLAT ? offset % (RAM_SIZE + LARGE) : offset;
}

/* An entry of any kind, and often a good one. */
static uint64_t random_entry(void)
{
    uint64_t to = choose(3) ? 0x1000 + choose(TABLES) * 0x1000UL
                  : choose(8) ? choose(RAM_SIZE / PAGE_SIZE) * PAGE_SIZE
                              : choose(1u << 20) * PAGE_SIZE;
    uint64_t entry = to | choose(8);

    entry |= choose(8) ? 1 : 0;
    entry |= choose(4) ? 6 : 0;
    entry |= choose(2) ? 0x60 : choose(4) << 5;
    if (!choose(4)) {
        entry = (entry & ~0x1fe000UL) | 0x80;
        entry &= choose(4) ? ~0x1000UL : ~0UL;
    }
    entry |= choose(4) ? 0 : 0x100;
    entry |= choose(6) || vcpu.vtlb->shadows.mode == SHADOW_32 ? 0 : 1UL << 63;
    entry |= choose(64) ? 0 : 1UL << (12 + choose(40));
    if ((entry & 0x000ffffffffff000UL) == DIRECTORIES) {
        entry ^= 0x1000; /* walking there must not set bits in what other faults read again */
    }
    return entry;
}

static void change_entry(void)
{
    static const uint16_t index[] = {0, 1, 5, 511, 256, 2, 3, 4, 1023, 512};
    enum shadow_mode mode = vcpu.vtlb->shadows.mode;
    uint64_t table = 0x1000 + choose(TABLES) * 0x1000UL, entry = random_entry();

    memset(changed, true, sizeof(changed));
    if (mode == SHADOW_PAE && !choose(8)) {
        uint64_t value = choose(6) ? (entry & 0xf000) | 1 : entry;

        memcpy(ram + DIRECTORIES + choose(16) * 8UL, &value, 8);
        changed_directory = true;
    } else if (mode == SHADOW_32) {
        uint32_t *place = (uint32_t *)(ram + table) + (choose(2) ? index[choose(10)] : choose(8) << 8);

        changed_global |= (*place | entry) & 0x100;
        *place = (uint32_t)entry;
    } else {
        uint64_t *place = (uint64_t *)(ram + table) + index[choose(8)];

        changed_global |= ((*place | entry) & 0x100) != 0;
        *place = entry;
    }
}

static uint64_t random_cr3(void)
{
    uint32_t which = choose(4);

    return vcpu.vtlb->shadows.mode == SHADOW_PAE ? DIRECTORIES + which * 32
           : has_pcids()                         ? roots_of[which] + choose(PCIDS)
                                                 : roots_of[which];
}

static void set_registers(bool pge)
{
    struct walk_registers *guest = &vcpu.vtlb->guest;

    vtlb_set(&vcpu, guest->cr0, random_cr3(), pge ? guest->cr4 | CR4_PGE : guest->cr4 & ~CR4_PGE,
             guest->efer);
    memset(changed, false, sizeof(changed));
}

static void new_mode(void)
{
    uint32_t mode = choose(8);
    uint64_t cr0 = CR0_PE | (mode ? CR0_PG : 0) | (choose(4) ? CR0_WP : 0);
    uint64_t cr4 = (choose(2) ? CR4_PSE : 0) | (choose(2) ? CR4_PGE : 0) |
                   (choose(4) ? 0 : CR4_SMEP) | (choose(4) || !(cr0 & CR0_WP) ? 0 : CR4_SMAP);
    uint64_t efer = choose(2) ? EFER_NXE : 0;

    if (mode >= 2) {
        cr4 |= CR4_PAE;
        efer |= mode >= 4 ? EFER_LME : 0;
        cr4 |= mode >= 6 ? CR4_PCIDE : 0;
    }
    vtlb_set(&vcpu, cr0, 0x1000, cr4, efer);
    set_registers(cr4 & CR4_PGE);
    pager_counts.loads++;
}

static void load_cr3(uint64_t value)
{
    unsigned gpr = value & CR3_KEEP ? GPR_RSP : GPR_RCX;
    struct vcpu_exit exit = {.reason = EXIT_CR_ACCESS, .insn_length = 3,
                             .cr = {.number = 3, .write = true, .gpr = (uint8_t)gpr}};

    state.gpr[GPR_RCX] = guest_rsp = value;
    state.gpr[GPR_RSP] = 0;
    state.rip = 0x1000;
    for (unsigned tries = 0; vcpu.vtlb->load != VTLB_LOADED; tries++) { /* it runs code to do so */
        struct vcpu_exit fault = {.reason = EXIT_PAGE_FAULT};

        RULE(tries < TRIES);
        vtlb_page_fault(&vcpu, &fault);
        vcpu.event.valid = false;
    }
    RULE(vtlb_cr_access(&vcpu, &exit));
    RULE(state.rip == 0x1003 && vcpu.vtlb->guest.cr3 == (value & ~CR3_KEEP));
    if (!(value & CR3_KEEP)) {
        changed[pcid()] = false;
    } else if (vcpu.vtlb->load == VTLB_LOADED) {
        exit.cr.write = false;
        RULE(vtlb_cr_access(&vcpu, &exit) && guest_rsp == vcpu.vtlb->guest.cr3);
    }
    pager_counts.loads++;
}

static void invlpg(uint64_t linear)
{
    state.rip = 0x1000;
    for (unsigned tries = 0; state.rip == 0x1000; tries++) {
        struct vcpu_exit exit = {.reason = EXIT_INVLPG, .insn_length = 3,
                                 .exception = {.address = linear}};

        RULE(tries < TRIES && vtlb_invlpg(&vcpu, &exit));
    }
    pager_counts.invlpgs++;
}

/* All that an entry may have mapped: the addresses that probe() gives. */
static void invlpg_all(void)
{
    static const uint16_t index[] = {0, 1, 5, 511};
    bool wide = vcpu.vtlb->shadows.mode == SHADOW_LONG;

    for (unsigned i = 0; i < 4; i++) {
        for (unsigned k = 0; k < 3; k++) {
            for (unsigned top = 0; top < 4; top++) {
                invlpg((uint64_t)index[i] << 12 | (uint64_t)index[k] << 21 |
                       (wide ? (uint64_t)(top & 1) << 30 |
                                   (uint64_t)(top >> 1) * 0xffff800000000000UL
                             : (uint64_t)top << 30));
            }
        }
    }
    changed[pcid()] = false;
}

/* After this nothing that was changed may be missed (SDM vol 3, 4.10.4.1). */
static void invalidate(void)
{
    bool globals = changed_global && (vcpu.vtlb->guest.cr4 & CR4_PGE);

    switch (choose(8)) {
    case 0:
        new_mode();
        break;
    case 1:
        set_registers(!(vcpu.vtlb->guest.cr4 & CR4_PGE));
        break;
    case 2:
        if (!changed_directory) {
            invlpg_all();
            break;
        }
        __attribute__((fallthrough));
    default:
        if (globals) {
            invlpg_all();
        }
        load_cr3(random_cr3() | (has_pcids() && choose(2) ? CR3_KEEP : 0));
        break;
    }
    changed_global = changed_directory = false;
}

static unsigned random_access(void)
{
    unsigned access = choose(4) == 0 ? WALK_USER : 0;

    return access | (choose(3) == 0 ? WALK_WRITE : choose(4) == 0 ? WALK_FETCH : 0);
}

/* What another PCID has seen meanwhile, and is not so any more, this one never sees. */
static void visit(void)
{
    uint64_t home = vcpu.vtlb->guest.cr3, away = random_cr3();
    static uint8_t tables[sizeof(before)];
    bool was[PCIDS];

    if (!has_pcids() || away % PCIDS == home % PCIDS || (vcpu.vtlb->guest.cr4 & CR4_PGE)) {
        return;
    }
    memcpy(was, changed, sizeof(was));
    memcpy(tables, ram, sizeof(tables));
    load_cr3(away);
    for (unsigned n = 1 + choose(4); n > 0; n--) {
        change_entry();
    }
    load_cr3(away);
    for (unsigned n = 2 + choose(8); n > 0; n--) {
        compare(probe(), random_access());
    }
    memcpy(ram, tables, sizeof(tables));
    memcpy(changed, was, sizeof(was));
    changed[away % PCIDS] = true;
    load_cr3(home | CR3_KEEP);
    pager_counts.visits++;
}

/* As it is, or where the manual does not say: as it is, or was. */
static void access_some(void)
{
    for (unsigned n = 2 + choose(8); n > 0; n--) {
        if (changed[pcid()]) {
            access_vtlb(probe(), random_access());
        } else {
            compare(probe(), random_access());
        }
    }
}

/* Each PCID forgets its own, at its own time. */
static void go_round(void)
{
    for (unsigned n = has_pcids() ? choose(8) : 0; n > 0; n--) {
        if (!choose(3)) {
            change_entry();
        }
        if (!choose(4)) {
            invlpg_all();
            changed_global = false;
        }
        if (changed_global && (vcpu.vtlb->guest.cr4 & CR4_PGE)) {
            invlpg_all();
        }
        changed_global = false;
        load_cr3(random_cr3() | (choose(3) ? CR3_KEEP : 0));
        access_some();
    }
}

void pager_round(void)
{
    for (unsigned n = 1 + choose(4); n > 0; n--) {
        change_entry();
    }
    for (unsigned n = choose(4); n > 0; n--) { /* either may be: what was, and what is */
        access_vtlb(probe(), random_access());
    }
    if (!choose(64)) { /* the VMM takes something away */
        __atomic_fetch_add(&vm.generation, 1, __ATOMIC_SEQ_CST);
        vtlb_refresh(&vcpu, vm.generation);
    }
    invalidate();
    access_some();
    go_round();
    if (!choose(4)) {
        visit();
        access_some();
    }
}

void pager_start(pager_choice *from, void *context, uint64_t frames)
{
    choose_from = from;
    choose_context = context;
    memset(ram, 0, sizeof(before)); /* nothing writes to the rest */
    memory_init(pool, sizeof(pool));
    quota = (struct quota){.limit = VTLB_CREATE_FRAMES + frames};
    vm = (struct vm){.quota = &quota, .vtlb = true, .generation = 1};
    memset(&state, 0, sizeof(state));
    state.rflags = RFLAGS_ONE;
    vcpu = (struct vcpu){.state = &state, .vm = &vm};
    changed_global = changed_directory = false;
    vtlb_create(&vcpu);
    new_mode();
    for (unsigned i = 0; i < 200; i++) {
        change_entry();
    }
    invalidate();
}

void pager_end(void)
{
    while (!vtlb_destroy(&vcpu)) {
    }
    RULE(quota.used == 0);
    for (size_t i = 0; i < sizeof(pool); i += 8) { /* what is given back is zero */
        uint64_t word;

        memcpy(&word, pool + i, 8);
        RULE(word == 0 || memory_free() < POOL_FRAMES || i % PAGE_SIZE == 0);
    }
}

/* ---- Two processes ---------------------------------------------------------------------------- */

static void put(uint64_t table, unsigned index, uint64_t entry)
{
    memcpy(ram + table + index * 8UL, &entry, 8);
}

/* Processes at 0x1000 and 0x2000: each its own lower half, and one upper half. */
static void two_processes(uint64_t cr4)
{
    memset(ram, 0, RAM_SIZE / 2);
    put(0x1000, 0, 0x3067);
    put(0x2000, 0, 0x4067);
    put(0x3000, 0, 0x5067);
    put(0x4000, 0, 0x6067);
    put(0x5000, 0, 0x7067);
    put(0x6000, 0, 0x8067);
    put(0x1000, 511, 0x9063);
    put(0x2000, 511, 0x9063);
    put(0x9000, 0, 0xa063);
    put(0xa000, 0, 0xb063);
    for (unsigned i = 0; i < 64; i++) {
        put(0x7000, i, (0x20000 + i * 0x1000UL) | 0x67);
        put(0x8000, i, (0x60000 + i * 0x1000UL) | 0x67);
        put(0xb000, i, (0xa0000 + i * 0x1000UL) | 0x163);
    }
    vtlb_set(&vcpu, CR0_PE | CR0_PG | CR0_WP, 0x1000, CR4_PAE | cr4, EFER_LME);
    memset(changed, false, sizeof(changed));
}

uint64_t pager_switch(unsigned rounds)
{
    uint64_t fills = 0;

    two_processes(0);
    for (unsigned round = 0; round < 2 * rounds; round++) {
        uint64_t start = pager_counts.fills;

        vtlb_set(&vcpu, CR0_PE | CR0_PG | CR0_WP, round % 2 ? 0x2000 : 0x1000, CR4_PAE, EFER_LME);
        while (vcpu.vtlb->load != VTLB_LOADED) {
            struct vcpu_exit fault = {.reason = EXIT_PAGE_FAULT};

            vtlb_page_fault(&vcpu, &fault);
        }
        for (unsigned i = 0; i < 64; i++) {
            compare(i * PAGE_SIZE, WALK_USER | WALK_WRITE);
            compare(0xffffff8000000000UL + i * PAGE_SIZE, WALK_WRITE);
        }
        fills = pager_counts.fills - start;
    }
    return fills;
}

/* ---- Their PCIDs ------------------------------------------------------------------------------ */

#define KERNEL 0xffffff8000000000UL

static void look_at_both(void)
{
    for (unsigned i = 0; i < 4; i++) {
        compare(i * PAGE_SIZE, WALK_USER);
        compare(KERNEL + i * PAGE_SIZE, 0);
    }
}

uint64_t pager_pcids(void)
{
    two_processes(CR4_PCIDE);
    load_cr3(0x1001);
    look_at_both();
    load_cr3(0x2002);
    look_at_both();
    uint64_t start = pager_counts.fills;

    for (unsigned i = 0; i < 4; i++) {
        load_cr3(0x1001 | CR3_KEEP);
        look_at_both();
        load_cr3(0x2002 | CR3_KEEP);
        look_at_both();
    }
    uint64_t fills = pager_counts.fills - start;

    put(0x7000, 0, 0x30067); /* the manual lets it be seen or not: here it is not looked at */
    put(0x8000, 0, 0x70067);
    load_cr3(0x1001 | CR3_KEEP);
    RULE(access_vtlb(0, WALK_USER).gpa == 0x20000);
    load_cr3(0x1001);
    compare(0, WALK_USER);
    load_cr3(0x2002 | CR3_KEEP); /* only the one was invalidated */
    RULE(access_vtlb(0, WALK_USER).gpa == 0x60000);
    load_cr3(0x1002); /* its PCID, and another process */
    load_cr3(0x2002 | CR3_KEEP);
    compare(0, WALK_USER);
    return fills;
}

void pager_invlpg_for_all_pcids(void)
{
    two_processes(CR4_PCIDE | CR4_PGE);
    put(0x2000, 511, 0); /* the second does not have the upper half */
    load_cr3(0x1001);
    look_at_both();
    load_cr3(0x2002);
    put(0xb000, 0, 0x30163);
    invlpg(KERNEL);
    load_cr3(0x1001 | CR3_KEEP);
    compare(KERNEL, 0);
}

void pager_invlpg_without_a_way(void)
{
    two_processes(CR4_PCIDE);
    put(0x5000, 1, 0x7067); /* the table has a second place */
    load_cr3(0x1001);
    look_at_both();
    compare(0x200000, WALK_USER);
    put(0x5000, 0, 0);
    load_cr3(0x1001);
    compare(0x200000, WALK_USER);
    put(0x7000, 0, 0x30067);
    invlpg(0);
    load_cr3(0x2002);
    load_cr3(0x1001 | CR3_KEEP);
    put(0x5000, 0, 0x7067);
    compare(5 * PAGE_SIZE, WALK_USER); /* comes back with it */
    compare(0, WALK_USER);
}

void pager_invlpg_on_another_way(void)
{
    two_processes(CR4_PCIDE);
    put(0x2000, 0, 0x3067); /* both have the lower half in common */
    load_cr3(0x1001);
    look_at_both();
    load_cr3(0x2002);
    put(0x5000, 0, 0x8067); /* now it leads elsewhere */
    invlpg(0);
    look_at_both();
    load_cr3(0x1001 | CR3_KEEP);
    put(0x7000, 0, 0x30067);
    invlpg(0);
    compare(0, WALK_USER);
    put(0x5000, 0, 0x7067); /* and back */
    access_vtlb(5 * PAGE_SIZE, WALK_USER);
    RULE(access_vtlb(0, WALK_USER).gpa != 0x20000);
}
