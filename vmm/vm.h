/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The VMM's side of one VM: its machine, its vCPU, and what the exits and the run loop share.
 * Everything here happens on the one thread that is the vCPU's handler.
 */
#include "abi/syscall.h"
#include "abi/vcpu.h"
#include "cpuid.h"
#include "machine.h"

#define MSRS_REPORTED 32u

struct vm {
    struct machine machine;
    struct vcpu_state *state; /* shared with the kernel; ours while the vCPU waits for us */
    thread_id vcpu;

    uint32_t offered;      /* state->irq as it was at the last entry */
    bool attention;        /* something happened beside the exit: settle before the next entry */
    uint64_t deadline_ns;  /* of the earliest device timer, and the same on the TSC */
    tsc_time deadline;

    struct cpuid_table cpuid;
    uint8_t cr8;
    uint64_t exits[EXIT_REASON_COUNT];
    uint32_t unknown_msr[MSRS_REPORTED]; /* told on the console already */
    unsigned unknown_msrs;
};

#define VECTOR_DB 1u
#define VECTOR_UD 6u
#define VECTOR_GP 13u
#define VECTOR_PF 14u

#define RFLAGS_IF (1u << 9)
#define RFLAGS_RF (1u << 16)

/* Makes sure that these state groups (enum vcpu_state_group) are in the state page. */
void vm_need(struct vm *vm, uint32_t groups);

/* Completes an emulated instruction of `length` bytes: RIP goes on, and what held for one
 * instruction only is over. 0 bytes: the length could not be found; nothing changes, and the
 * guest executes the instruction anew. */
static inline void vm_advance(struct vm *vm, uint32_t length)
{
    struct vcpu_state *state = vm->state;

    if (length != 0) {
        state->rip += length;
        state->rflags &= ~(uint64_t)RFLAGS_RF;
        state->interruptibility &= ~(uint32_t)BLOCKED_BY_STI_OR_MOV_SS;
        state->dirty |= STATE_IP;
    }
}

/* The instruction faults instead of completing. */
void vm_inject(struct vm *vm, uint8_t vector);
void vm_inject_error(struct vm *vm, uint8_t vector, uint32_t error);

/* run.c: starts the vCPU at `entry` and runs it until the VM ends. */
_Noreturn void vm_run(struct vm *vm);

/* The processor underneath, for cpuid_build and cpuid_dynamic. */
extern const struct cpuid_host cpuid_processor;
