/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Into the guest, and out of it again as into the kernel: void svm_run(struct svm_vcpu *).
 *
 * VMRUN switches RAX, RSP, RIP, RFLAGS, CR0, CR3, CR4, EFER and the segments that user code has;
 * VMLOAD and VMSAVE the rest (FS, GS, TR, LDTR, the MSRs of SYSCALL and SYSENTER). The host's
 * TR must be back before GIF is set, because an NMI then finds its stack in the TSS.
 *
 * With V_INTR_MASKING the host's RFLAGS.IF decides whether a physical interrupt makes the guest
 * exit (APM vol 2, 15.21.1): it is set while GIF is clear, well before VMRUN, since an STI right
 * before it would leave its shadow to the guest.
 *
 * The state page is the VMM's as well, so nothing of the host's may be taken from there: our own
 * struct waits on the kernel stack, which is empty else.
 */
#define SVM_GPR 0x80 /* pinned in svm.h */
#define SVM_VMCB 0x88
#define SVM_HOST 0x90
#define SVM_STACK 0x98

#include "x86/guest_registers.inc"

    .text
    .globl svm_run
    .balign 16
svm_run:
    mov SVM_STACK(%rdi), %rsp
    push %rdi
    clgi
    sti
    mov SVM_VMCB(%rdi), %rax
    mov SVM_GPR(%rdi), %rsi
    vmload %rax
    load_guest_registers %rsi
    vmrun %rax
    vmsave %rax
    mov (%rsp), %rax
    mov SVM_GPR(%rax), %rax
    store_guest_registers %rax
    pop %rdi
    mov SVM_HOST(%rdi), %rax
    vmload %rax
    cli
    stgi
    cmpb $0, speculation_stuff_returns(%rip) /* before the first RET */
    jne 2f
1:  call svm_exited
    jmp dispatch
2:  call speculation_fill_returns
    jmp 1b
    .section .note.GNU-stack, "", @progbits
