/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Into the kernel and out again. A user thread's registers go straight into its struct thread,
 * which begins with its struct arch_frame: TSS.RSP0 of the processor points at that frame's end
 * while the thread runs, so there is nothing to copy and no per-processor register (GS) to swap.
 * The offsets below are pinned in arch_types.h, kernel/thread.h and trap.c.
 */
#include "x86/layout.h"

#define FRAME_SYSCALL 0x100
#define FRAME_STATUS 0x70
#define FRAME_VECTOR 0x78
#define FRAME_RIP 0x88
#define FRAME_RFLAGS 0x98
#define FRAME_RSP 0xa0
#define THREAD_KERNEL_STACK 0xb0
#define THREAD_RESUME 0xb8
#define THREAD_CPU 0xc0
#define CPU_CURRENT 0x08

#define TSS_SIZE 128
#define TSS_RSP0 4
#define TSS_COUNT 32 /* CPU_MAX */

#define USER_RFLAGS 0x202
#define STUB_SIZE 16

/* The registers of struct arch_frame that SYSCALL leaves alone. */
    .macro push_kept
    .irp register, r9, r8, r10, rdx, rsi, rdi, rbx, rbp, r12, r13, r14, r15
    push %\register
    .endr
    .endm

    .macro pop_kept
    .irp register, r15, r14, r13, r12, rbp, rbx, rdi, rsi, rdx, r10, r8, r9
    pop %\register
    .endr
    .endm

    .text

/* ---- System calls ------------------------------------------------------------------------- */

/* SYSCALL leaves RSP alone, so each processor has a stub that knows where its RSP0 stands. */
    .globl syscall_stubs
    .balign STUB_SIZE
syscall_stubs:
    .set number, 0
    .rept TSS_COUNT
    .balign STUB_SIZE
    mov %rsp, %r11
    mov cpu_tss + number * TSS_SIZE + TSS_RSP0(%rip), %rsp
    jmp syscall_entry
    .set number, number + 1
    .endr

    .balign STUB_SIZE
syscall_entry:
    push $USER_DS
    push %r11
    push $USER_RFLAGS /* a system call does not preserve the flags */
    push $USER_CS
    push %rcx
    push $0
    push $FRAME_SYSCALL
    push %rax
    sub $16, %rsp /* rcx and r11 are lost to the instruction */
    push_kept
    mov %rsp, %rdi
    mov THREAD_KERNEL_STACK(%rdi), %rsp
    call kernel_syscall

/* RAX: the thread to run. The kernel stack is empty. The backends come here as well. */
    .globl dispatch
dispatch:
    mov THREAD_CPU(%rax), %rdi
    cmp %rax, CPU_CURRENT(%rdi)
    je 1f
    mov %rax, %rsi
    call arch_activate /* returns the thread again */
1:  mov %rax, %rdi
    call *THREAD_RESUME(%rdi)
    ud2

/* ---- Out ---------------------------------------------------------------------------------- */

/* RDI: the thread, which is the processor's current one. */
    .globl arch_resume_user
    .balign 16
arch_resume_user:
    mov %rdi, %rsp
    cmpl $FRAME_SYSCALL, FRAME_VECTOR(%rdi)
    pop_kept
    jne leave_by_iret
    /*
     * RCX cannot be a non-canonical address, at which SYSRET would fault in the kernel on Intel:
     * SYSCALL put it there, and the highest page of the lower half is never mapped (abi/layout.h).
     */
    mov FRAME_STATUS - 0x60(%rsp), %rax
    mov FRAME_RIP - 0x60(%rsp), %rcx
    mov FRAME_RFLAGS - 0x60(%rsp), %r11
    mov FRAME_RSP - 0x60(%rsp), %rsp
    sysretq

leave_by_iret:
    pop %r11
    pop %rcx
    pop %rax
    add $16, %rsp /* vector, error code */
    iretq

/* RDI: struct cpu, RSI: thread, RDX: the kernel stack's top (arch.c). */
    .globl restart_on_stack
restart_on_stack:
    mov %rdx, %rsp
    xor %ebp, %ebp
    mov %rsi, %rdi
    call *THREAD_RESUME(%rdi)
    ud2

    .globl stack_start
stack_start:
    mov %rdi, %rsp
    xor %ebp, %ebp
    call *%rsi
    ud2

/* ---- Exceptions and interrupts ------------------------------------------------------------ */

/* One stub per vector: error code (where the processor pushes none), vector. */
    .globl trap_stubs
    .balign STUB_SIZE
trap_stubs:
    .set vector, 0
    .rept 256
    .balign STUB_SIZE
    .if (vector < 32) && ((0x60227d00 >> (vector & 31)) & 1)
    .else
    push $0
    .endif
    pushq $vector
    .if vector == 2 || vector == 8 || vector == 18
    jmp trap_on_ist
    .else
    jmp trap
    .endif
    .set vector, vector + 1
    .endr

    .macro push_registers
    push %rax
    push %rcx
    push %r11
    push_kept
    .endm

    .balign 16
trap:
    push_registers
    testb $3, FRAME_RIP + 8(%rsp)
    jz 1f
    mov %rsp, %rdi
    mov THREAD_KERNEL_STACK(%rdi), %rsp
    push $2 /* no direction flag, no alignment check: a user's flags are not ours */
    popfq
    call trap_user
    jmp dispatch

1:  mov %rsp, %rdi
    cld
    call trap_kernel
    pop_kept
    jmp leave_by_iret

trap_on_ist:
    push_registers
    mov %rsp, %rdi
    cld
    call trap_ist
    pop_kept
    jmp leave_by_iret

/* ---- An MSR that may not exist -------------------------------------------------------------- */

/* bool rdmsr_probe(uint32_t msr, uint64_t *value): trap_kernel goes on at rdmsr_probe_failed. */
    .globl rdmsr_probe, rdmsr_probe_try, rdmsr_probe_failed
rdmsr_probe:
    mov %edi, %ecx
rdmsr_probe_try:
    rdmsr
    mov %eax, (%rsi)
    mov %edx, 4(%rsi)
    mov $1, %eax
    ret
rdmsr_probe_failed:
    xor %eax, %eax
    ret

    .section .note.GNU-stack, "", @progbits
