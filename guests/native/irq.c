/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From an interrupt to the thread that listens to it, in ticks of the TSC: the board's PIT (8254),
 * of which the partition holds ports 0x40..0x43 and the line, interrupts a thread of lower
 * priority that does nothing but write down the time; so the last time it wrote is that of the
 * interrupt, and an emulator that counts gives the instructions from there to ours.
 *
 *   line=N     2: where the firmware describes ISA interrupt 0, on both emulators
 *   rounds=N   1000
 *   count=N    of the PIT, at 1.193182 MHz, at most 65535; 600, half a millisecond
 */
#include "arguments.h"
#include "clock.h"
#include "events.h"
#include "print.h"
#include "sample.h"
#include "thread.h"

#define EVENT_TICK (1UL << 9)
#define PATIENCE_NS 1000000000UL

enum pit {
    PIT_COUNTER = 0x40,
    PIT_CONTROL = 0x43,
    PIT_ONE_SHOT = 0x30, /* counter 0, both bytes, mode 0 */
};

static volatile tsc_time last;

static void write_down_time(uint64_t unused)
{
    (void)unused;
    for (;;) {
        last = clock_now();
    }
}

static void arm(uint32_t count)
{
    native_must("port 0x43", sys_port_write(PIT_CONTROL, 1, PIT_ONE_SHOT));
    native_must("port 0x40", sys_port_write(PIT_COUNTER, 1, count & 0xff));
    native_must("port 0x40", sys_port_write(PIT_COUNTER, 1, count >> 8 & 0xff));
}

/* Whatever came before. */
static void clear(uint32_t line)
{
    while (events_wait(EVENT_TICK, TSC_NOW)) {
        sys_irq_done(line);
    }
}

static void measure(uint32_t line, uint32_t rounds, uint32_t count)
{
    struct samples samples;

    samples_init(&samples, rounds);
    for (uint32_t i = 0; i < rounds; i++) {
        arm(count);
        uint64_t events = events_wait(EVENT_TICK, clock_now() + clock_ticks(PATIENCE_NS));
        tsc_time now = clock_now();

        if (!events) {
            native_fail("waiting for the interrupt", STATUS_TIMEOUT);
        }
        samples_add(&samples, now - last);
        native_must("the line", sys_irq_done(line));
    }
    samples_report(&samples, "irq: interrupt to thread");
}

void native_main(void)
{
    uint32_t line = (uint32_t)argument_number("line", 2);
    unsigned priority = PARTITION_INFO->priority;
    const struct thread_setup low = {.run = write_down_time,
                                     .priority = priority > PRIORITY_MIN ? priority - 1 : priority,
                                     .processor = thread_first_processor()};
    thread_id id;

    native_must("listening", sys_irq_listen(line, EVENT_TICK));
    native_must("a thread", thread_start(&low, &id));
    clear(line);
    measure(line, (uint32_t)argument_number("rounds", 1000),
            (uint32_t)argument_number("count", 600));
}
