/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Time partitions: which of them runs on a processor, and until when. A major frame begins on all
 * processors at the same time; every processor walks the windows of its own table.
 */
#include "abi/config.h"
#include "abi/status.h"

struct cpu;
struct processor_schedule;

struct window_state {
    unsigned schedule;        /* index in kernel_config.schedule */
    uint32_t next;            /* the window that comes next; window_count: the frame's end */
    tsc_time frame_start;
    tsc_time frame_ticks;
    tsc_time end;             /* of what runs now, a window or a gap; TSC_NEVER: no windows */
};

/* The frames begin at `start`, in schedule 0. Called once for each processor, before it runs its
 * first thread; `tsc_khz` converts the tables' nanoseconds. */
void window_start(struct cpu *cpu, tsc_time start, uint64_t tsc_khz);
/* It is `now`: goes over to the window that this falls into. What runs may not be eligible any
 * more. Called when `end` has passed. */
void window_advance(struct cpu *cpu, tsc_time now);
/* All processors go over to another schedule at *when, an end of a frame. BAD_ARGUMENT: there is
 * none of that number. BUSY: another change is pending. The caller holds the kernel's lock. */
enum status window_set_schedule(unsigned schedule, tsc_time now, tsc_time *when);
