/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From GRUB's 32-bit protected mode to 64-bit C. Multiboot2 hands over EAX = magic,
 * EBX = boot information, flat segments, no paging, interrupts off (Multiboot2, 3.3).
 */
#define MULTIBOOT2_HEADER   0xe85250d6
#define CR0_PG              (1 << 31)
#define CR4_PAE             (1 << 5)
#define EFER                0xc0000080
#define EFER_LME            (1 << 8)
#define PAGE_TABLE          0x3     /* present, writable */
#define PAGE_2M             0x83    /* the same, large */
#define BOOT_CS             0x10    /* the selectors that Linux expects (boot.rst, 64-bit) */
#define BOOT_DS             0x18
#define STACK_SIZE          16384

    .section .multiboot, "a"
    .balign 8
header:
    .long MULTIBOOT2_HEADER, 0, header_end - header
    .long -(MULTIBOOT2_HEADER + header_end - header)
    .word 0, 0
    .long 8
header_end:

    .text
    .code32
    .globl start
start:
    cld
    movl $stack_top, %esp
    movl %ebx, %edi                 /* first argument of bare_main */

    /* The first 4 GiB, each address on itself, in pages of 2 MiB. */
    movl $pdpt + PAGE_TABLE, pml4
    movl $directories + PAGE_TABLE, %eax
    movl $pdpt, %ecx
1:  movl %eax, (%ecx)
    addl $4096, %eax
    addl $8, %ecx
    cmpl $pdpt + 4 * 8, %ecx
    jne 1b
    movl $PAGE_2M, %eax
    movl $directories, %ecx
2:  movl %eax, (%ecx)
    addl $0x200000, %eax
    addl $8, %ecx
    cmpl $directories + 4 * 4096, %ecx
    jne 2b

    movl $pml4, %eax
    movl %eax, %cr3
    movl $CR4_PAE, %eax
    movl %eax, %cr4
    movl $EFER, %ecx
    rdmsr
    orl $EFER_LME, %eax
    wrmsr
    movl %cr0, %eax
    orl $CR0_PG, %eax
    movl %eax, %cr0
    lgdt gdt_pointer
    ljmp $BOOT_CS, $long_mode

    .code64
long_mode:
    movl $BOOT_DS, %eax
    movl %eax, %ds
    movl %eax, %es
    movl %eax, %ss
    call bare_main
3:  cli
    hlt
    jmp 3b

/* void enter_linux(uint64_t entry, struct boot_params *params, uint64_t tsc)
   Waits for that time, so that what was printed before is true, and jumps. */
    .globl enter_linux
enter_linux:
    movq %rdx, %rcx
4:  rdtsc
    shlq $32, %rdx
    orq %rdx, %rax
    cmpq %rcx, %rax
    jb 4b
    jmp *%rdi                       /* RSI = boot_params */

    .section .rodata
    .balign 8
gdt:
    .quad 0, 0
    .quad 0x00af9b000000ffff        /* BOOT_CS: 64-bit code */
    .quad 0x00cf93000000ffff        /* BOOT_DS */
gdt_pointer:
    .word gdt_pointer - gdt - 1
    .quad gdt

    .bss
    .balign 4096
pml4:
    .skip 4096
pdpt:
    .skip 4096
directories:
    .skip 4 * 4096
    .skip STACK_SIZE
stack_top:

    .section .note.GNU-stack, "", @progbits
