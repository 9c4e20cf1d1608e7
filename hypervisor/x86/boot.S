/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From GRUB to C. The loader leaves the processor in 32-bit protected mode without paging, with
 * its magic number in EAX and the physical address of its information in EBX (Multiboot2, 3.3);
 * GRUB on UEFI does the same after it has left the boot services. This file makes the first page
 * tables (the low 4 GiB at their physical addresses, and the image where it was linked), switches
 * to long mode and calls x86_main(information).
 *
 * It is linked at the address where it is loaded; everything else is linked in the upper half.
 */
#include "x86/layout.h"

#define MULTIBOOT2_MAGIC 0x36d76289
#define HEADER_MAGIC 0xe85250d6

#define ENTRY_TABLE 0x003      /* present, writable */
#define ENTRY_LARGE 0x083      /* the same, 2 MiB */

#define CR4_PAE 0x20
#define MSR_EFER 0xc0000080
#define EFER_SCE_LME_NXE 0x901
#define CR0_PG_WP_NE_MP_PE 0x80010023

#define STACK_SIZE 0x4000 /* KERNEL_STACK_SIZE of arch_types.h */

#define COM1 0x3f8
#define VGA_TEXT 0xb8000

/* Paging on our first tables, from real or protected mode; what follows is a far jump (SDM vol 3,
 * 9.8.5). Changes EAX, ECX and EDX. */
    .macro enter_long_mode
    mov $CR4_PAE, %eax
    mov %eax, %cr4
    mov $boot_root, %eax
    mov %eax, %cr3
    mov $MSR_EFER, %ecx
    mov $EFER_SCE_LME_NXE, %eax
    xor %edx, %edx
    wrmsr
    mov $CR0_PG_WP_NE_MP_PE, %eax
    mov %eax, %cr0
    .endm

/* Long mode's segments; changes ECX. */
    .macro load_segments
    mov $KERNEL_DS, %ecx
    mov %ecx, %ss
    xor %ecx, %ecx
    .irp segment, ds, es, fs, gs
    mov %ecx, %\segment
    .endr
    .endm

/* A tag of the header: type, flags, size, contents (Multiboot2, 3.1.3). */
    .macro tag type, flags, size_and_contents:vararg
    .balign 8
    .short \type, \flags
    .long \size_and_contents
    .endm

    .section .boot.header, "a"
    .balign 8
header:
    .long HEADER_MAGIC
    .long 0 /* i386 */
    .long header_end - header
    .long -(HEADER_MAGIC + 0 + (header_end - header))

    tag 1, 0, 12, 6             /* information: memory map (6) */
    tag 3, 0, 12, boot_entry
    tag 4, 1, 12, 2             /* console flags, optional: text is supported */
    tag 5, 1, 20, 0, 0, 32      /* frame buffer, optional, any size: without it GRUB on UEFI
                                   passes no screen */
    tag 6, 0, 8                 /* modules on page boundaries */
    tag 0, 0, 8
header_end:

    .section .boot.text, "ax"
    .code32
    .globl boot_entry
boot_entry:
    cli
    cld
    mov $boot_stack_end - KERNEL_IMAGE_OFFSET, %esp
    mov %ebx, %ebp

    mov $text_loader, %esi
    cmp $MULTIBOOT2_MAGIC, %eax
    jne refuse32

    /* CPUID is there if EFLAGS.ID can be changed (SDM vol 1, 20.1.2). */
    mov $text_long_mode, %esi
    pushfl
    pop %eax
    mov %eax, %ecx
    xor $0x200000, %eax
    push %eax
    popfl
    pushfl
    pop %eax
    cmp %eax, %ecx
    je refuse32

    mov $0x80000000, %eax
    cpuid
    cmp $0x80000001, %eax
    jb refuse32
    mov $0x80000001, %eax
    cpuid
    bt $29, %edx
    jnc refuse32
    mov $text_nx, %esi
    bt $20, %edx
    jnc refuse32

    /* Four page directories for 4 GiB, 2 MiB a piece. */
    mov $boot_directories, %edi
    mov $ENTRY_LARGE, %eax
1:  mov %eax, (%edi)
    add $8, %edi
    add $0x200000, %eax
    jnc 1b

    movl $boot_directories + 0x0000 + ENTRY_TABLE, boot_pointers_low
    movl $boot_directories + 0x1000 + ENTRY_TABLE, boot_pointers_low + 8
    movl $boot_directories + 0x2000 + ENTRY_TABLE, boot_pointers_low + 16
    movl $boot_directories + 0x3000 + ENTRY_TABLE, boot_pointers_low + 24
    movl $boot_pointers_low + ENTRY_TABLE, boot_root
    /* The image: the highest 2 GiB show the lowest 1 GiB. */
    movl $boot_directories + ENTRY_TABLE, boot_pointers_high + 510 * 8
    movl $boot_pointers_high + ENTRY_TABLE, boot_root + 511 * 8

    enter_long_mode
    lgdt boot_gdt_pointer
    ljmp $KERNEL_CS, $boot_entry64

/* ESI: the text of what is missing. Says so on COM1 and on the text screen, and stops. */
refuse32:
    mov $COM1 + 3, %dx /* 115200 baud, 8N1, as in serial.c */
    mov $0x83, %al
    out %al, %dx
    mov $COM1, %dx
    mov $1, %ax
    out %ax, %dx
    mov $VGA_TEXT, %edi
    mov $text_prefix, %ebx
    xchg %esi, %ebx
    call write32
    mov %ebx, %esi
    call write32
    mov $text_end, %esi
    call write32
2:  cli
    hlt
    jmp 2b

/* ESI: the text. The port is whatever the firmware left: 8 data bits first. */
write32:
    mov $COM1 + 3, %dx
    mov $0x03, %al
    out %al, %dx
4:
    lodsb
    test %al, %al
    jz 5f
    mov %al, %ah
    mov $10000, %ecx /* tries: there may be no serial port */
3:  mov $COM1 + 5, %dx
    in %dx, %al
    test $0x20, %al
    loopz 3b
    mov %ah, %al
    mov $COM1, %dx
    out %al, %dx
    cmp $' ', %al
    jb 4b
    mov $0x0f, %ah
    stosw
    jmp 4b
5:  ret

text_prefix:
    .asciz "hecht: cannot start: "
text_end:
    .asciz "\r\n"
text_loader:
    .asciz "not started by a Multiboot2 loader"
text_long_mode:
    .asciz "this CPU lacks long mode"
text_nx:
    .asciz "this CPU lacks NX (no-execute pages), or the firmware disabled it"

    .code64
boot_entry64:
    load_segments
    mov %ebp, %edi /* zero-extends */
    mov $boot_stack_end, %rsp
    movq $cpus, boot_stack_end - STACK_SIZE /* arch_this_cpu */
    mov $x86_main, %rax
    xor %ebp, %ebp
    call *%rax
    ud2

    .balign 8
boot_gdt:
    .quad 0
    .quad 0
    .quad 0x00209b0000000000 /* KERNEL_CS: 64-bit code */
    .quad 0x0000930000000000 /* KERNEL_DS */
boot_gdt_pointer:
    .short . - boot_gdt - 1
    .long boot_gdt

/*
 * The other processors. trampoline is copied to a page below 1 MiB, where they start in real mode
 * (SDM vol 3, 8.4.4.1); it turns long mode on at once, with the page tables from above, which no
 * processor uses afterwards.
 */
    .code64
processor_entry:
    load_segments
    mov $processor_high, %rax
    jmp *%rax

    .section .rodata
    .code16
    .globl trampoline, trampoline_end
trampoline:
    cli
    cld
    lgdtl %cs:trampoline_gdt_pointer - trampoline
    enter_long_mode
    ljmpl $KERNEL_CS, $processor_entry
trampoline_gdt_pointer:
    .short boot_gdt_pointer - boot_gdt - 1
    .long boot_gdt
trampoline_end:

    .text
    .code64
processor_high: /* processors.c */
    mov processor_root(%rip), %rax
    mov %rax, %cr3
    mov processor_stack(%rip), %rsp
    xor %ebp, %ebp
    call processor_main
    ud2

    .section .boot.bss, "aw", @nobits
    .balign 4096
boot_root:
    .skip 4096
boot_pointers_low:
    .skip 4096
boot_pointers_high:
    .skip 4096
boot_directories:
    .skip 4 * 4096

    .bss
    .balign STACK_SIZE
    .skip STACK_SIZE
boot_stack_end:

    .section .note.GNU-stack, "", @progbits
