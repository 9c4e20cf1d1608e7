/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The virtual-machine control structure: its fields' encodings (SDM vol 3, appendix B), the bits of
 * its controls (SDM vol 3, 24.6 to 24.8), and how it is reached. This header holds numbers only;
 * the instructions stand in vmx_insn.h.
 */
#include <stdint.h>

enum vmcs_field {
    /* 16 bits */
    VMCS_VPID = 0x0000,
    VMCS_GUEST_ES_SELECTOR = 0x0800, /* the eight of SEG_ES .. SEG_TR follow at distance 2 */
    VMCS_HOST_ES_SELECTOR = 0x0c00,
    VMCS_HOST_CS_SELECTOR = 0x0c02,
    VMCS_HOST_SS_SELECTOR = 0x0c04,
    VMCS_HOST_DS_SELECTOR = 0x0c06,
    VMCS_HOST_FS_SELECTOR = 0x0c08,
    VMCS_HOST_GS_SELECTOR = 0x0c0a,
    VMCS_HOST_TR_SELECTOR = 0x0c0c,

    /* 64 bits */
    VMCS_IO_BITMAP_A = 0x2000,
    VMCS_IO_BITMAP_B = 0x2002,
    VMCS_MSR_BITMAP = 0x2004,
    VMCS_EPT_POINTER = 0x201a,
    VMCS_GUEST_PHYSICAL_ADDRESS = 0x2400,
    VMCS_LINK_POINTER = 0x2800,
    VMCS_GUEST_DEBUGCTL = 0x2802,
    VMCS_GUEST_PAT = 0x2804,
    VMCS_GUEST_EFER = 0x2806,
    VMCS_HOST_PAT = 0x2c00,
    VMCS_HOST_EFER = 0x2c02,

    /* 32 bits */
    VMCS_PIN_CONTROLS = 0x4000,
    VMCS_PROCESSOR_CONTROLS = 0x4002,
    VMCS_EXCEPTION_BITMAP = 0x4004,
    VMCS_PAGE_FAULT_MASK = 0x4006,
    VMCS_PAGE_FAULT_MATCH = 0x4008,
    VMCS_CR3_TARGET_COUNT = 0x400a,
    VMCS_EXIT_CONTROLS = 0x400c,
    VMCS_EXIT_MSR_STORE_COUNT = 0x400e,
    VMCS_EXIT_MSR_LOAD_COUNT = 0x4010,
    VMCS_ENTRY_CONTROLS = 0x4012,
    VMCS_ENTRY_MSR_LOAD_COUNT = 0x4014,
    VMCS_ENTRY_INTERRUPTION = 0x4016,
    VMCS_ENTRY_ERROR_CODE = 0x4018,
    VMCS_ENTRY_INSN_LENGTH = 0x401a,
    VMCS_SECONDARY_CONTROLS = 0x401e,
    VMCS_INSN_ERROR = 0x4400,
    VMCS_EXIT_REASON = 0x4402,
    VMCS_EXIT_INTERRUPTION = 0x4404,
    VMCS_EXIT_INTERRUPTION_ERROR = 0x4406,
    VMCS_VECTORING = 0x4408,
    VMCS_VECTORING_ERROR = 0x440a,
    VMCS_EXIT_INSN_LENGTH = 0x440c,
    VMCS_GUEST_ES_LIMIT = 0x4800, /* the eight, and GDTR and IDTR, at distance 2 */
    VMCS_GUEST_GDTR_LIMIT = 0x4810,
    VMCS_GUEST_IDTR_LIMIT = 0x4812,
    VMCS_GUEST_ES_ACCESS = 0x4814, /* the eight */
    VMCS_GUEST_INTERRUPTIBILITY = 0x4824,
    VMCS_GUEST_ACTIVITY = 0x4826,
    VMCS_GUEST_SYSENTER_CS = 0x482a,
    VMCS_PREEMPTION_TIMER = 0x482e,
    VMCS_HOST_SYSENTER_CS = 0x4c00,

    /* natural width */
    VMCS_CR0_MASK = 0x6000,
    VMCS_CR4_MASK = 0x6002,
    VMCS_CR0_SHADOW = 0x6004,
    VMCS_CR4_SHADOW = 0x6006,
    VMCS_EXIT_QUALIFICATION = 0x6400,
    VMCS_GUEST_CR0 = 0x6800,
    VMCS_GUEST_CR3 = 0x6802,
    VMCS_GUEST_CR4 = 0x6804,
    VMCS_GUEST_ES_BASE = 0x6806, /* the eight, and GDTR and IDTR, at distance 2 */
    VMCS_GUEST_GDTR_BASE = 0x6816,
    VMCS_GUEST_IDTR_BASE = 0x6818,
    VMCS_GUEST_DR7 = 0x681a,
    VMCS_GUEST_RSP = 0x681c,
    VMCS_GUEST_RIP = 0x681e,
    VMCS_GUEST_RFLAGS = 0x6820,
    VMCS_GUEST_PENDING_DEBUG = 0x6822,
    VMCS_GUEST_SYSENTER_ESP = 0x6824,
    VMCS_GUEST_SYSENTER_EIP = 0x6826,
    VMCS_HOST_CR0 = 0x6c00,
    VMCS_HOST_CR3 = 0x6c02,
    VMCS_HOST_CR4 = 0x6c04,
    VMCS_HOST_FS_BASE = 0x6c06,
    VMCS_HOST_GS_BASE = 0x6c08,
    VMCS_HOST_TR_BASE = 0x6c0a,
    VMCS_HOST_GDTR_BASE = 0x6c0c,
    VMCS_HOST_IDTR_BASE = 0x6c0e,
    VMCS_HOST_SYSENTER_ESP = 0x6c10,
    VMCS_HOST_SYSENTER_EIP = 0x6c12,
    VMCS_HOST_RSP = 0x6c14,
    VMCS_HOST_RIP = 0x6c16,
};

/* The field of a segment or table register, from the first of its kind. */
#define VMCS_NTH(first, n) ((uint32_t)(first) + 2 * (uint32_t)(n))

/* Pin-based controls (SDM vol 3, 24.6.1). */
#define PIN_EXTERNAL_INTERRUPT (1u << 0)
#define PIN_NMI (1u << 3)
#define PIN_VIRTUAL_NMIS (1u << 5)
#define PIN_PREEMPTION_TIMER (1u << 6)

/* Primary processor-based controls (24.6.2). */
#define PROCESSOR_IRQ_WINDOW (1u << 2)
#define PROCESSOR_HLT (1u << 7)
#define PROCESSOR_INVLPG (1u << 9)
#define PROCESSOR_MWAIT (1u << 10)
#define PROCESSOR_RDPMC (1u << 11)
#define PROCESSOR_CR3_LOAD (1u << 15)
#define PROCESSOR_CR3_STORE (1u << 16)
#define PROCESSOR_CR8_LOAD (1u << 19)
#define PROCESSOR_CR8_STORE (1u << 20)
#define PROCESSOR_IO_BITMAPS (1u << 25)
#define PROCESSOR_MSR_BITMAPS (1u << 28)
#define PROCESSOR_MONITOR (1u << 29)
#define PROCESSOR_SECONDARY (1u << 31)

/* Secondary processor-based controls. */
#define SECONDARY_EPT (1u << 1)
#define SECONDARY_VPID (1u << 5)
#define SECONDARY_WBINVD (1u << 6)
#define SECONDARY_UNRESTRICTED (1u << 7)

/* VM-exit controls (24.7.1). */
#define EXIT_SAVE_DEBUG (1u << 2)
#define EXIT_HOST_64 (1u << 9)
#define EXIT_ACKNOWLEDGE (1u << 15)
#define EXIT_LOAD_PAT (1u << 19)
#define EXIT_SAVE_EFER (1u << 20)
#define EXIT_LOAD_EFER (1u << 21)

/* VM-entry controls (24.8.1). */
#define ENTRY_LOAD_DEBUG (1u << 2)
#define ENTRY_GUEST_64 (1u << 9)
#define ENTRY_LOAD_PAT (1u << 14)
#define ENTRY_LOAD_EFER (1u << 15)

/* Interruption information, on entry, exit and vectoring (24.8.3, 24.9.2, 24.9.3). The types are
 * those of enum vcpu_event_type. */
#define INTERRUPTION_VALID (1u << 31)
#define INTERRUPTION_ERROR (1u << 11)
#define INTERRUPTION_NMI_UNBLOCKED (1u << 12) /* exit: by an IRET */
#define INTERRUPTION_TYPE(info) ((info) >> 8 & 7)
#define INTERRUPTION_VECTOR(info) ((info)&0xff)

/* Guest interruptibility state (24.4.2). */
#define BLOCKING_BY_STI (1u << 0)
#define BLOCKING_BY_MOV_SS (1u << 1)
#define BLOCKING_BY_NMI (1u << 3)

/* Segment access rights (24.4.1). */
#define ACCESS_UNUSABLE (1u << 16)

/* Exit reason (24.9.1): bits 15:0 are the basic reason. */
#define REASON_BASIC 0xffffu
#define REASON_ENTRY_FAILED (1u << 31)

/* Exit qualification of an EPT violation (27.2.1, table 27-7). */
#define EPT_VIOLATION_ACCESS 7u /* read, write, fetch */
#define EPT_VIOLATION_NMI_UNBLOCKED (1u << 12)

/* EPT pointer (24.6.11): write-back, four levels, no accessed and dirty flags. */
#define EPTP_WRITE_BACK_4_LEVELS 0x1eu
