/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/sched.h"

#include "kernel/cpu.h"
#include "kernel/ipc.h"
#include "kernel/list.h"
#include "kernel/thread.h"

enum { EXPIRED_AT_ONCE = 4 }; /* then the timer fires again at once: no path is long */

static unsigned eligible_top(const struct cpu *cpu)
{
    unsigned own = cpu->own->top, background = cpu->background->top;

    return own > background ? own : background;
}

static bool is_eligible(const struct cpu *cpu, const struct thread *thread)
{
    return thread->queue == cpu->own || thread->queue == cpu->background;
}

/* Does it come first among equals? */
static bool is_preferred(const struct cpu *cpu, const struct thread *thread)
{
    return thread->queue == cpu->own && cpu->own != cpu->background;
}

static void mark(struct thread *thread)
{
    struct ready_queue *queue = thread->queue;
    struct cpu *cpu = thread->cpu;
    unsigned priority = thread->priority;

    queue->levels[priority / 64] |= 1UL << (priority % 64);
    if (priority > queue->top) {
        queue->top = priority;
        if (priority >= cpu->top && is_eligible(cpu, thread)) {
            /* An equal that runs is asked then whether it is of τ0. */
            cpu->top = priority + is_preferred(cpu, thread);
        }
    }
}

unsigned level_top(const uint64_t *levels)
{
    for (unsigned i = PRIORITY_LEVELS / 64; i-- > 0;) {
        if (levels[i]) {
            return i * 64 + 63 - (unsigned)__builtin_clzl(levels[i]);
        }
    }
    return 0;
}

void ready_add(struct thread *thread)
{
    list_append(&thread->queue->level[thread->priority], thread);
    mark(thread);
}

void ready_add_front(struct thread *thread)
{
    list_prepend(&thread->queue->level[thread->priority], thread);
    mark(thread);
}

void ready_remove(struct thread *thread)
{
    struct ready_queue *queue = thread->queue;
    struct cpu *cpu = thread->cpu;
    unsigned priority = thread->priority;

    list_remove(&queue->level[priority], thread);
    if (!queue->level[priority].first) {
        queue->levels[priority / 64] &= ~(1UL << (priority % 64));
        queue->top = level_top(queue->levels);
        if (cpu->top == priority) {
            cpu->top = eligible_top(cpu);
        }
    }
}

struct thread *ready_first(const struct cpu *cpu)
{
    const struct ready_queue *queue =
        cpu->own->top >= cpu->background->top ? cpu->own : cpu->background;

    return queue->level[queue->top].first; /* level 0 is empty */
}

struct thread *sched_give_way(struct thread *self)
{
    struct cpu *cpu = self->cpu;
    bool eligible = is_eligible(cpu, self);
    bool turn_over = cpu->turn_over && self->queue->level[self->priority].first;
    bool overtaken = self->queue != cpu->own && cpu->own->top >= self->priority;

    cpu->top = eligible_top(cpu);
    if (eligible && cpu->top <= self->priority && !turn_over && !overtaken) {
        if (cpu->turn_over) {
            sched_force(&cpu->top); /* a handler's turn: it is its vCPU's that is over */
        }
        return self;
    }
    if (turn_over) {
        ready_add(self);
    } else {
        if (cpu->slice_end != TSC_NEVER) {
            tsc_time now = arch_time();

            self->turn_left = cpu->slice_end > now ? cpu->slice_end - now : 1;
        }
        ready_add_front(self);
    }
    return thread_next(cpu);
}

/* ---- Timer ---------------------------------------------------------------------------------- */

static tsc_time earlier(tsc_time a, tsc_time b)
{
    return a < b ? a : b;
}

void sched_advance_timer(struct cpu *cpu, tsc_time deadline)
{
    /* The timer is only ever moved forward here: a deadline that went away costs one early
     * interrupt at most, and a device timer that is named again with every reply costs none. */
    if (deadline < cpu->timer) {
        cpu->timer = deadline;
        arch_timer_set(cpu, deadline);
    }
}

void sched_set_timer(struct cpu *cpu)
{
    cpu->timer = earlier(earlier(cpu->window.end, cpu->slice_end),
                         earlier(timeout_next(&cpu->own->timeouts),
                                 timeout_next(&cpu->background->timeouts)));
    arch_timer_set(cpu, cpu->timer);
}

void sched_limit_turn(struct cpu *cpu, struct thread *thread)
{
    cpu->slice_end = arch_time() + (thread->turn_left ? thread->turn_left : cpu->slice_ticks);
    thread->turn_left = 0;
    sched_advance_timer(cpu, cpu->slice_end);
}

static void expire_deadlines(struct timeout_queue *queue, tsc_time now)
{
    struct thread *thread;

    for (unsigned i = 0; i < EXPIRED_AT_ONCE && (thread = timeout_expired(queue, now)); i++) {
        ipc_timeout(thread);
    }
}

void sched_expire(struct cpu *cpu, tsc_time now)
{
    if (cpu->window.end <= now) {
        window_advance(cpu, now);
    }
    if (cpu->slice_end <= now) {
        cpu->slice_end = TSC_NEVER;
        cpu->turn_over = true;
        sched_force(&cpu->top);
    }
    expire_deadlines(&cpu->own->timeouts, now);
    expire_deadlines(&cpu->background->timeouts, now);
    sched_set_timer(cpu);
}
