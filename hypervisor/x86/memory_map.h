/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The machine's RAM as a list of ranges, and who gets what of it. Pure: no hardware here. */
#include "abi/info.h"

#define MEMORY_MAP_MAX 128

/* Whole pages, ascending, disjoint, not touching. Where the list is full, memory is left out:
 * less is known than there is, never more. */
struct memory_map {
    uint32_t count;
    struct boot_region range[MEMORY_MAP_MAX];
};

/* Adds the whole pages in [base, base + size); overlaps with what is there are merged. */
void memory_map_add(struct memory_map *map, uint64_t base, uint64_t size);
/* Removes every page that [base, base + size) touches. */
void memory_map_remove(struct memory_map *map, uint64_t base, uint64_t size);
/* Sum of all ranges in bytes. */
uint64_t memory_map_total(const struct memory_map *map);
/* The highest [base, base + size) in one range below `limit`, aligned to `align` (a power of
 * two, at least a page), or 0: none. */
uint64_t memory_map_find(const struct memory_map *map, uint64_t size, uint64_t align,
                         uint64_t limit);
/* Writes the ranges to boot_info; of more than BOOT_REGIONS_MAX the largest. */
void memory_map_export(struct memory_map *map, struct boot_info *out);
