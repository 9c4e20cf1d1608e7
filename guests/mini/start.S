/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The start-up that all mini guests share: a stack, own descriptor tables, then main(). Every vCPU
 * of the VM comes here at once, RDI its number, RSI the command line: the first has the large
 * stack at the top and goes to main(), the others to vcpu_start() in lib/guest.c.
 */
#define STACK_SIZE 16384
#define OTHER_STACK_SIZE 4096
#define OTHERS 7
    .section .text.start, "ax"
    .globl _start
_start:
    cli
    mov     %rsi, %rbx
    mov     %edi, %r12d
    lea     stack_top(%rip), %rsp
    test    %r12d, %r12d
    jz      1f
    lea     stack_top - STACK_SIZE + OTHER_STACK_SIZE(%rip), %rsp
    imul    $OTHER_STACK_SIZE, %r12d, %eax
    sub     %rax, %rsp
1:  xor     %ebp, %ebp
    lgdt    gdt_pointer(%rip)
    push    $0x08
    lea     2f(%rip), %rax
    push    %rax
    lretq
2:  mov     $0x10, %eax
    mov     %eax, %ds
    mov     %eax, %es
    mov     %eax, %ss
    test    %r12d, %r12d
    jnz     3f
    call    interrupts_setup
    mov     %rbx, %rdi
    call    main
    mov     %eax, %edi
    call    guest_exit
3:  mov     %r12d, %edi
    call    vcpu_start

/* One stub per vector: pushes the vector and goes on to C with the handlers' table. */
    .text
    .globl  vector_stubs
    .balign 16
vector_stubs:
    .set    vector, 0
    .rept   48
    .balign 16
    .if     vector == 8 || (vector >= 10 && vector <= 14) || vector == 17 || vector == 21
    .else
    push    $0
    .endif
    push    $vector
    jmp     vector_common
    .set    vector, vector + 1
    .endr

vector_common:
    push    %rax
    push    %rcx
    push    %rdx
    push    %rsi
    push    %rdi
    push    %r8
    push    %r9
    push    %r10
    push    %r11
    mov     72(%rsp), %rdi          /* vector */
    lea     88(%rsp), %rsi          /* rip, cs, rflags, rsp, ss */
    mov     80(%rsp), %rdx          /* error code */
    cld
    call    interrupt
    pop     %r11
    pop     %r10
    pop     %r9
    pop     %r8
    pop     %rdi
    pop     %rsi
    pop     %rdx
    pop     %rcx
    pop     %rax
    add     $16, %rsp
    iretq

    .section .rodata
    .balign 8
gdt:
    .quad   0
    .quad   0x00af9b000000ffff      /* 64-bit code */
    .quad   0x00cf93000000ffff      /* data */
gdt_pointer:
    .word   gdt_pointer - gdt - 1
    .quad   gdt

    .bss
    .balign 16
    .skip   OTHERS * OTHER_STACK_SIZE + STACK_SIZE
stack_top:
    .section .note.GNU-stack, "", @progbits
