/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Deadlines of waiting threads: one heap per ready queue. */
#include "abi/types.h"

struct thread;

struct timeout_queue {
    struct thread *first;
};

/* A thread's place in it (timeout.c). */
struct timeout_node {
    struct thread *parent, *child[2];
    unsigned rank;
};

/* Adds the thread, which is in no queue. */
void timeout_add(struct timeout_queue *queue, struct thread *thread, tsc_time deadline);
/* The thread is in the queue. */
void timeout_remove(struct timeout_queue *queue, struct thread *thread);
/* The earliest deadline, or TSC_NEVER. */
tsc_time timeout_next(const struct timeout_queue *queue);
/* Takes one thread whose deadline is at or before `now` out of the queue, or NULL. */
struct thread *timeout_expired(struct timeout_queue *queue, tsc_time now);
