/* SPDX-License-Identifier: Apache-2.0 */
#include "virt/state.h"

#include "lib/registers.h"

#define ATTRIBUTES_DEFINED (SEGMENT_UNUSABLE | 0xfffu)
/* DR7: 12, 14, 15 and the upper half are 0 (SDM vol 3, 17.2.4; 11, RTM, is not offered). */
#define DR7_RESERVED 0xffffffff0000d800UL

static bool below_4g(uint64_t value)
{
    return value >> 32 == 0;
}

/* SDM vol 3, 26.3.1.1; APM vol 2, 15.5.1. */
static bool control_valid(const struct vcpu_state *in, const struct vcpu_limits *limits,
                          uint64_t made_cr4)
{
    bool paging = (in->cr0 & CR0_PG) != 0;
    bool long_mode = paging && (in->efer & EFER_LME) != 0;

    return (in->cr0 & ~CR0_DEFINED) == 0 && (!paging || (in->cr0 & CR0_PE)) &&
           (!(in->cr0 & CR0_NW) || (in->cr0 & CR0_CD)) && (in->cr4 & ~(limits->cr4 | made_cr4)) == 0 &&
           (long_mode ? (in->cr4 & CR4_PAE) != 0 : (in->cr4 & CR4_PCIDE) == 0) &&
           (in->efer & ~limits->efer) == 0 &&
           in->cr3 >> limits->physical_bits == 0;
}

/* FS, GS, LDTR and TR have bases of 64 bits, the others of 32 (SDM vol 3, 26.3.1.2). */
static bool segments_valid(const struct vcpu_state *in)
{
    bool valid = true;

    for (unsigned i = 0; i < SEG_COUNT; i++) {
        const struct vcpu_segment *segment = &in->segment[i];

        valid &= (segment->attributes & ~ATTRIBUTES_DEFINED) == 0 &&
                 (i >= SEG_FS ? canonical(segment->base)
                              : (segment->attributes & SEGMENT_UNUSABLE) ||
                                    below_4g(segment->base));
    }
    return valid;
}

static bool table_valid(const struct vcpu_segment *table)
{
    return canonical(table->base) && table->limit <= 0xffff;
}

/* STAR takes anything. A WRMSR of the other values that are refused here would fault in the
 * kernel, and nobody says what VMLOAD makes of them. Each byte of the PAT is a memory type: 0, 1,
 * 4 .. 7 (SDM vol 3, 11.12.2). */
static bool msrs_valid(const struct vcpu_state *in)
{
    bool valid = canonical(in->lstar) && canonical(in->cstar) && below_4g(in->fmask) &&
                 canonical(in->kernel_gs_base) && below_4g(in->sysenter_cs) &&
                 canonical(in->sysenter_esp) && canonical(in->sysenter_eip);

    for (unsigned shift = 0; shift < 64; shift += 8) {
        unsigned type = in->pat >> shift & 0xff;

        valid &= type < 8 && type != 2 && type != 3;
    }
    return valid;
}

bool vcpu_state_valid(const struct vcpu_state *in, uint32_t groups,
                      const struct vcpu_limits *limits, uint64_t made_cr4)
{
    return (!(groups & STATE_IP) ||
            (canonical(in->rip) && (in->rflags & (~RFLAGS_DEFINED | RFLAGS_ONE)) == RFLAGS_ONE &&
             in->interruptibility <= (BLOCKED_BY_STI_OR_MOV_SS | BLOCKED_BY_NMI))) &&
           (!(groups & STATE_CONTROL) || control_valid(in, limits, made_cr4)) &&
           (!(groups & STATE_SEGMENTS) || segments_valid(in)) &&
           (!(groups & STATE_TABLES) || (table_valid(&in->gdtr) && table_valid(&in->idtr))) &&
           (!(groups & STATE_DEBUG) || (in->dr7 & DR7_RESERVED) == 0) &&
           (!(groups & STATE_MSRS) || msrs_valid(in));
}
