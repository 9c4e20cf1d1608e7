/* sources: vmm/cpuid.c */
/* SPDX-License-Identifier: Apache-2.0 */
/* The CPUID policy, on a processor that claims everything and on one that has little. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "cpuid.h"

struct processor {
    bool intel;
    uint32_t basic_max;
    uint32_t extended_max;
    uint32_t xcr0; /* that XSAVE sizes depend on */
    bool little;   /* has no features at all */
};

/* Every bit of every feature leaf is set, so that what is not filtered shows. */
static struct cpuid_leaf read_processor(void *context, uint32_t leaf, uint32_t subleaf)
{
    const struct processor *p = context;
    const struct cpuid_leaf all = { ~0u, ~0u, ~0u, ~0u };

    switch (leaf) {
    case 0:
        return p->intel ? (struct cpuid_leaf){ p->basic_max, 0x756e6547, 0x6c65746e, 0x49656e69 }
                        : (struct cpuid_leaf){ p->basic_max, 0x68747541, 0x444d4163, 0x69746e65 };
    case 0x80000000:
        return (struct cpuid_leaf){ p->extended_max, 0, 0, 0 };
    case 0xd:
        if (subleaf == 0) {
            return (struct cpuid_leaf){ 0x602e7, p->xcr0 > 3 ? 832 : 576, 11008, 0 };
        }
        return subleaf == 2   ? (struct cpuid_leaf){ 256, 576, 0, 0 }
               : subleaf == 7 ? (struct cpuid_leaf){ 1024, 1664, 0, 0 }
                              : (struct cpuid_leaf){ 64, 1088, 0, 0 };
    default:
        return p->little ? (struct cpuid_leaf){ 0, 0, 0, 0 } : all;
    }
}

static struct cpuid_table table;

static void build(struct processor *p, uint64_t khz)
{
    const struct cpuid_host host = { read_processor, p };
    cpuid_build(&table, &host, &(struct cpuid_vcpu){ .tsc_khz = khz, .count = 1 });
}

static struct cpuid_leaf leaf(uint32_t number, uint32_t subleaf)
{
    return cpuid_find(&table, number, subleaf)->value;
}

static void hides_what_is_not_virtualized(void **state)
{
    (void)state;
    struct processor p = { .intel = true, .basic_max = 0x20, .extended_max = 0x80000022 };
    /* leaf, register, bits that must be 0 */
    static const struct { uint32_t leaf, reg, hidden; const char *what; } rows[] = {
        { 1, 2, 1u << 3, "MONITOR" },     { 1, 2, 1u << 5, "VMX" },
        { 1, 2, 1u << 21, "x2APIC" },
        { 1, 2, 1u << 24, "deadline" },   { 1, 2, 1u << 27, "OSXSAVE" },
        { 1, 3, 1u << 7, "MCE" },         { 1, 3, 1u << 9, "APIC" },
        { 1, 3, 1u << 12, "MTRR" },       { 1, 3, 1u << 14, "MCA" },
        { 1, 3, 1u << 28, "HTT" },        { 7, 1, 1u << 1, "TSC_ADJUST" },
        { 7, 1, 1u << 2, "SGX" },         { 7, 1, 1u << 10, "INVPCID" },
        { 7, 1, 1u << 14, "MPX" },        { 7, 1, 1u << 25, "PT" },
        { 7, 2, 1u << 3, "PKU" },         { 7, 2, 1u << 16, "LA57" },
        { 7, 2, 1u << 22, "RDPID" },      { 7, 2, 1u << 7, "CET_SS" },
        { 7, 3, 1u << 20, "CET_IBT" },    { 7, 3, 1u << 26, "SPEC_CTRL" },
        { 7, 3, 1u << 29, "ARCH_CAP" },   { 7, 3, 1u << 24, "AMX" },
        { 0x80000001, 2, 1u << 2, "SVM" }, { 0x80000001, 3, 1u << 27, "RDTSCP" },
        { 0x80000001, 3, 1u << 9, "APIC" }, { 0x80000001, 2, 1u << 29, "MONITORX" },
        { 0x80000001, 2, 1u << 22, "TOPOEXT" }, { 0x80000008, 1, 1u << 12, "IBPB" },
        { 0x80000008, 2, ~0u, "cores" },  { 0x80000007, 3, ~(1u << 8), "power" },
        { 0xa, 0, ~0u, "PMU" },           { 0xb, 1, ~0u, "topology" },
        { 0x14, 1, ~0u, "PT" },           { 0x12, 0, ~0u, "SGX" },
        { 0x8000000a, 3, ~0u, "SVM" },    { 0x8000001e, 0, ~0u, "topology" },
        { 4, 0, 0xffffc000, "sharing" },
    };

    build(&p, 0);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct cpuid_leaf value = leaf(rows[i].leaf, 0);
        uint32_t reg[] = { value.eax, value.ebx, value.ecx, value.edx };
        if (reg[rows[i].reg] & rows[i].hidden) {
            fail_msg("%s shows", rows[i].what);
        }
    }
}

static void shows_what_works(void **state)
{
    (void)state;
    struct processor p = { .basic_max = 0x10, .extended_max = 0x80000020 };

    build(&p, 1000000);
    assert_int_equal(leaf(1, 0).ecx & (1u << 26), 1u << 26);  /* XSAVE */
    assert_int_equal(leaf(1, 0).ebx, 0x1ffff);                /* one processor */
    assert_int_equal(leaf(7, 0).ebx & 0x100081, 0x100081);    /* FSGSBASE, SMEP, SMAP */
    assert_int_equal(cpuid_cr4(&table), 0x370fbf);
    assert_int_equal(leaf(0x80000001, 0).edx & 0x24100800, 0x24100800);
    assert_int_equal(leaf(0x80000007, 0).edx, 1u << 8);
    assert_int_equal(leaf(0x80000008, 0).eax, 0x30ff);
    assert_int_equal(leaf(7, 1).eax, 0);
    assert_int_equal(leaf(4, 4).eax, 0);
}

/* What the host has not, the guest has not. */
static void adds_no_feature(void **state)
{
    (void)state;
    struct processor p = { .little = true, .basic_max = 0xd, .extended_max = 0x80000008 };

    build(&p, 0);
    assert_int_equal(leaf(1, 0).ecx, 1u << 31);
    assert_int_equal(leaf(1, 0).edx, 0);
    assert_int_equal(leaf(7, 0).ebx, 0);
    assert_int_equal(leaf(0xd, 0).eax, 0);
    assert_int_equal(cpuid_find(&table, 0xd, 0)->dynamic, CPUID_STATIC);
    assert_int_equal(cpuid_cr4(&table), 0x7bf);
}

/* But the vTLB does its own. */
static void shows_pcids_of_the_vtlb(void **state)
{
    (void)state;
    struct processor p = { .little = true, .basic_max = 0xd, .extended_max = 0x80000008 };
    const struct cpuid_host host = { read_processor, &p };

    cpuid_build(&table, &host, &(struct cpuid_vcpu){ .count = 1, .pcids = true });
    assert_int_equal(leaf(1, 0).ecx, 1u << 31 | 1u << 17);
    assert_int_equal(cpuid_cr4(&table), 0x207bf);
}

/* Intel repeats the highest leaf beyond the end; that must not be taken for features. */
static void does_not_read_beyond_the_host(void **state)
{
    (void)state;
    struct processor p = { .intel = true, .basic_max = 5, .extended_max = 0x80000001 };

    build(&p, 2400000);
    assert_int_equal(leaf(7, 0).ebx, 0);
    assert_int_equal(leaf(0, 0).eax, 0x16);
    assert_int_equal(leaf(0x80000008, 0).eax, 0);
    p.extended_max = ~0u & 0x7fffffff; /* no extended leaves at all */
    build(&p, 2400000);
    assert_int_equal(leaf(0x80000000, 0).eax, 0x80000000);
    assert_int_equal(leaf(0x80000001, 0).edx, 0);
}

static void tells_the_frequency(void **state)
{
    (void)state;
    struct processor p = { .intel = true, .basic_max = 0xd, .extended_max = 0x80000008 };

    build(&p, 3912345);
    struct cpuid_leaf value = leaf(0x15, 0);
    assert_int_equal((uint64_t)value.ecx / 1000 * value.ebx / value.eax, 3912345);
    assert_true((uint64_t)value.ecx / 1000 * value.ebx <= UINT32_MAX);
    assert_int_equal(leaf(0x16, 0).eax, 3912);
    p.intel = false;
    build(&p, 3912345);
    assert_int_equal(leaf(0, 0).eax, 0xd);
    assert_int_equal(leaf(0x15, 0).ecx, 0);
}

static void names_the_hypervisor(void **state)
{
    (void)state;
    struct processor p = { .basic_max = 0xd, .extended_max = 0x80000008 };
    char name[13] = "";

    build(&p, 1000000);
    struct cpuid_leaf value = leaf(0x40000000, 0);
    memcpy(name, &value.ebx, 4);
    memcpy(name + 4, &value.ecx, 4);
    memcpy(name + 8, &value.edx, 4);
    assert_string_equal(name, "HechtHecht");
    assert_int_equal(value.eax, 0x40000010);
    assert_int_equal(leaf(0x40000010, 0).eax, 1000000);
    assert_int_equal(leaf(0x40000011, 0).eax, 0);
    assert_int_equal(leaf(0xc0000000, 0).eax, 0);
    assert_int_equal(leaf(0x3fffffff, 0).eax, 0);
}

static void limits_xsave(void **state)
{
    (void)state;
    struct processor p = { .intel = true, .basic_max = 0x16, .extended_max = 0x80000008 };
    const struct cpuid_host host = { read_processor, &p };

    build(&p, 0);
    assert_int_equal(leaf(0xd, 0).eax, 0xe7);
    assert_int_equal(leaf(0xd, 0).ecx, 2688); /* end of component 7 */
    assert_int_equal(leaf(0xd, 1).eax & ~7u, 0);
    assert_int_equal(leaf(0xd, 2).eax, 256);
    assert_int_equal(leaf(0xd, 3).eax, 0);
    assert_int_equal(leaf(0xd, 9).eax, 0);
    const struct cpuid_entry *entry = cpuid_find(&table, 0xd, 0);
    assert_int_equal(cpuid_dynamic(entry, &host, 0xd, 0, 0).ebx, 576);
    p.xcr0 = 7;
    assert_int_equal(cpuid_dynamic(entry, &host, 0xd, 0, 0).ebx, 832);
}

static void follows_osxsave(void **state)
{
    (void)state;
    struct processor p = { .intel = true, .basic_max = 0x16, .extended_max = 0x80000008 };
    const struct cpuid_host host = { read_processor, &p };

    build(&p, 0);
    const struct cpuid_entry *entry = cpuid_find(&table, 1, 0);
    assert_int_equal(entry->dynamic, CPUID_OSXSAVE);
    assert_int_equal(cpuid_dynamic(entry, &host, 1, 0, 0).ecx & (1u << 27), 0);
    assert_int_equal(cpuid_dynamic(entry, &host, 1, 0, 1u << 18).ecx & (1u << 27), 1u << 27);
}

static void judges_xcr0(void **state)
{
    (void)state;
    struct processor p = { .intel = true, .basic_max = 0x16, .extended_max = 0x80000008 };
    static const uint64_t good[] = { 1, 3, 7, 0xe7 };
    static const uint64_t bad[] = { 0, 2, 5, 6, 0xe3, 0x27, 0x18, 0x1f, 0x207, 1UL << 63 | 1 };

    build(&p, 0);
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_true(cpuid_xcr0_valid(&table, good[i]));
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_false(cpuid_xcr0_valid(&table, bad[i]));
    }
    p.little = true;
    build(&p, 0);
    assert_false(cpuid_has_xsave(&table));
    assert_false(cpuid_xcr0_valid(&table, 1));
}

static struct cpuid_leaf of_vcpu(struct processor *p, uint8_t number, uint8_t count, uint32_t which)
{
    const struct cpuid_host host = { read_processor, p };
    cpuid_build(&table, &host, &(struct cpuid_vcpu){ .number = number, .count = count });
    return leaf(which, 0);
}

static void numbers_vcpus(void **state)
{
    (void)state;
    struct processor intel = { .intel = true, .basic_max = 0x16, .extended_max = 0x80000008 };
    struct processor amd = { .basic_max = 0xd, .extended_max = 0x8000001f };

    assert_int_equal(of_vcpu(&intel, 0, 1, 1).ebx >> 16, 0x0001);
    assert_int_equal(of_vcpu(&intel, 0, 1, 4).eax >> 14, 0);
    assert_int_equal(of_vcpu(&amd, 0, 1, 0x80000008).ecx, 0);
    assert_int_equal(of_vcpu(&amd, 0, 1, 0x80000001).ecx & 2, 0);

    assert_int_equal(of_vcpu(&intel, 2, 3, 1).ebx >> 16, 0x0203);
    assert_true(of_vcpu(&intel, 2, 3, 1).edx & 1u << 28);
    assert_int_equal(of_vcpu(&intel, 2, 3, 4).eax >> 14, 3 << 12); /* four identifiers */
    assert_int_equal(of_vcpu(&intel, 2, 8, 4).eax >> 14, 7 << 12);
    assert_int_equal(of_vcpu(&amd, 1, 2, 1).ebx >> 16, 0x0102);
    assert_int_equal(of_vcpu(&amd, 1, 2, 0x80000008).ecx, 1);
    assert_true(of_vcpu(&amd, 1, 2, 0x80000001).ecx & 2);
    assert_int_equal(of_vcpu(&amd, 1, 2, 4).eax, 0x3fff); /* not AMD's */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hides_what_is_not_virtualized),
        cmocka_unit_test(shows_what_works),
        cmocka_unit_test(adds_no_feature),
        cmocka_unit_test(shows_pcids_of_the_vtlb),
        cmocka_unit_test(does_not_read_beyond_the_host),
        cmocka_unit_test(tells_the_frequency),
        cmocka_unit_test(names_the_hypervisor),
        cmocka_unit_test(limits_xsave),
        cmocka_unit_test(follows_osxsave),
        cmocka_unit_test(judges_xcr0),
        cmocka_unit_test(numbers_vcpus),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
