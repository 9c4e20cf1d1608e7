/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A machine for the kernel's host tests: memory, a clock that the test turns, and address spaces
 * that are plain lists of pages. */
#include "abi/config.h"
#include "kernel/task.h"
#include "kernel/thread.h"

#define FAKE_FRAMES 256

extern tsc_time fake_now;
extern bool fake_masked[24];      /* interrupt lines */
extern tsc_time fake_timer;      /* what arch_timer_set was last given */
extern char fake_console[4096];  /* what was written */

/* What the kernel is configured to; fake_machine takes it as it is. */
extern struct kernel_config fake_config;

/* A fresh machine with fake_config.processors processors and their idle threads; the first one,
 * which the test plays. Notifications of others are taken at once. */
struct cpu *fake_machine(void);
/* The test plays another processor from here on. */
void fake_become(struct cpu *cpu);
/* A task under `parent` (NULL: a root task) with a quota of `frames`. */
struct task *fake_task(struct task *parent, uint64_t frames);
/* Likewise with everything that can be said of it. */
struct task *fake_task_in(struct task *parent, uint64_t frames, uint8_t time_partition);
/* A thread of the task on this processor that is ready (in the queue). */
struct thread *fake_thread(struct task *task, uint8_t priority);
/* Takes the highest ready thread and makes it the running one. */
struct thread *fake_run(struct cpu *cpu);
/* Does `call` in `self` with these arguments, all its steps; returns who runs next. */
struct thread *fake_call(struct thread *self, enum syscall number, uint64_t a0, uint64_t a1,
                         uint64_t a2, uint64_t a3, uint64_t a4, uint64_t a5);
/* Goes over to the thread that an entry into the kernel has returned; if that ends its task, does
 * it. Returns who runs then. */
struct thread *fake_go(struct cpu *cpu, struct thread *next);
/* It is the time that the timer is set to; returns who runs then. */
struct thread *fake_timer_fires(struct cpu *cpu);
/* The status in the thread's frame. */
int64_t fake_status(const struct thread *thread);
