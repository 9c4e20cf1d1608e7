/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Into the guest and out again: void svm_run(vmcb, gpr, host_vmcb).
 *
 * VMRUN switches RAX, RSP, RIP, RFLAGS, CR0, CR3, CR4, EFER and the segments that user code has;
 * VMLOAD and VMSAVE the rest (FS, GS, TR, LDTR, the MSRs of SYSCALL and SYSENTER). The host's
 * TR must be back before GIF is set, because an NMI then finds its stack in the TSS.
 *
 * With V_INTR_MASKING the host's RFLAGS.IF decides whether a physical interrupt makes the guest
 * exit (APM vol 2, 15.21.1): it is set while GIF is clear, well before VMRUN, since an STI right
 * before it would leave its shadow to the guest.
 */
#define GPR(n) (8 * (n))
#define RCX 1
#define RDX 2
#define RBX 3
#define RBP 5
#define RSI 6
#define RDI 7

    .text
    .globl svm_run
    .balign 16
svm_run:
    push %rbx
    push %rbp
    push %r12
    push %r13
    push %r14
    push %r15
    push %rdx
    push %rsi
    clgi
    sti
    mov %rdi, %rax
    vmload %rax
    mov GPR(RCX)(%rsi), %rcx
    mov GPR(RDX)(%rsi), %rdx
    mov GPR(RBX)(%rsi), %rbx
    mov GPR(RBP)(%rsi), %rbp
    mov GPR(RDI)(%rsi), %rdi
    mov GPR(8)(%rsi), %r8
    mov GPR(9)(%rsi), %r9
    mov GPR(10)(%rsi), %r10
    mov GPR(11)(%rsi), %r11
    mov GPR(12)(%rsi), %r12
    mov GPR(13)(%rsi), %r13
    mov GPR(14)(%rsi), %r14
    mov GPR(15)(%rsi), %r15
    mov GPR(RSI)(%rsi), %rsi
    vmrun %rax
    vmsave %rax
    pop %rax
    mov %rcx, GPR(RCX)(%rax)
    mov %rdx, GPR(RDX)(%rax)
    mov %rbx, GPR(RBX)(%rax)
    mov %rbp, GPR(RBP)(%rax)
    mov %rsi, GPR(RSI)(%rax)
    mov %rdi, GPR(RDI)(%rax)
    mov %r8, GPR(8)(%rax)
    mov %r9, GPR(9)(%rax)
    mov %r10, GPR(10)(%rax)
    mov %r11, GPR(11)(%rax)
    mov %r12, GPR(12)(%rax)
    mov %r13, GPR(13)(%rax)
    mov %r14, GPR(14)(%rax)
    mov %r15, GPR(15)(%rax)
    pop %rax
    vmload %rax
    cli
    stgi
    cmpb $0, speculation_stuff_returns(%rip) /* before the first RET */
    jne 2f
1:  pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %rbp
    pop %rbx
    ret
2:  call speculation_fill_returns
    jmp 1b
    .section .note.GNU-stack, "", @progbits
