/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/thread.h"

#include "kernel/ipc.h"
#include "kernel/irq.h"
#include "kernel/list.h"
#include "kernel/log.h"
#include "kernel/remote.h"
#include "kernel/slots.h"
#include "kernel/task.h"
#include "kernel/virtualization.h"

struct cpu cpus[CPU_MAX];

static struct thread *threads[THREAD_MAX];
static uint16_t generations[THREAD_MAX];
static uint64_t taken[THREAD_MAX / 64];

static enum status thread_name(struct thread *thread)
{
    uint32_t slot = slot_take(taken, THREAD_MAX);

    if (slot == 0) {
        return STATUS_NO_SLOT;
    }
    generations[slot] = (uint16_t)(generations[slot] % UINT16_MAX + 1); /* never 0 */
    thread->id = (thread_id)generations[slot] << 16 | slot;
    __atomic_store_n(&threads[slot], thread, __ATOMIC_RELEASE);
    return STATUS_OK;
}

void thread_forget(struct thread *thread)
{
    uint32_t slot = thread->id % THREAD_MAX;

    threads[slot] = NULL;
    slot_give_back(taken, slot);
}

enum status thread_create(struct task *task, struct cpu *cpu, uint8_t priority,
                          struct thread **out)
{
    if (task->thread_count == TASK_THREADS_MAX) {
        return STATUS_NO_SLOT;
    }
    struct thread *thread = frame_alloc(&task->quota);

    if (!thread) {
        return STATUS_NO_MEMORY;
    }
    thread->task = task;
    thread->cpu = cpu;
    thread->queue = cpu->queue[task->time_partition];
    thread->priority = priority;
    thread->own_priority = priority;
    thread->state = THREAD_STOPPED;
    thread->resume = arch_resume_user;
    if (thread_name(thread) != STATUS_OK) {
        frame_free(&task->quota, thread);
        return STATUS_NO_SLOT;
    }
    __atomic_fetch_add(&task->thread_count, 1, __ATOMIC_RELAXED);
    thread->task_next = task->threads;
    task->threads = thread;
    if (!task->main) {
        task->main = thread;
    }
    *out = thread;
    return STATUS_OK;
}

struct thread *thread_named(thread_id id)
{
    /* Masked, not compared: nothing to mispredict, and a wrong name does not compare equal. */
    struct thread *thread = __atomic_load_n(&threads[id % THREAD_MAX], __ATOMIC_ACQUIRE);

    return thread && thread->id == id ? thread : NULL;
}

struct thread *thread_find(thread_id id)
{
    struct thread *thread = thread_named(id);

    return thread && thread->state != THREAD_DEAD ? thread : NULL;
}

void thread_start(struct thread *thread)
{
    if (thread->cpu == arch_this_cpu()) {
        thread_wake(thread);
    } else {
        remote_poke(thread, POKE_START);
    }
}

/* It waited for a partner that is gone. */
static void reject(struct thread *thread)
{
    thread->partner = NULL;
    if (thread->send_kind == SEND_EXIT || thread->send_kind == SEND_EXCEPTION) {
        thread->state = THREAD_STOPPED; /* without its handler it never runs again */
        return;
    }
    thread->arch.frame.status = (uint64_t)STATUS_BAD_ID;
    thread_clear_timeout(thread);
    thread_wake(thread);
}

enum { REJECTED_AT_ONCE = 4 };

/* Rejects up to `budget` of them; returns what is left of it. */
static unsigned reject_some(struct thread_list *list, unsigned budget)
{
    for (struct thread *thread; budget > 0 && (thread = list->first); budget--) {
        list_remove(list, thread);
        reject(thread);
    }
    return budget;
}

static void take_out(struct thread *thread)
{
    struct cpu *cpu = thread->cpu;

    if (cpu->current == thread) {
        cpu->current = cpu->idle;
        arch_flush(cpu, &thread->task->space);
    } else if (thread->state == THREAD_READY) {
        ready_remove(thread);
    } else {
        ipc_withdraw(thread);
    }
    thread_clear_timeout(thread);
    thread->state = THREAD_DEAD;
    __atomic_fetch_sub(&thread->task->thread_count, 1, __ATOMIC_RELAXED); /* without the lock */
    irq_forget(thread);
    if (thread->vcpu) {
        virt_thread_end(thread);
    }
}

void thread_kill(struct thread *thread)
{
    if (thread->state != THREAD_DEAD) {
        take_out(thread);
    }
    if (reject_some(&thread->callers, reject_some(&thread->senders, REJECTED_AT_ONCE)) == 0) {
        remote_poke(thread, POKE_END); /* the others with the next interrupt */
    } else {
        __atomic_store_n(&thread->gone, true, __ATOMIC_RELEASE);
    }
}

void thread_wake(struct thread *thread)
{
    struct cpu *cpu = thread->cpu;

    thread->state = THREAD_READY;
    ready_add(thread);
    if (thread->priority == cpu->current->priority && cpu->slice_end == TSC_NEVER) {
        sched_limit_turn(cpu, cpu->current);
    }
}

void thread_set_priority(struct thread *thread, uint8_t priority)
{
    bool queued = thread->state == THREAD_READY && thread->cpu->current != thread;

    if (queued) {
        ready_remove(thread);
    }
    thread->priority = priority;
    if (queued) {
        ready_add(thread);
    }
}

struct thread *thread_next(struct cpu *cpu)
{
    struct thread *top = ready_first(cpu);

    cpu->turn_over = false;
    if (!top) {
        return cpu->idle;
    }
    ready_remove(top);
    cpu->slice_end = TSC_NEVER;
    if (top->queue->level[top->priority].first) {
        sched_limit_turn(cpu, top);
    }
    return top;
}

void thread_set_timeout(struct thread *thread, tsc_time deadline)
{
    if (deadline != TSC_NEVER) {
        timeout_add(&thread->queue->timeouts, thread, deadline);
        sched_advance_timer(thread->cpu, deadline);
    }
}

/* Runs when nothing else can: waits for interrupts until one made a thread ready. */
static void idle_resume(struct thread *idle)
{
    struct cpu *cpu = idle->cpu;

    while (!ready_first(cpu)) {
        arch_wait_for_interrupt();
    }
    struct thread *next = thread_next(cpu);

    arch_activate(cpu, next);
    arch_restart(cpu, next);
}

void thread_init_cpu(struct cpu *cpu, struct quota *quota)
{
    struct thread *idle = frame_alloc(quota);

    KASSERT(idle);
    idle->cpu = cpu;
    idle->resume = idle_resume;
    idle->state = THREAD_READY;
    cpu->idle = idle;
    cpu->current = idle;
    for (unsigned i = 0; i < kernel_config.time_partitions; i++) {
        cpu->queue[i] = frame_alloc(quota);
        KASSERT(cpu->queue[i]);
    }
    idle->queue = cpu->queue[0];
    cpu->own = cpu->queue[0];
    cpu->background = cpu->queue[0];
    cpu->timer = TSC_NEVER;
}
