/* SPDX-License-Identifier: Apache-2.0 */
#include "memory.h"

/* The free regions; a region is used up from its start. */
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
    struct boot_region *region = &pool.region[i];
    uint64_t before = start - region->base;
    uint64_t end = region->base + region->size;

    if (before > 0 && pool.count < BOOT_REGIONS_MAX) {
        pool.region[pool.count++] = (struct boot_region){region->base, before};
    }
    region->base = start + size;
    region->size = end - region->base;
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

uint64_t memory_left(void)
{
    uint64_t left = 0;

    for (uint32_t i = 0; i < pool.count; i++) {
        left += pool.region[i].size;
    }
    return left;
}
