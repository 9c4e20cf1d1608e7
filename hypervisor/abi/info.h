/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What the kernel tells user code about the machine: two read-only pages, filled at boot. */
#include "abi/types.h"

#define KERNEL_INFO_MAGIC 0x74686365485034UL /* "4PHecht", little-endian */
#define ABI_VERSION 3

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
    tsc_time frame_start;  /* when the first major frame began, on all processors */
};
_Static_assert(sizeof(struct kernel_info) == 56, "abi");

/* What a VMM may want to know of the backend; vendor-neutral. */
enum virt_cap {
    VIRT_PRESENT = 1 << 0,
    VIRT_NESTED_PAGING = 1 << 1,
    VIRT_INSN_LENGTH = 1 << 2,  /* exits carry the instruction's length where one caused them */
    VIRT_UNRESTRICTED = 1 << 3, /* guests may run with paging or protection off */
    VIRT_VTLB_PCIDS = 1 << 4,   /* the vTLB's guests have PCIDs, also where the processor has none */
};

/* How a VM's guest-physical space is to be translated. */
enum vm_paging {
    VM_PAGING_AUTOMATIC = 0, /* nested paging where there is any */
    VM_PAGING_NESTED = 1,
    VM_PAGING_VTLB = 2,
};

/* Mapped in σ0 at USER_BOOT_INFO. */
#define BOOT_REGIONS_MAX 64
#define BOOT_MODULES_MAX 32
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

/* How a partition came to run this time. */
enum start_condition {
    START_NORMAL = 0,  /* with the machine */
    START_COLD = 1,    /* restarted, all memory as at first */
    START_WARM = 2,    /* restarted, the contents of its RAM kept */
};

/* One end of a channel, see abi/channel.h. */
struct partition_port {
    char name[32];          /* 0-terminated */
    uint32_t kind;          /* enum channel_kind */
    uint32_t source;        /* 1: writes, 0: reads */
    uint32_t message_size;
    uint32_t message_count;
    uint64_t refresh_ns;
    uint64_t address;       /* where the channel stands in the task's space */
    thread_id partner;      /* first thread at the other end: gets EVENT_PORT; 0: none */
    uint32_t reserved;
    uint64_t memory_size;   /* of a shared memory, bytes */
    uint64_t gpa;           /* of a shared memory at a VM: where its VMM has to map it */
};
_Static_assert(sizeof(struct partition_port) == 88, "abi");

/* Mapped in a partition's first task at USER_PARTITION_INFO, written by σ0. */
#define PARTITION_MODULES_MAX 4u
#define PARTITION_PORTS_MAX 16u
#define PARTITION_ARGUMENTS_MAX 128u
struct partition_info {
    uint64_t ram_size;      /* bytes at VMM_RAM_BASE */
    thread_id console;      /* σ0's thread: console_event goes there; takes HEALTH_RAISE */
    uint32_t console_event; /* bit number to signal to it */
    uint64_t module_size[PARTITION_MODULES_MAX]; /* bytes; 0: none. [0] kernel, [1] initrd */
    char name[32];          /* 0x30 of the partition */
    uint32_t start_condition; /* enum start_condition */
    uint32_t restarts;      /* since boot */
    uint32_t processors;    /* bitmap */
    uint32_t time_partition;
    uint32_t priority;      /* highest of its threads */
    uint32_t port_count;
    uint64_t frame_ns;      /* major frame of the schedule at boot */
    tsc_time frame_start;   /* when a frame of it began */
    char arguments[PARTITION_ARGUMENTS_MAX];
    struct partition_port port[PARTITION_PORTS_MAX];
};
_Static_assert(offsetof(struct partition_info, name) == 0x30, "abi");
_Static_assert(sizeof(struct partition_info) <= PAGE_SIZE, "abi");
