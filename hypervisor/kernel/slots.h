/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Numbers that are given out and come back: a bit set is one that is taken. */
#include "abi/types.h"

/* The lowest of `count` (a multiple of 64) that is free, or 0, which never is. */
static inline uint32_t slot_take(uint64_t *taken, uint32_t count)
{
    taken[0] |= 1;
    for (uint32_t i = 0; i < count / 64; i++) {
        if (~taken[i]) {
            uint32_t bit = (uint32_t)__builtin_ctzl(~taken[i]);

            taken[i] |= 1UL << bit;
            return i * 64 + bit;
        }
    }
    return 0;
}

static inline void slot_give_back(uint64_t *taken, uint32_t slot)
{
    taken[slot / 64] &= ~(1UL << slot % 64);
}
