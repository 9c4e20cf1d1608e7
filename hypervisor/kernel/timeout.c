/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/timeout.h"

#include "kernel/thread.h"

void timeout_add(struct timeout_queue *queue, struct thread *thread, tsc_time deadline)
{
    struct thread *previous = NULL, *next = queue->first;

    while (next && next->deadline <= deadline) {
        previous = next;
        next = next->timeout_next;
    }
    thread->deadline = deadline;
    thread->timeout_previous = previous;
    thread->timeout_next = next;
    *(previous ? &previous->timeout_next : &queue->first) = thread;
    if (next) {
        next->timeout_previous = thread;
    }
    thread->has_timeout = true;
}

void timeout_remove(struct timeout_queue *queue, struct thread *thread)
{
    *(thread->timeout_previous ? &thread->timeout_previous->timeout_next : &queue->first) =
        thread->timeout_next;
    if (thread->timeout_next) {
        thread->timeout_next->timeout_previous = thread->timeout_previous;
    }
    thread->has_timeout = false;
}

tsc_time timeout_next(const struct timeout_queue *queue)
{
    return queue->first ? queue->first->deadline : TSC_NEVER;
}

struct thread *timeout_expired(struct timeout_queue *queue, tsc_time now)
{
    struct thread *first = queue->first;

    if (!first || first->deadline > now) {
        return NULL;
    }
    timeout_remove(queue, first);
    return first;
}
