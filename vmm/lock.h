/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The lock of a machine that several vCPUs share, each on a processor of its own: whoever came
 * first gets it first, so that no vCPU can keep another out.
 *
 * Its holder can lose its processor: to a thread of higher priority, to the end of its window, or
 * because it waits for the console. Nobody waits behind it in a circle, since two handlers never
 * share a processor, but the others would burn their time; so who waits long sleeps.
 */
#include <stdbool.h>
#include <stdint.h>

struct lock {
    uint32_t next;    /* the ticket for who comes next */
    uint32_t serving; /* the ticket of the holder */
};

#define LOCK_SPINS 2000u /* before the waiter had better sleep for a while */

static inline uint32_t lock_draw(struct lock *lock)
{
    return __atomic_fetch_add(&lock->next, 1, __ATOMIC_RELAXED);
}

/* True: it is held now. False: it was not one's turn for LOCK_SPINS looks. */
static inline bool lock_await(const struct lock *lock, uint32_t ticket)
{
    for (unsigned i = 0; i < LOCK_SPINS; i++) {
        if (__atomic_load_n(&lock->serving, __ATOMIC_ACQUIRE) == ticket) {
            return true;
        }
        __builtin_ia32_pause();
    }
    return false;
}

static inline void lock_release(struct lock *lock)
{
    __atomic_store_n(&lock->serving, lock->serving + 1, __ATOMIC_RELEASE);
}
