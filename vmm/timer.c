/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The timer queue: a list sorted by deadline. A VM has a handful of timers, so a list is the
 * shortest code and no slower than anything cleverer.
 */
#include "dev.h"

static bool unlink_timer(struct timer **list, struct timer *timer)
{
    for (; *list; list = &(*list)->next) {
        if (*list == timer) {
            *list = timer->next;
            return true;
        }
    }
    return false;
}

void timer_cancel(struct timer_queue *queue, struct timer *timer)
{
    if (!timer->armed) {
        return;
    }
    if (!unlink_timer(&queue->first, timer)) {
        unlink_timer(&queue->due, timer);
    }
    timer->armed = false;
}

/* Timers of equal deadlines expire in the order in which they were armed. */
void timer_arm(struct timer_queue *queue, struct timer *timer, uint64_t deadline_ns)
{
    struct timer **place = &queue->first;

    timer_cancel(queue, timer);
    while (*place && (*place)->deadline_ns <= deadline_ns) {
        place = &(*place)->next;
    }
    timer->deadline_ns = deadline_ns;
    timer->armed = true;
    timer->next = *place;
    *place = timer;
}

/* Moves what has expired from the queue to queue->due. */
static void collect_due(struct timer_queue *queue)
{
    uint64_t now = time_now(queue);
    struct timer **end = &queue->first;

    while (*end && (*end)->deadline_ns <= now) {
        end = &(*end)->next;
    }
    if (end != &queue->first) {
        struct timer *later = *end;

        *end = NULL;
        queue->due = queue->first;
        queue->first = later;
    }
}

/*
 * What has expired is taken off the queue before the first call, so that a timer which re-arms
 * itself into the past waits for the next run, and is still found by timer_cancel.
 */
uint64_t timer_run(struct timer_queue *queue)
{
    collect_due(queue);
    while (queue->due) {
        struct timer *timer = queue->due;

        queue->due = timer->next;
        timer->armed = false;
        timer->expired(timer->device);
    }
    return queue->first ? queue->first->deadline_ns : TIME_NEVER;
}
