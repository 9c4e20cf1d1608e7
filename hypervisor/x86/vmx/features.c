/* SPDX-License-Identifier: Apache-2.0 */
#include "x86/vmx/features.h"

#include <stddef.h>

#include "x86/vmx/vmcs.h"

/* IA32_VMX_EPT_VPID_CAP (SDM vol 3, A.10). */
#define EPT_WALK_4 (1UL << 6)
#define EPT_WRITE_BACK (1UL << 14)
#define EPT_2_MIB (1UL << 16)
#define EPT_INVEPT (1UL << 20)
#define EPT_INVEPT_SINGLE (1UL << 25)
#define EPT_INVEPT_ALL (1UL << 26)
#define EPT_INVVPID (1UL << 32)
#define EPT_INVVPID_SINGLE (1UL << 41)
#define EPT_INVVPID_ALL (1UL << 42)

/* A control's name for the boot log, when it cannot be had. */
struct need {
    uint32_t bit;
    const char *name;
};

static const struct need pin_needs[] = {
    {PIN_EXTERNAL_INTERRUPT, "no external-interrupt exiting"},
    {PIN_NMI, "no NMI exiting"},
    {0, NULL},
};
static const struct need processor_needs[] = {
    {PROCESSOR_IRQ_WINDOW, "no interrupt-window exiting"},
    {PROCESSOR_HLT, "no HLT exiting"},
    {PROCESSOR_MWAIT, "no MWAIT exiting"},
    {PROCESSOR_MONITOR, "no MONITOR exiting"},
    {PROCESSOR_RDPMC, "no RDPMC exiting"},
    {PROCESSOR_CR8_LOAD, "no CR8-load exiting"},
    {PROCESSOR_CR8_STORE, "no CR8-store exiting"},
    {PROCESSOR_IO_BITMAPS, "no I/O bitmaps"},
    {PROCESSOR_MSR_BITMAPS, "no MSR bitmaps"},
    {PROCESSOR_SECONDARY, "no EPT (no secondary controls at all)"},
    {0, NULL},
};
static const struct need secondary_needs[] = {
    {SECONDARY_EPT, "no EPT"},
    {SECONDARY_UNRESTRICTED, "no unrestricted guest"},
    {0, NULL},
};
static const struct need exit_needs[] = {
    {EXIT_SAVE_DEBUG, "no saving of debug controls on exit"},
    {EXIT_HOST_64, "no 64-bit host"},
    {EXIT_ACKNOWLEDGE, "no acknowledge interrupt on exit"},
    {EXIT_LOAD_PAT, "no PAT load on exit"},
    {EXIT_SAVE_EFER, "no EFER save on exit"},
    {EXIT_LOAD_EFER, "no EFER load on exit"},
    {0, NULL},
};
static const struct need entry_needs[] = {
    {ENTRY_LOAD_DEBUG, "no loading of debug controls on entry"},
    {ENTRY_GUEST_64, "no 64-bit guest"},
    {ENTRY_LOAD_PAT, "no PAT load on entry"},
    {ENTRY_LOAD_EFER, "no EFER load on entry"},
    {0, NULL},
};

/* A capability MSR's low half: bits that must be 1. Its high half: bits that may be (A.3). */
static uint32_t must(uint64_t msr)
{
    return (uint32_t)msr;
}

static uint32_t may(uint64_t msr)
{
    return (uint32_t)(msr >> 32);
}

/* Returns the name of the first control that cannot be had, or NULL and the controls: what is
 * needed, what of `wishes` is possible, and what the processor insists on. */
static const char *choose(uint64_t msr, const struct need *needs, uint32_t wishes, uint32_t *out)
{
    uint32_t value = must(msr) | (wishes & may(msr));

    for (; needs->name; needs++) {
        if (!(may(msr) & needs->bit)) {
            return needs->name;
        }
        value |= needs->bit;
    }
    *out = value;
    return NULL;
}

static const char *choose_ept(uint64_t cap, struct vmx_features *features)
{
    if (!(cap & EPT_WALK_4)) {
        return "no EPT with four levels";
    }
    if (!(cap & EPT_WRITE_BACK)) {
        return "no EPT structures of write-back memory type";
    }
    if (!(cap & EPT_2_MIB)) {
        return "no EPT with 2 MiB pages";
    }
    if (!(cap & EPT_INVEPT) || !(cap & (EPT_INVEPT_SINGLE | EPT_INVEPT_ALL))) {
        return "no INVEPT";
    }
    features->invept_single = (cap & EPT_INVEPT_SINGLE) != 0;
    features->invvpid_single = (cap & EPT_INVVPID_SINGLE) != 0;
    if (!(cap & EPT_INVVPID) || !(cap & (EPT_INVVPID_SINGLE | EPT_INVVPID_ALL))) {
        features->secondary &= ~SECONDARY_VPID;
    }
    return NULL;
}

bool vmx_disabled_by_firmware(uint64_t feature_control)
{
    return (feature_control & FEATURE_CONTROL_LOCKED) && !(feature_control & FEATURE_CONTROL_VMX);
}

const char *vmx_choose(const struct vmx_msrs *msrs, struct vmx_features *features)
{
    const char *missing;

    *features = (struct vmx_features){
        .revision = (uint32_t)msrs->basic & 0x7fffffff,
        .cr0_fixed0 = msrs->cr0_fixed0,
        .cr0_fixed1 = msrs->cr0_fixed1,
        .cr4_fixed0 = msrs->cr4_fixed0,
        .cr4_fixed1 = msrs->cr4_fixed1,
    };
    missing = choose(msrs->pin, pin_needs, PIN_VIRTUAL_NMIS, &features->pin);
    if (!missing) {
        missing = choose(msrs->processor, processor_needs, 0, &features->processor);
        features->processor &= ~PROCESSOR_IRQ_WINDOW; /* to be had, but not on now */
    }
    if (!missing) {
        missing = choose(msrs->secondary, secondary_needs, SECONDARY_VPID | SECONDARY_WBINVD,
                         &features->secondary);
    }
    if (!missing) {
        missing = choose_ept(msrs->ept_vpid, features);
    }
    if (!missing) {
        missing = choose(msrs->exit, exit_needs, 0, &features->exit);
    }
    if (!missing) {
        missing = choose(msrs->entry, entry_needs, 0, &features->entry);
        features->entry &= ~ENTRY_GUEST_64; /* follows EFER.LMA */
    }
    return missing;
}
