/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A task: an address space with its quota, its threads and, for a VMM, its VM. */
#include "abi/syscall.h"
#include "kernel/arch.h"
#include "kernel/memory.h"
#include "kernel/rights.h"

struct thread;
struct vm;

/* Threads of a task that are alive: what goes over all who wait for one of them stays short. */
#define TASK_THREADS_MAX 64

struct task {
    task_id id;
    struct task *parent;      /* NULL: σ0 */
    struct task *children;    /* linked by `sibling`, youngest first */
    struct task *sibling, **link; /* what points at this one: a parent or a sibling */
    struct quota quota;       /* kernel memory; children's is carved out of it */
    struct arch_space space;
    struct vm *vm;            /* NULL: none */
    struct thread *threads;   /* linked by task_next, youngest first */
    struct thread *dead;      /* likewise: those that have been told to die */
    struct thread *main;      /* its first thread: gets EVENT_CHILD */
    struct rights rights;
    uint32_t processors;      /* bitmap: where its threads may run */
    uint8_t time_partition;
    uint8_t priority;         /* highest of its threads */
    enum task_state state;
    uint64_t code, detail;    /* of its end */
    uint16_t thread_count;    /* alive; other processors count down */
    task_id ending;           /* task_end_step goes on there; 0: at this one */
    bool told;                /* the parent, of its end */
    bool space_gone;          /* while it is destroyed */
    bool quiet;               /* no processor looks at it or its threads any more */
};

/* What a task is made with, all within what its parent holds. */
struct task_setup {
    uint64_t frames;          /* of the parent's quota; σ0: of the pool */
    uint32_t processors;
    uint8_t time_partition, priority;
};

/*
 * Everything here is called with the kernel's lock held, but for task_controls and task_may_talk.
 */

/* Makes a child (parent NULL: σ0) with an empty address space but for the kernel's information
 * page. NO_MEMORY, NO_SLOT. */
enum status task_create(struct task *parent, const struct task_setup *setup, struct task **out);
struct task *task_find(task_id id);
/* The one in that slot of the names, below TASK_MAX; or NULL. */
struct task *task_in_slot(uint64_t slot);
/* May `task` act on `other`: itself or its child? */
bool task_controls(const struct task *task, const struct task *other);
/* May a thread of `task` send to, or signal, one of `other`? */
static inline bool task_may_talk(const struct task *task, const struct task *other)
{
    uint32_t slot = other->id % TASK_MAX;

    return (task->rights.peers[slot / 64] >> slot % 64 & 1) != 0;
}
/* The next of the tree from `top` down after `task`, parents before their children; NULL at the
 * end. */
struct task *task_after(struct task *task, const struct task *top);
/* From here on it has ended, and makes no thread any more; only the first end counts. */
void task_mark_ended(struct task *task, enum task_state how, uint64_t code, uint64_t detail);
/* Ends some of the threads of the task, which is marked, and of all below it, but not the running
 * one: those of this processor are dead then, those of others have been told to die. True when
 * none is left; the parent has been told. */
bool task_end_step(struct task *task);
/* The running thread ends its task, which is marked: what is returned runs next. */
struct thread *task_end_from_inside(struct thread *self);
/* Returns when all threads of the task, which has ended, are dead, and no processor looks at one
 * of them any more. */
void task_make_quiet(struct task *task);
/* Gives back a part of what an ended task holds, and those below it; true when nothing is left
 * and `task` is gone. */
bool task_destroy(struct task *task);
/* Frees its name. */
void task_forget(const struct task *task);
/* The one task that holds the machine: console, power. */
static inline bool task_is_sigma0(const struct task *task)
{
    return task->parent == NULL;
}

/* Where kernel_info stands; mapped into every task. */
void task_set_info(const struct kernel_info *info);
