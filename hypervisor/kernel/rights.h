/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What a task may do by number: ports, interrupt lines, partners. One bitmap for each. */
#include "abi/syscall.h"
#include "kernel/memory.h"

#define TASK_MAX 256

struct rights {
    uint64_t *ports; /* 2 frames of the task's quota, made when the first is given; NULL: none */
    uint64_t irqs[IRQ_LINES / 64];
    uint64_t peers[TASK_MAX / 64]; /* by slot of the task's name */
};
