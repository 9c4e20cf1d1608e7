/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Sets of shadow tables by their numbers: a few words, so that what many tables have in common is
 * found without a loop over them. */
#include "abi/types.h"

/* Tables of a vCPU at most; beyond that the oldest process's go. */
#define SHADOW_MAX 192u
_Static_assert(SHADOW_MAX % 64 == 0 && SHADOW_MAX < 256, "whole words, numbers of a byte");
#define SET_WORDS (SHADOW_MAX / 64)

struct shadow_set {
    uint64_t word[SET_WORDS];
};

static inline bool set_has(const struct shadow_set *set, unsigned n)
{
    return set->word[n / 64] >> n % 64 & 1;
}

static inline void set_include(struct shadow_set *set, unsigned n)
{
    set->word[n / 64] |= 1UL << n % 64;
}

static inline void set_exclude(struct shadow_set *set, unsigned n)
{
    set->word[n / 64] &= ~(1UL << n % 64);
}

static inline void set_add(struct shadow_set *to, const struct shadow_set *set)
{
    for (unsigned w = 0; w < SET_WORDS; w++) {
        to->word[w] |= set->word[w];
    }
}

static inline void set_subtract(struct shadow_set *from, const struct shadow_set *set)
{
    for (unsigned w = 0; w < SET_WORDS; w++) {
        from->word[w] &= ~set->word[w];
    }
}

static inline bool set_is_empty(const struct shadow_set *set)
{
    uint64_t any = 0;

    for (unsigned w = 0; w < SET_WORDS; w++) {
        any |= set->word[w];
    }
    return any == 0;
}

/* The lowest number; SHADOW_MAX: there is none. */
static inline unsigned set_first(const struct shadow_set *set)
{
    for (unsigned w = 0; w < SET_WORDS; w++) {
        if (set->word[w]) {
            return w * 64 + (unsigned)__builtin_ctzl(set->word[w]);
        }
    }
    return SHADOW_MAX;
}

/* For each number in the set. */
#define EACH_OF(set, n)                                                                            \
    for (unsigned n = 0, w_##n = 0; w_##n < SET_WORDS; w_##n++)                                    \
        for (uint64_t b_##n = (set).word[w_##n];                                                   \
             b_##n != 0 && (n = w_##n * 64 + (unsigned)__builtin_ctzl(b_##n), true);               \
             b_##n &= b_##n - 1)
