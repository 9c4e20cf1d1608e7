/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What a task may do by number: ports, interrupt lines, partners. One bitmap for each. */
#include "abi/syscall.h"
#include "kernel/memory.h"

#define TASK_MAX 256

struct task;

#define PORT_FRAMES (PORT_COUNT / 8 / PAGE_SIZE)

struct rights {
    uint64_t *ports[PORT_FRAMES]; /* frames of the task's quota, made when needed; NULL: none */
    uint64_t irqs[IRQ_LINES / 64];
    uint64_t peers[TASK_MAX / 64]; /* by slot of the other's name; its own task and those next to
                                      it in the tree are in it too */
};

/* Everything that the kernel does not keep, for σ0. NO_MEMORY. */
enum status rights_all(struct task *task);
/* RIGHT_PEER. */
void rights_set_peer(struct task *task, const struct task *peer, bool may_talk);
bool rights_hold_irq(const struct task *task, uint64_t line);
/* Gives back a part of what the rights are kept in; true when nothing is left. */
bool rights_destroy(struct task *task);
