/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Has the error that its arguments name, for tests of the health monitor, until it has been
 * restarted often enough; then it ends well.
 *
 *   exception | violation | overflow | deadline | application | code=N
 *   restarts=N    the last start does nothing wrong; 1
 *   after=NS      of computing first; 0
 *
 * It counts its starts in its RAM too, which a warm restart leaves alone and a cold one clears.
 */
#include "arguments.h"
#include "clock.h"
#include "heap.h"
#include "health.h"
#include "print.h"

#define STACK_GUARD (USER_STACK_TOP - USER_STACK_SIZE - 8)

static void have_error(void)
{
    if (argument_given("exception")) {
        __asm__ volatile("ud2");
    } else if (argument_given("violation")) {
        *(volatile uint64_t *)USER_PARTITION_INFO = 0;
    } else if (argument_given("overflow")) {
        *(volatile uint64_t *)STACK_GUARD = 0; /* where a stack that grows ends up */
    } else if (argument_given("deadline")) {
        native_must("raising", health_raise(HEALTH_DEADLINE_MISSED, 1000));
    } else if (argument_given("application")) {
        native_must("raising", health_raise(HEALTH_APPLICATION, 42));
    } else {
        native_end(argument_number("code", 0));
    }
}

void native_main(void)
{
    const struct partition_info *info = PARTITION_INFO;
    uint64_t *starts = heap_pages(PAGE_SIZE);
    tsc_time begin = clock_now();

    (*starts)++;
    print("fail: start %u, restarts %u, %lu starts in RAM\n", info->start_condition,
          info->restarts, *starts);
    while (clock_now() - begin < clock_ticks(argument_number("after", 0))) {
    }
    if (info->restarts < argument_number("restarts", 1)) {
        print_drain();
        have_error();
    }
    print("fail: ends well\n");
}
