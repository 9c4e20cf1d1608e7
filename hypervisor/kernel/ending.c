/* SPDX-License-Identifier: Apache-2.0 */
/* A task ends from the inside, and from the outside. */
#include "kernel/calls.h"
#include "kernel/log.h"
#include "kernel/remote.h"
#include "kernel/task.h"

/* thread->resume of the thread that ends its task: step by step, with interrupts in between, on
 * its own priority and time; at last itself. */
static void end_resume(struct thread *self)
{
    struct cpu *cpu = self->cpu;
    struct task *task = self->task;
    struct thread *next = NULL;

    while (!next && kernel_lock(cpu)) {
        bool done = task_end_step(task);

        if (done) {
            thread_kill(self);
        }
        kernel_unlock();
        if (done) {
            break;
        }
        arch_take_interrupts();
        next = cpu->current == self ? thread_yield(self) : thread_next(cpu);
        next = next == self ? NULL : next;
    }
    next = next ? next : thread_next(cpu);
    arch_activate(cpu, next);
    arch_restart(cpu, next);
}

struct thread *task_end_from_inside(struct thread *self)
{
    self->resume = end_resume;
    return self;
}

struct thread *call_task_end(struct thread *self)
{
    uint64_t code = self->arch.frame.arg[0];

    if (task_is_sigma0(self->task)) {
        panic("sigma0 ended with code %lu", code);
    }
    task_mark_ended(self->task, TASK_ENDED, code, 0);
    return task_end_from_inside(self);
}

struct thread *call_task_stop(struct thread *self)
{
    struct task *child = task_find((task_id)self->arch.frame.arg[0]);

    if (!child || child->parent != self->task) {
        return call_return(self, STATUS_BAD_ID);
    }
    task_mark_ended(child, TASK_STOPPED, 0, 0);
    if (!task_end_step(child)) {
        return call_again(self);
    }
    task_make_quiet(child);
    return call_return(self, STATUS_OK);
}
