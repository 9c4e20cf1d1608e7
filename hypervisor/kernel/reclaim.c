/* SPDX-License-Identifier: Apache-2.0 */
/* An ended task gives everything back, in steps, the deepest first. */
#include "kernel/calls.h"
#include "kernel/log.h"
#include "kernel/remote.h"
#include "kernel/task.h"
#include "kernel/virtualization.h"

/* One part of a thread that has ended. */
static void free_thread_part(struct task *task)
{
    struct thread *thread = task->dead;

    if (!__atomic_load_n(&thread->gone, __ATOMIC_ACQUIRE)) {
        return; /* its processor tells those who wait for it, in steps */
    }
    if (thread->vcpu) {
        virt_thread_destroy(thread);
        return;
    }
    task->dead = thread->task_next;
    thread_forget(thread);
    frame_free(&task->quota, thread);
}

/* The task's last step: its frame, its place in the tree, and its quota, which is whole again. */
static void free_task(struct task *task)
{
    struct task *parent = task->parent;
    struct quota quota = task->quota;

    *task->link = task->sibling;
    if (task->sibling) {
        task->sibling->link = task->link;
    }
    task_forget(task);
    frame_free(&quota, task);
    KASSERT(quota.used == 0);
    quota_return(&parent->quota, &quota);
}

/* One part of a task without children; true when it is gone. */
static bool free_part(struct task *task)
{
    if (task->dead) {
        free_thread_part(task);
        return false;
    }
    if (task->vm) {
        virt_vm_destroy(task);
        return false;
    }
    if (!rights_destroy(task)) {
        return false;
    }
    if (!task->space_gone) {
        task->space_gone = arch_space_destroy(&task->space, &task->quota);
        return false; /* what is left takes a step of its own */
    }
    free_task(task);
    return true;
}

bool task_destroy(struct task *task)
{
    struct task *leaf = task;

    while (leaf->children) {
        leaf = leaf->children;
    }
    return free_part(leaf) && leaf == task;
}

/*
 * Nobody finds the threads any more, as they are dead or about to be. Twice: after the first time
 * no processor holds a pointer that it found while they lived, and what such a processor still
 * put into an inbox, of one of the task's processors, has been served after the second.
 */
void task_make_quiet(struct task *task)
{
    uint32_t all = (uint32_t)((1UL << kernel_config.processors) - 1);

    remote_sync(all);
    remote_sync(task->processors);
    task->quiet = true;
}

struct thread *call_task_destroy(struct thread *self)
{
    struct task *child = task_find((task_id)self->arch.frame.arg[0]);

    if (!child || child->parent != self->task) {
        return call_return(self, STATUS_BAD_ID);
    }
    if (child->state == TASK_RUNS) {
        return call_return(self, STATUS_BUSY);
    }
    if (!child->quiet) {
        if (task_end_step(child)) { /* what ended it from the inside may not have come far */
            task_make_quiet(child);
        }
        return call_again(self);
    }
    return task_destroy(child) ? call_return(self, STATUS_OK) : call_again(self);
}
