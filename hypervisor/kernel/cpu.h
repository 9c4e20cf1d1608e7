/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* One processor as the kernel sees it. */
#include "kernel/arch.h"
#include "kernel/sched.h"
#include "kernel/timeout.h"

#define CPU_MAX 32

struct cpu {
    unsigned id;
    struct thread *current;     /* whose state the processor holds */
    struct thread *idle;
    struct ready_queue ready;
    struct timeout_queue timeouts;
    tsc_time timer; /* what the timer is set to */
    /* The vCPU whose lazily switched state the processor holds; NULL without virtualization. */
    struct vcpu *vcpu;
    struct arch_cpu arch;
};

extern struct cpu cpus[CPU_MAX];
