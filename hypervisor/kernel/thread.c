/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/thread.h"

#include "kernel/list.h"
#include "kernel/log.h"
#include "kernel/task.h"

struct cpu cpus[CPU_MAX];

static struct thread *threads[THREAD_MAX];
static uint16_t generations[THREAD_MAX];

static enum status thread_name(struct thread *thread)
{
    for (uint32_t slot = 1; slot < THREAD_MAX; slot++) {
        if (!threads[slot]) {
            threads[slot] = thread;
            thread->id = (thread_id)++generations[slot] << 16 | slot;
            return STATUS_OK;
        }
    }
    return STATUS_NO_SLOT;
}

enum status thread_create(struct task *task, struct cpu *cpu, uint8_t priority,
                          struct thread **out)
{
    struct thread *thread = frame_alloc(&task->quota);

    if (!thread) {
        return STATUS_NO_MEMORY;
    }
    if (thread_name(thread) != STATUS_OK) {
        frame_free(&task->quota, thread);
        return STATUS_NO_SLOT;
    }
    thread->task = task;
    thread->cpu = cpu;
    thread->priority = priority;
    thread->state = THREAD_STOPPED;
    thread->resume = arch_resume_user;
    thread->task_next = task->threads;
    task->threads = thread;
    if (!task->main) {
        task->main = thread;
    }
    *out = thread;
    return STATUS_OK;
}

struct thread *thread_find(thread_id id)
{
    uint32_t slot = id & 0xffff;
    struct thread *thread = slot < THREAD_MAX ? threads[slot] : NULL;

    return thread && thread->id == id && thread->state != THREAD_DEAD ? thread : NULL;
}

/* Whoever waits to send to `thread`, or for its answer, waits in vain. */
static void refuse_partners(struct thread *thread)
{
    for (uint32_t slot = 1; slot < THREAD_MAX; slot++) {
        struct thread *other = threads[slot];

        if (!other || other->partner != thread) {
            continue;
        }
        if (other->state == THREAD_SENDING) {
            list_remove(&thread->senders, other);
        } else if (other->state != THREAD_CALLING) {
            continue;
        }
        other->partner = NULL;
        other->arch.frame.status = (uint64_t)STATUS_BAD_ID;
        if (other->send_kind == SEND_EXIT) {
            other->state = THREAD_STOPPED; /* a vCPU without handler never runs again */
        } else {
            thread_clear_timeout(other);
            thread_wake(other);
        }
    }
}

void thread_kill(struct thread *thread)
{
    struct cpu *cpu = thread->cpu;

    if (thread->state == THREAD_READY && cpu->current != thread) {
        ready_remove(&cpu->ready, thread);
    } else if (thread->state == THREAD_SENDING) {
        list_remove(&thread->partner->senders, thread);
    }
    thread_clear_timeout(thread);
    thread->state = THREAD_DEAD;
    refuse_partners(thread);
}

void thread_wake(struct thread *thread)
{
    thread->state = THREAD_READY;
    ready_add(&thread->cpu->ready, thread);
}

struct thread *thread_yield(struct thread *self)
{
    struct cpu *cpu = self->cpu;

    if (cpu->ready.top <= self->priority) {
        return self;
    }
    struct thread *top = ready_first(&cpu->ready);

    ready_add_front(&cpu->ready, self);
    ready_remove(&cpu->ready, top);
    return top;
}

struct thread *thread_next(struct cpu *cpu)
{
    struct thread *top = ready_first(&cpu->ready);

    if (!top) {
        return cpu->idle;
    }
    ready_remove(&cpu->ready, top);
    return top;
}

struct thread *thread_switch(struct cpu *cpu, struct thread *to)
{
    to->state = THREAD_READY;
    if (to->cpu != cpu) {
        ready_add(&to->cpu->ready, to);
        return thread_next(cpu);
    }
    return thread_yield(to);
}

void thread_set_timeout(struct thread *thread, tsc_time deadline)
{
    struct cpu *cpu = thread->cpu;

    if (deadline == TSC_NEVER) {
        return;
    }
    timeout_add(&cpu->timeouts, thread, deadline);
    /* The timer is only ever moved forward here: a deadline that went away costs one early
     * interrupt at most, and a device timer that is named again with every reply costs none. */
    if (deadline < cpu->timer) {
        cpu->timer = deadline;
        arch_timer_set(cpu, deadline);
    }
}

void thread_clear_timeout(struct thread *thread)
{
    timeout_remove(&thread->cpu->timeouts, thread);
}

/* Runs when nothing else can: waits for interrupts until one made a thread ready. */
static void idle_resume(struct thread *idle)
{
    struct cpu *cpu = idle->cpu;

    while (!ready_first(&cpu->ready)) {
        arch_wait_for_interrupt();
    }
    struct thread *next = thread_next(cpu);

    arch_activate(cpu, next);
    arch_restart(cpu, next);
}

void thread_make_idle(struct cpu *cpu, struct quota *quota)
{
    struct thread *idle = frame_alloc(quota);

    KASSERT(idle);
    idle->cpu = cpu;
    idle->resume = idle_resume;
    idle->state = THREAD_READY;
    cpu->idle = idle;
    cpu->timer = TSC_NEVER;
}
