/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Where things stand in a user task's address space. All of it lies in the lower half; the
 * highest page of that half is never mapped, because SYSRET to a non-canonical address faults
 * in the kernel on Intel (SDM vol 2, SYSRET).
 */
#define USER_IMAGE_BASE 0x0000000000400000UL
#define USER_TOP 0x00007ffffffff000UL /* first address that no task can map */

#define USER_STACK_TOP 0x00007ff100000000UL /* grows down, unmapped below its size */
#define USER_STACK_SIZE 0x10000UL

#define USER_KERNEL_INFO 0x00007ff000000000UL    /* struct kernel_info, read-only, every task */
#define USER_PARTITION_INFO 0x00007ff000010000UL /* struct partition_info, read-only */
#define USER_CONSOLE 0x00007ff000020000UL        /* struct console_channel, shared with σ0 */
#define USER_BOOT_INFO 0x00007ff000030000UL      /* struct boot_info, read-only, σ0 only */

/* σ0 sees the whole of the memory that it owns at physical address + this. */
#define SIGMA0_PHYSICAL 0x0000400000000000UL

/* A VMM sees its VM's RAM here, contiguous, and its boot modules above (struct partition_info
 * says how many and how large). */
#define VMM_RAM_BASE 0x0000100000000000UL
#define VMM_MODULE_BASE 0x0000200000000000UL
#define VMM_MODULE_STRIDE 0x0000010000000000UL
/* Where the VMM asks the kernel to map its vCPUs' state pages. */
#define VMM_STATE_BASE 0x00007ff000100000UL
/* Channels of a partition's ports, each at its own multiple. */
#define USER_PORT_BASE 0x0000300000000000UL
#define USER_PORT_STRIDE 0x0000000001000000UL
/* The same for shared memory. */
#define USER_SHARED_BASE 0x0000380000000000UL
#define USER_SHARED_STRIDE 0x0000000040000000UL
