/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The way into another world and back, and what goes through the ops there: the same instructions
 * for 32-bit mode and for 64-bit mode. A fault leaves its frame where it is and goes on with the
 * next op.
 */
#include "run.h"

#define CR0_PG 0x80000000
#define EFER 0xc0000080
#define EFER_LMA 0x400

/* \p: e or r, of general registers; \code: what runs in ring 3; \bits names the symbols. */
.macro interpreter bits, p, code
    .globl  pf_\bits, other_\bits, back_\bits
interpret_\bits:
    mov     $run_stack_top, %\p\()sp
    mov     $SELECTOR_USER_DATA, %eax
    mov     %eax, %ds
    mov     %eax, %es
next_\bits:
    mov     current, %\p\()bx
    mov     (%\p\()bx), %ecx
    mov     OP_FLAGS(%\p\()bx), %eax
    mov     OP_ADDRESS(%\p\()bx), %\p\()di
    mov     OP_VALUE(%\p\()bx), %\p\()si
    cmp     $OP_END, %ecx
    je      leave_\bits
    cmp     $OP_INVLPG, %ecx
    je      7f
    cmp     $OP_CR4, %ecx
    je      6f
    cmp     $OP_CR3, %ecx
    je      5f
    cmp     $OP_CR0, %ecx
    je      4f
    cmp     $OP_USER, %ecx
    ja      user_\bits
    push    %\p\()ax
    popf
    cmp     $OP_FETCH, %ecx
    je      3f
    cmp     $OP_WRITE, %ecx
    je      2f
    mov     (%\p\()di), %eax
    jmp     done_\bits
2:  mov     %esi, (%\p\()di)
    jmp     done_\bits
3:  call    *%\p\()di
    jmp     done_\bits
4:  mov     %\p\()si, %cr0
    jmp     done_\bits
5:  mov     %\p\()si, %cr3
    jmp     done_\bits
6:  mov     %\p\()si, %cr4
    jmp     done_\bits
7:  invlpg  (%\p\()di)
    jmp     done_\bits

user_\bits:
    push    $SELECTOR_USER_DATA
    push    $user_stack_top
    push    %\p\()ax
    push    $\code
    lea     user_read, %\p\()ax
    cmp     $OP_USER + OP_READ, %ecx
    je      1f
    lea     user_write, %\p\()ax
    cmp     $OP_USER + OP_WRITE, %ecx
    je      1f
    lea     user_fetch, %\p\()ax
1:  push    %\p\()ax
    .if \bits == 64
    iretq
    .else
    iret
    .endif

    /* Gates. */
back_\bits:
    mov     $run_stack_top, %\p\()sp
done_\bits:
    mov     current, %\p\()bx
    mov     %eax, OP_RESULT(%\p\()bx)
advance_\bits:
    push    $2
    popf
    addl    $OP_SIZE, current
    jmp     next_\bits
pf_\bits:
    pop     %\p\()ax
    mov     $run_stack_top, %\p\()sp
    mov     current, %\p\()bx
    movl    $OP_PAGE_FAULT, OP_VECTOR(%\p\()bx)
    mov     %eax, OP_ERROR(%\p\()bx)
    mov     %cr2, %\p\()ax
    mov     %\p\()ax, OP_CR2(%\p\()bx)
    jmp     advance_\bits
other_\bits:
    mov     $run_stack_top, %\p\()sp
    mov     current, %\p\()bx
    movl    $OP_OTHER, OP_VECTOR(%\p\()bx)
    jmp     advance_\bits
.endm

    .text
    .code64
    .globl  run_ops
run_ops:
    push    %rbx
    push    %rbp
    push    %r12
    push    %r13
    push    %r14
    push    %r15
    mov     %rsi, current
    mov     %rdi, %rbp
    mov     %rsp, saved_rsp
    mov     %cr0, %rax
    mov     %rax, saved_cr0
    mov     %cr3, %rax
    mov     %rax, saved_cr3
    mov     %cr4, %rax
    mov     %rax, saved_cr4
    mov     $EFER, %ecx
    rdmsr
    mov     %eax, saved_efer
    sidt    saved_idt
    /* Both tasks are free again: loading one marks it busy (SDM vol 3, 7.2.2). */
    andb    $0xfd, run_gdt + SELECTOR_TSS32 + 5
    andb    $0xfd, run_gdt + SELECTOR_TSS64 + 5
    cmpq    $0, WORLD_LONG(%rbp)
    je      1f

    lidt    run_idt_64
    mov     $SELECTOR_TSS64, %eax
    ltr     %ax
    mov     WORLD_CR4(%rbp), %rax
    mov     %rax, %cr4
    mov     saved_efer, %eax
    or      WORLD_EFER(%rbp), %eax
    xor     %edx, %edx
    wrmsr
    mov     WORLD_CR3(%rbp), %rax
    mov     %rax, %cr3
    mov     WORLD_CR0(%rbp), %rax
    mov     %rax, %cr0
    jmp     interpret_64
leave_64:
    mov     saved_cr0, %rax
    mov     %rax, %cr0
    mov     saved_cr3, %rax
    mov     %rax, %cr3
    mov     saved_cr4, %rax
    mov     %rax, %cr4
    mov     $EFER, %ecx
    mov     saved_efer, %eax
    xor     %edx, %edx
    wrmsr
    jmp     2f

1:  push    $SELECTOR_CODE32
    lea     enter_32, %rax
    push    %rax
    lretq

    .code32
enter_32:
    mov     $SELECTOR_DATA, %eax
    mov     %eax, %ss
    mov     %eax, %ds
    mov     %cr0, %eax
    and     $~CR0_PG, %eax
    mov     %eax, %cr0              /* and out of long mode (SDM vol 3, 9.8.5.4) */
    jmp     1f
1:  mov     WORLD_EFER(%ebp), %eax
    xor     %edx, %edx
    mov     $EFER, %ecx
    wrmsr
    mov     WORLD_CR4(%ebp), %eax
    mov     %eax, %cr4
    mov     WORLD_CR3(%ebp), %eax
    mov     %eax, %cr3
    mov     WORLD_CR0(%ebp), %eax
    mov     %eax, %cr0
    jmp     1f
1:  lidt    run_idt_32
    mov     $SELECTOR_TSS32, %eax
    ltr     %ax
    jmp     interpret_32
leave_32:
    mov     %cr0, %eax
    and     $~CR0_PG, %eax
    mov     %eax, %cr0
    jmp     1f
1:  mov     saved_cr4, %eax
    mov     %eax, %cr4
    mov     saved_cr3, %eax
    mov     %eax, %cr3
    mov     $EFER, %ecx
    mov     saved_efer, %eax
    and     $~EFER_LMA, %eax
    xor     %edx, %edx
    wrmsr
    mov     saved_cr0, %eax
    mov     %eax, %cr0
    ljmp    $SELECTOR_CODE64, $2f

    .code64
2:  lidt    saved_idt
    mov     $SELECTOR_DATA, %eax
    mov     %eax, %ss
    mov     %eax, %ds
    mov     %eax, %es
    mov     saved_rsp, %rsp
    pop     %r15
    pop     %r14
    pop     %r13
    pop     %r12
    pop     %rbp
    pop     %rbx
    ret

    interpreter 64, r, SELECTOR_USER_CODE64
    .code32
    interpreter 32, e, SELECTOR_USER_CODE32

/* ---- Ring 3: a page for code and one for its stack. The bytes mean the same in both modes. --- */
/* Bochs's SVM mistakes an exit during the delivery of INT n for one during the exception before:
 * hence UD2 as the way back. */

    .section .text.user, "ax"
    .code64
    .balign 4096
    .globl  user_page
user_page:
user_read:
    mov     (%rdi), %eax
    ud2
user_write:
    mov     %esi, (%rdi)
    ud2
user_fetch:
    call    *%rdi
    ud2
    .balign 4096

    .bss
    .balign 4096
    .globl  user_stack
user_stack:
    .skip   4096
user_stack_top:
    .skip   4096
    .globl  run_stack_top
run_stack_top:
current:
    .quad   0
saved_rsp:
    .quad   0
saved_cr0:
    .quad   0
saved_cr3:
    .quad   0
saved_cr4:
    .quad   0
saved_efer:
    .quad   0
saved_idt:
    .skip   16
    .section .note.GNU-stack, "", @progbits
