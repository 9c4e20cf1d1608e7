/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A vCPU: a thread of the VMM's task that runs guest code only. Its context hangs on the thread
 * by one pointer. */
#include "kernel/ipc.h"
#include "lib/registers.h"
#include "virt/state.h"
#include "virt/virt_ops.h"

struct vm;
struct vtlb;

/* Keeps the frequent ways short. */
#define RARE __attribute__((noinline, cold))

struct vcpu_ip {
    uint64_t rip, rflags;
    uint32_t interruptibility; /* enum vcpu_interruptibility */
};

/* In a frame of its own, the first part of the backend's struct. */
struct vcpu {
    struct vcpu_state *state; /* the state page, kernel's mapping */
    struct vm *vm;
    struct vtlb *vtlb;        /* NULL: nested paging */
    struct thread *thread;
    struct thread *handler;   /* gets the exits */
    struct vcpu_ip ip;        /* while new_ip: to be loaded at the next entry */
    bool new_ip;
    bool recall;              /* exit with EXIT_RECALL before the next entry */
    bool attention;           /* recall, event or irq is to be looked at before that */
    uint32_t irq;             /* IRQ_VALID | vector, waiting for the guest to be interruptible */
    struct vcpu_event event;  /* to be delivered before anything else at the next entry */
};
_Static_assert(sizeof(struct vcpu) <= 128, "where the backends' part begins");

/* May it reach the hardware, and is there no step to be told of? */
static inline bool vcpu_ip_plain(const struct vcpu_ip *ip)
{
    return canonical(ip->rip) &&
           (ip->rflags & (~RFLAGS_DEFINED | RFLAGS_ONE | RFLAGS_TF)) == RFLAGS_ONE &&
           ip->interruptibility <= (BLOCKED_BY_STI_OR_MOV_SS | BLOCKED_BY_NMI);
}

/* ---- For the backends ----------------------------------------------------------------------- */

/* The event will be delivered at the next entry. */
static inline void vcpu_pend(struct vcpu *vcpu, struct vcpu_event event)
{
    vcpu->event = event;
    vcpu->attention = true;
}

/* What comes before an entry, but rarely: takes the processor, loads vcpu->ip, delivers. Does not
 * return if the vCPU was recalled. */
void vcpu_prepare(struct thread *self);

/* Before each entry: is there nothing but vcpu->ip that may have to be loaded? Else vcpu_prepare
 * comes first. */
static inline bool vcpu_prepared(const struct thread *self)
{
    return self->cpu->vcpu == self->vcpu && !self->vcpu->attention;
}

/* After an exit: hands it to the handler. state->exit and these groups stand in the state page. */
static inline __attribute__((always_inline)) struct thread *vcpu_forward(struct vcpu *vcpu,
                                                                         uint32_t groups)
{
    struct vcpu_state *state = vcpu->state;

    state->valid = groups;
    state->irq = vcpu->irq;
    vcpu->recall = false; /* whatever it exits for: the handler has it now */
    return ipc_exit(vcpu->thread, vcpu->handler);
}

/*
 * After an exit of any kind: keeps it, or does all that forwarding takes. Returns the thread to
 * run next; if that is not the vCPU's own, vcpu may be gone (cpu->vcpu is another then).
 */
struct thread *vcpu_exited(struct vcpu *vcpu, struct vcpu_exit *exit);
