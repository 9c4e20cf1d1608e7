/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The VMM's side of one VM: the machine, its vCPUs, and what the exits and the run loop share.
 *
 * Each vCPU has a handler thread on its own processor, which is the only one to touch its struct
 * vcpu and its state page. Everything else belongs to all of them: the machine with its devices,
 * and how the VM's life goes on. It is touched only with vm_lock held (a VM with one vCPU has
 * nobody to lock out, and nothing is done). Interrupts go to the first vCPU; its handler also
 * serves the devices' timers.
 */
#include "abi/syscall.h"
#include "abi/vcpu.h"
#include "code.h"
#include "cpuid.h"
#include "lib/registers.h"
#include "lock.h"
#include "machine.h"

#define MSRS_REPORTED 32u
#define VM_VCPUS_MAX 8u /* of vm_config.vcpus; each has a stack in the VMM */

struct vm;

struct vcpu {
    struct vcpu_state *state; /* shared with the kernel; ours while the vCPU waits for us */
    struct vm *vm;
    thread_id thread;
    unsigned number;       /* 0: the first */

    uint32_t offered;      /* state->irq as it was at the last entry; only the first gets any */
    bool attention;        /* something happened beside the exit: settle before the next entry */
    bool locked;           /* its handler holds the VM's lock */
    uint64_t deadline_ns;  /* of the earliest device timer; of the first vCPU only */
    tsc_time deadline;     /* the same on the TSC */

    struct cpuid_table cpuid;
    struct code_cache code;
    uint8_t cr8;
    uint64_t exits[EXIT_REASON_COUNT];
    thread_id handler;     /* valid when there are several vCPUs */
};

struct vm {
    struct machine machine;
    struct lock lock;
    unsigned vcpus;
    bool nested;           /* translated by nested paging, not by the vTLB; for the log */
    struct vcpu vcpu[VM_VCPUS_MAX];

    /* The VM's life; another begins with every reset. */
    struct boot_entry entry;
    uint32_t life;         /* counts them */
    bool stopping;         /* one is over: the handlers park their vCPUs */
    unsigned parked;       /* that have */
    unsigned halted;       /* vCPUs that nothing can wake */
    const struct vcpu *stopper; /* whose handler waits for the others to park */

    uint32_t unknown_msr[MSRS_REPORTED]; /* told on the console already */
    unsigned unknown_msrs;
};

#define VECTOR_DB 1u
#define VECTOR_UD 6u
#define VECTOR_GP 13u
#define VECTOR_PF 14u

#define RFLAGS_RF (1u << 16)

/* The VM's lock, taken by the handler of that vCPU, which does not run. */
void vm_lock_contended(struct vcpu *vcpu);
static inline void vm_lock(struct vcpu *vcpu)
{
    if (vcpu->vm->vcpus > 1) {
        vm_lock_contended(vcpu);
    }
}
static inline void vm_unlock(struct vcpu *vcpu)
{
    if (vcpu->vm->vcpus > 1) {
        vcpu->locked = false;
        lock_release(&vcpu->vm->lock);
    }
}

/* Makes sure that these state groups (enum vcpu_state_group) are in the state page. */
void vcpu_load_groups(struct vcpu *vcpu, uint32_t groups);
static inline void vcpu_need(struct vcpu *vcpu, uint32_t groups)
{
    uint32_t missing = groups & ~(vcpu->state->valid | vcpu->state->dirty);

    if (missing) {
        vcpu_load_groups(vcpu, missing);
    }
}

/* Completes an emulated instruction of `length` bytes: RIP goes on, and what held for one
 * instruction only is over. 0 bytes: the length could not be found; nothing changes, and the
 * guest executes the instruction anew. */
static inline void vcpu_advance(struct vcpu *vcpu, uint32_t length)
{
    struct vcpu_state *state = vcpu->state;

    if (length != 0) {
        state->rip += length;
        state->rflags &= ~(uint64_t)RFLAGS_RF;
        state->interruptibility &= ~(uint32_t)BLOCKED_BY_STI_OR_MOV_SS;
        state->dirty |= STATE_IP;
    }
}

/* The instruction faults instead of completing. */
void vcpu_inject(struct vcpu *vcpu, uint8_t vector);
void vcpu_inject_error(struct vcpu *vcpu, uint8_t vector, uint32_t error);

/* run.c: runs a vCPU until the VM ends; on its handler. The first one starts the VM when all
 * others have come here. */
_Noreturn void vcpu_run(struct vcpu *vcpu);

/* The processor underneath, for cpuid_build and cpuid_dynamic. */
extern const struct cpuid_host cpuid_processor;
