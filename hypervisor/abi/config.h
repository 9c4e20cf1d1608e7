/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The records of the generated tables: the only way in which the configuration reaches the code.
 * The generator writes one C file each for the kernel, σ0 and every VMM, with designated
 * initialisers over these records.
 */
#include "abi/health.h"
#include "abi/info.h"
#include "abi/types.h"

/* ---- Kernel: build/NAME/generated/kernel_config.c ---- */

enum console_device {
    CONSOLE_SERIAL = 1,
    CONSOLE_SCREEN = 2,
};

/* Part of a major frame in which one time partition runs, beside τ0. */
struct window {
    uint64_t start_ns;       /* from the frame's start */
    uint64_t length_ns;      /* until the next window begins or later; never beyond the frame */
    uint32_t time_partition; /* 1.. ; what no window covers is τ0's alone */
};

struct processor_schedule {
    uint32_t window_count;       /* 0: τ0 alone runs on this processor, without any frame */
    const struct window *window; /* ascending, disjoint */
};

struct schedule {
    uint64_t frame_ns; /* the major frame, the same on all processors */
    const struct processor_schedule *processor; /* [kernel_config.processors] */
};

struct kernel_config {
    const char *name;        /* CONFIG_NAME */
    uint64_t memory_size;    /* bytes the kernel keeps for itself and all quotas */
    uint64_t memory_base;    /* physical; 0: the highest place below 4 GiB that is free */
    uint32_t consoles;       /* enum console_device, or'ed */
    uint16_t serial_port;    /* base of the 16550 */
    uint32_t serial_baud;
    uint32_t processors;     /* 1..PROCESSORS_MAX; a machine with fewer is refused */
    uint32_t time_partitions; /* 1..TIME_PARTITIONS_MAX, τ0 included */
    uint64_t time_slice_ns;  /* round robin among equal priorities */
    uint32_t schedule_count; /* at least 1; [0] runs from boot */
    const struct schedule *schedule;
};
extern const struct kernel_config kernel_config;

struct virt_ops;
/* The backends in this image, in the order in which they are tried; ends with NULL. */
extern const struct virt_ops *const virt_backends[];

/* ---- σ0: build/NAME/generated/sigma0_config.c ---- */

enum partition_kind {
    PARTITION_VM = 1,
    PARTITION_PROGRAM = 2, /* a program on the kernel that is no VMM: no RAM but its own */
};

#define PARTITIONS_MAX 32u

struct number_range {
    uint32_t first, count;
};

/* One end of a channel. */
struct port_config {
    const char *name;
    uint32_t channel; /* index in system_config.channel */
    bool source;      /* writes; false: reads */
    uint64_t gpa;     /* of a shared memory at a VM: where the guest has it */
};

struct partition_config {
    const char *name;
    uint32_t kind;           /* enum partition_kind */
    const char *program;     /* boot module with the ELF image of its first task */
    const char *arguments;   /* text for a program, at most PARTITION_ARGUMENTS_MAX - 1 bytes */
    uint64_t ram_size;       /* bytes, multiple of 2 MiB; guest RAM of a VM, heap of a program */
    uint64_t ram_base;       /* physical, one of system_config.fixed; 0: placed by σ0 */
    uint32_t kernel_quota;   /* pages of kernel memory */
    uint32_t priority;       /* highest of its threads; of its first */
    uint32_t processors;     /* bitmap; its first thread runs on the lowest */
    uint32_t time_partition;
    const char *module[PARTITION_MODULES_MAX]; /* boot modules it may read: [0] kernel,
                                                  [1] initrd; NULL: none */
    bool console_input;      /* gets what is typed */
    bool counts_for_end;     /* the machine ends when all such partitions have */
    uint32_t io_port_count;
    uint32_t irq_count;
    const struct number_range *io_port; /* RIGHT_PORT */
    const struct number_range *irq;     /* RIGHT_IRQ */
    uint32_t port_count;     /* at most PARTITION_PORTS_MAX */
    const struct port_config *port;
    uint8_t action[HEALTH_ERROR_COUNT]; /* enum health_action */
    uint32_t action_schedule; /* for HEALTH_SWITCH_SCHEDULE */
};

enum channel_kind {
    CHANNEL_SAMPLING = 1,
    CHANNEL_QUEUING = 2,
    CHANNEL_MEMORY = 3, /* bare shared memory; several of its ends may be sources */
};

struct channel_config {
    const char *name;
    uint32_t kind;          /* enum channel_kind */
    uint32_t message_size;  /* bytes, at most */
    uint32_t message_count; /* of a queue; 1 for sampling */
    uint64_t refresh_ns;    /* sampling: older messages are not valid; 0: all are */
    uint64_t memory_size;   /* of a shared memory, which has none of those: bytes, whole pages */
    uint64_t base;          /* physical, one of system_config.fixed; 0: placed by σ0 */
};

/* Memory that has its place already: on a machine where it is not free nothing runs. */
struct fixed_range {
    const char *owner; /* for the console */
    uint64_t base;     /* physical, whole pages */
    uint64_t size;
};

struct system_config {
    uint32_t partition_count; /* at most PARTITIONS_MAX */
    const struct partition_config *partition;
    uint32_t channel_count;
    const struct channel_config *channel;
    uint32_t fixed_count;
    const struct fixed_range *fixed; /* ascending, disjoint */
    uint8_t module_action[HEALTH_ERROR_COUNT]; /* errors that are no partition's */
    uint64_t frame_ns;       /* major frame of the schedule at boot; 0: none */
};
extern const struct system_config system_config;

/* ---- VMM: build/NAME/generated/vmm_VM.c ---- */

enum vm_boot {
    VM_BOOT_LINUX = 1, /* 64-bit entry of the x86 boot protocol, with initrd */
    VM_BOOT_MINI = 2,  /* flat 64-bit image at 1 MiB, entered at its start */
};

struct vm_config {
    const char *name;
    uint32_t boot;         /* enum vm_boot */
    uint32_t vcpus;        /* 1.. ; the n-th runs on the n-th processor of the partition */
    const char *cmdline;
    /* Devices, one by one. A device that is off is an empty place on the bus. */
    bool pic;
    bool pit;
    bool uart;             /* COM1: 0x3f8, IRQ 4, the console */
    bool rtc;
    bool keyboard_controller;
    bool pci;
    uint32_t paging;       /* enum vm_paging */
    uint64_t uart_mmio;    /* gpa where the UART's registers also stand; 0: nowhere */
    bool trace;            /* log every exit reason's count when the VM ends */
};
extern const struct vm_config vm_config;
