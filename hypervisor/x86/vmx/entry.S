/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Into the guest, and out of it again as into the kernel. Its general registers run where they
 * stand, in the state page; RSP, RIP and RFLAGS are the VMCS's. The state page is the VMM's as
 * well, so nothing of the host's may be taken from there: our own struct waits on the kernel
 * stack, which is empty else.
 */
#define RUN_GPR 0x80      /* offsets in struct vmx_vcpu, pinned in vmx.h */
#define RUN_STACK 0x88
#define RUN_LAUNCHED 0x90

#include "x86/guest_registers.inc"

    .text

/* RDI: struct vmx_vcpu. */
    .globl vmx_run
    .balign 16
vmx_run:
    mov RUN_STACK(%rdi), %rsp
    push %rdi
    mov RUN_GPR(%rdi), %rax
    cmpb $0, RUN_LAUNCHED(%rdi)
    load_guest_registers %rax /* MOV leaves the flags alone */
    mov GPR_RAX(%rax), %rax
    je 1f
    vmresume
    jmp 2f
1:  vmlaunch

/* VMfail: the processor went on behind the instruction, on the guest's general registers. */
2:  pop %rdi
    call vmx_refused
    jmp dispatch

/* HOST_RIP. Flags are clear and RSP is as it was at the entry (SDM vol 3, 27.5.3). */
    .globl vmx_exit_entry
    .balign 16
vmx_exit_entry:
    push %rax
    mov 8(%rsp), %rax
    mov RUN_GPR(%rax), %rax
    store_guest_registers %rax
    pop GPR_RAX(%rax)
    pop %rdi
    cmpb $0, speculation_stuff_returns(%rip) /* before the first RET */
    jne 4f
3:  call vmx_exited
    jmp dispatch
4:  call speculation_fill_returns
    jmp 3b

    .section .note.GNU-stack, "", @progbits
