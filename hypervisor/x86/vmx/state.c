/* SPDX-License-Identifier: Apache-2.0 */
#include "x86/vmx/state.h"

#include "lib/registers.h"

/*
 * CR4: VME PVI TSD DE PSE PAE MCE PGE PCE OSFXSR OSXMMEXCPT UMIP, FSGSBASE, PCIDE, OSXSAVE SMEP
 * SMAP. Not VMXE and SMXE (no nesting), LA57 (48-bit addresses only), PKE, CET and PKS (their state
 * is not switched).
 */
#define CR4_OFFERED 0x370fffUL
struct vmx_limits vmx_make_limits(uint64_t cr4_fixed0, uint64_t cr4_fixed1, uint64_t host_cr4,
                                  bool nx, unsigned physical_bits)
{
    return (struct vmx_limits){
        .cr4_must = cr4_fixed0 | (host_cr4 & CR4_MCE),
        .may = {.cr4 = CR4_OFFERED & cr4_fixed1,
                .efer = EFER_SCE | EFER_LME | EFER_LMA | (nx ? EFER_NXE : 0),
                .physical_bits = physical_bits},
    };
}

uint64_t vmx_cr4_mask(const struct vmx_limits *limits)
{
    return ~limits->may.cr4 | limits->cr4_must;
}

uint64_t vmx_real_cr0(uint64_t cr0)
{
    return (cr0 & ~(uint64_t)CR0_HOST_OWNED) | CR0_NE;
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
