/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What this processor's VMX can do, and what of it is used. No instructions: tested on the host. */
#include <stdbool.h>
#include <stdint.h>

/* The capability MSRs as read (SDM vol 3, appendix A); 0 where the processor has no such MSR. */
struct vmx_msrs {
    uint64_t basic;
    uint64_t pin, processor, secondary, exit, entry; /* the true controls where there are any */
    uint64_t ept_vpid, misc;
    uint64_t cr0_fixed0, cr0_fixed1, cr4_fixed0, cr4_fixed1;
};

/* The same on every processor of a machine. Compared as a whole: it has no padding. */
struct vmx_features {
    uint32_t revision; /* to be written into every VMXON region and VMCS */
    uint32_t pin, processor, secondary, exit, entry;
    uint32_t invept_single, invvpid_single; /* else all contexts at once */
    uint32_t nested; /* 1: by EPT, with all that takes here */
    uint32_t reserved;
    uint64_t cr0_fixed1, cr4_fixed1;    /* bits that may be 1 */
    uint64_t cr0_fixed0, cr4_fixed0;    /* bits that must be 1 in VMX operation */
};
_Static_assert(sizeof(struct vmx_features) == 10 * 4 + 4 * 8, "no padding");

/* IA32_FEATURE_CONTROL (SDM vol 3, 23.7). */
#define FEATURE_CONTROL_LOCKED (1UL << 0)
#define FEATURE_CONTROL_VMX (1UL << 2) /* outside SMX */

/* Has the firmware locked VMX out? */
bool vmx_disabled_by_firmware(uint64_t feature_control);

/* Returns NULL and the features to use, or what is missing ("no EPT"). */
const char *vmx_choose(const struct vmx_msrs *msrs, struct vmx_features *features);
