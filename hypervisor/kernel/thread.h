/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A thread: what the scheduler runs. It belongs to one task and one processor, and whenever it
 * does not run, all that it is stands in this struct. */
#include "abi/syscall.h"
#include "kernel/arch.h"
#include "kernel/cpu.h"

struct task;
struct vcpu;

enum thread_state {
    THREAD_READY,   /* runs, or stands in its processor's ready queue */
    THREAD_SENDING, /* in its partner's list of senders */
    THREAD_CALLING, /* its message was taken, it waits for the answer */
    THREAD_WAITING, /* for any message, event or its deadline */
    THREAD_STOPPED, /* a vCPU whose exit is with its handler; a new thread */
    THREAD_DEAD,
};

/* What a sending thread does once its message is taken. */
enum send_kind {
    SEND_ONLY, /* runs on */
    SEND_CALL, /* waits for the answer */
    SEND_EXIT, /* a vCPU: stops until its handler replies */
    SEND_EXCEPTION, /* an exception: waits for the answer */
};

struct thread {
    struct arch_thread arch;          /* 0x00 entry.S */
    void (*resume)(struct thread *);  /* 0xb8 entry.S: leaves the kernel into this thread */
    struct cpu *cpu;                  /* 0xc0 entry.S: bound to it */
    struct ready_queue *queue;        /* of its time partition, on that processor */
    struct task *task;
    struct vcpu *vcpu;                /* a vCPU's context; NULL: an ordinary thread */
    thread_id id;
    enum thread_state state;
    uint8_t priority;                 /* it runs on: its own, or a caller's that is higher */
    uint8_t own_priority;
    bool has_timeout;                 /* stands in queue->timeouts */
    bool listens;                     /* has listened to an interrupt line */
    bool gone;                        /* dead, and nobody waits for it any more */
    enum send_kind send_kind;

    struct thread *next, *previous;   /* a ready queue, senders or callers: one at a time */
    struct timeout_node timeout;
    tsc_time deadline;
    tsc_time turn_left;               /* of its turn, when it was preempted; 0: all of it */

    struct thread *partner;           /* THREAD_SENDING, THREAD_CALLING: the other side */
    struct thread_list senders;       /* who waits to send to this thread, first come first */
    struct thread_list callers;       /* whose message was taken, and who wait for the answer */
    uint64_t donated[PRIORITY_LEVELS / 64]; /* bit set: somebody waits on that priority, which */
    uint16_t donors[PRIORITY_LEVELS];       /* is higher than its own; and how many do */
    thread_id handler;                /* gets its exceptions; 0: they end the task */
    struct {                          /* SEND_EXCEPTION */
        uint32_t vector, error;
        uint64_t address;
    } exception;
    uint64_t events;                  /* pending event bits; any processor or's into them */

    struct thread *inbox_next;        /* kernel/remote.h */
    unsigned pokes;                   /* enum poke; not 0: stands in its processor's inbox */

    struct thread *task_next;         /* the task's threads */
};
_Static_assert(offsetof(struct thread, resume) == 0xb8, "entry.S");
_Static_assert(offsetof(struct thread, cpu) == 0xc0, "entry.S");

#define THREAD_MAX 1024

/* Makes a thread of `task` on `cpu`, charged to the task; `task` runs. Not ready yet: its state
 * is THREAD_STOPPED and `resume` enters user mode. NO_MEMORY, NO_SLOT. Holds the kernel's lock. */
enum status thread_create(struct task *task, struct cpu *cpu, uint8_t priority,
                          struct thread **out);
/* Makes a new thread ready, on whatever processor. */
void thread_start(struct thread *thread);
/* The living thread of that name, or NULL. It may be another processor's: then it is there until
 * the caller leaves the kernel, but only id, cpu, task, vcpu, events and pokes may be looked at. */
struct thread *thread_find(thread_id id);
/* The same, but it may have ended: for who asks for its state anyway. */
struct thread *thread_named(thread_id id);
/*
 * On its own processor: takes the thread out of every queue; whoever waits for it gets BAD_ID,
 * a few here and the others from the inbox.
 * If it is the running one, the idle thread counts as that from here on, and nobody must touch
 * the dead one after the kernel's lock has been let go, or another processor was served.
 */
void thread_kill(struct thread *thread);
/* Frees its name; with the kernel's lock. */
void thread_forget(struct thread *thread);

/* Marks ready and queues; does not switch. */
void thread_wake(struct thread *thread);
/* Changes what it runs on, also in a queue. */
void thread_set_priority(struct thread *thread, uint8_t priority);
/* The thread to run when `self` can run on, but something higher may be ready. */
static inline struct thread *thread_yield(struct thread *self)
{
    return self->cpu->top <= self->priority ? self : sched_give_way(self);
}
/* The thread to run when the running one has blocked: taken off the ready queue, or idle. */
struct thread *thread_next(struct cpu *cpu);
/* The thread to run when the running one has blocked in favour of `to`, which is in no queue and
 * in an eligible time partition: a direct switch unless something higher is ready. */
static inline struct thread *thread_switch(struct thread *to)
{
    to->state = THREAD_READY;
    return thread_yield(to);
}

/* Starts and ends the deadline of a thread that waits. */
void thread_set_timeout(struct thread *thread, tsc_time deadline);
static inline void thread_clear_timeout(struct thread *thread)
{
    if (thread->has_timeout) {
        timeout_remove(&thread->queue->timeouts, thread);
    }
}

/* The processor's queues and its idle thread. */
void thread_init_cpu(struct cpu *cpu, struct quota *quota);
