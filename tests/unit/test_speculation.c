/* SPDX-License-Identifier: Apache-2.0 */
/* sources: hypervisor/x86/speculation.c */
/* cflags: -Itests/unit/fake -Ihypervisor/x86/plain */
/* Which barriers follow from what a processor says about itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "x86/speculation.h"
#include "x86/trap.h"

bool rdmsr_probe(uint32_t msr, uint64_t *value)
{
    (void)msr;
    (void)value;
    return false;
}

static void assert_chosen(struct speculation_cpu cpu, uint32_t barriers, bool stuff_returns,
                          bool automatic_ibrs, uint64_t control)
{
    const struct speculation chosen = speculation_choose(&cpu);

    assert_int_equal(chosen.barriers, barriers);
    assert_int_equal(chosen.stuff_returns, stuff_returns);
    assert_int_equal(chosen.automatic_ibrs, automatic_ibrs);
    assert_int_equal(chosen.control, control);
}

#define MD_CLEAR (1u << 10)
#define SPEC_CTRL (1u << 26)
#define STIBP (1u << 27)
#define L1D_FLUSH (1u << 28)

static void test_nothing_to_be_had_costs_nothing(void **state)
{
    (void)state;
    assert_chosen((struct speculation_cpu){0}, 0, false, false, 0);
    assert_chosen((struct speculation_cpu){.has_control = true}, 0, false, false, 0);
    /* An emulator whose CPUID says more than it has: no such MSR may be written. */
    assert_chosen((struct speculation_cpu){.leaf7_edx = SPEC_CTRL | STIBP}, 0, false, false, 0);
}

static void test_intel(void **state)
{
    (void)state;
    const struct speculation_cpu skylake = {
        .leaf7_edx = MD_CLEAR | SPEC_CTRL | STIBP | L1D_FLUSH, .has_control = true};
    struct speculation_cpu later = skylake;

    assert_chosen(skylake, BARRIER_IBPB | BARRIER_VERW | BARRIER_L1D, true, false, 2);
    later.capabilities = 1 | 2; /* RDCL_NO, IBRS_ALL */
    assert_chosen(later, BARRIER_IBPB | BARRIER_VERW, true, false, 3);
    later.capabilities = 2 | 8; /* IBRS_ALL, SKIP_L1DFL_VMENTRY */
    assert_chosen(later, BARRIER_IBPB | BARRIER_VERW, true, false, 3);
    later.leaf7_edx = SPEC_CTRL;
    assert_chosen(later, BARRIER_IBPB, true, false, 1);
}

static void test_amd(void **state)
{
    (void)state;
    assert_chosen((struct speculation_cpu){.extended_ebx = 1u << 12}, BARRIER_IBPB, true, false,
                  0);
    assert_chosen((struct speculation_cpu){.extended_ebx = 1u << 12 | 1u << 15,
                                           .extended_eax21 = 1u << 8,
                                           .has_control = true},
                  BARRIER_IBPB, true, true, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_to_be_had_costs_nothing),
        cmocka_unit_test(test_intel),
        cmocka_unit_test(test_amd),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
