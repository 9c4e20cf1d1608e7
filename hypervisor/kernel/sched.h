/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Which thread runs: the ready queues of one processor, fixed priorities, first come first
 * served among equals. */
#include "abi/types.h"

struct thread;

#define PRIORITY_LEVELS 256

struct thread_list {
    struct thread *first, *last;
};

struct ready_queue {
    unsigned top; /* the highest level that has threads; 0: none has */
    uint64_t levels[PRIORITY_LEVELS / 64]; /* bit set: that level has threads */
    struct thread_list level[PRIORITY_LEVELS];
};

/* The thread joins its level at the end, or at the front when it was preempted. */
void ready_add(struct ready_queue *queue, struct thread *thread);
void ready_add_front(struct ready_queue *queue, struct thread *thread);
void ready_remove(struct ready_queue *queue, struct thread *thread);
/* The first thread of the highest level that is not empty, or NULL. It stays in the queue. */
static inline struct thread *ready_first(const struct ready_queue *queue)
{
    return queue->level[queue->top].first;
}
