/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Entries into the kernel; entry.S saves the registers and calls what is declared here. */
#include "kernel/arch.h"

enum vector {
    VECTOR_DEBUG = 1,
    VECTOR_NMI = 2,
    VECTOR_DOUBLE_FAULT = 8,
    VECTOR_GENERAL_PROTECTION = 13,
    VECTOR_PAGE_FAULT = 14,
    VECTOR_MACHINE_CHECK = 18,
    EXCEPTION_COUNT = 32,

    VECTOR_LEGACY = 0x20, /* the legacy controllers' sixteen: all masked, some come anyway */
    VECTOR_CONSOLE = 0x40,
    VECTOR_IRQ = 0x50, /* + line, IRQ_LINES of them */
    VECTOR_TIMER = 0xe0,
    VECTOR_NOTIFY = 0xe1, /* arch_notify */
    VECTOR_SEALED = 0xe2, /* arch_seal */
    VECTOR_SPURIOUS = 0xff,
};

/* Handles one external interrupt that the processor has acknowledged, up to its end-of-interrupt.
 * Threads may have become ready. Called by the entries below, and by a backend whose hardware
 * acknowledges interrupts at a guest's exit. */
void x86_interrupt(unsigned vector);

/* Reads an MSR that this CPU may not have: false when it faults. */
bool rdmsr_probe(uint32_t msr, uint64_t *value);

/* SYSCALL's MSRs of this processor. A backend that has run a guest calls it to get them back. */
void syscall_init(const struct cpu *cpu);

/* entry.S: calls `main` on the empty stack that ends at `stack`. */
_Noreturn void stack_start(uint64_t stack, void (*main)(void));
