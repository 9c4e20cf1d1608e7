/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What one processor asks of another. A thread is touched by its own processor only; whoever
 * else wants something of it leaves a poke with it, puts it into its processor's inbox and
 * interrupts that one. The same interrupt serves the second need: to know that a processor has
 * left the kernel since, and has forgotten every translation of a user space.
 */
#include "kernel/cpu.h"

struct arch_space;
struct thread;

enum poke {
    POKE_EVENTS = 1, /* thread->events has grown */
    POKE_START = 2,  /* a new thread: make it ready */
    POKE_END = 4,    /* thread_kill */
    POKE_RECALL = 8, /* a vCPU: make it exit */
};

/* Leaves pokes (enum poke) with a thread of another processor. Takes no lock. */
void remote_poke(struct thread *thread, unsigned pokes);
/* Serves what others have asked of this processor; what the notification interrupt calls, and
 * whoever waits with interrupts off. */
void remote_serve(struct cpu *cpu);
/*
 * Returns when every processor of the bitmap (the caller's own included) has left the kernel
 * since, has served its inbox and has flushed. The caller holds the kernel's lock.
 */
void remote_sync(uint32_t processors);
/* The processors that have the space loaded: those whose translations of it may be stale. */
uint32_t remote_loaded(const struct arch_space *space);

/*
 * The kernel's lock: held by the calls that change tables of all. Interrupts are off; who waits
 * for it goes on serving others, one of whom may have told the running thread to die: false, the
 * lock is not held, and that thread must not be touched any more.
 */
bool kernel_lock(struct cpu *cpu);
void kernel_unlock(void);
