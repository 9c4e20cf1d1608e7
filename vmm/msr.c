/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Numbers as in SDM vol 4 and APM vol 2, appendix A. Most of the guest's own MSRs never get here,
 * because the backends let the guest have them; the table names them all the same, so that it
 * does not depend on what a backend can pass.
 */
#include "msr.h"

#include "lib/registers.h"

enum msr_kind {
    MSR_STATE,    /* a field of the vCPU's state; the write is checked by .check */
    MSR_EFER,
    MSR_TSC,      /* read only: the TSC's offset is not the VMM's to change */
    MSR_CONSTANT, /* reads .value; writing anything else is #GP */
    MSR_IGNORE,   /* reads .value; a write has no effect */
};

enum msr_check { CHECK_NONE, CHECK_CANONICAL, CHECK_PAT, CHECK_32_BITS };
enum msr_vendor { ANY, INTEL, AMD };

struct msr_rule {
    uint32_t index;
    uint8_t vendor; /* enum msr_vendor */
    uint8_t kind;   /* enum msr_kind */
    uint8_t check;  /* enum msr_check */
    uint32_t groups;
    size_t offset; /* in struct vcpu_state */
    uint64_t value;
};

#define IN_STATE(group, field) \
    .kind = MSR_STATE, .groups = (group), .offset = offsetof(struct vcpu_state, field)

static const struct msr_rule policy[] = {
    /* The guest's registers. */
    { 0xc0000081, IN_STATE(STATE_MSRS, star) },
    { 0xc0000082, IN_STATE(STATE_MSRS, lstar), .check = CHECK_CANONICAL },
    { 0xc0000083, IN_STATE(STATE_MSRS, cstar), .check = CHECK_CANONICAL },
    { 0xc0000084, IN_STATE(STATE_MSRS, fmask), .check = CHECK_32_BITS },
    { 0xc0000100, IN_STATE(STATE_SEGMENTS, segment[SEG_FS].base), .check = CHECK_CANONICAL },
    { 0xc0000101, IN_STATE(STATE_SEGMENTS, segment[SEG_GS].base), .check = CHECK_CANONICAL },
    { 0xc0000102, IN_STATE(STATE_MSRS, kernel_gs_base), .check = CHECK_CANONICAL },
    { 0x174, IN_STATE(STATE_MSRS, sysenter_cs), .check = CHECK_32_BITS },
    { 0x175, IN_STATE(STATE_MSRS, sysenter_esp), .check = CHECK_CANONICAL },
    { 0x176, IN_STATE(STATE_MSRS, sysenter_eip), .check = CHECK_CANONICAL },
    { 0x277, IN_STATE(STATE_MSRS, pat), .check = CHECK_PAT },
    { 0xc0000080, .kind = MSR_EFER, .groups = STATE_CONTROL },
    { 0x10, .kind = MSR_TSC },

    /* Both vendors: what an operating system looks at without asking CPUID first. */
    { 0x1b, .kind = MSR_CONSTANT, .value = 0xfee00100 },       /* APIC_BASE: BSP, APIC disabled */
    { 0xfe, .kind = MSR_CONSTANT, .value = 0 },                /* MTRRCAP: none */
    { 0x2ff, .kind = MSR_CONSTANT, .value = 0 },               /* MTRR_DEF_TYPE: disabled */
    { 0x179, .kind = MSR_CONSTANT, .value = 0 },               /* MCG_CAP: no banks */
    { 0x17a, .kind = MSR_CONSTANT, .value = 0 },               /* MCG_STATUS */
    { 0x1d9, .kind = MSR_CONSTANT, .value = 0 },               /* DEBUGCTL: nothing enabled */

    /* Intel. */
    { 0x17, .vendor = INTEL, .kind = MSR_CONSTANT },             /* PLATFORM_ID */
    { 0x3a, .vendor = INTEL, .kind = MSR_CONSTANT, .value = 1 }, /* FEATURE_CONTROL: locked, off */
    /* BIOS_SIGN_ID: the guest writes 0 and executes CPUID before it reads. */
    { 0x8b, .vendor = INTEL, .kind = MSR_IGNORE, .value = 1UL << 32 },
    /* MISC_ENABLE: fast strings; neither branch trace nor PEBS. */
    { 0x1a0, .vendor = INTEL, .kind = MSR_IGNORE, .value = 0x1801 },

    /* AMD. */
    { 0x8b, .vendor = AMD, .kind = MSR_CONSTANT, .value = 0 },         /* PATCH_LEVEL */
    { 0xc0010010, .vendor = AMD, .kind = MSR_CONSTANT, .value = 0 },   /* SYSCFG */
    { 0xc0010015, .vendor = AMD, .kind = MSR_IGNORE, .value = 1 << 24 }, /* HWCR: TSC at P0's rate */
    { 0xc001001f, .vendor = AMD, .kind = MSR_IGNORE, .value = 0 },     /* NB_CFG */
    { 0xc0010055, .vendor = AMD, .kind = MSR_CONSTANT, .value = 0 },   /* INT_PENDING: no C1E */
    { 0xc0010114, .vendor = AMD, .kind = MSR_CONSTANT, .value = 0x18 }, /* VM_CR: SVM locked off */
    { 0xc0011029, .vendor = AMD, .kind = MSR_IGNORE, .value = 2 },     /* DE_CFG: LFENCE serializes */
};

#define EFER_GUEST (EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE)

const struct msr_rule *msr_find(uint32_t index, bool intel)
{
    for (size_t i = 0; i < sizeof(policy) / sizeof(policy[0]); i++) {
        const struct msr_rule *rule = &policy[i];
        if (rule->index == index &&
            (rule->vendor == ANY || rule->vendor == (intel ? INTEL : AMD))) {
            return rule;
        }
    }
    return NULL;
}

uint32_t msr_groups(const struct msr_rule *rule)
{
    return rule->groups;
}

static bool is_canonical(uint64_t value)
{
    uint64_t high = value >> 47;
    return high == 0 || high == 0x1ffff;
}

/* Each byte is 0, 1, 4, 5, 6 or 7 (SDM vol 3, 12.12.2). */
static bool is_pat(uint64_t value)
{
    for (unsigned i = 0; i < 64; i += 8) {
        uint64_t type = value >> i & 0xff;
        if (type > 7 || type == 2 || type == 3) {
            return false;
        }
    }
    return true;
}

static bool check(uint8_t check, uint64_t value)
{
    switch (check) {
    case CHECK_CANONICAL:
        return is_canonical(value);
    case CHECK_PAT:
        return is_pat(value);
    case CHECK_32_BITS:
        return value <= UINT32_MAX;
    default:
        return true;
    }
}

/* LMA belongs to the processor, LME holds still while paging is on (SDM vol 3, 2.2.1). The
 * hypervisor's own bits (SVME) are neither shown nor accepted. */
static bool write_efer(struct vcpu_state *state, uint64_t value)
{
    uint64_t changed = value ^ state->efer;

    if ((value & ~(uint64_t)EFER_GUEST) || ((changed & EFER_LME) && (state->cr0 & CR0_PG))) {
        return false;
    }
    state->efer = (value & ~(uint64_t)EFER_LMA) | (state->efer & EFER_LMA);
    state->dirty |= STATE_CONTROL;
    return true;
}

bool msr_read(const struct msr_rule *rule, const struct vcpu_state *state, uint64_t tsc,
              uint64_t *value)
{
    switch (rule->kind) {
    case MSR_STATE:
        __builtin_memcpy(value, (const char *)state + rule->offset, sizeof(*value));
        break;
    case MSR_EFER:
        *value = state->efer & EFER_GUEST;
        break;
    case MSR_TSC:
        *value = tsc;
        break;
    default:
        *value = rule->value;
        break;
    }
    return true;
}

bool msr_write(const struct msr_rule *rule, struct vcpu_state *state, uint64_t value)
{
    switch (rule->kind) {
    case MSR_STATE:
        if (!check(rule->check, value)) {
            return false;
        }
        __builtin_memcpy((char *)state + rule->offset, &value, sizeof(value));
        state->dirty |= rule->groups;
        return true;
    case MSR_EFER:
        return write_efer(state, value);
    case MSR_CONSTANT:
        return value == rule->value;
    case MSR_IGNORE:
        return true;
    default:
        return false;
    }
}
