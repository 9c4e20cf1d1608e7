/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The virtual machine control block (APM vol 2, appendix B). */
#include "abi/types.h"

/* Same packing of attributes as the ABI's struct vcpu_segment, without its "unusable" bit. */
struct vmcb_segment {
    uint16_t selector;
    uint16_t attributes;
    uint32_t limit;
    uint64_t base;
};
_Static_assert(sizeof(struct vmcb_segment) == 16, "APM vol 2, table B-2");

struct vmcb {
    /* Control area (table B-1) */
    uint16_t intercept_cr_read;       /* 0x000 */
    uint16_t intercept_cr_write;      /* 0x002 */
    uint16_t intercept_dr_read;       /* 0x004 */
    uint16_t intercept_dr_write;      /* 0x006 */
    uint32_t intercept_exceptions;    /* 0x008 */
    uint32_t intercepts;              /* 0x00c enum vmcb_intercept */
    uint32_t intercepts2;             /* 0x010 enum vmcb_intercept2 */
    uint32_t intercepts3;             /* 0x014 */
    uint8_t reserved_018[0x40 - 0x18];
    uint64_t iopm_base;               /* 0x040 */
    uint64_t msrpm_base;              /* 0x048 */
    uint64_t tsc_offset;              /* 0x050 */
    uint32_t asid;                    /* 0x058 */
    uint8_t tlb_control;              /* 0x05c */
    uint8_t reserved_05d[3];
    uint32_t virtual_interrupt;       /* 0x060 enum vmcb_virtual_interrupt */
    uint32_t virtual_vector;          /* 0x064 */
    uint64_t interrupt_shadow;        /* 0x068 bit 0 */
    uint64_t exit_code;               /* 0x070 */
    uint64_t exit_info1;              /* 0x078 */
    uint64_t exit_info2;              /* 0x080 */
    uint64_t exit_int_info;           /* 0x088 */
    uint64_t nested_control;          /* 0x090 bit 0: nested paging */
    uint8_t reserved_098[0xa8 - 0x98];
    uint64_t event_injection;         /* 0x0a8 */
    uint64_t nested_cr3;              /* 0x0b0 */
    uint64_t lbr_control;             /* 0x0b8 */
    uint64_t clean;                   /* 0x0c0 */
    uint64_t next_rip;                /* 0x0c8 */
    uint8_t reserved_0d0[0x400 - 0xd0];

    /* State save area (table B-2) */
    struct vmcb_segment es, cs, ss, ds, fs, gs, gdtr, ldtr, idtr, tr; /* 0x400 */
    uint8_t reserved_4a0[0x4cb - 0x4a0];
    uint8_t cpl;                      /* 0x4cb */
    uint32_t reserved_4cc;
    uint64_t efer;                    /* 0x4d0 */
    uint8_t reserved_4d8[0x548 - 0x4d8];
    uint64_t cr4;                     /* 0x548 */
    uint64_t cr3;                     /* 0x550 */
    uint64_t cr0;                     /* 0x558 */
    uint64_t dr7;                     /* 0x560 */
    uint64_t dr6;                     /* 0x568 */
    uint64_t rflags;                  /* 0x570 */
    uint64_t rip;                     /* 0x578 */
    uint8_t reserved_580[0x5d8 - 0x580];
    uint64_t rsp;                     /* 0x5d8 */
    uint8_t reserved_5e0[0x5f8 - 0x5e0];
    uint64_t rax;                     /* 0x5f8 */
    uint64_t star;                    /* 0x600 with all below: by VMLOAD and VMSAVE */
    uint64_t lstar;
    uint64_t cstar;
    uint64_t fmask;
    uint64_t kernel_gs_base;
    uint64_t sysenter_cs;
    uint64_t sysenter_esp;
    uint64_t sysenter_eip;            /* 0x638 */
    uint64_t cr2;                     /* 0x640 */
    uint8_t reserved_648[0x668 - 0x648];
    uint64_t pat;                     /* 0x668 */
    uint8_t reserved_670[0x1000 - 0x670];
};
_Static_assert(offsetof(struct vmcb, iopm_base) == 0x040, "APM vol 2, table B-1");
_Static_assert(offsetof(struct vmcb, virtual_interrupt) == 0x060, "APM vol 2, table B-1");
_Static_assert(offsetof(struct vmcb, exit_code) == 0x070, "APM vol 2, table B-1");
_Static_assert(offsetof(struct vmcb, event_injection) == 0x0a8, "APM vol 2, table B-1");
_Static_assert(offsetof(struct vmcb, next_rip) == 0x0c8, "APM vol 2, table B-1");
_Static_assert(offsetof(struct vmcb, es) == 0x400, "APM vol 2, table B-2");
_Static_assert(offsetof(struct vmcb, tr) == 0x490, "APM vol 2, table B-2");
_Static_assert(offsetof(struct vmcb, cpl) == 0x4cb, "APM vol 2, table B-2");
_Static_assert(offsetof(struct vmcb, cr4) == 0x548, "APM vol 2, table B-2");
_Static_assert(offsetof(struct vmcb, rsp) == 0x5d8, "APM vol 2, table B-2");
_Static_assert(offsetof(struct vmcb, rax) == 0x5f8, "APM vol 2, table B-2 and entry.S");
_Static_assert(offsetof(struct vmcb, cr2) == 0x640, "APM vol 2, table B-2");
_Static_assert(offsetof(struct vmcb, pat) == 0x668, "APM vol 2, table B-2");
_Static_assert(sizeof(struct vmcb) == PAGE_SIZE, "APM vol 2, 15.5.1");

enum vmcb_intercept {
    INTERCEPT_INTR = 1 << 0,
    INTERCEPT_NMI = 1 << 1,
    INTERCEPT_SMI = 1 << 2,
    INTERCEPT_INIT = 1 << 3,
    INTERCEPT_VINTR = 1 << 4,
    INTERCEPT_RDPMC = 1 << 15,
    INTERCEPT_CPUID = 1 << 18,
    INTERCEPT_RSM = 1 << 19,
    INTERCEPT_INVD = 1 << 22,
    INTERCEPT_HLT = 1 << 24,
    INTERCEPT_INVLPG = 1 << 25,
    INTERCEPT_INVLPGA = 1 << 26,
    INTERCEPT_IO = 1 << 27,
    INTERCEPT_MSR = 1 << 28,
    INTERCEPT_TASK_SWITCH = 1 << 29,
};
#define INTERCEPT_SHUTDOWN (1u << 31)

enum vmcb_intercept2 {
    INTERCEPT_VMRUN = 1 << 0, /* VMRUN requires it (APM vol 2, 15.5.1) */
    INTERCEPT_VMMCALL = 1 << 1,
    INTERCEPT_VMLOAD = 1 << 2,
    INTERCEPT_VMSAVE = 1 << 3,
    INTERCEPT_STGI = 1 << 4,
    INTERCEPT_CLGI = 1 << 5,
    INTERCEPT_SKINIT = 1 << 6,
    INTERCEPT_RDTSCP = 1 << 7,
    INTERCEPT_WBINVD = 1 << 9,
    INTERCEPT_MONITOR = 1 << 10,
    INTERCEPT_MWAIT = 1 << 11,
    INTERCEPT_XSETBV = 1 << 13,
    INTERCEPT_RDPRU = 1 << 14,
};

#define INTERCEPT_EXCEPTION_DB (1u << 1)
#define INTERCEPT_EXCEPTION_PF (1u << 14)
#define INTERCEPT_EXCEPTION_AC (1u << 17)
#define INTERCEPT_EXCEPTION_MC (1u << 18)
#define INTERCEPT_CR4 (1u << 4)
#define INTERCEPT_CR8 (1u << 8)

enum vmcb_virtual_interrupt {
    V_IRQ = 1 << 8,
    V_IGNORE_TPR = 1 << 20,
    V_INTR_MASKING = 1 << 24,
};

enum vmcb_tlb_control {
    TLB_KEEP = 0,
    TLB_FLUSH_ALL = 1,
};

/* Events, to and from the guest (APM vol 2, 15.20 and 15.7.2). */
#define EVENT_VALID (1UL << 31)
#define EVENT_ERROR_VALID (1UL << 11)
#define EVENT_TYPE_SHIFT 8
#define EVENT_ERROR_SHIFT 32

/* Exit codes (APM vol 2, appendix C). */
enum vmcb_exit {
    VMEXIT_CR0_READ = 0x000,
    VMEXIT_CR0_WRITE = 0x010,
    VMEXIT_DR0_READ = 0x020,
    VMEXIT_EXCEPTION = 0x040,
    VMEXIT_DEBUG = 0x041,
    VMEXIT_PAGE_FAULT = 0x04e,
    VMEXIT_ALIGNMENT_CHECK = 0x051,
    VMEXIT_MACHINE_CHECK = 0x052,
    VMEXIT_INTR = 0x060,
    VMEXIT_NMI = 0x061,
    VMEXIT_SMI = 0x062,
    VMEXIT_VINTR = 0x064,
    VMEXIT_INIT = 0x063,
    VMEXIT_RDTSC = 0x06e,
    VMEXIT_RDPMC = 0x06f,
    VMEXIT_CPUID = 0x072,
    VMEXIT_RSM = 0x073,
    VMEXIT_INVD = 0x076,
    VMEXIT_HLT = 0x078,
    VMEXIT_INVLPG = 0x079,
    VMEXIT_INVLPGA = 0x07a,
    VMEXIT_IO = 0x07b,
    VMEXIT_MSR = 0x07c,
    VMEXIT_TASK_SWITCH = 0x07d,
    VMEXIT_SHUTDOWN = 0x07f,
    VMEXIT_VMRUN = 0x080,
    VMEXIT_VMMCALL = 0x081,
    VMEXIT_SKINIT = 0x086,
    VMEXIT_RDTSCP = 0x087,
    VMEXIT_WBINVD = 0x089,
    VMEXIT_MONITOR = 0x08a,
    VMEXIT_MWAIT = 0x08b,
    VMEXIT_MWAIT_ARMED = 0x08c,
    VMEXIT_XSETBV = 0x08d,
    VMEXIT_RDPRU = 0x08e,
    VMEXIT_NESTED_FAULT = 0x400,
};
/* All ones; QEMU writes 32 bits of them only. */
#define VMEXIT_INVALID 0xffffffffu

/* EXITINFO1 of VMEXIT_IO (APM vol 2, 15.10.2). */
enum vmcb_io_info {
    IO_IN = 1 << 0,
    IO_STRING = 1 << 2,
    IO_REPEAT = 1 << 3,
    IO_SIZE_SHIFT = 4, /* three bits: 1, 2, 4 bytes */
    IO_PORT_SHIFT = 16,
};

/* EXITINFO1 of VMEXIT_NESTED_FAULT (APM vol 2, 15.25.6). */
enum vmcb_fault_info {
    FAULT_WRITE = 1 << 1,
    FAULT_FETCH = 1 << 4,
};
