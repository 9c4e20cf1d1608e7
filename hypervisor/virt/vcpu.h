/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A vCPU: a thread of the VMM's task that runs guest code only. Its context hangs on the thread
 * by one pointer. */
#include "abi/vcpu.h"
#include "virt/virt_ops.h"

struct thread;
struct vm;

/* In a frame of its own, the first part of the backend's struct. */
struct vcpu {
    struct vcpu_state *state; /* the state page, kernel's mapping */
    struct vm *vm;
    struct thread *thread;
    struct thread *handler;   /* gets the exits */
    struct vcpu_event event;  /* to be delivered before anything else at the next entry */
    uint32_t irq;             /* IRQ_VALID | vector, waiting for the guest to be interruptible */
    bool window;              /* the interrupt window is being watched for */
    bool recall;              /* exit with EXIT_RECALL before the next entry */
    bool attention;           /* one of the four above is to be looked at before that */
    bool stopped;             /* has exited and waits for its handler's reply */
};

/* The event will be delivered at the next entry. */
static inline void vcpu_pend(struct vcpu *vcpu, struct vcpu_event event)
{
    vcpu->event = event;
    vcpu->attention = true;
}

/*
 * The backends' call after an exit: keeps it or hands it to the handler. Returns the thread to run
 * next; if that is not the vCPU's own, vcpu may be gone (cpu->vcpu is another then).
 */
struct thread *vcpu_exited(struct vcpu *vcpu, const struct vcpu_exit *exit);
