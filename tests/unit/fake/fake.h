/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A machine for the kernel's host tests: memory, a clock that the test turns, and address spaces
 * that are plain lists of pages. */
#include "kernel/task.h"
#include "kernel/thread.h"

#define FAKE_FRAMES 256

extern tsc_time fake_now;
extern tsc_time fake_timer;      /* what arch_timer_set was last given */
extern char fake_console[4096];  /* what was written */

/* A fresh machine with one processor and its idle thread. */
struct cpu *fake_machine(void);
/* A task under `parent` (NULL: a root task) with a quota of `frames`. */
struct task *fake_task(struct task *parent, uint64_t frames);
/* A thread of the task that is ready (in the queue). */
struct thread *fake_thread(struct task *task, uint8_t priority);
/* Takes the highest ready thread and makes it the running one. */
struct thread *fake_run(struct cpu *cpu);
/* Does `call` in `self` with these arguments; returns who runs next. */
struct thread *fake_call(struct thread *self, enum syscall number, uint64_t a0, uint64_t a1,
                         uint64_t a2, uint64_t a3, uint64_t a4, uint64_t a5);
/* The status in the thread's frame. */
int64_t fake_status(const struct thread *thread);
