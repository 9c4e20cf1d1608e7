/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Lists of threads, linked by next and previous: a thread stands in one of them at most. */
#include "kernel/thread.h"

static inline void list_append(struct thread_list *list, struct thread *thread)
{
    thread->next = NULL;
    thread->previous = list->last;
    *(list->last ? &list->last->next : &list->first) = thread;
    list->last = thread;
}

static inline void list_prepend(struct thread_list *list, struct thread *thread)
{
    thread->previous = NULL;
    thread->next = list->first;
    *(list->first ? &list->first->previous : &list->last) = thread;
    list->first = thread;
}

static inline void list_remove(struct thread_list *list, struct thread *thread)
{
    *(thread->previous ? &thread->previous->next : &list->first) = thread->next;
    *(thread->next ? &thread->next->previous : &list->last) = thread->previous;
    thread->next = NULL;
    thread->previous = NULL;
}
