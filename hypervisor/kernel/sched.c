/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/sched.h"

#include "kernel/list.h"

static void mark(struct ready_queue *queue, unsigned priority)
{
    queue->levels[priority / 64] |= 1UL << (priority % 64);
    if (priority > queue->top) {
        queue->top = priority;
    }
}

static unsigned find_top(const struct ready_queue *queue)
{
    for (unsigned i = PRIORITY_LEVELS / 64; i-- > 0;) {
        if (queue->levels[i]) {
            return i * 64 + 63 - (unsigned)__builtin_clzl(queue->levels[i]);
        }
    }
    return 0;
}

void ready_add(struct ready_queue *queue, struct thread *thread)
{
    list_append(&queue->level[thread->priority], thread);
    mark(queue, thread->priority);
}

void ready_add_front(struct ready_queue *queue, struct thread *thread)
{
    list_prepend(&queue->level[thread->priority], thread);
    mark(queue, thread->priority);
}

void ready_remove(struct ready_queue *queue, struct thread *thread)
{
    unsigned priority = thread->priority;

    list_remove(&queue->level[priority], thread);
    if (!queue->level[priority].first) {
        queue->levels[priority / 64] &= ~(1UL << (priority % 64));
        queue->top = find_top(queue);
    }
}
