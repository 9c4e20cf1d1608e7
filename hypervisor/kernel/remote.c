/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/remote.h"

#include "kernel/ipc.h"
#include "kernel/thread.h"
#include "kernel/virtualization.h"

static struct {
    uint32_t next, serving;
} tickets;

/* ---- Inbox ---------------------------------------------------------------------------------- */

void remote_poke(struct thread *thread, unsigned pokes)
{
    struct cpu *cpu = thread->cpu;

    if (__atomic_fetch_or(&thread->pokes, pokes, __ATOMIC_SEQ_CST) != 0) {
        return; /* it is in the inbox already, and what was added is seen with the rest */
    }
    struct thread *first = __atomic_load_n(&cpu->inbox, __ATOMIC_RELAXED);

    do {
        thread->inbox_next = first;
    } while (!__atomic_compare_exchange_n(&cpu->inbox, &first, thread, true, __ATOMIC_SEQ_CST,
                                          __ATOMIC_RELAXED));
    if (!first) {
        arch_notify(cpu);
    }
}

static void serve_thread(struct thread *thread, unsigned pokes)
{
    if (thread->state == THREAD_DEAD || pokes & POKE_END) {
        thread_kill(thread);
        return;
    }
    if (pokes & POKE_START && thread->state == THREAD_STOPPED) {
        thread_wake(thread);
    }
    if (pokes & POKE_EVENTS) {
        ipc_take_events(thread);
    }
    if (pokes & POKE_RECALL) {
        virt_recall(thread);
    }
}

enum { SERVED_AT_ONCE = 8 }; /* then it is interrupted again: no path is long */

void remote_serve(struct cpu *cpu)
{
    if (!cpu->served) {
        /* Read first: what was put into the inbox before the request is served before the
         * answer. */
        cpu->sync_seen = __atomic_load_n(&cpu->sync_wanted, __ATOMIC_SEQ_CST);
        cpu->served = cpu->inbox ? __atomic_exchange_n(&cpu->inbox, NULL, __ATOMIC_SEQ_CST) : NULL;
    }
    for (unsigned i = 0; cpu->served && i < SERVED_AT_ONCE; i++) {
        struct thread *thread = cpu->served;

        cpu->served = thread->inbox_next; /* from here on it may be put in again */
        serve_thread(thread, __atomic_exchange_n(&thread->pokes, 0, __ATOMIC_SEQ_CST));
    }
    if (!cpu->served && cpu->sync_seen != cpu->sync_done) {
        arch_flush(cpu, NULL);
        __atomic_store_n(&cpu->sync_done, cpu->sync_seen, __ATOMIC_SEQ_CST);
    }
    if (cpu->served || cpu->inbox ||
        __atomic_load_n(&cpu->sync_wanted, __ATOMIC_SEQ_CST) != cpu->sync_done) {
        arch_notify(cpu);
    }
}

void kernel_notified(struct cpu *cpu)
{
    remote_serve(cpu);
}

/* ---- Synchronization ------------------------------------------------------------------------ */

void remote_sync(uint32_t processors)
{
    struct cpu *self = arch_this_cpu();

    for (uint32_t rest = processors; rest != 0; rest &= rest - 1) {
        struct cpu *cpu = &cpus[__builtin_ctz(rest)];

        __atomic_fetch_add(&cpu->sync_wanted, 1, __ATOMIC_SEQ_CST);
        if (cpu != self) {
            arch_notify(cpu);
        }
    }
    for (uint32_t rest = processors; rest != 0; rest &= rest - 1) {
        struct cpu *cpu = &cpus[__builtin_ctz(rest)];

        while (__atomic_load_n(&cpu->sync_done, __ATOMIC_SEQ_CST) !=
               __atomic_load_n(&cpu->sync_wanted, __ATOMIC_RELAXED)) {
            if (cpu == self) {
                remote_serve(self);
            } else {
                arch_pause();
            }
        }
    }
}

uint32_t remote_loaded(const struct arch_space *space)
{
    uint32_t processors = 0;

    for (unsigned i = 0; i < kernel_config.processors; i++) {
        processors |= (uint32_t)arch_space_loaded(&cpus[i], space) << i;
    }
    return processors;
}

/* ---- The lock ------------------------------------------------------------------------------- */

bool kernel_lock(struct cpu *cpu)
{
    struct thread *self = cpu->current;
    uint32_t ticket = __atomic_fetch_add(&tickets.next, 1, __ATOMIC_RELAXED);

    while (__atomic_load_n(&tickets.serving, __ATOMIC_ACQUIRE) != ticket) {
        remote_serve(cpu);
        arch_pause();
    }
    /* Threads are told to die with the lock held only: none comes behind this. But whoever tells
     * a thread of something else may have marked it, and not have put it into the inbox yet. */
    while (cpu->current == self &&
           (__atomic_load_n(&self->pokes, __ATOMIC_SEQ_CST) & POKE_END) != 0) {
        remote_serve(cpu);
        arch_pause();
    }
    if (cpu->current != self) {
        kernel_unlock();
        return false;
    }
    return true;
}

void kernel_unlock(void)
{
    __atomic_store_n(&tickets.serving, tickets.serving + 1, __ATOMIC_RELEASE);
}
