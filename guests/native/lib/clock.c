/* SPDX-License-Identifier: Apache-2.0 */
#include "clock.h"

#include "events.h"
#include "health.h"

void clock_sleep(tsc_time until)
{
    while (clock_now() < until) {
        events_wait(0, until);
    }
}

void periodic_start(struct periodic *periodic, uint64_t offset_ns, uint64_t period_ns)
{
    const struct partition_info *info = PARTITION_INFO;
    tsc_time now = clock_now();

    if (info->frame_ns == 0) {
        periodic->period = clock_ticks(period_ns);
        periodic->release = now + periodic->period;
        return;
    }
    periodic->period = clock_ticks(info->frame_ns);
    periodic->release = info->frame_start + clock_ticks(offset_ns);
    if (periodic->release <= now) {
        periodic->release += ((now - periodic->release) / periodic->period + 1) * periodic->period;
    }
}

tsc_time periodic_wait(struct periodic *periodic)
{
    for (;;) {
        register uint64_t a0 __asm__("rdi") = 0;
        register uint64_t a1 __asm__("rsi") = periodic->release;
        register uint64_t a2 __asm__("rdx") = 0;
        register uint64_t a3 __asm__("r10") = 0;
        register uint64_t a4 __asm__("r8") = 0;
        register uint64_t a5 __asm__("r9") = 0;
        uint64_t low = SYS_IPC_WAIT;

        /* RDTSC is the first instruction: its result takes the place of the status, which is OK
         * for a wait, and of a2. */
        __asm__ volatile("syscall\n\trdtsc"
                         : "+a"(low), "+r"(a0), "+r"(a1), "+r"(a2), "+r"(a3), "+r"(a4), "+r"(a5)
                         :
                         : "rcx", "r11", "memory", "cc");
        if (a1 == MESSAGE_TIMEOUT) {
            return low | a2 << 32;
        }
        /* An event, whose bits are lost, came first. */
    }
}

bool periodic_in_time(const struct periodic *periodic, uint64_t deadline_ns)
{
    tsc_time now = clock_now();

    if (now - periodic->release <= clock_ticks(deadline_ns)) {
        return true;
    }
    health_raise(HEALTH_DEADLINE_MISSED,
                 clock_ns(now - periodic->release) - deadline_ns);
    return false;
}
