/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A task: an address space with its quota, its threads and, for a VMM, its VM. */
#include "abi/syscall.h"
#include "kernel/arch.h"
#include "kernel/memory.h"

struct thread;
struct vm;

struct task {
    task_id id;
    struct task *parent;      /* NULL: σ0 */
    struct quota quota;       /* kernel memory; children's is carved out of it */
    struct arch_space space;
    struct vm *vm;            /* NULL: none */
    struct thread *threads;   /* linked by task_next, youngest first */
    struct thread *main;      /* its first thread: gets EVENT_CHILD */
    enum task_state state;
    uint64_t code, detail;    /* of its end */
};

#define TASK_MAX 256

/* Makes a child (parent NULL: σ0, whose quota is `frames` of the pool) with an empty address
 * space but for the kernel's information page. NO_MEMORY, NO_SLOT. */
enum status task_create(struct task *parent, uint64_t frames, struct task **out);
struct task *task_find(task_id id);
/* May `task` act on `other`: itself or its child? */
bool task_controls(const struct task *task, const struct task *other);
/* Ends the task, its threads and its children; tells the parent. */
void task_end(struct task *task, enum task_state how, uint64_t code, uint64_t detail);
/* The one task that holds the machine: console, power. */
static inline bool task_is_sigma0(const struct task *task)
{
    return task->parent == NULL;
}

/* Where kernel_info stands; mapped into every task. */
void task_set_info(const struct kernel_info *info);
