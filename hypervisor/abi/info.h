/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What the kernel tells user code about the machine: two read-only pages, filled at boot. */
#include "abi/types.h"

#define KERNEL_INFO_MAGIC 0x74686365485034UL /* "4PHecht", little-endian */
#define ABI_VERSION 1

/* Mapped in every task at USER_KERNEL_INFO. */
struct kernel_info {
    uint64_t magic;
    uint32_t abi_version;
    uint32_t processors;
    uint64_t tsc_khz;      /* ticks per millisecond */
    tsc_time boot_tsc;     /* when boot_epoch was read */
    uint64_t boot_epoch_s; /* board clock then, seconds since 1970-01-01 UTC */
    uint32_t virt_caps;    /* enum virt_cap; 0: no virtualization in this machine or image */
    uint32_t reserved;
};
_Static_assert(sizeof(struct kernel_info) == 48, "abi");

/* What a VMM may want to know of the backend; vendor-neutral. */
enum virt_cap {
    VIRT_PRESENT = 1 << 0,
    VIRT_NESTED_PAGING = 1 << 1,
    VIRT_INSN_LENGTH = 1 << 2,  /* exits carry the instruction's length where one caused them */
    VIRT_UNRESTRICTED = 1 << 3, /* guests may run with paging or protection off */
};

/* Mapped in σ0 at USER_BOOT_INFO. */
#define BOOT_REGIONS_MAX 64
#define BOOT_MODULES_MAX 16
#define BOOT_NAME_MAX 64

struct boot_region {
    uint64_t base; /* physical, page-aligned */
    uint64_t size; /* bytes, multiple of a page */
};

struct boot_module {
    uint64_t base;            /* physical, page-aligned */
    uint64_t size;            /* bytes, exact; the rest of its last page is zero */
    char name[BOOT_NAME_MAX]; /* first word of the module's command line, 0-terminated */
};

struct boot_info {
    uint32_t region_count;
    uint32_t module_count;
    struct boot_region region[BOOT_REGIONS_MAX]; /* free RAM that σ0 owns, ascending, disjoint */
    struct boot_module module[BOOT_MODULES_MAX]; /* owned by σ0 too, not inside the regions */
};
_Static_assert(sizeof(struct boot_info) <= PAGE_SIZE, "abi");

/* Mapped in a partition's first task at USER_PARTITION_INFO, written by σ0. */
#define PARTITION_MODULES_MAX 4
struct partition_info {
    uint64_t ram_size;                            /* bytes at VMM_RAM_BASE */
    thread_id console;                            /* σ0's thread: EVENT_CONSOLE_OUTPUT goes there */
    uint32_t console_event;                       /* bit number to signal to it */
    uint64_t module_size[PARTITION_MODULES_MAX];  /* bytes; 0: none. [0] kernel, [1] initrd */
};
_Static_assert(sizeof(struct partition_info) == 48, "abi");
