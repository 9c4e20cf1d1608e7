/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Rings of threads, linked by next and previous: a thread stands in one of them at most. */
#include "kernel/thread.h"

static inline void list_append(struct thread_list *list, struct thread *thread)
{
    struct thread *first = list->first;

    if (!first) {
        thread->next = thread;
        thread->previous = thread;
        list->first = thread;
        return;
    }
    thread->next = first;
    thread->previous = first->previous;
    first->previous->next = thread;
    first->previous = thread;
}

static inline void list_prepend(struct thread_list *list, struct thread *thread)
{
    list_append(list, thread);
    list->first = thread;
}

static inline void list_remove(struct thread_list *list, struct thread *thread)
{
    if (thread->next == thread) {
        list->first = NULL;
        return;
    }
    thread->previous->next = thread->next;
    thread->next->previous = thread->previous;
    if (list->first == thread) {
        list->first = thread->next;
    }
}
