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

#define GPR_RAX 0x00      /* offsets in vcpu_state.gpr, pinned in vmx_vcpu.c */
#define GPR_RCX 0x08
#define GPR_RDX 0x10
#define GPR_RBX 0x18
#define GPR_RBP 0x28
#define GPR_RSI 0x30
#define GPR_RDI 0x38
#define GPR_R8 0x40
#define GPR_R9 0x48
#define GPR_R10 0x50
#define GPR_R11 0x58
#define GPR_R12 0x60
#define GPR_R13 0x68
#define GPR_R14 0x70
#define GPR_R15 0x78

    .text

/* RDI: struct vmx_vcpu. */
    .globl vmx_run
    .balign 16
vmx_run:
    mov RUN_STACK(%rdi), %rsp
    push %rdi
    mov RUN_GPR(%rdi), %rax
    cmpb $0, RUN_LAUNCHED(%rdi)
    mov GPR_RCX(%rax), %rcx /* MOV leaves the flags alone */
    mov GPR_RDX(%rax), %rdx
    mov GPR_RBX(%rax), %rbx
    mov GPR_RBP(%rax), %rbp
    mov GPR_RSI(%rax), %rsi
    mov GPR_RDI(%rax), %rdi
    mov GPR_R8(%rax), %r8
    mov GPR_R9(%rax), %r9
    mov GPR_R10(%rax), %r10
    mov GPR_R11(%rax), %r11
    mov GPR_R12(%rax), %r12
    mov GPR_R13(%rax), %r13
    mov GPR_R14(%rax), %r14
    mov GPR_R15(%rax), %r15
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
    mov %rcx, GPR_RCX(%rax)
    mov %rdx, GPR_RDX(%rax)
    mov %rbx, GPR_RBX(%rax)
    mov %rbp, GPR_RBP(%rax)
    mov %rsi, GPR_RSI(%rax)
    mov %rdi, GPR_RDI(%rax)
    mov %r8, GPR_R8(%rax)
    mov %r9, GPR_R9(%rax)
    mov %r10, GPR_R10(%rax)
    mov %r11, GPR_R11(%rax)
    mov %r12, GPR_R12(%rax)
    mov %r13, GPR_R13(%rax)
    mov %r14, GPR_R14(%rax)
    mov %r15, GPR_R15(%rax)
    pop GPR_RAX(%rax)
    pop %rdi
    cmpb $0, speculation_stuff_returns(%rip) /* before the first RET */
    jne 4f
3:  call vmx_exited
    jmp dispatch
4:  call speculation_fill_returns
    jmp 3b

    .section .note.GNU-stack, "", @progbits
