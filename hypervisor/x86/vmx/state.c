/* SPDX-License-Identifier: Apache-2.0 */
#include "x86/vmx/state.h"

#include "virt/vcpu.h"
#include "x86/instr.h"

/* CR0 (SDM vol 3, 2.5): PE MP EM TS ET NE, WP, AM, NW CD PG. */
#define CR0_DEFINED 0xe005003fUL
/*
 * CR4: VME PVI TSD DE PSE PAE MCE PGE PCE OSFXSR OSXMMEXCPT UMIP, FSGSBASE, OSXSAVE SMEP SMAP.
 * Not VMXE and SMXE (no nesting), LA57 (48-bit addresses only), PCIDE, PKE, CET and PKS (their
 * state is not switched).
 */
#define CR4_OFFERED 0x350fffUL
#define CR4_MCE (1UL << 6)
/* DR7: 12, 14, 15 and the upper half are 0 (11, RTM, is not offered). */
#define DR7_RESERVED 0xffffffff0000d800UL
#define ATTRIBUTES_DEFINED 0x8fffu

struct vmx_limits vmx_make_limits(uint64_t cr4_fixed0, uint64_t cr4_fixed1, uint64_t host_cr4,
                                  bool nx, unsigned physical_bits)
{
    return (struct vmx_limits){
        .cr0_must = CR0_NE,
        .cr4_must = cr4_fixed0 | (host_cr4 & CR4_MCE),
        .cr4_allowed = CR4_OFFERED & cr4_fixed1,
        .efer_allowed = EFER_SCE | EFER_LME | EFER_LMA | (nx ? EFER_NXE : 0),
        .physical_bits = physical_bits,
    };
}

/* ---- Validation --------------------------------------------------------------------------- */

static bool below_4g(uint64_t value)
{
    return value >> 32 == 0;
}

static bool check_control(const struct vmx_limits *limits, const struct vcpu_state *in)
{
    bool paging = (in->cr0 & CR0_PG) != 0;
    bool long_mode = paging && (in->efer & EFER_LME) != 0;

    return (in->cr0 & ~CR0_DEFINED) == 0 && (!paging || (in->cr0 & CR0_PE)) &&
           (!(in->cr0 & CR0_NW) || (in->cr0 & CR0_CD)) && (in->cr4 & ~limits->cr4_allowed) == 0 &&
           (in->efer & ~limits->efer_allowed) == 0 && (!long_mode || (in->cr4 & CR4_PAE)) &&
           in->cr3 >> limits->physical_bits == 0;
}

static bool check_segment(const struct vcpu_segment *segment, bool wide_base)
{
    return (segment->attributes & ~ATTRIBUTES_DEFINED) == 0 &&
           (wide_base ? canonical(segment->base)
                      : (segment->attributes & SEGMENT_UNUSABLE) || below_4g(segment->base));
}

/* FS, GS, LDTR and TR have bases of 64 bits, the others of 32 (SDM vol 3, 26.3.1.2). */
static bool check_segments(const struct vcpu_state *in)
{
    for (unsigned i = 0; i < SEG_COUNT; i++) {
        if (!check_segment(&in->segment[i], i >= SEG_FS)) {
            return false;
        }
    }
    return true;
}

static bool check_table(const struct vcpu_segment *table)
{
    return canonical(table->base) && table->limit <= 0xffff;
}

/* Each byte a memory type: 0, 1, 4 .. 7 (SDM vol 3, 11.12.2). */
static bool check_pat(uint64_t pat)
{
    for (unsigned shift = 0; shift < 64; shift += 8) {
        unsigned type = pat >> shift & 0xff;

        if (type > 7 || type == 2 || type == 3) {
            return false;
        }
    }
    return true;
}

/* STAR takes anything; FMASK's upper half is reserved, and WRMSR of it would fault in the kernel,
 * as would an address that is not canonical. */
static bool check_msrs(const struct vcpu_state *in)
{
    return canonical(in->lstar) && canonical(in->cstar) && below_4g(in->fmask) &&
           canonical(in->kernel_gs_base) && below_4g(in->sysenter_cs) &&
           canonical(in->sysenter_esp) && canonical(in->sysenter_eip) && check_pat(in->pat);
}

enum status vmx_check_state(const struct vmx_limits *limits, const struct vcpu_state *in,
                            uint32_t groups)
{
    bool good = (!(groups & STATE_IP) ||
                 vcpu_ip_valid(in->rip, in->rflags, in->interruptibility)) &&
                (!(groups & STATE_CONTROL) || check_control(limits, in)) &&
                (!(groups & STATE_SEGMENTS) || check_segments(in)) &&
                (!(groups & STATE_TABLES) || (check_table(&in->gdtr) && check_table(&in->idtr))) &&
                (!(groups & STATE_DEBUG) || (in->dr7 & DR7_RESERVED) == 0) &&
                (!(groups & STATE_MSRS) || check_msrs(in));

    return good ? STATUS_OK : STATUS_BAD_ARGUMENT;
}

/* ---- Conversion --------------------------------------------------------------------------- */

uint64_t vmx_cr4_mask(const struct vmx_limits *limits)
{
    return ~limits->cr4_allowed | limits->cr4_must;
}

uint64_t vmx_real_cr0(const struct vmx_limits *limits, uint64_t cr0)
{
    return (cr0 & ~(uint64_t)CR0_HOST_OWNED) | limits->cr0_must;
}

uint64_t vmx_real_cr4(const struct vmx_limits *limits, uint64_t cr4)
{
    return (cr4 & ~vmx_cr4_mask(limits)) | limits->cr4_must;
}

uint64_t vmx_real_efer(uint64_t efer, uint64_t cr0)
{
    return (efer & EFER_LME) && (cr0 & CR0_PG) ? efer | EFER_LMA : efer & ~EFER_LMA;
}

/* Of an unusable segment the other bits count too: SS.DPL is the privilege level always. */
uint32_t vmx_access_rights(uint16_t attributes)
{
    return (attributes & 0xffu) | (attributes & 0xf00u) << 4 |
           (attributes & SEGMENT_UNUSABLE ? ACCESS_UNUSABLE : 0u);
}

uint16_t vmx_attributes(uint32_t access_rights)
{
    return (uint16_t)((access_rights & 0xffu) | (access_rights >> 4 & 0xf00u) |
                      (access_rights & ACCESS_UNUSABLE ? SEGMENT_UNUSABLE : 0u));
}

uint32_t vmx_interruptibility(uint32_t abi, uint32_t before)
{
    uint32_t shadow = before & (BLOCKING_BY_STI | BLOCKING_BY_MOV_SS);
    uint32_t value = before & ~(BLOCKING_BY_STI | BLOCKING_BY_MOV_SS | BLOCKING_BY_NMI);

    if (abi & BLOCKED_BY_STI_OR_MOV_SS) {
        /* MOV SS's shadow is the one that entry takes whatever RFLAGS.IF (SDM vol 3, 26.3.1.5). */
        value |= shadow ? shadow : BLOCKING_BY_MOV_SS;
    }
    if (abi & BLOCKED_BY_NMI) {
        value |= BLOCKING_BY_NMI;
    }
    return value;
}
