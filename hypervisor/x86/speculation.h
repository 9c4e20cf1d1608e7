/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Against what one task, or guest, could make the processor do speculatively for another one or
 * for the kernel. What is done and what is not stands in docs/speculation.md. All of it follows
 * CPUID: where the processor has no such means (emulators) it costs a comparison.
 */
#include "kernel/arch.h"

/* What the processor says about itself: CPUID 7.0 EDX, 80000008 EBX, 80000021 EAX, and
 * IA32_ARCH_CAPABILITIES, 0 where it has none. */
struct speculation_cpu {
    uint32_t leaf7_edx, extended_ebx, extended_eax21;
    uint64_t capabilities;
    bool has_control; /* IA32_SPEC_CTRL can be read */
};

enum speculation_barrier {
    BARRIER_IBPB = 1, /* branches learned so far are not used any more */
    BARRIER_VERW = 2, /* fill, store and load buffers are overwritten */
    BARRIER_L1D = 4,  /* the first-level data cache is emptied */
};

struct speculation {
    uint32_t barriers;  /* enum speculation_barrier, when another task gets the processor */
    bool stuff_returns; /* after a guest's exit, before the kernel returns from anywhere */
    bool automatic_ibrs; /* EFER's: branches of less privilege steer none of more */
    uint64_t control;   /* for IA32_SPEC_CTRL, or 0 */
};
extern struct speculation speculation;
/* speculation.stuff_returns, for the backends' assembly. */
extern bool speculation_stuff_returns;

struct speculation speculation_choose(const struct speculation_cpu *cpu);

/* On each processor, behind what sets EFER; the boot processor first. */
void speculation_enable(const struct cpu *cpu);

/* The processor goes over to a task, or to none (id 0); where speculation.barriers is not 0. */
void speculation_barrier(const struct cpu *cpu, task_id next);

/* Called by the backends' assembly where speculation_stuff_returns is set: fills the stack of
 * predicted returns with such as go nowhere. Changes RCX and flags only. */
void speculation_fill_returns(void);
