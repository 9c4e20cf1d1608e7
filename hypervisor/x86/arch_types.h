/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The machine's part of the kernel's objects; see kernel/arch.h. */
#include "abi/types.h"

/*
 * The register frame of a user thread, where it stands while the thread does not run. TSS.RSP0
 * points at its end while it does, so that the processor itself pushes the last five words
 * (SDM vol 3, 6.14.2); the entry code pushes the rest downwards. The end is 16-byte aligned,
 * because the processor aligns RSP0 before it pushes.
 */
struct arch_frame {
    uint64_t r15, r14, r13, r12, rbp, rbx; /* 0x00 */
    uint64_t arg[6];                       /* 0x30 rdi, rsi, rdx, r10, r8, r9 */
    uint64_t r11, rcx;                     /* 0x60 lost by SYSCALL */
    uint64_t status;                       /* 0x70 rax */
    uint64_t vector;                       /* 0x78 or FRAME_SYSCALL */
    uint64_t error;                        /* 0x80 */
    uint64_t rip, cs, rflags, rsp, ss;     /* 0x88 */
};
_Static_assert(offsetof(struct arch_frame, arg) == 0x30, "entry.S");
_Static_assert(offsetof(struct arch_frame, status) == 0x70, "entry.S");
_Static_assert(offsetof(struct arch_frame, rip) == 0x88, "entry.S");
_Static_assert(sizeof(struct arch_frame) == 0xb0, "entry.S and TSS.RSP0");

#define FRAME_SYSCALL 0x100 /* in `vector`: made by SYSCALL, may be left by SYSRET */

struct arch_thread {
    struct arch_frame frame;
    uint64_t kernel_stack; /* 0xb0 top of its processor's kernel stack */
};
_Static_assert(offsetof(struct arch_thread, kernel_stack) == 0xb0, "entry.S");

struct arch_space {
    uint64_t root; /* physical address of the root table */
    const struct page_format *format;
    uint64_t destroyed; /* the tables below this address have been freed */
};

/* Frames of a space with one page in it: a table of each level. */
#define ARCH_SPACE_FRAMES 4

struct arch_cpu {
    uint64_t kernel_stack; /* top */
    uint64_t root;         /* what CR3 holds, or is about to: others look (arch_space_loaded) */
    struct tss *tss;
    uint32_t apic_id;
    tsc_time armed;        /* what arch_timer_set was asked for; TSC_NEVER: nothing */
};

/* The kernel stack's lowest word names its processor; stacks are aligned to their size. */
#define KERNEL_STACK_SIZE 0x4000UL

struct cpu;
static inline struct cpu *arch_this_cpu(void)
{
    uintptr_t stack;
    __asm__("mov %%rsp, %0" : "=r"(stack));
    return *(struct cpu **)(stack & ~(KERNEL_STACK_SIZE - 1));
}
