/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The VM's clock: nanoseconds since it was made, counted by the TSC. Both directions multiply by
 * a fixed-point factor, since a 128-bit division would need a library.
 */
#include "abi/types.h"

#define CLOCK_NS_SHIFT 40   /* ns_per_tick < 2^60 from 1 kHz on */
#define CLOCK_TICK_SHIFT 32 /* ticks_per_ns < 2^63 below 2 THz */

struct clock {
    tsc_time start;
    uint64_t ns_per_tick;  /* scaled by 2^CLOCK_NS_SHIFT */
    uint64_t ticks_per_ns; /* scaled by 2^CLOCK_TICK_SHIFT */
};

/* tsc_khz: 1 to 2^31. */
static inline void clock_init(struct clock *clock, tsc_time start, uint64_t tsc_khz)
{
    *clock = (struct clock){ .start = start,
                             .ns_per_tick = (UINT64_C(1000000) << CLOCK_NS_SHIFT) / tsc_khz,
                             .ticks_per_ns = (tsc_khz << CLOCK_TICK_SHIFT) / 1000000 };
}

static inline uint64_t clock_ns(const struct clock *clock, tsc_time tsc)
{
    unsigned __int128 product = (unsigned __int128)(tsc - clock->start) * clock->ns_per_tick;
    return (uint64_t)(product >> CLOCK_NS_SHIFT);
}

/* Ticks that are no less than `ns`, or TSC_NEVER when that is too long to count. Meant for the
 * distance between now and a deadline: the error grows with it, by 2^-30 at most. */
static inline uint64_t clock_ticks(const struct clock *clock, uint64_t ns)
{
    unsigned __int128 product = (unsigned __int128)ns * clock->ticks_per_ns >> CLOCK_TICK_SHIFT;
    return product >= TSC_NEVER - 1 ? TSC_NEVER : (uint64_t)product + 1;
}
