/* SPDX-License-Identifier: Apache-2.0 */
/* arch_space_*: one walker for all page-table formats. */
#include "kernel/memory.h"
#include "x86/kernel_space.h"
#include "x86/paging_format.h"
#include "x86/tlb.h"

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

/* What one call works on: [address, end), in tables of one format paid by one quota. */
struct walk {
    const struct page_format *format;
    struct quota *quota;
    uint64_t address, end;
    uint64_t physical; /* of `address`, when mapping */
    unsigned rights;
};

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

/* Frees the tables that `count` entries of a table at `level` name. */
static void free_tables(const struct page_format *format, uint64_t *table, unsigned level,
                        unsigned count, struct quota *quota)
{
    for (unsigned i = 0; i < count; i++) {
        if (!is_present(format, table[i]) || is_leaf(format, table[i], level)) {
            continue;
        }
        uint64_t *lower = table_of(table[i]);

        table[i] = 0;
        free_tables(format, lower, level - 1, TABLE_ENTRIES, quota);
        frame_free(quota, lower);
    }
}

void arch_space_destroy(struct arch_space *space, struct quota *quota)
{
    uint64_t *root = table_of(space->root);

    if (space->format->user) {
        tlb_abandon(space);
    }
    free_tables(space->format, root, TABLE_LEVELS - 1, space->format->root_entries, quota);
    frame_free(quota, root);
    *space = (struct arch_space){0};
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
    frame_free(walk->quota, lower);
}

/* ---- Mapping ---- */

/* May the next page be one of that level? */
static bool fits(const struct walk *walk, unsigned level)
{
    uint64_t size = level_size(level);

    return level <= *walk->format->largest && walk->end - walk->address >= size &&
           ((walk->address | walk->physical) & (size - 1)) == 0;
}

/* Maps what lies in this table; on failure walk->address tells how far it came. */
static enum status map_table(struct walk *walk, uint64_t *table, unsigned level)
{
    for (unsigned i = index_of(walk->address, level);
         i < TABLE_ENTRIES && walk->address < walk->end; i++) {
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
static enum status split(const struct walk *walk, uint64_t *entry, unsigned level)
{
    const struct page_format *format = walk->format;
    uint64_t *lower = frame_alloc(walk->quota);
    uint64_t base = *entry & ENTRY_ADDRESS_MASK;

    if (!lower) {
        return STATUS_NO_MEMORY;
    }
    for (unsigned i = 0; i < TABLE_ENTRIES; i++) {
        lower[i] = format->leaf(base + i * level_size(level - 1), format->rights(*entry), level - 1);
    }
    *entry = format->table(arch_pool_physical(lower));
    return STATUS_OK;
}

/* Unmaps what lies in this table; a table that becomes empty is freed by the one above. */
static enum status unmap_table(struct walk *walk, uint64_t *table, unsigned level)
{
    for (unsigned i = index_of(walk->address, level);
         i < TABLE_ENTRIES && walk->address < walk->end; i++) {
        uint64_t size = level_size(level);
        uint64_t next = (walk->address | (size - 1)) + 1;

        if (!is_present(walk->format, table[i])) {
            walk->address = next;
            continue;
        }
        if (is_leaf(walk->format, table[i], level)) {
            if (walk->address % size == 0 && walk->end - walk->address >= size) {
                table[i] = 0;
                walk->address += size;
                continue;
            }
            if (split(walk, &table[i], level) != STATUS_OK) {
                return STATUS_NO_MEMORY;
            }
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
                             struct quota *quota)
{
    struct walk walk = {
        .format = space->format, .quota = quota, .address = address, .end = address + size};
    enum status status = unmap_table(&walk, table_of(space->root), TABLE_LEVELS - 1);

    if (space->format->user) {
        tlb_invalidate(space, address, size);
    }
    return status;
}

enum status arch_space_map(struct arch_space *space, uint64_t address, phys_addr physical,
                           uint64_t size, unsigned rights, struct quota *quota)
{
    struct walk walk = {
        .format = space->format,
        .quota = quota,
        .address = address,
        .end = address + size,
        .physical = physical,
        .rights = rights,
    };
    enum status status = map_table(&walk, table_of(space->root), TABLE_LEVELS - 1);

    if (status != STATUS_OK) {
        /* What was mapped so far are whole pages: nothing to split, this cannot fail. */
        arch_space_unmap(space, address, walk.address - address, quota);
    }
    return status;
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
