/* SPDX-License-Identifier: Apache-2.0 */
#include "play.h"

#include "guest.h"

#define OPS     1024u
#define ROOM    240u /* for a round: it may invalidate all addresses */
#define BATCHES 24u
#define ROOTS   4u
#define FLAGS   2u
#define RET     0xc3u

static struct op ops[OPS];
/* What each op has to come to; the kind OP_END: anything. */
static struct op expected[OPS];

static struct {
    const struct mode *mode;
    struct world world;
    uint64_t random;
    unsigned ops;
    bool stale; /* the processor may remember what is so no longer */
    struct tally tally;
} game;

/* ---- Chance ---------------------------------------------------------------------------------- */

/* xorshift64*; less than `limit`. */
static uint32_t below(uint32_t limit)
{
    game.random ^= game.random >> 12;
    game.random ^= game.random << 25;
    game.random ^= game.random >> 27;
    return (uint32_t)((game.random * 0x2545f4914f6cdd1dUL >> 32) * limit >> 32);
}

static bool once_in(uint32_t number)
{
    return below(number) == 0;
}

/* ---- Ops ------------------------------------------------------------------------------------- */

static struct op *emit(uint32_t kind, uint64_t address, uint64_t value)
{
    unsigned n = game.ops++;

    if (n >= OPS - 1) {
        print("paging: a round takes too many ops\n");
        guest_exit(1);
    }
    ops[n] = (struct op){.kind = kind, .flags = FLAGS, .address = address, .value = value};
    expected[n] = (struct op){.kind = kind};
    return &expected[n];
}

static bool is_narrow(void)
{
    return !(game.world.cr4 & CR4_PAE);
}

/* May an access write there? The roots' first entries map this guest, and PAE's first tables are
 * read at their own time. */
static bool may_write(uint64_t gpa)
{
    bool root = gpa < GROUND + ROOTS * 0x1000 && gpa % 0x1000 < 8;

    return !root && !(gpa >= DIRECTORIES && gpa < PAGES);
}

static bool is_table(uint64_t gpa)
{
    return gpa < PAGES;
}

static void count_fault(uint32_t error)
{
    game.tally.faults++;
    game.tally.absent += !(error & ERROR_PRESENT);
    game.tally.write += (error & ERROR_WRITE) != 0;
    game.tally.user += (error & ERROR_USER) != 0;
    game.tally.reserved += (error & ERROR_RESERVED) != 0;
    game.tally.fetch += (error & ERROR_FETCH) != 0;
}

static uint64_t some_entry(uint64_t place);

/* What may stand at a place of the ground: pages hold what can be executed. */
static uint32_t some_word(uint64_t gpa)
{
    return is_table(gpa) ? (uint32_t)some_entry(gpa) : RET | below(1u << 24) << 8;
}

/* An access whose outcome is known; false: it is not, and nothing was done. `value`: what is
 * written; NULL: anything. */
static bool try_access(const struct access *access, const uint32_t *value)
{
    uint32_t what = access->kind & ~(uint32_t)OP_USER;
    struct landing landing;
    enum outcome outcome =
        model_access(&game.world, game.mode->gigabyte_pages, access, false, &landing);

    if (outcome == OUTCOME_UNKNOWN ||
        (outcome == OUTCOME_DONE && ((what == OP_FETCH && is_table(landing.gpa)) ||
                                     (what == OP_WRITE && !may_write(landing.gpa))))) {
        return false;
    }
    model_access(&game.world, game.mode->gigabyte_pages, access, true, &landing);
    struct op *expect = emit(access->kind, access->linear, 0), *op = &ops[game.ops - 1];

    op->flags = FLAGS | access->flags;
    game.tally.accesses++;
    if (outcome == OUTCOME_FAULT) {
        *expect = (struct op){.kind = access->kind,
                              .vector = OP_PAGE_FAULT,
                              .error = landing.error,
                              .cr2 = access->linear};
        count_fault(landing.error);
    } else if (what == OP_READ) {
        expect->result = *model_word(landing.gpa);
    } else if (what == OP_WRITE) {
        op->value = value ? *value : some_word(landing.gpa);
        *model_word(landing.gpa) = (uint32_t)op->value;
        game.stale |= is_table(landing.gpa);
    }
    return true;
}

/* ---- Addresses ------------------------------------------------------------------------------- */

#define PROBES 4u
static const uint16_t of_table[PROBES] = {0, 1, 5, 511};
static const uint16_t of_directory[PROBES] = {2, 3, 1, 511};
static const uint16_t of_pdpt[PROBES] = {1, 2, 3, 0};
static const uint16_t of_pml4[PROBES] = {1, 255, 256, 511};
static const uint16_t of_directory_32[PROBES] = {2, 3, 512, 1023};
static const uint16_t of_table_32[PROBES] = {0, 1, 5, 1023};

/* The page that these of the indices lead to; `pdpt` and `pml4` only where there are such. */
static uint64_t probe_at(unsigned table, unsigned directory, unsigned pdpt, unsigned pml4)
{
    if (is_narrow()) {
        return (uint64_t)of_table_32[table] << 12 | (uint64_t)of_directory_32[directory] << 22;
    }
    uint64_t low = (uint64_t)of_table[table] << 12 | (uint64_t)of_directory[directory] << 21;

    if (!game.mode->is_long) {
        return low | (uint64_t)of_pdpt[pdpt % 3] << 30;
    }
    low |= (uint64_t)of_pdpt[pdpt] << 30 | (uint64_t)of_pml4[pml4] << 39;
    return low | (low >> 47 & 1 ? 0xffff000000000000UL : 0);
}

/* Two of the four directories, and two of what is above: so that they meet often. */
static uint64_t some_page(void)
{
    if (!game.mode->paging) {
        return PAGES + below(DATA_PAGES) * 0x1000;
    }
    return probe_at(below(4), below(3), below(3), below(3));
}

static uint64_t some_address(void)
{
    return some_page() | below(512) * 8;
}

/* ---- Changes --------------------------------------------------------------------------------- */

/* Of the levels below the first table, each has its share of the tables: an entry mostly leads to
 * the next, and sometimes anywhere. 0: to pages. */
static unsigned tables_below(uint64_t place, unsigned *first)
{
    unsigned table = (unsigned)(place - GROUND) / 0x1000, levels = game.mode->is_long ? 4 : 2;
    unsigned share = is_narrow() && table < ROOTS ? TABLES - ROOTS : TABLES / levels;

    *first = is_narrow() ? ROOTS : (table / share + 1) * share;
    return *first < TABLES && !(is_narrow() && table >= ROOTS) ? share : 0;
}

static uint64_t some_target(uint64_t place)
{
    unsigned first, count = tables_below(place, &first);

    if (once_in(12)) {
        first = 0;
        count = below(2) ? TABLES : 0;
    }
    return count > 0 ? GROUND + (first + below(count)) * 0x1000
                     : PAGES + below(DATA_PAGES) * 0x1000;
}

/* For this place: often a good one. */
static uint64_t some_entry(uint64_t place)
{
    uint64_t entry = some_target(place) | (below(24) ? ENTRY_PRESENT : 0);

    entry |= below(6) ? ENTRY_WRITE | ENTRY_USER : below(4) * 2;
    entry |= below(2) ? 0 : below(4) << 3; /* PWT, PCD: memory all the same */
    entry |= below(2) ? ENTRY_ACCESSED | ENTRY_DIRTY : below(4) * ENTRY_ACCESSED;
    entry |= below(4) ? 0 : ENTRY_GLOBAL;
    if (once_in(16)) { /* a large page of the ground, or what looks like one */
        entry = (entry & 0xfff) | ENTRY_LARGE | GROUND;
        entry |= is_narrow() || once_in(2) ? 0 : 0x200000;
        entry = game.mode->gigabyte_pages && once_in(3) ? entry & 0xfff : entry;
        entry |= once_in(8) ? (is_narrow() ? 0x200000 : 0x4000) : 0;
    }
    if (!is_narrow()) {
        entry |= below(game.world.efer & EFER_NXE ? 8 : 32) ? 0 : ENTRY_NX;
        entry |= below(64) ? 0 : 1UL << 51;
    }
    return entry;
}

/* Where an entry stands that some of the addresses may use, but for the fixed ones. */
#define PLACES 8u
static uint64_t place_at(unsigned table, unsigned which)
{
    static const uint16_t narrow[PLACES] = {0, 1, 2, 3, 5, 512, 1023, 1023};
    static const uint16_t wide[PLACES] = {0, 1, 2, 3, 5, 255, 256, 511};

    return GROUND + table * 0x1000 + (is_narrow() ? narrow[which] * 4u : wide[which] * 8u);
}

static uint64_t some_place(void)
{
    uint64_t place;

    do {
        place = place_at(below(TABLES), below(PLACES));
    } while (!may_write(place));
    return place;
}

static uint64_t entry_of(uint64_t place)
{
    return is_narrow() ? *model_word(place)
                       : *model_word(place) | (uint64_t)*model_word(place + 4) << 32;
}

static void put_entry(uint64_t place, uint64_t entry)
{
    *(volatile uint64_t *)place = entry;
    *(uint64_t *)model_word(place) = entry;
}

/* Through the fixed part of the tables; `now`: before the run, in both grounds. */
static void store(uint64_t place, uint32_t value, bool now)
{
    if (now) {
        *(volatile uint32_t *)place = value;
        *model_word(place) = value;
    } else {
        const struct access access = {.linear = place, .kind = OP_WRITE};

        game.tally.accesses--; /* not what is tried */
        try_access(&access, &value);
    }
}

static void set_entry(uint64_t place, uint64_t entry, bool now)
{
    bool stale = game.stale | (entry_of(place) & ENTRY_PRESENT);

    game.tally.fills += !now && !(entry_of(place) & ENTRY_PRESENT) && (entry & ENTRY_PRESENT);
    if (!is_narrow()) {
        store(place + 4, (uint32_t)(entry >> 32), now);
    }
    store(place, (uint32_t)entry, now);
    game.stale = stale; /* nobody remembers that nothing was there */
}

static void change(void)
{
    uint64_t place = some_place(), old = entry_of(place);

    if ((old & ENTRY_PRESENT) &&
        once_in(2)) { /* rights, accessed, dirty; rarely what it leads to */
        static const uint64_t bit[] = {ENTRY_PRESENT, ENTRY_WRITE,  ENTRY_USER, ENTRY_ACCESSED,
                                       ENTRY_DIRTY,   ENTRY_GLOBAL, ENTRY_NX,   ENTRY_WRITE};
        unsigned which = below(8);

        set_entry(place, old ^ (is_narrow() && which == 6 ? ENTRY_USER : bit[which]), false);
    } else {
        set_entry(place, some_entry(place), false);
    }
}

/* Before a run: one in so many entries anew, so that tables do not go to the bad. */
static void renew(uint32_t number)
{
    for (unsigned i = 0; game.mode->paging && i < TABLES * PLACES; i++) {
        uint64_t place = place_at(i / PLACES, i % PLACES);

        if (may_write(place) && once_in(number)) {
            set_entry(place, some_entry(place), true);
        }
    }
}

static bool is_pae(void)
{
    return game.mode->paging && !game.mode->is_long && !is_narrow();
}

/* PAE's first tables are changed between runs only: loading a bad one is no page fault. */
static void change_directories(void)
{
    for (unsigned i = 0; i < ROOTS * 4; i++) {
        if (i % 4 > 0 && once_in(3)) {
            put_entry(DIRECTORIES + i * 8,
                      below(8) ? (GROUND + below(TABLES / 2) * 0x1000) | ENTRY_PRESENT : 0);
        }
    }
}

/* ---- Invalidation ---------------------------------------------------------------------------- */

static uint64_t some_root(void)
{
    return game.mode->is_long || is_narrow() ? GROUND + below(ROOTS) * 0x1000
                                             : DIRECTORIES + below(ROOTS) * 32;
}

static void load_cr3(uint64_t cr3)
{
    game.world.cr3 = cr3;
    emit(OP_CR3, 0, cr3);
}

static void invalidate_each(void)
{
    for (unsigned i = 0; i < 64; i++) {
        unsigned top = i >> 4;

        for (unsigned pml4 = 0; pml4 < (game.mode->is_long ? 3u : 1u); pml4++) {
            if ((i >> 2 & 3) < 3 && (is_narrow() ? top == 0 : top < 3)) {
                emit(OP_INVLPG, probe_at(i & 3, i >> 2 & 3, top, pml4), 0);
            }
        }
    }
}

static void switch_pge(void)
{
    emit(OP_CR4, 0, game.world.cr4 ^ CR4_PGE);
    emit(OP_CR4, 0, game.world.cr4);
}

/* After this nothing that was changed is remembered (SDM vol 3, 4.10.4.1). */
static void invalidate(void)
{
    bool global = game.world.cr4 & CR4_PGE;
    uint32_t how = below(4);

    if (how == 0) {
        invalidate_each();
    } else if (how == 1 || global) {
        if (how > 1) {
            load_cr3(some_root());
        }
        switch_pge();
    } else {
        load_cr3(how == 2 ? game.world.cr3 : some_root());
    }
    game.stale = false;
}

/* ---- Rounds ---------------------------------------------------------------------------------- */

static void some_access(uint64_t linear)
{
    struct access access = {.linear = linear,
                            .kind = once_in(3)   ? OP_WRITE
                                    : once_in(3) ? OP_FETCH
                                                 : OP_READ,
                            .flags = once_in(2) ? FLAGS_AC : 0};

    if (once_in(3)) {
        access.kind += OP_USER;
        access.flags = 0;
    }
    try_access(&access, NULL);
}

/* It may see what was or what is: nobody asks which. */
static void read_stale(void)
{
    struct access access = {.linear = some_address(), .kind = OP_READ};
    struct landing landing;

    if (model_access(&game.world, game.mode->gigabyte_pages, &access, false, &landing) !=
        OUTCOME_UNKNOWN) {
        emit(OP_READ, access.linear, 0)->kind = OP_END;
    }
}

/* One address is told of the change, and one only. */
static void invalidate_one(uint64_t linear)
{
    emit(OP_INVLPG, linear, 0);
    for (unsigned n = 1 + below(3); n > 0; n--) {
        some_access(linear | below(512) * 8);
    }
}

static void play_round(void)
{
    uint64_t page = some_page();

    for (unsigned n = game.mode->paging ? below(4) : 0; n > 0; n--) {
        change();
    }
    if (game.stale) {
        for (unsigned n = below(4); n > 0; n--) {
            read_stale();
        }
        if (once_in(4)) {
            invalidate_one(some_page());
        }
        invalidate();
    }
    if (game.mode->paging && once_in(6)) {
        game.world.cr0 ^= CR0_WP;
        emit(OP_CR0, 0, game.world.cr0);
    }
    if (game.mode->paging && !(game.world.cr4 & CR4_PGE) && once_in(4)) {
        load_cr3(some_root()); /* another process */
    }
    for (unsigned n = 2 + below(8); n > 0 && !game.stale; n--) {
        page = once_in(3) ? page : some_page(); /* a write that follows a read, and the like */
        some_access(page | below(512) * 8);
    }
}

/* ---- Batches --------------------------------------------------------------------------------- */

static void start_world(void)
{
    const struct mode *mode = game.mode;

    game.world = (struct world){
        .cr0 = 0x30 | CR0_PE | (mode->paging ? CR0_PG : 0) | (below(4) ? CR0_WP : 0),
        .cr4 = mode->cr4 | (mode->paging && once_in(2) ? CR4_PGE : 0),
        .efer = mode->efer,
        .is_long = mode->is_long,
    };
    game.world.cr3 = some_root();
    game.ops = 0;
}

/* All that differs where it must not. */
static void compare(void)
{
    for (unsigned n = 0; n < game.ops; n++) {
        struct op *got = &ops[n], *want = &expected[n];
        bool read = (want->kind & ~(uint32_t)OP_USER) == OP_READ && want->vector == OP_DONE;
        uint32_t differs = read ? (uint32_t)(got->result ^ want->result) & ~ENTRY_ACCESSED : 0;

        /* QEMU leaves out that the entry is present (SDM vol 3, 4.7). */
        got->error |= got->error & ERROR_RESERVED ? ERROR_PRESENT : 0;
        if (want->kind == OP_END || (got->vector == want->vector && got->error == want->error &&
                                     got->cr2 == want->cr2 && differs == 0)) {
            continue;
        }
        if (game.tally.wrong++ < 8) {
            print("paging: %s: op %u, kind %u at 0x%lx, value 0x%lx:\n", game.mode->name, n,
                  got->kind, got->address, got->value);
            print("paging:   vector %u, error 0x%x, CR2 0x%lx, read 0x%lx\n", got->vector,
                  got->error, got->cr2, got->result);
            print("paging:   not %u, 0x%x, 0x%lx, 0x%lx; CR0 0x%lx, CR3 0x%lx\n", want->vector,
                  want->error, want->cr2, want->result, game.world.cr0, game.world.cr3);
        }
    }
}

/* ---- The ground ------------------------------------------------------------------------------ */

/* Pages hold what can be executed and tells where it stands; tables nothing but what is fixed. */
static void make_ground(void)
{
    for (uint64_t gpa = GROUND; gpa < GROUND + GROUND_SIZE; gpa += 8) {
        if (gpa % 0x1000 == 0 && !model_has(gpa, 8)) {
            gpa += 0x1000 - 8;
            continue;
        }
        put_entry(gpa, is_table(gpa) ? 0 : RET | (gpa * 0x9e3779b1 & 0xffffff00));
    }
    for (uint64_t i = 0; i < ROOTS; i++) {
        uint64_t root = GROUND + i * 0x1000;

        if (game.mode->is_long) {
            put_entry(root, FIXED_PDPT | ENTRY_PRESENT | ENTRY_WRITE | ENTRY_USER);
        } else if (game.mode->cr4 & CR4_PAE) {
            put_entry(DIRECTORIES + i * 32, FIXED_DIRECTORY | ENTRY_PRESENT);
        } else {
            put_entry(root, FIXED_TABLES_32 | ENTRY_PRESENT | ENTRY_WRITE | ENTRY_USER |
                                (FIXED_TABLES_32 + 0x1007UL) << 32);
        }
    }
}

/* From its first table up to `end`. Accessed bits may be set where the copy has none (SDM vol 3,
 * 4.8), never the other way round. */
static void look_at_ground(uint64_t end)
{
    uint64_t hash = 0xcbf29ce484222325; /* FNV-1a, by words */

    for (uint64_t gpa = GROUND; gpa < end; gpa += 4) {
        if (gpa % 0x1000 == 0 && !model_has(gpa, 8)) {
            gpa += 0x1000 - 4;
            continue;
        }
        uint32_t real = *(const uint32_t *)gpa, want = *model_word(gpa);

        if (((real ^ want) & ~ENTRY_ACCESSED) || (want & ~real & ENTRY_ACCESSED)) {
            if (game.tally.wrong++ < 8) {
                print("paging: %s: 0x%x at 0x%lx, not 0x%x\n", game.mode->name, real, gpa, want);
            }
        }
        hash = (hash ^ (real & ~ENTRY_ACCESSED)) * 0x100000001b3;
    }
    game.tally.hash = hash;
}

static void play_batch(void)
{
    struct world first;

    start_world();
    renew(2);
    if (is_pae()) {
        change_directories();
    }
    game.stale = false; /* the way there empties the TLB */
    first = game.world;
    while (game.ops + ROOM < OPS) {
        play_round();
    }
    ops[game.ops] = (struct op){.kind = OP_END};
    run_ops(&first, ops);
    compare();
    look_at_ground(PAGES); /* later changes would cover what went wrong */
}

struct tally play(const struct mode *mode)
{
    game.mode = mode;
    game.random = mode->seed;
    game.tally = (struct tally){0};
    start_world();
    make_ground();
    renew(1);
    for (unsigned i = 0; i < BATCHES; i++) {
        play_batch();
    }
    look_at_ground(GROUND + GROUND_SIZE);
    return game.tally;
}
