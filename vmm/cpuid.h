/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What CPUID says in the VM. The policy is a table in cpuid.c; cpuid_build evaluates it once
 * against the processor underneath, so that an exit is one look-up. What the table does not
 * name is zero: a feature is shown because somebody decided that it works in a VM.
 */
#include <stdbool.h>
#include <stdint.h>

struct cpuid_leaf {
    uint32_t eax;
    uint32_t ebx;
    uint32_t ecx;
    uint32_t edx;
};

/* The processor underneath. CPUID is no privileged instruction: the VMM executes it. */
struct cpuid_host {
    struct cpuid_leaf (*read)(void *context, uint32_t leaf, uint32_t subleaf);
    void *context;
};

/* What of a leaf changes while the guest runs. */
enum cpuid_dynamic {
    CPUID_STATIC = 0,
    CPUID_OSXSAVE = 1,    /* ECX bit 27 is the guest's CR4.OSXSAVE */
    CPUID_XSAVE_SIZE = 2, /* EBX depends on XCR0: ask the processor, which holds the guest's */
};

struct cpuid_entry {
    struct cpuid_leaf value;
    bool special;          /* one of the below is not 0 */
    uint8_t dynamic;       /* enum cpuid_dynamic */
    uint8_t subleaf_count; /* 0: ECX does not matter */
    uint8_t subleaf_first; /* index in cpuid_table.subleaf */
} __attribute__((aligned(32))); /* found by a shift */

#define CPUID_BASIC_MAX 0x16u
#define CPUID_HYPERVISOR_MAX 0x10u
#define CPUID_EXTENDED_MAX 0x1au
#define CPUID_RANGE_SIZE 32u
#define CPUID_SUBLEAVES 16u

/* By the two highest bits of the leaf. */
enum cpuid_range { CPUID_BASIC, CPUID_HYPERVISOR, CPUID_EXTENDED, CPUID_NOTHING, CPUID_RANGES };

struct cpuid_table {
    uint32_t count[CPUID_RANGES]; /* leaves of each that are there */
    struct cpuid_entry leaf[CPUID_RANGES - 1][CPUID_RANGE_SIZE];
    struct cpuid_entry subleaf[CPUID_SUBLEAVES];
    struct cpuid_entry zero; /* of a leaf that is not there */
    uint8_t subleaf_used;
    bool intel; /* the vendor's answer to leaf 0 is GenuineIntel */
};

/* What the guest is told of one vCPU. */
struct cpuid_vcpu {
    uint64_t tsc_khz; /* the guest's TSC, ticks per millisecond */
    uint8_t number;   /* its APIC identifier */
    uint8_t count;    /* of the VM's vCPUs, 1 to 128: cores of one package */
    bool pcids;       /* it has them, whatever the processor has: the vTLB's */
};

/* Fills *table, which must stay where it is. */
void cpuid_build(struct cpuid_table *table, const struct cpuid_host *host,
                 const struct cpuid_vcpu *vcpu);

/* Never NULL. The entry's value is complete unless `dynamic` says otherwise. */
static inline const struct cpuid_entry *cpuid_find(const struct cpuid_table *table, uint32_t leaf,
                                                   uint32_t subleaf)
{
    uint32_t range = leaf >> 30;
    uint32_t index = leaf & 0x3fffffff;

    if (index >= table->count[range]) {
        return &table->zero;
    }
    const struct cpuid_entry *entry = &table->leaf[range][index];
    if (!entry->special || entry->subleaf_count == 0) {
        return entry;
    }
    if (subleaf >= entry->subleaf_count) {
        return &table->zero;
    }
    return &table->subleaf[entry->subleaf_first + subleaf];
}

/* Would a processor with this CPUID take the value for XCR0 (SDM vol 1, 13.3)? */
bool cpuid_xcr0_valid(const struct cpuid_table *table, uint64_t value);

/* Whether the guest has XSAVE at all. */
bool cpuid_has_xsave(const struct cpuid_table *table);

/* MAXPHYADDR, 32 to 52, and whether page tables may have 1 GiB pages. */
uint8_t cpuid_physical_bits(const struct cpuid_table *table);
bool cpuid_has_gigabyte_pages(const struct cpuid_table *table);
/* Bits of CR4 that go with what is shown. */
uint64_t cpuid_cr4(const struct cpuid_table *table);

/* The answer of an entry with CPUID_OSXSAVE or CPUID_XSAVE_SIZE. */
struct cpuid_leaf cpuid_dynamic(const struct cpuid_entry *entry, const struct cpuid_host *host,
                                uint32_t leaf, uint32_t subleaf, uint64_t cr4);
