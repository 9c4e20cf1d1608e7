/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bool probe_run(struct probe *probe, void (*act)(uint64_t), uint64_t argument): calls `act`.
 * Where that has an exception, the handler lets the thread go on at probe_landing, with the stack
 * pointer that stands in the probe's first word.
 */
    .text
    .globl probe_run, probe_landing
probe_run:
    push    %rbx
    push    %rbp
    push    %r12
    push    %r13
    push    %r14
    push    %r15
    sub     $8, %rsp
    mov     %rsp, (%rdi)
    mov     %rdx, %rdi
    call    *%rsi
    xor     %eax, %eax
    jmp     1f
probe_landing:
    pushq   $0x202          /* whatever flags it came with */
    popfq
    mov     $1, %eax
1:  add     $8, %rsp
    pop     %r15
    pop     %r14
    pop     %r13
    pop     %r12
    pop     %rbp
    pop     %rbx
    ret
    .section .note.GNU-stack, "", @progbits
