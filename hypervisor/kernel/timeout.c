/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A leftist heap: no child is due before its parent, and the shortest way down from any thread to
 * a missing child (its rank) is the one to the right, which so has no more than log2(n + 1) steps.
 * Heaps are merged along that way: whatever is done here takes a number of steps that grows with
 * the logarithm of the threads.
 */
#include "kernel/timeout.h"

#include "kernel/thread.h"

enum { LEFT, RIGHT };

static unsigned rank(const struct thread *thread)
{
    return thread ? thread->timeout.rank : 0;
}

static void hang(struct timeout_queue *queue, struct thread *parent, unsigned side,
                 struct thread *thread)
{
    *(parent ? &parent->timeout.child[side] : &queue->first) = thread;
    if (thread) {
        thread->timeout.parent = parent;
    }
}

/* The longer way to the left; false: nothing had to be changed. */
static bool mend(struct timeout_node *node)
{
    struct thread *left = node->child[LEFT], *right = node->child[RIGHT];
    unsigned old = node->rank;

    if (rank(left) < rank(right)) {
        node->child[LEFT] = right;
        node->child[RIGHT] = left;
    }
    node->rank = rank(node->child[RIGHT]) + 1;
    return node->rank != old;
}

/* The heaps `a` and `b` become one, below `parent` on that side. */
static void merge(struct timeout_queue *queue, struct thread *parent, unsigned side,
                  struct thread *a, struct thread *b)
{
    unsigned merged = 0;

    while (a && b) {
        struct thread *first = b->deadline < a->deadline ? b : a, *other = first == a ? b : a;

        hang(queue, parent, side, first);
        parent = first;
        side = RIGHT;
        a = first->timeout.child[RIGHT];
        b = other;
        merged++;
    }
    hang(queue, parent, side, a ? a : b);
    while (parent && (mend(&parent->timeout) || merged > 0)) {
        merged -= merged > 0;
        parent = parent->timeout.parent;
    }
}

void timeout_add(struct timeout_queue *queue, struct thread *thread, tsc_time deadline)
{
    thread->deadline = deadline;
    thread->timeout = (struct timeout_node){.rank = 1};
    thread->has_timeout = true;
    merge(queue, NULL, LEFT, queue->first, thread);
}

void timeout_remove(struct timeout_queue *queue, struct thread *thread)
{
    const struct timeout_node *node = &thread->timeout;
    unsigned side = node->parent && node->parent->timeout.child[RIGHT] == thread ? RIGHT : LEFT;

    thread->has_timeout = false;
    merge(queue, node->parent, side, node->child[LEFT], node->child[RIGHT]);
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
