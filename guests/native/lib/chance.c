/* SPDX-License-Identifier: Apache-2.0 */
#include "chance.h"

#include "abi/layout.h"
#include "arguments.h"

static uint64_t seed;

void chance_init(void)
{
    seed = argument_number("seed", 1) * 0x9e3779b97f4a7c15UL | 1;
}

/* Marsaglia's xorshift64* */
uint64_t any(void)
{
    seed ^= seed >> 12;
    seed ^= seed << 25;
    seed ^= seed >> 27;
    return seed * 0x2545f4914f6cdd1dUL;
}

uint64_t below(uint64_t limit)
{
    return (any() >> 20) % limit;
}

bool once_in(uint64_t n)
{
    return below(n) == 0;
}

uint64_t wild(void)
{
    static const uint64_t edges[] = {
        0, 1, 2, 7, 8, 0x1000, 0x400000, USER_TOP, USER_TOP - PAGE_SIZE, USER_KERNEL_INFO,
        USER_PARTITION_INFO, 0x7fffffff, 0x80000000, 0xffffffff, 0x100000000, 0x7fffffffffff,
        0x800000000000, 0xffff800000000000, 0xffffffff80200000, INT64_MAX, UINT64_MAX,
        UINT64_MAX - 0xfff, SIGMA0_PHYSICAL, 0x10001, 0x10002,
    };

    switch (below(4)) {
    case 0:
        return edges[below(sizeof(edges) / sizeof(edges[0]))];
    case 1:
        return below(70);
    case 2:
        return any() >> below(64) & ~0xfffUL;
    default:
        return any() >> below(64);
    }
}
