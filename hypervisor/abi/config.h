/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The records of the generated tables: the only way in which the configuration reaches the code.
 * The generator writes one C file each for the kernel, σ0 and every VMM, with designated
 * initialisers over these records.
 */
#include "abi/types.h"

/* ---- Kernel: build/NAME/generated/kernel_config.c ---- */

enum console_device {
    CONSOLE_SERIAL = 1,
    CONSOLE_SCREEN = 2,
};

struct kernel_config {
    const char *name;        /* CONFIG_NAME */
    uint64_t memory_size;    /* bytes the kernel keeps for itself and all quotas */
    uint32_t consoles;       /* enum console_device, or'ed */
    uint16_t serial_port;    /* base of the 16550 */
    uint32_t serial_baud;
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

struct partition_config {
    const char *name;
    uint32_t kind;           /* enum partition_kind */
    const char *program;     /* boot module with the ELF image of its first task */
    uint64_t ram_size;       /* bytes, multiple of 2 MiB; guest RAM of a VM */
    uint32_t kernel_quota;   /* pages of kernel memory */
    uint32_t priority;       /* of its first thread; its vCPUs run one below */
    const char *module[4];   /* boot modules it may read: [0] kernel, [1] initrd; NULL: none */
    bool console_input;      /* gets what is typed */
};

struct system_config {
    uint32_t partition_count;
    const struct partition_config *partition;
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
    const char *cmdline;
    /* Devices, one by one. A device that is off is an empty place on the bus. */
    bool pic;
    bool pit;
    bool uart;             /* COM1: 0x3f8, IRQ 4, the console */
    bool rtc;
    bool keyboard_controller;
    bool pci;
    uint64_t uart_mmio;    /* gpa where the UART's registers also stand; 0: nowhere */
    bool trace;            /* log every exit reason's count when the VM ends */
};
extern const struct vm_config vm_config;
