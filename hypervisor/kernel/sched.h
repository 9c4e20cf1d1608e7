/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Which thread runs. Every processor has a queue for each time partition: fixed priorities, first
 * come first served among equals. Eligible are the queue of the window's time partition and that
 * of τ0; the higher priority of both runs, the window's own among equals.
 */
#include "abi/types.h"
#include "kernel/timeout.h"

struct cpu;
struct thread;

#define PRIORITY_LEVELS 256
/* cpu->top: whoever runs has to ask sched_give_way, whatever its priority. */
#define TOP_FORCED PRIORITY_LEVELS

struct thread_list {
    struct thread *first;
};

struct ready_queue {
    unsigned top; /* the highest level that has threads; 0: none has */
    uint64_t levels[PRIORITY_LEVELS / 64]; /* bit set: that level has threads */
    struct thread_list level[PRIORITY_LEVELS];
    /* Deadlines of its threads that wait: they cost nothing while it is not eligible. */
    struct timeout_queue timeouts;
};
_Static_assert(sizeof(struct ready_queue) <= PAGE_SIZE, "one frame each");

/* The highest level whose bit is set among PRIORITY_LEVELS, or 0. */
unsigned level_top(const uint64_t *levels);
/* The thread joins its level in its queue at the end, or at the front when it was preempted. */
void ready_add(struct thread *thread);
void ready_add_front(struct thread *thread);
void ready_remove(struct thread *thread);
/* The eligible thread that comes first, or NULL. It stays in the queue. */
struct thread *ready_first(const struct cpu *cpu);

/* `own` or its window changed, or the running thread's turn ended: it has to yield. */
static inline void sched_force(unsigned *top)
{
    *top = TOP_FORCED;
}
/* Another thread waits for its turn on the level of `thread`, which runs: its turn has an end. Who
 * is preempted in it has the rest later, so that equals get theirs however often that happens. */
void sched_limit_turn(struct cpu *cpu, struct thread *thread);
/* Sets the timer to what comes first: a deadline, the end of the window or of the turn. */
void sched_set_timer(struct cpu *cpu);
/* The same when only `deadline` has been added. */
void sched_advance_timer(struct cpu *cpu, tsc_time deadline);
/* What has become due at `now`: the window's end, the turn's, deadlines (a bounded number). */
void sched_expire(struct cpu *cpu, tsc_time now);
/* For thread_yield: `self` can run on, but cpu->top says that it may have to give way. */
struct thread *sched_give_way(struct thread *self);
