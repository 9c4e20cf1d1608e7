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

/* Entries that one call looks at: no more than about 1,000 instructions. */
enum { ENTRIES_AT_ONCE = 96, ENTRIES_FOR_ZEROING = 48 };

/* What one call works on: [address, end), in tables of one format paid by one quota. */
struct walk {
    const struct page_format *format;
    struct quota *quota;
    uint64_t address, end;
    uint64_t physical; /* of `address`, when mapping; of what is revoked */
    uint64_t size;     /* of what is revoked */
    unsigned rights;
    int budget;        /* entries; stops where it is used up */
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

/* Frees the tables below those entries of this one that lie behind walk->address; true when none
 * is left. */
static bool free_tables(struct walk *walk, uint64_t *table, unsigned level, unsigned count)
{
    for (unsigned i = index_of(walk->address, level); i < count; i++) {
        uint64_t next = after(walk->address, level);

        if (walk->budget-- <= 0) {
            return false;
        }
        if (is_present(walk->format, table[i]) && !is_leaf(walk->format, table[i], level)) {
            uint64_t *lower = table_of(table[i]);

            if (level > 1 && !free_tables(walk, lower, level - 1, TABLE_ENTRIES)) {
                return false;
            }
            table[i] = 0;
            frame_free(walk->quota, lower);
            walk->budget -= ENTRIES_FOR_ZEROING;
        }
        walk->address = next;
    }
    return true;
}

bool arch_space_destroy(struct arch_space *space, struct quota *quota)
{
    struct walk walk = {.format = space->format, .quota = quota, .address = space->destroyed,
                        .budget = ENTRIES_AT_ONCE};
    uint64_t *root = table_of(space->root);

    if (!free_tables(&walk, root, TABLE_LEVELS - 1, space->format->root_entries)) {
        space->destroyed = walk.address;
        return false;
    }
    frame_free(quota, root);
    *space = (struct arch_space){0};
    return true;
}

/* No table but the root is ever left empty: gives back the one that this entry names if it is. */
static void free_if_empty(const struct walk *walk, uint64_t *entry)
{
    uint64_t *lower = table_of(*entry);

    for (unsigned i = 0; i < TABLE_ENTRIES; i++) {
        if (is_present(walk->format, lower[i])) {
            return;
        }
    }
    *entry = 0;
    frame_free_zero(walk->quota, lower);
}

/* ---- Mapping ---- */

/* May the next page be one of that level? */
static bool fits(const struct walk *walk, unsigned level)
{
    uint64_t size = level_size(level);

    return level <= *walk->format->largest && walk->end - walk->address >= size &&
           ((walk->address | walk->physical) & (size - 1)) == 0;
}

/* Maps what lies in this table; walk->address tells how far it came. */
static enum status map_table(struct walk *walk, uint64_t *table, unsigned level)
{
    for (unsigned i = index_of(walk->address, level);
         i < TABLE_ENTRIES && walk->address < walk->end && walk->budget > 0; i++) {
        walk->budget--;
        if (!is_present(walk->format, table[i])) {
            if (fits(walk, level)) {
                table[i] = walk->format->leaf(walk->physical, walk->rights, level);
                walk->address += level_size(level);
                walk->physical += level_size(level);
                continue;
            }
            void *lower = frame_alloc(walk->quota);

            if (!lower) {
                return STATUS_NO_MEMORY;
            }
            walk->budget++; /* so that there is one for the entry in it */
            table[i] = walk->format->table(arch_pool_physical(lower));
        } else if (is_leaf(walk->format, table[i], level)) {
            return STATUS_EXISTS;
        }
        enum status status = map_table(walk, table_of(table[i]), level - 1);

        if (status != STATUS_OK) {
            free_if_empty(walk, &table[i]);
            return status;
        }
    }
    return STATUS_OK;
}

/* ---- Unmapping ---- */

/* Replaces a large leaf by a table of the next smaller ones. */
static bool split(struct walk *walk, uint64_t *entry, unsigned level)
{
    const struct page_format *format = walk->format;
    uint64_t *lower = frame_alloc(walk->quota);
    uint64_t base = *entry & ENTRY_ADDRESS_MASK;

    if (!lower) {
        return false;
    }
    for (unsigned i = 0; i < TABLE_ENTRIES; i++) {
        lower[i] = format->leaf(base + i * level_size(level - 1), format->rights(*entry), level - 1);
    }
    *entry = format->table(arch_pool_physical(lower));
    walk->budget -= ENTRIES_AT_ONCE / 2;
    walk->changed = true; /* the large one may be remembered */
    return true;
}

static void clear(struct walk *walk, uint64_t *entry)
{
    *entry = 0;
    walk->changed = true;
}

/* Unmaps what lies in this table; a table that becomes empty is freed by the one above. */
static enum status unmap_table(struct walk *walk, uint64_t *table, unsigned level)
{
    for (unsigned i = index_of(walk->address, level);
         i < TABLE_ENTRIES && walk->address < walk->end && walk->budget > 0; i++) {
        uint64_t size = level_size(level);

        walk->budget--;
        if (!is_present(walk->format, table[i])) {
            walk->address = after(walk->address, level);
            continue;
        }
        if (is_leaf(walk->format, table[i], level)) {
            if (walk->address % size == 0 && walk->end - walk->address >= size) {
                clear(walk, &table[i]);
                walk->address += size;
                continue;
            }
            if (!split(walk, &table[i], level)) {
                return STATUS_NO_MEMORY;
            }
            walk->budget = walk->budget > 0 ? walk->budget : 1;
        }
        enum status status = unmap_table(walk, table_of(table[i]), level - 1);

        free_if_empty(walk, &table[i]);
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
                        .end = address + size, .budget = ENTRIES_AT_ONCE};
    enum status status = unmap_table(&walk, table_of(space->root), TABLE_LEVELS - 1);

    *done = (walk.address < walk.end ? walk.address : walk.end) - address;
    *changed = walk.changed;
    return status;
}

enum status arch_space_map(struct arch_space *space, uint64_t address, phys_addr physical,
                           uint64_t size, unsigned rights, struct quota *quota, uint64_t *done)
{
    struct walk walk = {
        .format = space->format,
        .quota = quota,
        .address = address,
        .end = address + size,
        .physical = physical,
        .rights = rights,
        .budget = ENTRIES_AT_ONCE,
    };
    enum status status = map_table(&walk, table_of(space->root), TABLE_LEVELS - 1);

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
static void revoke_table(struct walk *walk, uint64_t *table, unsigned level, unsigned count)
{
    for (unsigned i = index_of(walk->address, level); i < count && walk->budget > 0; i++) {
        uint64_t base = table[i] & ENTRY_ADDRESS_MASK, next = after(walk->address, level);

        walk->budget--;
        if (is_present(walk->format, table[i]) && is_leaf(walk->format, table[i], level)) {
            bool hit = touches(walk, base, level_size(level));

            if (!hit || !exceeds(walk, base, level_size(level)) || !split(walk, &table[i], level)) {
                if (hit) {
                    clear(walk, &table[i]);
                }
                walk->address = next;
                continue;
            }
        }
        if (!is_present(walk->format, table[i])) {
            walk->address = next;
            continue;
        }
        revoke_table(walk, table_of(table[i]), level - 1, TABLE_ENTRIES);
        free_if_empty(walk, &table[i]);
    }
}

void arch_space_revoke(struct arch_space *space, uint64_t address, phys_addr physical,
                       uint64_t size, struct quota *quota, uint64_t *next, bool *changed)
{
    unsigned count = space->format->root_entries;
    uint64_t end = count * level_size(TABLE_LEVELS - 1);
    struct walk walk = {.format = space->format, .quota = quota, .address = address,
                        .physical = physical, .size = size, .budget = ENTRIES_AT_ONCE};

    if (address < end) {
        revoke_table(&walk, table_of(space->root), TABLE_LEVELS - 1, count);
    }
    *next = address < end && walk.address < end ? walk.address : 0;
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
