/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Interrupt lines that threads listen to: masked when one comes, unmasked by its listener. */
#include "kernel/arch.h"

struct task;
struct thread;

/* The thread dies: its lines are masked and nobody's. On its own processor. */
void irq_forget(struct thread *thread);
/* The task has lost its right to the line; with the kernel's lock. */
void irq_revoke(const struct task *task, unsigned line);
