/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bits are named by their numbers in the manuals (SDM vol 2, CPUID; APM vol 3, appendix E),
 * with the feature beside them. Left out on purpose, because nothing stands behind it in a VM:
 *
 *   local APIC, x2APIC, TSC-deadline      the only interrupt controller is the pair of 8259A
 *   VMX, SVM, SMX, SGX                    no nesting, no enclaves
 *   MCE, MCA, MTRR, thermal, power, PMU, PT, debug store: the machine's, not the VM's
 *   INVPCID, LA57, PKU, CET, AMX          not switched or not translated by the kernel
 *   RDTSCP, RDPID, TSC_ADJUST             TSC_AUX and the adjustment are not switched
 *   MONITOR, MPX, TSX                     exit, or withdrawn from the market
 *   SPEC_CTRL, PRED_CMD, ARCH_CAPABILITIES  MSRs that are not passed on
 *
 * One package of as many cores as the VM has vCPUs, each with one thread and caches of its own.
 * A leaf above the highest one reads as zero (Intel's processors would repeat the highest).
 */
#include "cpuid.h"

#include "lib/registers.h"

#include <stddef.h>

#define BIT(n) (1u << (n))
#define BITS(first, last) ((UINT32_MAX >> (31 - ((last) - (first)))) << (first))
#define PASS_ALL UINT32_MAX

#define HYPERVISOR_PRESENT BIT(31)
#define PCID BIT(17)
#define XSAVE BIT(26)
#define OSXSAVE BIT(27)
#define XSAVE_LEAF 0xdu

/* x87, SSE, AVX, and the three of AVX-512 (SDM vol 1, 13.1). The kernel's XCR0 allows no more. */
#define XSAVE_COMPONENTS 0xe7u
#define XSAVE_LEGACY_END 576u
#define XCR0_X87 0x01u
#define XCR0_SSE 0x02u
#define XCR0_AVX 0x04u
#define XCR0_AVX512 0xe0u
#define XSAVE_SUBLEAVES 8u

/* The bits of 1:EDX that AMD repeats in 8000_0001:EDX. */
#define EDX_COMMON                                                                                 \
    (BIT(0) /* FPU */ | BIT(1) /* VME */ | BIT(2) /* DE */ | BIT(3) /* PSE */ | BIT(4) /* TSC */ | \
     BIT(5) /* MSR */ | BIT(6) /* PAE */ | BIT(8) /* CX8 */ | BIT(13) /* PGE */ |                  \
     BIT(15) /* CMOV */ | BIT(16) /* PAT */ | BIT(17) /* PSE36 */ | BIT(23) /* MMX */ |            \
     BIT(24) /* FXSR */)

/* One register: what of the host's is shown, and what is there in any case. */
struct cpuid_mask {
    uint32_t pass;
    uint32_t set;
};

struct cpuid_rule {
    uint32_t leaf;
    uint8_t subleaf_count; /* 0: ECX does not matter */
    uint8_t dynamic;       /* enum cpuid_dynamic, of subleaves 0 and 1 */
    struct cpuid_mask eax;
    struct cpuid_mask ebx;
    struct cpuid_mask ecx;
    struct cpuid_mask edx;
};

#define PASS(mask) { .pass = (mask) }
#define SET(value) { .set = (value) }
#define ALL PASS(PASS_ALL)

/* Leaves 0, 1, 4, 0xd, 0x15, 0x16, 0x4000_0010, 0x8000_0000, _0001 and _0008 are completed in
 * code below. */
static const struct cpuid_rule policy[] = {
    /* Highest leaf and vendor. */
    { .leaf = 0x0, .eax = ALL, .ebx = ALL, .ecx = ALL, .edx = ALL },
    /* Version; brand index and cache line; features. */
    { .leaf = 0x1,
      .dynamic = CPUID_OSXSAVE,
      .eax = ALL,
      .ebx = PASS(BITS(0, 15)),
      .ecx = { .pass = BIT(0) /* SSE3 */ | BIT(1) /* PCLMULQDQ */ | BIT(9) /* SSSE3 */ |
                       BIT(12) /* FMA */ | BIT(13) /* CX16 */ | PCID | BIT(19) /* SSE4.1 */ |
                       BIT(20) /* SSE4.2 */ | BIT(22) /* MOVBE */ | BIT(23) /* POPCNT */ |
                       BIT(25) /* AES */ | XSAVE | BIT(28) /* AVX */ |
                       BIT(29) /* F16C */ | BIT(30) /* RDRAND */,
               .set = HYPERVISOR_PRESENT },
      .edx = PASS(EDX_COMMON | BIT(11) /* SEP */ | BIT(19) /* CLFSH */ | BIT(25) /* SSE */ |
                  BIT(26) /* SSE2 */) },
    /* Caches: as they are, but shared with nobody. */
    { .leaf = 0x2, .eax = ALL, .ebx = ALL, .ecx = ALL, .edx = ALL },
    { .leaf = 0x4,
      .subleaf_count = 4,
      .eax = PASS(BITS(0, 13)),
      .ebx = ALL,
      .ecx = ALL,
      .edx = ALL },
    /* Structured extended features, subleaf 0 only. */
    { .leaf = 0x7,
      .subleaf_count = 1,
      .ebx = PASS(BIT(0) /* FSGSBASE */ | BIT(3) /* BMI1 */ | BIT(5) /* AVX2 */ |
                  BIT(6) /* FDP_EXCPTN_ONLY */ | BIT(7) /* SMEP */ | BIT(8) /* BMI2 */ |
                  BIT(9) /* ERMS */ | BIT(13) /* no FPU CS, DS */ | BIT(16) /* AVX512F */ |
                  BIT(17) /* AVX512DQ */ | BIT(18) /* RDSEED */ | BIT(19) /* ADX */ |
                  BIT(20) /* SMAP */ | BIT(21) /* AVX512_IFMA */ | BIT(23) /* CLFLUSHOPT */ |
                  BIT(24) /* CLWB */ | BIT(28) /* AVX512CD */ | BIT(29) /* SHA */ |
                  BIT(30) /* AVX512BW */ | BIT(31) /* AVX512VL */),
      .ecx = PASS(BIT(1) /* AVX512_VBMI */ | BIT(2) /* UMIP */ | BIT(6) /* AVX512_VBMI2 */ |
                  BIT(8) /* GFNI */ | BIT(9) /* VAES */ | BIT(10) /* VPCLMULQDQ */ |
                  BIT(11) /* AVX512_VNNI */ | BIT(12) /* AVX512_BITALG */ |
                  BIT(14) /* AVX512_VPOPCNTDQ */ | BIT(25) /* CLDEMOTE */ |
                  BIT(27) /* MOVDIRI */ | BIT(28) /* MOVDIR64B */),
      .edx = PASS(BIT(4) /* FSRM */ | BIT(8) /* AVX512_VP2INTERSECT */ | BIT(10) /* MD_CLEAR */ |
                  BIT(14) /* SERIALIZE */) },
    /* XSAVE: sizes and components; subleaf 1 without XSAVES (IA32_XSS); then one per component. */
    { .leaf = XSAVE_LEAF,
      .subleaf_count = XSAVE_SUBLEAVES,
      .dynamic = CPUID_XSAVE_SIZE,
      .eax = ALL,
      .ebx = ALL,
      .ecx = ALL },

    /* Hypervisor: "HechtHecht\0\0", and the clock's frequency where VMware's convention has it. */
    { .leaf = 0x40000000,
      .eax = SET(0x40000000 + CPUID_HYPERVISOR_MAX),
      .ebx = SET(0x68636548),
      .ecx = SET(0x63654874),
      .edx = SET(0x00007468) },

    /* Highest leaf and vendor; features. */
    { .leaf = 0x80000000, .eax = ALL, .ebx = ALL, .ecx = ALL, .edx = ALL },
    { .leaf = 0x80000001,
      .eax = ALL,
      .ebx = PASS(BITS(28, 31)), /* AMD's package type */
      .ecx = PASS(BIT(0) /* LAHF */ | BIT(5) /* ABM */ | BIT(6) /* SSE4A */ |
                  BIT(7) /* MISALIGNSSE */ | BIT(8) /* PREFETCHW */ | BIT(11) /* XOP */ |
                  BIT(16) /* FMA4 */ | BIT(21) /* TBM */),
      .edx = PASS(EDX_COMMON | BIT(11) /* SYSCALL */ | BIT(20) /* NX */ | BIT(22) /* MMXEXT */ |
                  BIT(26) /* 1 GiB pages */ | BIT(29) /* LM */ | BIT(30) /* 3DNOWEXT */ |
                  BIT(31) /* 3DNOW */) },
    /* The processor's name. */
    { .leaf = 0x80000002, .eax = ALL, .ebx = ALL, .ecx = ALL, .edx = ALL },
    { .leaf = 0x80000003, .eax = ALL, .ebx = ALL, .ecx = ALL, .edx = ALL },
    { .leaf = 0x80000004, .eax = ALL, .ebx = ALL, .ecx = ALL, .edx = ALL },
    /* Caches and TLBs. */
    { .leaf = 0x80000005, .eax = ALL, .ebx = ALL, .ecx = ALL, .edx = ALL },
    { .leaf = 0x80000006, .eax = ALL, .ebx = ALL, .ecx = ALL, .edx = ALL },
    { .leaf = 0x80000007, .edx = PASS(BIT(8) /* invariant TSC */) },
    /* Address widths. */
    { .leaf = 0x80000008,
      .eax = PASS(BITS(0, 15)),
      .ebx = PASS(BIT(0) /* CLZERO */ | BIT(2) /* error pointers in XRSTOR */) },
    /* TLBs of 1 GiB pages; performance hints. */
    { .leaf = 0x80000019, .eax = ALL, .ebx = ALL },
    { .leaf = 0x8000001a, .eax = ALL },
};

static const struct cpuid_leaf no_leaf;

static struct cpuid_leaf read_host(const struct cpuid_host *host, uint32_t leaf, uint32_t subleaf)
{
    return host->read(host->context, leaf, subleaf);
}

/* Zero where the host has no such leaf: an Intel processor would repeat another one there. */
static struct cpuid_leaf read_present(const struct cpuid_host *host, uint32_t leaf,
                                      uint32_t subleaf)
{
    uint32_t highest = read_host(host, leaf & 0xc0000000, 0).eax;
    bool present = leaf >> 30 != CPUID_HYPERVISOR && leaf <= highest;

    return present ? read_host(host, leaf, subleaf) : no_leaf;
}

static uint32_t masked(uint32_t host, struct cpuid_mask mask)
{
    return (host & mask.pass) | mask.set;
}

static struct cpuid_leaf evaluate(const struct cpuid_rule *rule, struct cpuid_leaf host)
{
    return (struct cpuid_leaf){ .eax = masked(host.eax, rule->eax),
                                .ebx = masked(host.ebx, rule->ebx),
                                .ecx = masked(host.ecx, rule->ecx),
                                .edx = masked(host.edx, rule->edx) };
}

static struct cpuid_entry *entry_of(struct cpuid_table *table, uint32_t leaf)
{
    return &table->leaf[leaf >> 30][leaf & 0x3fffffff];
}

static void apply_rule(struct cpuid_table *table, const struct cpuid_host *host,
                       const struct cpuid_rule *rule)
{
    struct cpuid_entry *entry = entry_of(table, rule->leaf);

    if (rule->subleaf_count == 0) {
        entry->value = evaluate(rule, read_present(host, rule->leaf, 0));
        entry->dynamic = rule->dynamic;
        entry->special = rule->dynamic != CPUID_STATIC;
        return;
    }
    entry->subleaf_first = table->subleaf_used;
    entry->subleaf_count = rule->subleaf_count;
    entry->special = true;
    for (uint32_t i = 0; i < rule->subleaf_count; i++) {
        struct cpuid_entry *sub = &table->subleaf[table->subleaf_used++];
        sub->value = evaluate(rule, read_present(host, rule->leaf, i));
        sub->dynamic = i < 2 ? rule->dynamic : CPUID_STATIC;
        sub->special = sub->dynamic != CPUID_STATIC;
    }
}

/* Which highest leaf is shown: no more than the policy knows. Intel's reach to the leaves that
 * tell the clock, so that a guest need not measure it; those of others have no such leaves. */
static void limit_leaves(struct cpuid_table *table)
{
    struct cpuid_leaf *basic = &table->leaf[CPUID_BASIC][0].value;
    struct cpuid_leaf *extended = &table->leaf[CPUID_EXTENDED][0].value;

    table->intel = basic->ebx == 0x756e6547 && basic->edx == 0x49656e69 && basic->ecx == 0x6c65746e;
    if (table->intel) {
        basic->eax = CPUID_BASIC_MAX;
    } else if (basic->eax > XSAVE_LEAF) {
        basic->eax = XSAVE_LEAF;
    }
    if (extended->eax < 0x80000000) {
        *extended = (struct cpuid_leaf){ .eax = 0x80000000 };
    } else if (extended->eax > 0x80000000 + CPUID_EXTENDED_MAX) {
        extended->eax = 0x80000000 + CPUID_EXTENDED_MAX;
    }
    table->count[CPUID_BASIC] = basic->eax + 1;
    table->count[CPUID_EXTENDED] = extended->eax - 0x80000000 + 1;
}

bool cpuid_has_xsave(const struct cpuid_table *table)
{
    return table->leaf[CPUID_BASIC][1].value.ecx & XSAVE;
}

/* Leaf 0xd shows the components above and no others, and the sizes that follow from it. */
static void limit_xsave(struct cpuid_table *table)
{
    struct cpuid_entry *sub = &table->subleaf[table->leaf[CPUID_BASIC][XSAVE_LEAF].subleaf_first];
    uint32_t components = sub[0].value.eax & XSAVE_COMPONENTS;
    uint32_t size = XSAVE_LEGACY_END;

    if (!cpuid_has_xsave(table)) {
        for (uint32_t i = 0; i < XSAVE_SUBLEAVES; i++) {
            sub[i] = (struct cpuid_entry){ .dynamic = CPUID_STATIC };
        }
        return;
    }
    for (uint32_t i = 2; i < XSAVE_SUBLEAVES; i++) {
        struct cpuid_leaf *component = &sub[i].value;
        if (!(components & BIT(i))) {
            *component = no_leaf;
            continue;
        }
        if (component->ebx + component->eax > size) {
            size = component->ebx + component->eax;
        }
    }
    sub[0].value = (struct cpuid_leaf){ .eax = components, .ebx = sub[0].value.ebx, .ecx = size };
    sub[1].value = (struct cpuid_leaf){ .eax = sub[1].value.eax & BITS(0, 2), /* no XSAVES */
                                        .ebx = sub[1].value.ebx };
}

/* The TSC is crystal * EBX / EAX of leaf 0x15. A crystal of 100 kHz keeps every product that a
 * guest may form in 32 bits below 2^32, up to 42 GHz. */
static void tell_frequency(struct cpuid_table *table, uint64_t tsc_khz)
{
    const uint32_t crystal_khz = 100;

    if (tsc_khz == 0 || tsc_khz > UINT32_MAX / crystal_khz) {
        return;
    }
    table->leaf[CPUID_HYPERVISOR][0x10].value.eax = (uint32_t)tsc_khz;
    if (table->intel) {
        uint32_t mhz = (uint32_t)(tsc_khz / 1000) & 0xffff;
        table->leaf[CPUID_BASIC][0x15].value = (struct cpuid_leaf){ .eax = crystal_khz,
                                                        .ebx = (uint32_t)tsc_khz,
                                                        .ecx = crystal_khz * 1000 };
        table->leaf[CPUID_BASIC][0x16].value =
            (struct cpuid_leaf){ .eax = mhz, .ebx = mhz, .ecx = 100 };
    }
}

/* 57 bits need LA57, which is not shown. */
static void limit_widths(struct cpuid_table *table)
{
    uint32_t *widths = &table->leaf[CPUID_EXTENDED][8].value.eax;

    if ((*widths >> 8 & 0xff) > 48) {
        *widths = (*widths & 0xff) | 48u << 8;
    }
}

/* Which of how many vCPUs (SDM vol 2, CPUID leaves 1 and 4; APM vol 3, E.5.2). */
static void tell_topology(struct cpuid_table *table, uint32_t number, uint32_t count)
{
    struct cpuid_leaf *features = &table->leaf[CPUID_BASIC][1].value;

    features->ebx |= number << 24 | count << 16;
    if (count == 1) {
        return;
    }
    features->edx |= BIT(28); /* HTT: more than one in the package */
    if (table->intel) {
        const struct cpuid_entry *caches = &table->leaf[CPUID_BASIC][4];
        uint32_t identifiers = 1u << (32 - __builtin_clz(count - 1));

        for (uint32_t i = 0; i < caches->subleaf_count; i++) {
            struct cpuid_leaf *cache = &table->subleaf[caches->subleaf_first + i].value;
            cache->eax |= cache->eax & 0x1f ? (identifiers - 1) << 26 : 0;
        }
    } else {
        table->leaf[CPUID_EXTENDED][1].value.ecx |= BIT(1); /* CmpLegacy: cores, not threads */
        table->leaf[CPUID_EXTENDED][8].value.ecx = count - 1;
    }
}

void cpuid_build(struct cpuid_table *table, const struct cpuid_host *host,
                 const struct cpuid_vcpu *vcpu)
{
    *table = (struct cpuid_table){ .count = {
        [CPUID_BASIC] = CPUID_BASIC_MAX + 1,
        [CPUID_HYPERVISOR] = CPUID_HYPERVISOR_MAX + 1,
        [CPUID_EXTENDED] = CPUID_EXTENDED_MAX + 1,
    } };
    for (size_t i = 0; i < sizeof(policy) / sizeof(policy[0]); i++) {
        apply_rule(table, host, &policy[i]);
    }
    limit_leaves(table);
    limit_xsave(table);
    limit_widths(table);
    table->leaf[CPUID_BASIC][1].value.ecx |= vcpu->pcids ? PCID : 0;
    tell_frequency(table, vcpu->tsc_khz);
    tell_topology(table, vcpu->number, vcpu->count);
}

/* 36 bits without leaf 0x8000_0008 (SDM vol 3, 4.1.4). */
uint8_t cpuid_physical_bits(const struct cpuid_table *table)
{
    uint8_t bits = (uint8_t)cpuid_find(table, 0x80000008, 0)->value.eax;

    return bits >= 32 && bits <= 52 ? bits : 36;
}

bool cpuid_has_gigabyte_pages(const struct cpuid_table *table)
{
    return cpuid_find(table, 0x80000001, 0)->value.edx & BIT(26);
}

uint64_t cpuid_cr4(const struct cpuid_table *table)
{
    const uint64_t basic = 0x7bf; /* VME .. OSXMMEXCPT, not MCE */
    uint32_t basic_ecx = cpuid_find(table, 1, 0)->value.ecx;
    struct cpuid_leaf extended = cpuid_find(table, 7, 0)->value;

    return basic | (basic_ecx & PCID ? CR4_PCIDE : 0) | (basic_ecx & XSAVE ? CR4_OSXSAVE : 0) |
           (extended.ebx & BIT(0) ? CR4_FSGSBASE : 0) | (extended.ebx & BIT(7) ? CR4_SMEP : 0) |
           (extended.ebx & BIT(20) ? CR4_SMAP : 0) | (extended.ecx & BIT(2) ? CR4_UMIP : 0);
}

bool cpuid_xcr0_valid(const struct cpuid_table *table, uint64_t value)
{
    uint64_t allowed = cpuid_find(table, XSAVE_LEAF, 0)->value.eax;
    uint64_t avx512 = value & XCR0_AVX512;

    return cpuid_has_xsave(table) && (value & XCR0_X87) && !(value & ~allowed) &&
           (!(value & XCR0_AVX) || (value & XCR0_SSE)) &&
           (!avx512 || (avx512 == XCR0_AVX512 && (value & XCR0_AVX)));
}

struct cpuid_leaf cpuid_dynamic(const struct cpuid_entry *entry, const struct cpuid_host *host,
                                uint32_t leaf, uint32_t subleaf, uint64_t cr4)
{
    struct cpuid_leaf value = entry->value;

    switch (entry->dynamic) {
    case CPUID_OSXSAVE:
        if ((value.ecx & XSAVE) && (cr4 & CR4_OSXSAVE)) {
            value.ecx |= OSXSAVE;
        }
        break;
    case CPUID_XSAVE_SIZE:
        value.ebx = read_host(host, leaf, subleaf).ebx;
        break;
    default:
        break;
    }
    return value;
}
