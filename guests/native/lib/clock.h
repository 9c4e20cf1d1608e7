/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Time, in ticks of the time-stamp counter; and periodic releases. */
#include "native.h"

static inline tsc_time clock_now(void)
{
    return __builtin_ia32_rdtsc();
}

/* As the kernel converts the times of its tables; below 1,000 s. */
static inline tsc_time clock_ticks(uint64_t ns)
{
    return ns * KERNEL_INFO->tsc_khz / 1000000;
}

static inline uint64_t clock_ns(tsc_time ticks)
{
    uint64_t khz = KERNEL_INFO->tsc_khz;

    return ticks / khz * 1000000 + ticks % khz * 1000000 / khz;
}

/* Waits until `until`. Events that arrive meanwhile stay pending (events.h). */
void clock_sleep(tsc_time until);

/* A thread that is released at `release`, and then once every period. */
struct periodic {
    tsc_time release; /* the one that is waited for, or that was last */
    tsc_time period;
};

/* The first release is the next time that lies `offset_ns` behind the begin of a major frame, the
 * period a frame; without frames, `period_ns` from now. */
void periodic_start(struct periodic *periodic, uint64_t offset_ns, uint64_t period_ns);
/* Waits for the release → the time of the first instruction behind it. A release that has passed
 * already is not left out. */
tsc_time periodic_wait(struct periodic *periodic);
/* The next release from here on is the one after the last. */
static inline void periodic_next(struct periodic *periodic)
{
    periodic->release += periodic->period;
}
/* Is it later than `deadline_ns` after the release? Then it raises HEALTH_DEADLINE_MISSED, which
 * only the first thread can. True: it was in time. */
bool periodic_in_time(const struct periodic *periodic, uint64_t deadline_ns);
