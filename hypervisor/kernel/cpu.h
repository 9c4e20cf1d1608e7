/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * One processor as the kernel sees it. Only the processor itself touches this, and the threads
 * bound to it, but for the inbox and the two counters behind it (kernel/remote.h).
 */
#include "kernel/arch.h"
#include "kernel/sched.h"
#include "kernel/window.h"

#define CPU_MAX PROCESSORS_MAX

struct cpu {
    unsigned id;
    unsigned top;               /* highest priority that is ready in `own` and `background` */
    struct thread *current;     /* 0x08 entry.S: whose state the processor holds */
    struct thread *idle;
    struct ready_queue *own;        /* the window's time partition; τ0's where there is none */
    struct ready_queue *background; /* τ0's */
    struct ready_queue *queue[TIME_PARTITIONS_MAX]; /* one for each time partition */
    struct window_state window;
    tsc_time slice_end;   /* when the running thread's turn among its equals ends */
    tsc_time slice_ticks; /* how long a turn is */
    bool turn_over;
    tsc_time timer;     /* what the timer is set to */
    /* The vCPU whose lazily switched state the processor holds; NULL without virtualization. */
    struct vcpu *vcpu;
    struct arch_cpu arch;
    struct thread *served; /* what has been taken out of the inbox, and waits to be looked at */
    uint64_t sync_seen;    /* sync_wanted before that */

    /* Written by other processors too. */
    _Alignas(64) struct thread *inbox; /* threads with pokes to be looked at */
    uint64_t sync_wanted;              /* grows with every request to synchronize ... */
    uint64_t sync_done;                /* ... and this is how far it was served */
};

extern struct cpu cpus[CPU_MAX];
