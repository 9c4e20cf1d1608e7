/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The kernel's half of every address space. C, assembly and kernel.lds agree here; all ranges lie
 * in the canonical upper half, and every root table shares their four entries (506, 508, 510, 511).
 */
#define KERNEL_IMAGE_OFFSET 0xffffffff80000000 /* image: virtual - physical */
#define KERNEL_DEVICE_BASE 0xffffff8000000000  /* registers of devices, uncached */
#define KERNEL_DEVICE_END 0xffffffff80000000
#define KERNEL_POOL_BASE 0xffffff0000000000    /* the pool, in one piece, not executable */
#define KERNEL_WINDOW_BASE 0xfffffe0000000000  /* one page per processor: arch_window */
#define KERNEL_BOOT_MAP_BASE 0xfffffe0000200000 /* x86_map_boot */
#define KERNEL_STACK_BASE 0xfffffd0000000000   /* stacks, each between two unmapped ranges */

/* Selectors of the one GDT. SYSRET takes SS and CS from STAR[63:48] + 8 and + 16, SYSCALL takes CS
 * and SS from STAR[47:32] and + 8 (SDM vol 3, 5.8.8): that fixes the order.
 * The values are Linux's: then STAR is the same in host and guest, and need not be switched. */
#define KERNEL_CS 0x10
#define KERNEL_DS 0x18
#define USER_BASE_SELECTOR 0x23 /* an empty descriptor: no 32-bit code for anyone */
#define USER_DS 0x2b
#define USER_CS 0x33
#define FIRST_TSS 0x40 /* 16 bytes per processor */

/* A processor's stacks: the kernel's, and one for each exception that must never share it. */
#define STACK_KERNEL 0
#define STACK_NMI 1
#define STACK_DOUBLE_FAULT 2
#define STACK_MACHINE_CHECK 3
#define STACKS_PER_CPU 4
