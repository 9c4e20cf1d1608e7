/* SPDX-License-Identifier: Apache-2.0 */
/* arch_space_*: one walker for all page-table formats. */
#include "kernel/memory.h"
#include "x86/kernel_space.h"
#include "x86/paging_format.h"

static uint64_t level_size(unsigned level)
{
    return PAGE_SIZE << (9 * level);
}

static unsigned index_of(uint64_t address, unsigned level)
{
    return (unsigned)(address >> (PAGE_SHIFT + 9 * level)) % TABLE_ENTRIES;
}

static bool is_present(const struct page_format *format, uint64_t entry)
{
    return (entry & format->present) != 0;
}

static bool is_leaf(const struct page_format *format, uint64_t entry, unsigned level)
{
    return level == 0 || (entry & format->large) != 0;
}

static uint64_t *table_of(uint64_t entry)
{
    return arch_pool_pointer(entry & ENTRY_ADDRESS_MASK);
}

/* What one call may cost and what its parts do, in instructions, as far as these can be told. */
enum { COST_MAX = 1000, COST_ABSENT = 8, COST_ENTRY = 40, COST_LEAF = 80, COST_ZEROING = 530 };

/*
 * How many entries of a table are present stands in the entry that names it, in bits that the
 * processor ignores there in all formats (SDM vol 3, tables 4-15 to 4-19 and 28-1 to 28-5; APM
 * vol 2, 5.3.3): whether a table has become empty is known without looking through it.
 */
#define COUNT_ONE (1UL << 52)
#define COUNT_MASK (0x3ffUL << 52)

/* `above` names the table in which so many entries have come; NULL: it is the root. */
static void count_entries(uint64_t *above, uint64_t count)
{
    if (above) {
        *above += count * COUNT_ONE;
    }
}

static void uncount_entry(uint64_t *above)
{
    if (above) {
        *above -= COUNT_ONE;
    }
}

/* What one call works on: [address, end), in tables of one format paid by one quota. */
struct walk {
    const struct page_format *format;
    struct quota *quota;
    uint64_t address, end;
    uint64_t physical; /* of `address`, when mapping; of what is revoked */
    uint64_t size;     /* of what is revoked */
    unsigned rights;
    int budget;        /* instructions; stops where it is used up */
    bool changed;
};

static uint64_t after(uint64_t address, unsigned level)
{
    return (address | (level_size(level) - 1)) + 1;
}

enum status arch_space_init(struct arch_space *space, const struct page_format *format,
                            struct quota *quota)
{
    uint64_t *root = frame_alloc(quota);

    if (!root) {
        return STATUS_NO_MEMORY;
    }
    if (format->user) {
        kernel_space_share(root);
    }
    *space = (struct arch_space){.root = arch_pool_physical(root), .format = format};
    return STATUS_OK;
}

/* The first present entry of [i, end), or `end`, or where the budget was used up; walk->address
 * goes there with it. */
static unsigned skip_absent(struct walk *walk, const uint64_t *table, unsigned level, unsigned i,
                            unsigned end)
{
    const uint64_t present = walk->format->present;
    unsigned at = i, last = i + (unsigned)walk->budget / COST_ABSENT + 1;

    last = last < end ? last : end;
    while (at < last && (table[at] & present) == 0) {
        at++;
    }
    if (at > i) {
        walk->budget -= (int)(at - i) * COST_ABSENT;
        walk->address = (walk->address & ~(level_size(level) - 1)) + (at - i) * level_size(level);
    }
    return at;
}

/*
 * Frees the tables below this one, from walk->address on; true when none is left. The address
 * stays in this table, so that whoever comes again finds the way to what the caller has to free.
 */
static bool free_tables(struct walk *walk, uint64_t *table, unsigned level, unsigned count)
{
    for (unsigned i = index_of(walk->address, level);; i++) {
        if (walk->budget <= 0) {
            return false;
        }
        i = skip_absent(walk, table, level, i, count - 1);
        walk->budget -= COST_ENTRY;
        if (is_present(walk->format, table[i]) && !is_leaf(walk->format, table[i], level)) {
            uint64_t *lower = table_of(table[i]);

            if (level > 1 && !free_tables(walk, lower, level - 1, TABLE_ENTRIES)) {
                return false;
            }
            if (walk->budget <= 0) {
                return false;
            }
            table[i] = 0;
            frame_free(walk->quota, lower);
            walk->budget -= COST_ZEROING;
        }
        if (i + 1 == count) {
            return true;
        }
        walk->address = after(walk->address, level);
    }
}

bool arch_space_destroy(struct arch_space *space, struct quota *quota)
{
    struct walk walk = {.format = space->format, .quota = quota, .address = space->destroyed,
                        .budget = COST_MAX};
    uint64_t *root = table_of(space->root);

    if (!free_tables(&walk, root, TABLE_LEVELS - 1, space->format->root_entries) ||
        walk.budget < COST_ZEROING) {
        space->destroyed = walk.address;
        return false;
    }
    frame_free(quota, root);
    *space = (struct arch_space){0};
    return true;
}

/* ---- Mapping ---- */

/* May the next page be one of that level? */
static bool fits(const struct walk *walk, unsigned level)
{
    uint64_t size = level_size(level);

    return level <= *walk->format->largest && walk->end - walk->address >= size &&
           ((walk->address | walk->physical) & (size - 1)) == 0;
}

/* The tables that have to be made below an empty entry of that level for the next page. */
static unsigned tables_missing(const struct walk *walk, unsigned level)
{
    unsigned missing = 0;

    while (!fits(walk, level - missing)) {
        missing++;
    }
    return missing;
}

/*
 * Maps what lies in this table; walk->address tells how far it came. Tables are made only if the
 * quota pays for all down to the page: one that was linked and had to be freed again might be
 * remembered by a processor that nobody would tell (SDM vol 3, 4.10.3).
 */
static enum status map_table(struct walk *walk, uint64_t *table, unsigned level, uint64_t *above)
{
    for (unsigned i = index_of(walk->address, level);
         i < TABLE_ENTRIES && walk->address < walk->end && walk->budget > 0; i++) {
        if (!is_present(walk->format, table[i])) {
            unsigned missing = tables_missing(walk, level);

            if (missing > 0 && !quota_allows(walk->quota, missing)) {
                return STATUS_NO_MEMORY;
            }
            count_entries(above, 1);
            if (missing == 0) {
                table[i] = walk->format->leaf(walk->physical, walk->rights, level);
                walk->address += level_size(level);
                walk->physical += level_size(level);
                walk->budget -= COST_LEAF;
                continue;
            }
            table[i] = walk->format->table(arch_pool_physical(frame_alloc(walk->quota)));
        } else if (is_leaf(walk->format, table[i], level)) {
            return STATUS_EXISTS;
        }
        enum status status = map_table(walk, table_of(table[i]), level - 1, &table[i]);

        if (status != STATUS_OK) {
            return status;
        }
    }
    return STATUS_OK;
}

/* ---- Unmapping ---- */

/*
 * Replaces a large leaf by a table of the next smaller ones, which differ in their addresses only.
 * That is work enough for one call: when much was done before, this comes with the next.
 */
static bool split(struct walk *walk, uint64_t *entry, unsigned level)
{
    if (walk->budget < COST_MAX / 2) {
        walk->budget = 0;
        return true;
    }
    const struct page_format *format = walk->format;
    uint64_t *lower = frame_alloc(walk->quota);
    uint64_t step = level_size(level - 1);

    if (!lower) {
        return false;
    }
    uint64_t leaf = format->leaf(*entry & ENTRY_ADDRESS_MASK, format->rights(*entry), level - 1);

    for (unsigned i = 0; i < TABLE_ENTRIES; i += 4) {
        lower[i] = leaf; /* four at a time: most of what a split costs */
        lower[i + 1] = leaf + step;
        lower[i + 2] = leaf + 2 * step;
        lower[i + 3] = leaf + 3 * step;
        leaf += 4 * step;
    }
    *entry = format->table(arch_pool_physical(lower)) + TABLE_ENTRIES * COUNT_ONE;
    walk->budget = 0;
    walk->changed = true; /* the large one may be remembered */
    return true;
}

static void clear(struct walk *walk, uint64_t *entry, uint64_t *above)
{
    *entry = 0;
    uncount_entry(above);
    walk->changed = true;
}

/*
 * No table but the root is ever left empty: gives back the one that this entry names if it is.
 * Until the caller has told the processors they may go on to look at it, and find nothing: a free
 * frame's only word that is not zero is a multiple of a page.
 */
static void free_if_empty(struct walk *walk, uint64_t *entry, uint64_t *above)
{
    if ((*entry & COUNT_MASK) == 0) {
        uint64_t *lower = table_of(*entry);

        clear(walk, entry, above);
        frame_free_zero(walk->quota, lower);
    }
}

/* Unmaps what lies in this table; a table that becomes empty is freed by the one above. */
static enum status unmap_table(struct walk *walk, uint64_t *table, unsigned level, uint64_t *above)
{
    for (unsigned i = index_of(walk->address, level);
         i < TABLE_ENTRIES && walk->address < walk->end && walk->budget > 0; i++) {
        uint64_t size = level_size(level);
        unsigned at = skip_absent(walk, table, level, i, TABLE_ENTRIES);

        if (at > i) {
            i = at - 1;
            continue;
        }
        walk->budget -= COST_ENTRY;
        if (is_leaf(walk->format, table[i], level)) {
            if (walk->address % size == 0 && walk->end - walk->address >= size) {
                clear(walk, &table[i], above);
                walk->address += size;
                continue;
            }
            return split(walk, &table[i], level) ? STATUS_OK : STATUS_NO_MEMORY;
        }
        enum status status = unmap_table(walk, table_of(table[i]), level - 1, &table[i]);

        free_if_empty(walk, &table[i], above);
        if (status != STATUS_OK) {
            return status;
        }
    }
    return STATUS_OK;
}

enum status arch_space_unmap(struct arch_space *space, uint64_t address, uint64_t size,
                             struct quota *quota, uint64_t *done, bool *changed)
{
    struct walk walk = {.format = space->format, .quota = quota, .address = address,
                        .end = address + size, .budget = COST_MAX};
    enum status status = unmap_table(&walk, table_of(space->root), TABLE_LEVELS - 1, NULL);

    *done = (walk.address < walk.end ? walk.address : walk.end) - address;
    *changed = walk.changed;
    return status;
}

enum status arch_space_map(struct arch_space *space, uint64_t address, phys_addr physical,
                           uint64_t size, unsigned rights, struct quota *quota, uint64_t *done)
{
    struct walk walk = {.format = space->format, .quota = quota, .address = address,
                        .end = address + size, .physical = physical, .rights = rights,
                        .budget = COST_MAX};
    enum status status = map_table(&walk, table_of(space->root), TABLE_LEVELS - 1, NULL);

    *done = walk.address - address;
    return status;
}

/* ---- Revoking ---- */

/* Does the page that this leaf maps hold anything of what is revoked; does it hold more? */
static bool touches(const struct walk *walk, uint64_t base, uint64_t size)
{
    return base < walk->physical + walk->size && walk->physical < base + size;
}

static bool exceeds(const struct walk *walk, uint64_t base, uint64_t size)
{
    return base < walk->physical || base + size > walk->physical + walk->size;
}

/* Takes what is revoked out of this table. */
static void revoke_table(struct walk *walk, uint64_t *table, unsigned level, unsigned count,
                         uint64_t *above)
{
    for (unsigned i = index_of(walk->address, level); i < count && walk->budget > 0; i++) {
        uint64_t base = table[i] & ENTRY_ADDRESS_MASK, size = level_size(level);
        unsigned at = skip_absent(walk, table, level, i, count);

        if (at > i) {
            i = at - 1;
            continue;
        }
        walk->budget -= COST_ENTRY;
        if (!is_leaf(walk->format, table[i], level)) {
            revoke_table(walk, table_of(table[i]), level - 1, TABLE_ENTRIES, &table[i]);
            free_if_empty(walk, &table[i], above);
            continue;
        }
        if (touches(walk, base, size)) {
            if (exceeds(walk, base, size) && split(walk, &table[i], level)) {
                return;
            }
            clear(walk, &table[i], above);
        }
        walk->address = after(walk->address, level);
    }
}

void arch_space_revoke(struct arch_space *space, uint64_t address, phys_addr physical,
                       uint64_t size, struct quota *quota, uint64_t *next, bool *changed)
{
    unsigned count = space->format->root_entries;
    uint64_t end = count * level_size(TABLE_LEVELS - 1);
    struct walk walk = {.format = space->format, .quota = quota, .address = address,
                        .physical = physical, .size = size, .budget = COST_MAX};

    if (address < end) {
        revoke_table(&walk, table_of(space->root), TABLE_LEVELS - 1, count, NULL);
    }
    *next = walk.address < end ? walk.address | 1 : 0;
    *changed = walk.changed;
}

bool arch_space_lookup(const struct arch_space *space, uint64_t address, struct mapping *out)
{
    const struct page_format *format = space->format;
    const uint64_t *table = table_of(space->root);

    if (index_of(address, TABLE_LEVELS - 1) >= format->root_entries ||
        address >> (PAGE_SHIFT + 9 * TABLE_LEVELS) != 0) {
        return false;
    }
    for (unsigned level = TABLE_LEVELS - 1;; level--) {
        uint64_t entry = table[index_of(address, level)];

        if (!is_present(format, entry)) {
            return false;
        }
        if (is_leaf(format, entry, level)) {
            uint64_t inside = address & (level_size(level) - 1);

            *out = (struct mapping){
                .physical = (entry & ENTRY_ADDRESS_MASK) + inside,
                .size = level_size(level),
                .rights = format->rights(entry),
            };
            return true;
        }
        table = table_of(entry);
    }
}
