/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The vCPU's state page, shared by kernel and VMM. The kernel writes it when the vCPU exits and
 * reads it, once, when the VMM replies; whatever the VMM wrote is checked then. No CPU vendor
 * shows through it.
 */
#include "abi/types.h"

/* Indices into vcpu_state.gpr: the hardware's encoding. */
enum vcpu_gpr {
    GPR_RAX, GPR_RCX, GPR_RDX, GPR_RBX, GPR_RSP, GPR_RBP, GPR_RSI, GPR_RDI,
    GPR_R8, GPR_R9, GPR_R10, GPR_R11, GPR_R12, GPR_R13, GPR_R14, GPR_R15,
    GPR_COUNT
};

/* Parts of the state that travel together. All general registers but RSP are always valid and
 * always loaded: the guest runs on them where they stand. */
enum vcpu_state_group {
    STATE_IP = 1 << 0,       /* rip, rflags, interruptibility */
    STATE_RSP = 1 << 1,      /* gpr[GPR_RSP] */
    STATE_CONTROL = 1 << 2,  /* cr0, cr2, cr3, cr4, efer */
    STATE_SEGMENTS = 1 << 3, /* es, cs, ss, ds, fs, gs, ldtr, tr with bases */
    STATE_TABLES = 1 << 4,   /* gdtr, idtr */
    STATE_DEBUG = 1 << 5,    /* dr7 (dr0..3 and dr6 belong to the guest while it runs) */
    STATE_MSRS = 1 << 6,     /* star .. pat below */
    STATE_XCR0 = 1 << 7,     /* xcr0: a reply to EXIT_XSETBV; never brought by an exit */
    STATE_CODE = 1 << 8,     /* segment[SEG_CS] alone, to read; STATE_SEGMENTS brings it as well */
    STATE_RESET = 1 << 9,    /* to write, has no value: FPU, XCR0 and DR0..3 as after a reset */
    STATE_ALL = (1 << 10) - 1,
};

enum exit_reason {
    EXIT_NONE = 0,
    EXIT_CPUID,
    EXIT_HLT,
    EXIT_IO,          /* exit.io */
    EXIT_MSR_READ,    /* ECX names it */
    EXIT_MSR_WRITE,
    EXIT_MEMORY,      /* exit.memory: no translation, or one without that right */
    EXIT_HYPERCALL,   /* VMCALL or VMMCALL */
    EXIT_XSETBV,
    EXIT_CR_ACCESS,   /* exit.cr */
    EXIT_CACHE,       /* INVD, WBINVD */
    EXIT_MONITOR,     /* MONITOR, MWAIT */
    EXIT_VIRTUALIZATION, /* an instruction of VMX or SVM: the guest has neither */
    EXIT_EXCEPTION,   /* exit.exception: one that the kernel intercepts and does not keep */
    EXIT_TASK_SWITCH,
    EXIT_SHUTDOWN,    /* triple fault, or INIT in a bad place */
    EXIT_RECALL,      /* somebody called SYS_VCPU_RECALL; nothing happened in the guest */
    EXIT_INVALID_STATE, /* the hardware refused the state at entry; exit.raw says how */
    EXIT_UNKNOWN,     /* exit.raw: what the hardware said, for the log only */

    /* Kept by the kernel, never seen by a VMM. */
    EXIT_HOST_INTERRUPT,
    EXIT_NMI,
    EXIT_MACHINE_CHECK,
    EXIT_IRQ_WINDOW,
    EXIT_PAGE_FAULT, /* under vTLB; exit.exception */
    EXIT_INVLPG,     /* likewise */

    EXIT_REASON_COUNT
};

struct vcpu_exit {
    uint32_t reason;      /* enum exit_reason */
    uint32_t insn_length; /* bytes, or 0: the hardware did not say, decode */
    union {
        struct {
            uint16_t port;
            uint8_t size;    /* 1, 2 or 4 */
            bool in;
            bool string;     /* INS or OUTS: decode for segment and address size */
            bool repeat;
            uint8_t reserved[2];
        } io;
        struct {
            uint64_t gpa;
            uint32_t access; /* enum memory_rights: what the guest tried */
            uint32_t reserved;
        } memory;
        struct {
            uint8_t number;  /* 0, 3, 4, 8 */
            bool write;
            uint8_t gpr;     /* enum vcpu_gpr, when known */
            bool decode;     /* the hardware did not say which: decode */
            uint32_t reserved;
        } cr;
        struct {
            uint8_t vector;
            bool has_error;
            uint8_t reserved[2];
            uint32_t error;
            uint64_t address; /* of a page fault */
        } exception;
        uint64_t raw[2];
    };
};
_Static_assert(sizeof(struct vcpu_exit) == 24, "abi");

struct vcpu_segment {
    uint16_t selector;
    uint16_t attributes; /* as in a descriptor's bytes 5..6: type, S, DPL, P; AVL, L, D/B, G in
                            bits 8..11; bit 15: unusable */
    uint32_t limit;      /* bytes, already scaled by G */
    uint64_t base;
};
_Static_assert(sizeof(struct vcpu_segment) == 16, "abi");
#define SEGMENT_UNUSABLE 0x8000u

enum vcpu_segment_index { SEG_ES, SEG_CS, SEG_SS, SEG_DS, SEG_FS, SEG_GS, SEG_LDTR, SEG_TR, SEG_COUNT };

/* Why an interrupt cannot be taken now, apart from RFLAGS.IF. */
enum vcpu_interruptibility {
    BLOCKED_BY_STI_OR_MOV_SS = 1,
    BLOCKED_BY_NMI = 2,
};

/* An exception, NMI or software event to be delivered at the next entry, whatever RFLAGS.IF. */
struct vcpu_injection {
    uint8_t valid;     /* 0 or 1 */
    uint8_t type;      /* enum vcpu_injection_type */
    uint8_t vector;
    uint8_t has_error; /* 0 or 1 */
    uint32_t error;
};
_Static_assert(sizeof(struct vcpu_injection) == 8, "abi");
enum vcpu_injection_type { INJECT_NMI = 2, INJECT_EXCEPTION = 3 };

struct vcpu_state {
    struct vcpu_exit exit;           /* 0x000 kernel → VMM */
    uint32_t valid;                  /* 0x018 kernel → VMM: groups brought by this exit */
    uint32_t dirty;                  /* 0x01c VMM → kernel: groups to load; cleared on reply */
    struct vcpu_injection injection; /* 0x020 VMM → kernel; cleared on reply */
    /*
     * The external interrupt that the guest shall take as soon as it can: IRQ_VALID | vector,
     * or 0. The kernel opens the interrupt window by itself. On every exit it says here what is
     * still pending: 0 after a nonzero value means delivered, and the VMM does the controller's
     * acknowledge cycle then.
     */
    uint32_t irq;                    /* 0x028 both ways */
    uint32_t interruptibility;       /* 0x02c STATE_IP */

    uint64_t gpr[GPR_COUNT];         /* 0x030 */
    uint64_t rip;                    /* 0x0b0 STATE_IP */
    uint64_t rflags;                 /* 0x0b8 STATE_IP */

    uint64_t cr0;                    /* 0x0c0 STATE_CONTROL */
    uint64_t cr2;
    uint64_t cr3;
    uint64_t cr4;
    uint64_t efer;                   /* 0x0e0 */
    uint64_t dr7;                    /* 0x0e8 STATE_DEBUG */

    struct vcpu_segment segment[SEG_COUNT]; /* 0x0f0 STATE_SEGMENTS */
    struct vcpu_segment gdtr;        /* 0x170 STATE_TABLES: base and limit only */
    struct vcpu_segment idtr;

    uint64_t star;                   /* 0x190 STATE_MSRS */
    uint64_t lstar;
    uint64_t cstar;
    uint64_t fmask;
    uint64_t kernel_gs_base;
    uint64_t sysenter_cs;
    uint64_t sysenter_esp;
    uint64_t sysenter_eip;
    uint64_t pat;                    /* 0x1d0 */

    uint64_t xcr0;                   /* 0x1d8 STATE_XCR0 */
};
_Static_assert(offsetof(struct vcpu_state, valid) == 0x018, "abi");
_Static_assert(offsetof(struct vcpu_state, irq) == 0x028, "abi");
_Static_assert(offsetof(struct vcpu_state, gpr) == 0x030, "abi: entry.S of the backends");
_Static_assert(offsetof(struct vcpu_state, rip) == 0x0b0, "abi");
_Static_assert(offsetof(struct vcpu_state, segment) == 0x0f0, "abi");
_Static_assert(offsetof(struct vcpu_state, star) == 0x190, "abi");
_Static_assert(sizeof(struct vcpu_state) <= PAGE_SIZE, "abi");

#define IRQ_VALID 0x100u
