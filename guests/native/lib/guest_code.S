/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Code for guests (guest_state.h). A program's own memory cannot be executed but for its image, so
 * chance is the assembler's here: a linear congruence picks, and guests begin anywhere.
 */
#define PAGE 4096

.section .text.guest, "ax"

.macro next
    .set seed, (seed * 1103515245 + 12345) & 0x7fffffff
    .set pick, seed >> 12
.endm

#define ON(number, bytes...) .if pick == number; .byte bytes; .endif

/* What concerns a hypervisor and leaves the guest able to go on. */
.macro tame
    next
    .set pick, pick % 34
    ON(0, 0xf4)                /* HLT */
    ON(1, 0x0f, 0xa2)          /* CPUID */
    ON(2, 0xec)                /* IN AL, DX */
    ON(3, 0xee)                /* OUT DX, AL */
    ON(4, 0xe5, 0x80)          /* IN EAX, 80 */
    ON(5, 0xf3, 0x6e)          /* REP OUTSB */
    ON(6, 0x6d)                /* INSD */
    ON(7, 0x0f, 0x32)          /* RDMSR */
    ON(8, 0x0f, 0x30)          /* WRMSR */
    ON(9, 0x0f, 0x31)          /* RDTSC */
    ON(10, 0x0f, 0x33)         /* RDPMC */
    ON(11, 0x0f, 0x01, 0xc1)   /* VMCALL */
    ON(12, 0x0f, 0x01, 0xd9)   /* VMMCALL */
    ON(13, 0x0f, 0x01, 0xd8)   /* VMRUN */
    ON(14, 0x0f, 0x01, 0xc3)   /* VMRESUME */
    ON(15, 0x0f, 0x01, 0xd0)   /* XGETBV */
    ON(16, 0x0f, 0x01, 0xd1)   /* XSETBV */
    ON(17, 0x0f, 0x01, 0xc8)   /* MONITOR */
    ON(18, 0x0f, 0x01, 0xc9)   /* MWAIT */
    ON(19, 0x0f, 0x01, 0x38)   /* INVLPG */
    ON(20, 0x0f, 0x08)         /* INVD */
    ON(21, 0x0f, 0x09)         /* WBINVD */
    ON(22, 0x0f, 0x06)         /* CLTS */
    ON(23, 0x0f, 0x20, 0xc0)   /* MOV EAX, CR0 */
    ON(24, 0x0b, 0xc3)         /* OR EAX, EBX */
    ON(25, 0x88, 0x07)         /* MOV [DI], AL */
    ON(26, 0x8b, 0x06)         /* MOV EAX, [SI] */
    ON(27, 0xa4)               /* MOVSB */
    ON(28, 0x50)               /* PUSH EAX */
    ON(29, 0x58)               /* POP EAX */
    ON(30, 0x9c)               /* PUSHF */
    ON(31, 0xdb, 0xe3)         /* FNINIT */
    ON(32, 0x90)               /* NOP */
    ON(33, 0xfb)               /* STI */
.endm

/* And what changes its mode, its tables or its ways. */
.macro fierce
    next
    .set pick, pick % 48
    ON(0, 0x0f, 0x22, 0xc0)    /* MOV CR0, EAX */
    ON(1, 0x0f, 0x22, 0xd8)    /* MOV CR3, EAX */
    ON(2, 0x0f, 0x22, 0xe0)    /* MOV CR4, EAX */
    ON(3, 0x44, 0x0f, 0x22, 0xc0) /* MOV CR8, RAX */
    ON(4, 0x0f, 0x23, 0xf0)    /* MOV DR6, EAX; DR7: QEMU dies of it (docs/limits.md) */
    ON(5, 0x0f, 0x01, 0x17)    /* LGDT */
    ON(6, 0x0f, 0x01, 0x1f)    /* LIDT */
    ON(7, 0x0f, 0x00, 0xd8)    /* LTR */
    ON(8, 0x8e, 0xd8)          /* MOV DS, EAX */
    ON(9, 0x8e, 0xd0)          /* MOV SS, EAX */
    ON(10, 0x0f, 0x05)         /* SYSCALL */
    ON(11, 0x0f, 0x34)         /* SYSENTER */
    ON(12, 0x0f, 0x0b)         /* UD2 */
    ON(13, 0xcc)               /* INT3 */
    ON(14, 0xcd, 0x40)         /* INT 40 */
    ON(15, 0xf1)               /* INT1 */
    ON(16, 0xcf)               /* IRET */
    ON(17, 0x9d)               /* POPF */
    ON(18, 0xfa)               /* CLI */
    ON(19, 0xcb)               /* RETF */
    ON(20, 0xeb, 0xfe)         /* JMP to itself */
    ON(21, 0xeb, 0x80)         /* JMP back */
    ON(22, 0x0f, 0xaa)         /* RSM */
    ON(23, 0xea, 0, 0x60, 0, 0) /* JMP far */
    .if pick >= 24
    tame
    .endif
.endm

.balign PAGE
.global guest_halts
guest_halts:
.fill PAGE, 1, 0xf4

.global guest_tame
guest_tame:
.set seed, 1
.rept 4 * PAGE / 3
    tame
.endr
.balign PAGE, 0xf4

.global guest_fierce
guest_fierce:
.rept 6 * PAGE / 3
    fierce
.endr
.balign PAGE, 0xf4

.rept 4 * PAGE
    next
    .byte pick & 0xff
.endr
.global guest_code_end
guest_code_end:
