/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A real-time task: released once every major frame, it records how late its first instruction
 * after each release comes, in ticks of the TSC (on an emulator that counts, instructions).
 *
 *   frames=N       how many releases; 1000
 *   offset=NS      of its window in the frame; 0
 *   period=NS      where there are no frames; 1000000
 *   bucket=TICKS   of the histogram; 100
 *   work=TICKS     computes for so long after each release; 0
 *   deadline=NS    after the release; missing it is raised to the health monitor; none
 */
#include "arguments.h"
#include "clock.h"
#include "print.h"
#include "sample.h"

static void work(tsc_time from, uint64_t ticks)
{
    while (clock_now() - from < ticks) {
    }
}

void native_main(void)
{
    uint32_t frames = (uint32_t)argument_number("frames", 1000);
    uint64_t bucket = argument_number("bucket", 100);
    uint64_t ticks = argument_number("work", 0), deadline = argument_number("deadline", 0);
    struct periodic periodic;
    struct samples late;
    uint32_t missed = 0;

    samples_init(&late, frames);
    periodic_start(&periodic, argument_number("offset", 0), argument_number("period", 1000000));
    for (uint32_t i = 0; i < frames; i++) {
        tsc_time now = periodic_wait(&periodic);

        samples_add(&late, now - periodic.release);
        work(now, ticks);
        if (deadline && !periodic_in_time(&periodic, deadline)) {
            missed++;
        }
        periodic_next(&periodic);
    }
    samples_report(&late, "periodic: late");
    if (late.count > 0 && bucket > 0 && bucket <= UINT32_MAX) {
        samples_histogram(&late, "periodic: ticks", (uint32_t)bucket);
    }
    print("periodic: %u deadlines missed\n", missed);
}
