/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A vCPU: a thread of the VMM's task that runs guest code only. Its context hangs on the thread
 * by one pointer. */
#include "abi/vcpu.h"
#include "virt/virt_ops.h"

struct thread;
struct vm;

struct vcpu {
    struct vcpu_state *state; /* 0x00 the state page, kernel's mapping (entry.S) */
    void *backend;            /* 0x08 owned by the backend (entry.S) */
    struct vm *vm;
    struct thread *thread;
    struct thread *handler;   /* gets the exits */
    struct vcpu_event event;  /* to be delivered before anything else at the next entry */
    uint32_t irq;             /* IRQ_VALID | vector, waiting for the guest to be interruptible */
    bool window;              /* the interrupt window is being watched for */
    bool recall;              /* exit with EXIT_RECALL before the next entry */
    bool stopped;             /* has exited and waits for its handler's reply */
};
_Static_assert(offsetof(struct vcpu, state) == 0x00, "entry.S");
_Static_assert(offsetof(struct vcpu, backend) == 0x08, "entry.S");
