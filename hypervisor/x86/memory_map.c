/* SPDX-License-Identifier: Apache-2.0 */
#include "x86/memory_map.h"

#define PAGE_MASK (PAGE_SIZE - 1)

/* First address behind the range; a range that would wrap around ends with the last page. */
static uint64_t range_end(uint64_t base, uint64_t size)
{
    return size > UINT64_MAX - base ? UINT64_MAX & ~PAGE_MASK : base + size;
}

static uint64_t end_of(const struct boot_region *range)
{
    return range->base + range->size;
}

static void delete_at(struct memory_map *map, uint32_t index)
{
    map->count--;
    for (uint32_t i = index; i < map->count; i++) {
        map->range[i] = map->range[i + 1];
    }
}

static void insert_at(struct memory_map *map, uint32_t index, uint64_t base, uint64_t size)
{
    if (map->count == MEMORY_MAP_MAX) {
        return;
    }
    for (uint32_t i = map->count; i > index; i--) {
        map->range[i] = map->range[i - 1];
    }
    map->count++;
    map->range[index] = (struct boot_region){base, size};
}

void memory_map_add(struct memory_map *map, uint64_t base, uint64_t size)
{
    uint64_t end = range_end(base, size) & ~PAGE_MASK;

    if (base > UINT64_MAX - PAGE_MASK) {
        return;
    }
    base = (base + PAGE_MASK) & ~PAGE_MASK;
    if (base >= end) {
        return;
    }
    uint32_t at = 0;

    while (at < map->count && end_of(&map->range[at]) < base) {
        at++;
    }
    /* Everything from `at` on that touches the new range is swallowed by it. */
    while (at < map->count && map->range[at].base <= end) {
        if (map->range[at].base < base) {
            base = map->range[at].base;
        }
        if (end_of(&map->range[at]) > end) {
            end = end_of(&map->range[at]);
        }
        delete_at(map, at);
    }
    insert_at(map, at, base, end - base);
}

void memory_map_remove(struct memory_map *map, uint64_t base, uint64_t size)
{
    uint64_t end = range_end(base, size);

    if (size == 0) {
        return;
    }
    base &= ~PAGE_MASK;
    end = end > UINT64_MAX - PAGE_MASK ? end & ~PAGE_MASK : (end + PAGE_MASK) & ~PAGE_MASK;
    for (uint32_t i = 0; i < map->count;) {
        const struct boot_region range = map->range[i];

        if (range.base >= end || end_of(&range) <= base) {
            i++;
            continue;
        }
        delete_at(map, i);
        if (range.base < base) {
            insert_at(map, i++, range.base, base - range.base);
        }
        if (end_of(&range) > end) {
            insert_at(map, i++, end, end_of(&range) - end);
        }
    }
}

uint64_t memory_map_total(const struct memory_map *map)
{
    uint64_t total = 0;

    for (uint32_t i = 0; i < map->count; i++) {
        total += map->range[i].size;
    }
    return total;
}

uint64_t memory_map_find(const struct memory_map *map, uint64_t size, uint64_t align,
                         uint64_t limit)
{
    for (uint32_t i = map->count; i-- > 0;) {
        uint64_t end = end_of(&map->range[i]);

        if (end > limit) {
            end = limit;
        }
        if (end < size) {
            continue;
        }
        uint64_t base = (end - size) & ~(align - 1);

        if (base >= map->range[i].base && base != 0) {
            return base;
        }
    }
    return 0;
}

void memory_map_export(struct memory_map *map, struct boot_info *out)
{
    while (map->count > BOOT_REGIONS_MAX) {
        uint32_t smallest = 0;

        for (uint32_t i = 1; i < map->count; i++) {
            if (map->range[i].size < map->range[smallest].size) {
                smallest = i;
            }
        }
        delete_at(map, smallest);
    }
    out->region_count = map->count;
    for (uint32_t i = 0; i < map->count; i++) {
        out->region[i] = map->range[i];
    }
}
