/* SPDX-License-Identifier: Apache-2.0 */
#include "virt/shadow.h"

#include "kernel/log.h"
#include "kernel/memory.h"
#include "lib/string.h"

#define ENTRY_PRESENT (1UL << 0)
#define ENTRY_DIRTY (1UL << 6)
#define ENTRY_LARGE (1UL << 7)
#define ENTRY_GLOBAL (1UL << 8)
#define ADDRESS 0x000ffffffffff000UL
#define ADDRESS_4M 0xffc00000UL
#define PAE_ROOTS 4
#define LEVEL_LARGE 1 /* where 2 MiB pages stand */
#define LARGE_SIZE (1UL << 21)
#define TABLES_PER_STEP 2
/* Instructions, about: of a table, of 64 entries in it that may be present or not, of those to look
 * at, of each, and of dropping it, and with what it leads to. */
#define COST_TABLE 80u
#define COST_PRESENT 600u
#define COST_WORD 40u
#define COST_ENTRY 20u
#define COST_DROP 80u
#define COST_LINK 120u

/*
 * A table's key: the address of the guest's, or, where a page of the guest's is put together out of
 * smaller ones, that of the part's first byte; and below it what else tells tables apart.
 */
#define KEY_VALID (1UL << 0)
#define KEY_LEVEL(level) ((uint64_t)(level) << 1)
#define KEY_PART(part) ((uint64_t)(part) << 3) /* 32-bit tables: which 512 of its entries */
#define KEY_WRITE (1UL << 5)                   /* the rights of the entries above */
#define KEY_USER (1UL << 6)
#define KEY_FETCH (1UL << 7)
#define KEY_RIGHTS (KEY_WRITE | KEY_USER | KEY_FETCH)
#define KEY_PIECES (1UL << 8)                  /* of one page, */
#define KEY_DIRTY (1UL << 9)                   /* which is dirty */
#define KEY_PCID(pcid) ((uint64_t)(pcid) << 52) /* a first table's */
#define PCID_BITS 0xfffUL

static unsigned level_of(const struct shadow *shadow)
{
    return shadow->key >> 1 & 3;
}

static bool in_pieces(const struct shadow *shadow)
{
    return (shadow->key & KEY_PIECES) != 0;
}

/* With three levels the first table is not made of the guest's entry by entry: they are loaded
 * together, or are our own. */
static bool is_short_root(const struct shadows *all, const struct shadow *shadow)
{
    return all->mode != SHADOW_LONG && level_of(shadow) == 2;
}

static uint64_t rights_of(uint64_t entry)
{
    return (entry & 6) << 4 | (~entry >> 63) << 7;
}
_Static_assert(SHADOW_WRITE << 4 == KEY_WRITE && SHADOW_USER << 4 == KEY_USER, "SDM vol 3, 4.5");

static bool is_large(const struct shadows *all, unsigned level, uint64_t entry)
{
    return (entry & ENTRY_LARGE) && (all->mode == SHADOW_LONG || level == LEVEL_LARGE) &&
           (all->mode != SHADOW_32 || all->large_4m);
}

/* The key of the table that entry `i` of `shadow` leads to, if the guest's entry is `source`. */
static uint64_t child_key(const struct shadows *all, const struct shadow *shadow, unsigned i,
                          uint64_t source)
{
    unsigned level = level_of(shadow);
    uint64_t base = shadow->key & ADDRESS, size = 1UL << SHADOW_SHIFT(level);
    uint64_t rights = shadow->key & KEY_RIGHTS, key = KEY_VALID | KEY_LEVEL(level - 1);

    if (in_pieces(shadow)) {
        return key | (shadow->key & (KEY_RIGHTS | KEY_PIECES | KEY_DIRTY)) | (base + i * size);
    }
    if (is_short_root(all, shadow)) { /* PAE's first entries hold no rights */
        return key | rights |
               (all->mode == SHADOW_32 ? base | KEY_PART(i) : source & ADDRESS);
    }
    rights &= rights_of(source);
    if (!is_large(all, level, source)) {
        return key | rights | (source & ADDRESS) | (all->mode == SHADOW_32 ? KEY_PART(i & 1) : 0);
    }
    base = all->mode == SHADOW_32 ? (source >> 13 & 0xff) << 32 | (source & ADDRESS_4M) |
                                        (i & 1) * LARGE_SIZE
                                  : source & ADDRESS & ~(size - 1);
    return key | rights | KEY_PIECES | (source & ENTRY_DIRTY ? KEY_DIRTY : 0) | base;
}

/* Where the guest's table is; 0: it is none. The guest-physical space does not change as long as the
 * tables are kept. */
static phys_addr guest_physical(const struct shadows *all, uint64_t key)
{
    struct mapping mapping;
    bool none = (key & KEY_PIECES) || (all->mode != SHADOW_LONG && (key >> 1 & 3) == 2);

    return !none && arch_space_lookup(all->gpa, key & ADDRESS, &mapping) &&
                   (mapping.rights & MEM_READ)
               ? mapping.physical
               : 0;
}

/* ---- The tables there are --------------------------------------------------------------------- */

static struct shadow *number(const struct shadows *all, unsigned n)
{
    return &all->block[n / SHADOWS_PER_FRAME][n % SHADOWS_PER_FRAME];
}

/* Fibonacci's: neighbours, as a guest's tables often are, get far away from each other. */
static unsigned bucket_of(uint64_t key)
{
    return (unsigned)(key * 0x9e3779b97f4a7c15UL >> 56);
}

static struct shadow *find(const struct shadows *all, uint64_t key)
{
    for (unsigned n = all->bucket[bucket_of(key)]; n != 0;) {
        struct shadow *shadow = number(all, n - 1);

        if (shadow->key == key && !set_has(&all->dying, n - 1)) {
            return shadow;
        }
        n = shadow->next;
    }
    return NULL;
}

static void grow(struct shadows *all)
{
    unsigned block = all->held / SHADOWS_PER_FRAME;

    if (!all->block[block]) {
        all->block[block] = frame_alloc(all->quota);
    }
    struct shadow *shadow = number(all, all->held++);

    shadow->table = frame_alloc(all->quota);
    shadow->source = frame_alloc(all->quota);
}

static void remove_from_bucket(struct shadows *all, unsigned n)
{
    uint8_t *link = &all->bucket[bucket_of(number(all, n)->key)];

    while (*link != n + 1) {
        link = &number(all, *link - 1u)->next;
    }
    *link = number(all, n)->next;
}

static unsigned top_level(const struct shadows *all)
{
    return all->mode == SHADOW_LONG ? 3 : 2;
}

#define EACH_KEPT(all, k)                                                                          \
    for (struct shadow_kept *k = (all)->kept; k < &(all)->kept[SHADOW_KEPT]; k++)

static void release(struct shadows *all, const struct shadow *root)
{
    EACH_KEPT (all, kept) {
        kept->root = kept->root == root ? NULL : kept->root;
    }
}

/*
 * The process that has not run for the longest time gives up all tables that are its alone, and so
 * do those that nothing has come to lead to. Their entries lead to no others, and no other's lead to
 * them: whatever leads to a table has it below.
 */
bool shadow_make_room(struct shadows *all)
{
    struct shadow_set *roots = &all->used[top_level(all)];
    struct shadow *oldest = NULL;

    EACH_OF (*roots, n) {
        struct shadow *root = number(all, n);

        if (root->loaded != all->loads && (!oldest || root->loaded < oldest->loaded)) {
            oldest = root;
        }
    }
    if (!oldest) {
        return false;
    }
    for (unsigned level = 0; level < SHADOW_LEVELS; level++) {
        set_add(&all->dying, &all->used[level]);
    }
    set_exclude(roots, oldest->number);
    release(all, oldest);
    EACH_OF (*roots, n) {
        set_subtract(&all->dying, &number(all, n)->below);
    }
    for (unsigned level = 0; level < SHADOW_LEVELS; level++) {
        set_subtract(&all->used[level], &all->dying);
    }
    all->full = false;
    return true;
}

/* With frames, and nothing on it; SHADOW_MAX: there is none. */
static unsigned free_number(struct shadows *all)
{
    struct shadow_set free;
    unsigned n;

    memory_set(&free, 0xff, sizeof(free));
    set_subtract(&free, &all->dying);
    for (unsigned level = 0; level < SHADOW_LEVELS; level++) {
        set_subtract(&free, &all->used[level]);
    }
    n = set_first(&free);
    if (n < all->held) {
        return n;
    }
    n = set_first(&all->dying);
    if (n != SHADOW_MAX) {
        set_exclude(&all->dying, n);
        remove_from_bucket(all, n);
    }
    return n;
}

/* One that the next step finds; nothing leads to it. */
static void take(struct shadows *all, uint64_t key)
{
    unsigned n = free_number(all);

    if (n == SHADOW_MAX && all->held < SHADOW_MAX && quota_allows(all->quota, 3)) {
        n = all->held;
        grow(all);
    }
    if (n == SHADOW_MAX) {
        all->full = true;
        return;
    }
    struct shadow *shadow = number(all, n);
    uint8_t *bucket = &all->bucket[bucket_of(key)];

    *shadow = (struct shadow){.key = key,
                              .table = shadow->table,
                              .source = shadow->source,
                              .guest = guest_physical(all, key),
                              .number = (uint8_t)n,
                              .dirty = shadow->key != 0, /* else the frame is a new one */
                              .next = *bucket};
    set_include(&shadow->below, n);
    set_include(&all->used[level_of(shadow)], n);
    set_include(&all->looked, n); /* there is nothing to compare */
    set_exclude(&all->global, n);
    set_exclude(&all->doubted, n);
    all->noting = 0;
    *bucket = (uint8_t)(n + 1);
}

/* False: it is clean only now, which was a step of its own. */
static bool is_clean(struct shadow *shadow)
{
    bool dirty = shadow->dirty;

    if (dirty) {
        memory_set(shadow->table, 0, PAGE_SIZE);
        shadow->dirty = false;
    }
    return !dirty;
}

void shadow_create(struct shadows *all)
{
    while (all->held < SHADOW_MIN) {
        grow(all);
    }
}

bool shadow_destroy(struct shadows *all)
{
    for (unsigned n = 0; n < TABLES_PER_STEP && all->held > 0; n++) {
        struct shadow *shadow = number(all, --all->held);

        if (shadow->key != 0) {
            frame_free(all->quota, shadow->table);
            frame_free(all->quota, shadow->source);
        } else { /* never used */
            frame_free_zero(all->quota, shadow->table);
            frame_free_zero(all->quota, shadow->source);
        }
        if (all->held % SHADOWS_PER_FRAME == 0) {
            frame_free(all->quota, all->block[all->held / SHADOWS_PER_FRAME]);
        }
    }
    return all->held == 0;
}

void shadow_forget(struct shadows *all)
{
    memory_set(all->used, 0, sizeof(all->used));
    all->dying = all->looked = all->filled = all->global = all->doubted = (struct shadow_set){0};
    all->full = all->unchecked = false;
    all->at = NULL;
    memory_set(all->bucket, 0, sizeof(all->bucket));
    memory_set(all->kept, 0, sizeof(all->kept));
    all->current = NULL;
}

void shadow_forget_global(struct shadows *all)
{
    all->doubted = all->global;
    memory_set(all->kept, 0, sizeof(all->kept));
    all->current = NULL;
}

/* ---- Entries ---------------------------------------------------------------------------------- */

static void set_check(struct shadow *shadow, unsigned i, bool value)
{
    uint64_t bit = 1UL << i % 64, *word = &shadow->check[i / 64];

    *word = value ? *word | bit : *word & ~bit;
    shadow->words |= (uint8_t)(1u << i / 64);
}

static bool is_link(const struct shadow *shadow, uint64_t entry)
{
    return level_of(shadow) > 0 && !(entry & SHADOW_LARGE);
}

/* They are to be looked at again, global pages too. */
static void doubt(struct shadows *all, const struct shadow_set *tables)
{
    set_subtract(&all->looked, tables);
    set_add(&all->doubted, tables);
}

/* The table that the link leads to. */
static struct shadow *follow(const struct shadows *all, const struct shadow *shadow, unsigned i)
{
    return find(all, child_key(all, shadow, i, shadow->source[i]));
}

/* What the entry led to is out of the processor's reach now, unless there is another way, and
 * INVLPG does not find it. */
static void drop(struct shadows *all, struct shadow *shadow, unsigned i)
{
    if (is_link(shadow, shadow->table[i])) {
        doubt(all, &follow(all, shadow, i)->below);
    }
    shadow->table[i] = 0;
    set_check(shadow, i, false);
    all->stale = true;
}

/* More rights on the same page take nobody anything, and the processor looks again before it
 * faults (SDM vol 3, 4.10.4.3). */
static bool takes_away(uint64_t old, uint64_t new)
{
    const uint64_t grants = SHADOW_WRITE | SHADOW_USER;
    uint64_t lost = (old & ~new & grants) | (new & ~old & SHADOW_NO_EXECUTE);

    return (old & SHADOW_PRESENT) && (lost || ((old ^ new) & ~(grants | SHADOW_NO_EXECUTE)));
}

static void put(struct shadows *all, struct shadow *shadow, unsigned i, uint64_t entry,
                uint64_t source)
{
    bool global = all->globals && (source & ENTRY_GLOBAL);

    if (takes_away(shadow->table[i], entry)) {
        drop(all, shadow, i);
    }
    shadow->table[i] = entry;
    shadow->source[i] = source;
    shadow->filled = true;
    set_include(&all->filled, shadow->number);
    if (global) {
        set_include(&all->global, shadow->number);
    }
    set_check(shadow, i, is_link(shadow, entry) || !(in_pieces(shadow) || global));
}

static uint64_t link_to(const struct shadows *all, const struct shadow *from,
                        const struct shadow *to)
{
    const uint64_t other = SHADOW_WRITE | SHADOW_USER | SHADOW_ACCESSED; /* there is none in PAE's */

    return arch_pool_physical(to->table) | SHADOW_PRESENT | (is_short_root(all, from) ? 0 : other);
}

void *shadow_window(const struct arch_space *gpa, uint64_t address, unsigned rights)
{
    struct mapping mapping;

    if (!arch_space_lookup(gpa, address, &mapping) || (rights & ~mapping.rights)) {
        return NULL;
    }
    return (uint8_t *)arch_window(mapping.physical & ~(PAGE_SIZE - 1)) + address % PAGE_SIZE;
}

/* ---- Comparing -------------------------------------------------------------------------------- */

/* The guest's other vCPUs may write there: read once. */
static inline uint64_t guest_entry(bool narrow, const struct shadow *shadow, const void *table,
                                   unsigned i)
{
    unsigned part = shadow->key >> 3 & 3;

    return narrow ? __atomic_load_n((const uint32_t *)table +
                                        ((part * 512 + i) >> level_of(shadow)), __ATOMIC_RELAXED)
                  : __atomic_load_n((const uint64_t *)table + i, __ATOMIC_RELAXED);
}

/* A bit for each of 64 entries that is present. */
static uint64_t present(const uint64_t *entry)
{
    uint64_t bits = 0;

    for (unsigned i = 0; i < 64; i++) {
        bits |= (entry[i] & SHADOW_PRESENT) << i;
    }
    return bits;
}

static void spend(unsigned *budget, unsigned instructions)
{
    *budget -= *budget < instructions ? *budget : instructions;
}

/* At least one of them. False: the budget is spent, and all->next the first of the others. */
static bool check_word(struct shadows *all, struct shadow *shadow, const void *table,
                       unsigned word, uint64_t bits, unsigned *budget)
{
    const bool narrow = all->mode == SHADOW_32;
    const uint64_t *source = shadow->source;
    unsigned first = *budget / COST_ENTRY + 1, left = first;

    for (; bits != 0; bits &= bits - 1) {
        unsigned i = word * 64 + (unsigned)__builtin_ctzl(bits);

        if (left == 0) {
            all->next = i;
            return false;
        }
        left--;
        if (guest_entry(narrow, shadow, table, i) != source[i]) {
            unsigned cost = is_link(shadow, shadow->table[i]) ? COST_LINK : COST_DROP;

            left -= left < cost / COST_ENTRY ? left : cost / COST_ENTRY;
            drop(all, shadow, i);
        }
    }
    spend(budget, COST_WORD + (first - left) * COST_ENTRY);
    return true;
}

/* Global pages outlive a load of CR3, but for those that are doubted. False: the budget is spent. */
static bool check_entries(struct shadows *all, struct shadow *shadow, unsigned *budget)
{
    bool each = set_has(&all->global, shadow->number) &&
                (!all->globals || set_has(&all->doubted, shadow->number));
    const void *table = NULL;
    unsigned next = all->next;

    for (unsigned words = shadow->guest == 0 ? 0 : (each ? 0xff : shadow->words) & -1u << next / 64;
         words != 0; words &= words - 1) {
        unsigned word = (unsigned)__builtin_ctz(words);
        uint64_t bits = shadow->check[word];

        if (*budget == 0) {
            all->next = word * 64 > next ? word * 64 : next;
            return false;
        }
        if (each) {
            bits = present(&shadow->table[word * 64]);
            spend(budget, COST_PRESENT);
        } else if (bits == 0) {
            shadow->words &= (uint8_t)~(1u << word);
        }
        if (word == next / 64) {
            bits &= -1UL << next % 64;
        }
        if (!table) {
            table = arch_window(shadow->guest);
        }
        if (!check_word(all, shadow, table, word, bits, budget)) {
            return false;
        }
    }
    return true;
}

bool shadow_check(struct shadows *all, struct shadow *root, unsigned *budget)
{
    for (;;) {
        struct shadow_set left = root->below;

        set_subtract(&left, &all->looked);
        if (set_is_empty(&left)) {
            all->unchecked = false;
            return true;
        }
        EACH_OF (left, n) {
            struct shadow *shadow = number(all, n);

            if (all->at != shadow) {
                all->at = shadow;
                all->next = 0;
            }
            if (*budget == 0 || !check_entries(all, shadow, budget)) {
                return false;
            }
            all->at = NULL;
            set_include(&all->looked, n);
            set_exclude(&all->doubted, n);
            spend(budget, COST_TABLE);
        }
    }
}

/* ---- What the processor sees ------------------------------------------------------------------ */

bool shadow_lookup(const struct shadows *all, const struct shadow *root, uint64_t linear,
                   phys_addr *physical)
{
    const uint64_t *table = root->table;

    for (unsigned level = top_level(all);; level--) {
        uint64_t entry = table[linear >> SHADOW_SHIFT(level) & 511];

        if (!(entry & SHADOW_PRESENT)) {
            return false;
        }
        if (level == 0 || (entry & SHADOW_LARGE)) {
            *physical = (entry & ADDRESS) | (linear & ((1UL << SHADOW_SHIFT(level)) - 1));
            return true;
        }
        table = arch_pool_pointer(entry & ADDRESS);
    }
}

/* ---- The guest's page faults, INVLPG and CR3 -------------------------------------------------- */

/* Before it is linked: all that have `from` below have `child` there, and what that has; `from` last.
 * For half of the tables in a step. */
static void note_below(struct shadows *all, struct shadow *from, const struct shadow *child)
{
    const uint32_t whom = 1u << 16 | (uint32_t)from->number << 8 | child->number;
    const struct shadow_set below = child->below;
    const uint64_t bit = 1UL << from->number % 64;
    const unsigned word = from->number / 64;
    struct shadow_set higher = {0};

    if (all->noting != whom) {
        all->noting = whom;
        all->noted = 0;
    }
    for (unsigned level = level_of(from) + 1; level < SHADOW_LEVELS; level++) {
        set_add(&higher, &all->used[level]);
    }
    unsigned end = all->noted + SHADOW_FRAMES / 2;

    for (unsigned b = all->noted; b < end; b++) { /* EACH_OF, in half the time */
        uint32_t numbers = (uint32_t)(higher.word[b / 2] >> b % 2 * 32);

        for (; numbers != 0; numbers &= numbers - 1) {
            struct shadow *it = &all->block[b][__builtin_ctz(numbers)];

            if (it->below.word[word] & bit) {
                set_add(&it->below, &below);
            }
        }
    }
    all->noted = end;
    if (end == SHADOW_FRAMES) {
        set_add(&from->below, &below);
        all->noting = 0;
    }
}

/* Unless `to` is new, it may hold what the guest has changed long ago, if it was not in use, or what
 * INVLPG did not find, as this way to it was not there. */
static void link(struct shadows *all, struct shadow *from, unsigned i, uint64_t source,
                 const struct shadow *to)
{
    struct shadow_set unsure = to->below;

    put(all, from, i, link_to(all, from, to), source);
    if (!all->invalidated || !to->filled) {
        set_subtract(&unsure, &all->looked);
    }
    if (!set_is_empty(&unsure)) {
        doubt(all, &unsure);
        all->unchecked = true;
    }
    all->stale |= is_short_root(all, from);
}

static bool leads(const struct shadows *all, const struct shadow *from, unsigned i,
                  const struct shadow *to)
{
    return !((from->table[i] ^ link_to(all, from, to)) & ~SHADOW_ACCESSED); /* QEMU's, in PAE's too */
}

/* PAE's four first entries are loaded with CR3 (SDM vol 3, 4.4.1). */
static void check_short_root(struct shadows *all, struct shadow *root, uint64_t cr3)
{
    const uint64_t *entries = shadow_window(all->gpa, cr3 & 0xffffffe0, MEM_READ);

    for (unsigned i = 0; i < PAE_ROOTS; i++) {
        if ((root->table[i] & SHADOW_PRESENT) &&
            (!entries || __atomic_load_n(&entries[i], __ATOMIC_RELAXED) != root->source[i])) {
            drop(all, root, i);
        }
    }
}

static uint64_t root_key(const struct shadows *all, uint64_t cr3)
{
    static const uint64_t keys[] = {
        [SHADOW_FLAT] = KEY_LEVEL(2) | KEY_PIECES | KEY_DIRTY,
        [SHADOW_32] = KEY_LEVEL(2),
        [SHADOW_PAE] = KEY_LEVEL(2),
        [SHADOW_LONG] = KEY_LEVEL(3),
    };
    static const uint64_t addresses[] = {
        [SHADOW_32] = 0xfffff000, [SHADOW_PAE] = 0xfffff000, [SHADOW_LONG] = ADDRESS};

    return KEY_VALID | KEY_RIGHTS | keys[all->mode] | (cr3 & addresses[all->mode]) |
           (all->pcids ? KEY_PCID(cr3 & PCID_BITS) : 0);
}

/* What the CR3 before this one has filled was not there for the others. */
static void leave(struct shadows *all)
{
    if (all->pcids && !set_is_empty(&all->filled)) {
        EACH_KEPT (all, kept) {
            set_subtract(&kept->looked, &all->filled);
        }
    }
    if (all->current) {
        all->current->looked = all->looked;
        all->current->invalidated = all->invalidated;
    }
    all->current = NULL;
    all->looked = all->filled = (struct shadow_set){0};
    all->invalidated = false;
    all->at = NULL;
}

/* A place for `root` in place of the oldest's. It is the only one of its PCID: any other may have
 * been loaded so that it invalidates this one's as well. */
static RARE struct shadow_kept *begin_to_keep(struct shadows *all, struct shadow *root)
{
    struct shadow_kept *place = &all->kept[0];

    EACH_KEPT (all, kept) {
        if (kept->root && (kept->root->key ^ root->key) >> 52 == 0) {
            kept->root = NULL;
        }
        if (place->root && (!kept->root || kept->root->loaded < place->root->loaded)) {
            place = kept;
        }
    }
    *place = (struct shadow_kept){.root = root};
    return place;
}

static struct shadow_kept *keep_for(struct shadows *all, struct shadow *root)
{
    EACH_KEPT (all, kept) {
        if (kept->root == root) {
            return kept;
        }
    }
    return begin_to_keep(all, root);
}

struct shadow *shadow_load(struct shadows *all, uint64_t cr3, bool keep)
{
    uint64_t key = root_key(all, cr3);
    struct shadow *root = find(all, key);

    leave(all);
    all->loads++;
    if (!root) {
        take(all, key);
        return NULL;
    }
    if (!is_clean(root)) {
        return NULL;
    }
    if (all->mode == SHADOW_PAE) {
        check_short_root(all, root, cr3);
    }
    root->loaded = all->loads;
    if (all->pcids) {
        all->current = keep_for(all, root);
        if (keep) {
            all->looked = all->current->looked;
            all->invalidated = all->current->invalidated;
        }
    }
    return root;
}

/* The guest's entry on that level, on the way to the page. */
static uint64_t step_of(const struct shadows *all, const struct walk_result *page, unsigned level)
{
    static const uint8_t top[] = {
        [SHADOW_FLAT] = 0, [SHADOW_32] = 1, [SHADOW_PAE] = 2, [SHADOW_LONG] = 3};
    unsigned step = top[all->mode] - level;

    return step < page->steps ? page->step[step].entry : 0;
}

void shadow_fill(struct shadows *all, struct shadow *root, uint64_t linear,
                 const struct walk_result *page, const struct mapping *memory, uint64_t leaf,
                 bool tired)
{
    bool large = (page->page_shift >= 21 || all->mode == SHADOW_FLAT) && memory->size >= LARGE_SIZE;
    unsigned last = large ? LEVEL_LARGE : 0;
    uint64_t size = 1UL << SHADOW_SHIFT(last);
    struct shadow *shadow = root;

    for (unsigned level; (level = level_of(shadow)) != last;) {
        unsigned i = linear >> SHADOW_SHIFT(level) & 511;
        uint64_t source = in_pieces(shadow) ? 0 : step_of(all, page, level);
        uint64_t key = child_key(all, shadow, i, source);
        struct shadow *child = find(all, key);

        bool noted = child && set_has(&shadow->below, child->number);

        if (!noted && tired) {
            return;
        }
        if (!child) {
            take(all, key);
            return;
        }
        if (!noted) {
            if (is_clean(child)) {
                note_below(all, shadow, child);
            }
            return;
        }
        if (!leads(all, shadow, i, child)) {
            link(all, shadow, i, source, child);
        }
        shadow->source[i] = source;
        shadow = child;
    }
    put(all, shadow, linear >> SHADOW_SHIFT(last) & 511,
        (memory->physical & ~(size - 1)) | (large ? SHADOW_LARGE : 0) | leaf,
        in_pieces(shadow) ? 0 : step_of(all, page, last));
}

/* One entry on the way, and the other half of a page of 4 MiB. */
static void invalidate_entry(struct shadows *all, struct shadow *shadow, unsigned i)
{
    const bool narrow = all->mode == SHADOW_32;
    const void *table = shadow->guest != 0 ? arch_window(shadow->guest) : NULL;
    unsigned both = narrow && level_of(shadow) == LEVEL_LARGE ? 1 : 0;

    for (unsigned k = i & ~both; k <= (i | both) && table; k++) {
        if ((shadow->table[k] & SHADOW_PRESENT) &&
            guest_entry(narrow, shadow, table, k) != shadow->source[k]) {
            drop(all, shadow, k);
        }
    }
}

/* Global pages that INVLPG may have had to find, and did not. */
static void doubt_global(struct shadows *all, bool missed)
{
    struct shadow_set tables = all->global;

    if (!missed) {
        set_subtract(&tables, &all->looked);
    }
    set_add(&all->doubted, &tables);
    EACH_KEPT (all, kept) {
        set_subtract(&kept->looked, &tables);
    }
}

void shadow_invalidate(struct shadows *all, struct shadow *root, uint64_t linear)
{
    struct shadow *shadow = root;
    bool missed = false;

    for (;;) {
        unsigned i = linear >> SHADOW_SHIFT(level_of(shadow)) & 511;

        invalidate_entry(all, shadow, i);
        if (!(shadow->table[i] & SHADOW_PRESENT)) {
            missed = level_of(shadow) > 0;
            break;
        }
        if (!is_link(shadow, shadow->table[i])) {
            break;
        }
        shadow = follow(all, shadow, i);
    }
    all->invalidated = true;
    doubt_global(all, missed);
}
