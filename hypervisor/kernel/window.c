/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/window.h"

#include "kernel/cpu.h"

/* The frames that all processors walk: schedule `number` since `start`, its first frame's begin.
 * `start` is in the future while a change is pending. Written with the kernel's lock held. */
static struct {
    unsigned number;
    tsc_time start;
} schedule;

static uint64_t tsc_khz;

#define CHANGE_MARGIN_NS 1000000UL /* so that every processor hears of a change in time */

/* No overflow: the generator keeps frames below 1,000 s, and khz below 2^24. */
static tsc_time ticks(uint64_t ns)
{
    return ns * tsc_khz / 1000000;
}

static tsc_time frame_ticks(unsigned number)
{
    return ticks(kernel_config.schedule[number].frame_ns);
}

/* Does this processor ever have a window? */
static bool has_windows(const struct cpu *cpu)
{
    for (unsigned i = 0; i < kernel_config.schedule_count; i++) {
        if (kernel_config.schedule[i].processor[cpu->id].window_count > 0) {
            return true;
        }
    }
    return false;
}

void window_start(struct cpu *cpu, tsc_time start, uint64_t khz)
{
    tsc_khz = khz;
    schedule.number = 0;
    schedule.start = start;
    cpu->slice_ticks = ticks(kernel_config.time_slice_ns);
    cpu->slice_end = TSC_NEVER;
    cpu->window = (struct window_state){
        .frame_start = start - frame_ticks(0),
        .frame_ticks = frame_ticks(0),
        .end = has_windows(cpu) ? start : TSC_NEVER,
    };
}

/* A frame has ended at `at`; another begins, of another schedule when it was changed. */
static void next_frame(struct window_state *state, tsc_time at, tsc_time now)
{
    tsc_time change = __atomic_load_n(&schedule.start, __ATOMIC_ACQUIRE);

    if (at == change) {
        state->schedule = schedule.number;
        state->frame_ticks = frame_ticks(schedule.number);
    } else if (at > change && now - at >= state->frame_ticks) {
        at += (now - at) / state->frame_ticks * state->frame_ticks; /* the machine stood still */
    }
    state->frame_start = at;
    state->next = 0;
}

/* What begins at `at`: a window, or the gap before the next one. */
static void next_part(struct cpu *cpu, tsc_time now)
{
    struct window_state *state = &cpu->window;

    if (state->end - state->frame_start >= state->frame_ticks) {
        next_frame(state, state->end, now);
        state->end = state->frame_start;
    }
    const struct processor_schedule *table =
        &kernel_config.schedule[state->schedule].processor[cpu->id];
    const struct window *window = &table->window[state->next];

    if (state->next == table->window_count) {
        cpu->own = cpu->background;
        state->end = state->frame_start + state->frame_ticks;
    } else if (state->frame_start + ticks(window->start_ns) > state->end) {
        cpu->own = cpu->background;
        state->end = state->frame_start + ticks(window->start_ns);
    } else {
        cpu->own = cpu->queue[window->time_partition];
        state->end = state->frame_start + ticks(window->start_ns + window->length_ns);
        state->next++;
    }
}

void window_advance(struct cpu *cpu, tsc_time now)
{
    while (cpu->window.end <= now) {
        next_part(cpu, now);
    }
    sched_force(&cpu->top);
}

enum status window_set_schedule(unsigned number, tsc_time now, tsc_time *when)
{
    if (number >= kernel_config.schedule_count) {
        return STATUS_BAD_ARGUMENT;
    }
    if (now < schedule.start) {
        return STATUS_BUSY; /* a change is pending */
    }
    tsc_time frame = frame_ticks(schedule.number);

    *when = schedule.start +
            ((now + ticks(CHANGE_MARGIN_NS) - schedule.start) / frame + 1) * frame;
    schedule.number = number;
    __atomic_store_n(&schedule.start, *when, __ATOMIC_RELEASE);
    return STATUS_OK;
}
