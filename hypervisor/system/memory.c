/* SPDX-License-Identifier: Apache-2.0 */
#include "memory.h"

/* The free regions, ascending; a region is used up from its start. */
static struct {
    struct boot_region region[BOOT_REGIONS_MAX];
    uint32_t count;
} pool;

void memory_setup(const struct boot_info *boot)
{
    pool.count = boot->region_count;
    for (uint32_t i = 0; i < pool.count; i++) {
        pool.region[i] = boot->region[i];
    }
}

/* Takes [start, start + size) out of region i: what lies before it stays as a region of its own
 * while there is room in the table, and is left unused otherwise. */
static void take(uint32_t i, uint64_t start, uint64_t size)
{
    const struct boot_region whole = pool.region[i];

    if (start > whole.base && pool.count < BOOT_REGIONS_MAX) {
        for (uint32_t j = pool.count++; j > i; j--) {
            pool.region[j] = pool.region[j - 1];
        }
        pool.region[i++].size = start - whole.base;
    }
    pool.region[i].base = start + size;
    pool.region[i].size = whole.base + whole.size - (start + size);
}

uint64_t memory_place(uint64_t size, uint64_t align)
{
    for (uint32_t i = 0; i < pool.count; i++) {
        const struct boot_region *region = &pool.region[i];
        uint64_t start = (region->base + align - 1) & ~(align - 1);

        if (start < region->base || start - region->base > region->size ||
            region->size - (start - region->base) < size) {
            continue;
        }
        take(i, start, size);
        return start;
    }
    return 0;
}

bool memory_take(uint64_t base, uint64_t size)
{
    for (uint32_t i = 0; i < pool.count; i++) {
        const struct boot_region *region = &pool.region[i];

        if (base >= region->base && base - region->base <= region->size &&
            region->size - (base - region->base) >= size) {
            take(i, base, size);
            return true;
        }
    }
    return false;
}

uint64_t memory_left(void)
{
    uint64_t left = 0;

    for (uint32_t i = 0; i < pool.count; i++) {
        left += pool.region[i].size;
    }
    return left;
}
