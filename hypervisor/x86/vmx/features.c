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

/* IA32_VMX_MISC (A.6): the preemption timer counts once in 2^rate ticks of the TSC. */
#define MISC_TIMER_RATE 0x1fUL

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
    {0, NULL},
};
static const struct need no_needs[] = {{0, NULL}};
static const struct need exit_needs[] = {
    {EXIT_SAVE_DEBUG, "no saving of debug controls on exit"},
    {EXIT_HOST_64, "no 64-bit host"},
    {EXIT_ACKNOWLEDGE, "no acknowledge interrupt on exit"},
    {0, NULL},
};
static const struct need entry_needs[] = {
    {ENTRY_LOAD_DEBUG, "no loading of debug controls on entry"},
    {ENTRY_GUEST_64, "no 64-bit guest"},
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

static bool loads_registers(const struct vmx_features *features)
{
    const uint32_t exit = EXIT_LOAD_PAT | EXIT_SAVE_EFER | EXIT_LOAD_EFER;
    const uint32_t entry = ENTRY_LOAD_PAT | ENTRY_LOAD_EFER;

    return (features->exit & exit) == exit && (features->entry & entry) == entry;
}

/* Nested paging is used if nothing is missing that it takes here: also unrestricted guests, and
 * EFER and PAT that change with the guest. */
#define EPT_NEEDS (EPT_WALK_4 | EPT_WRITE_BACK | EPT_2_MIB | EPT_INVEPT)
static void choose_ept(uint64_t cap, struct vmx_features *features)
{
    const uint32_t needs = SECONDARY_EPT | SECONDARY_UNRESTRICTED;

    features->invept_single = (cap & EPT_INVEPT_SINGLE) != 0;
    features->invvpid_single = (cap & EPT_INVVPID_SINGLE) != 0;
    features->nested = (features->secondary & needs) == needs && (cap & EPT_NEEDS) == EPT_NEEDS &&
                       (cap & (EPT_INVEPT_SINGLE | EPT_INVEPT_ALL)) && loads_registers(features);
    if (!features->nested) {
        features->secondary &= ~needs;
    }
    if (!(cap & EPT_INVVPID) || !(cap & (EPT_INVVPID_SINGLE | EPT_INVVPID_ALL))) {
        features->secondary &= ~SECONDARY_VPID;
    }
}

/* The preemption timer is for Bochs, which alone counts with every tick: there an interrupt waits
 * while a guest that was entered with RFLAGS.IF clear leaves it so (docs/limits.md). */
static uint32_t pin_wishes(const struct vmx_msrs *msrs)
{
    return PIN_VIRTUAL_NMIS | (msrs->misc & MISC_TIMER_RATE ? 0 : PIN_PREEMPTION_TIMER);
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
    missing = choose(msrs->pin, pin_needs, pin_wishes(msrs), &features->pin);
    if (!missing) {
        missing = choose(msrs->processor, processor_needs, PROCESSOR_SECONDARY,
                         &features->processor);
        features->processor &= ~PROCESSOR_IRQ_WINDOW; /* to be had, but not on now */
    }
    if (!missing) {
        missing = choose(msrs->secondary, no_needs,
                         SECONDARY_EPT | SECONDARY_UNRESTRICTED | SECONDARY_VPID | SECONDARY_WBINVD,
                         &features->secondary);
    }
    if (!missing) {
        missing = choose(msrs->exit, exit_needs, EXIT_LOAD_PAT | EXIT_SAVE_EFER | EXIT_LOAD_EFER,
                         &features->exit);
    }
    if (!missing) {
        missing = choose(msrs->entry, entry_needs, ENTRY_LOAD_PAT | ENTRY_LOAD_EFER,
                         &features->entry);
        features->entry &= ~ENTRY_GUEST_64; /* follows EFER.LMA */
        choose_ept(msrs->ept_vpid, features);
    }
    return missing;
}
