/* SPDX-License-Identifier: Apache-2.0 */
#include "heap.h"

#include "native.h"

static uint64_t taken;

uint64_t heap_left(void)
{
    return PARTITION_INFO->ram_size - __atomic_load_n(&taken, __ATOMIC_RELAXED);
}

void *heap_aligned(uint64_t size, uint64_t align)
{
    uint64_t before = __atomic_load_n(&taken, __ATOMIC_RELAXED), start;

    size = (size + PAGE_SIZE - 1) & ~(PAGE_SIZE - 1);
    do {
        start = (before + align - 1) & ~(align - 1);
        if (start > PARTITION_INFO->ram_size || size > PARTITION_INFO->ram_size - start) {
            native_fail("heap", STATUS_NO_MEMORY);
        }
    } while (!__atomic_compare_exchange_n(&taken, &before, start + size, false, __ATOMIC_RELAXED,
                                          __ATOMIC_RELAXED));
    return (void *)(VMM_RAM_BASE + start);
}

void *heap_pages(uint64_t size)
{
    return heap_aligned(size, PAGE_SIZE);
}
