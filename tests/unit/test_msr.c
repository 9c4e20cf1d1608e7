/* sources: vmm/msr.c */
/* SPDX-License-Identifier: Apache-2.0 */
/* The MSR policy: guest registers, constants, and everything that must fault. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "msr.h"

#define EFER 0xc0000080
#define NOT_CANONICAL 0x0000800000000000

static bool write_msr(uint32_t index, struct vcpu_state *vcpu, uint64_t value)
{
    const struct msr_rule *rule = msr_find(index, true);
    assert_non_null(rule);
    return msr_write(rule, vcpu, value);
}

static uint64_t read_msr(uint32_t index, bool intel, const struct vcpu_state *vcpu)
{
    uint64_t value = 0;
    const struct msr_rule *rule = msr_find(index, intel);
    assert_non_null(rule);
    assert_true(msr_read(rule, vcpu, 4711, &value));
    return value;
}

static void reaches_guest_registers(void **state)
{
    (void)state;
    struct vcpu_state vcpu;
    static const struct { uint32_t index, groups; size_t offset; } rows[] = {
        { 0xc0000081, STATE_MSRS, offsetof(struct vcpu_state, star) },
        { 0xc0000082, STATE_MSRS, offsetof(struct vcpu_state, lstar) },
        { 0xc0000083, STATE_MSRS, offsetof(struct vcpu_state, cstar) },
        { 0xc0000084, STATE_MSRS, offsetof(struct vcpu_state, fmask) },
        { 0xc0000100, STATE_SEGMENTS, offsetof(struct vcpu_state, segment[SEG_FS].base) },
        { 0xc0000101, STATE_SEGMENTS, offsetof(struct vcpu_state, segment[SEG_GS].base) },
        { 0xc0000102, STATE_MSRS, offsetof(struct vcpu_state, kernel_gs_base) },
        { 0x174, STATE_MSRS, offsetof(struct vcpu_state, sysenter_cs) },
        { 0x175, STATE_MSRS, offsetof(struct vcpu_state, sysenter_esp) },
        { 0x176, STATE_MSRS, offsetof(struct vcpu_state, sysenter_eip) },
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint64_t stored;
        memset(&vcpu, 0, sizeof(vcpu));
        assert_int_equal(msr_groups(msr_find(rows[i].index, true)), rows[i].groups);
        assert_true(write_msr(rows[i].index, &vcpu, 0x1234));
        memcpy(&stored, (char *)&vcpu + rows[i].offset, 8);
        assert_int_equal(stored, 0x1234);
        assert_int_equal(vcpu.dirty, rows[i].groups);
        assert_int_equal(read_msr(rows[i].index, true, &vcpu), 0x1234);
    }
}

static void refuses_bad_values(void **state)
{
    (void)state;
    struct vcpu_state vcpu = { .pat = 0x0007040600070406 }, before = vcpu;
    static const struct { uint32_t index; uint64_t value; } rows[] = {
        { 0xc0000082, NOT_CANONICAL }, { 0xc0000083, NOT_CANONICAL }, { 0xc0000100, NOT_CANONICAL },
        { 0xc0000101, NOT_CANONICAL }, { 0xc0000102, NOT_CANONICAL }, { 0x175, NOT_CANONICAL },
        { 0x176, NOT_CANONICAL },      { 0xc0000084, 1UL << 32 },     { 0x277, 0x0007040600070402 },
        { 0x277, 0x0307040600070406 }, { 0x277, 0x0007040600070408 }, { 0x10, 0 },
        { 0x1b, 0xfee00900 },          { 0x179, 1 },                  { 0x3a, 5 },
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_false(write_msr(rows[i].index, &vcpu, rows[i].value));
        assert_memory_equal(&vcpu, &before, sizeof(vcpu));
    }
    assert_true(write_msr(0xc0000082, &vcpu, 0xffffffff81000000));
    assert_true(write_msr(0x277, &vcpu, 0x0407050600070106));
}

static void guards_efer(void **state)
{
    (void)state;
    struct vcpu_state vcpu = { .efer = 0xd01, .cr0 = 0x80000001 };

    assert_int_equal(read_msr(EFER, true, &vcpu), 0xd01);
    vcpu.efer |= 1u << 12; /* SVME of a careless backend */
    assert_int_equal(read_msr(EFER, false, &vcpu), 0xd01);
    vcpu.efer = 0xd01;
    assert_false(write_msr(EFER, &vcpu, 0x1d01)); /* SVME */
    assert_false(write_msr(EFER, &vcpu, 0xc01));  /* LME off under paging */
    assert_false(write_msr(EFER, &vcpu, 1UL << 40));
    assert_int_equal(vcpu.dirty, 0);
    assert_true(write_msr(EFER, &vcpu, 0x901)); /* LMA is kept whatever is written */
    assert_int_equal(vcpu.efer, 0xd01);
    assert_true(write_msr(EFER, &vcpu, 0x500));
    assert_int_equal(vcpu.efer, 0x500);
    assert_int_equal(vcpu.dirty, STATE_CONTROL);
    vcpu = (struct vcpu_state){ .efer = 0 };
    assert_true(write_msr(EFER, &vcpu, 0x500)); /* LMA cannot be set by hand */
    assert_int_equal(vcpu.efer, 0x100);
}

static void answers_constants(void **state)
{
    (void)state;
    struct vcpu_state vcpu = { .rip = 0 };

    assert_int_equal(read_msr(0x10, true, &vcpu), 4711);
    assert_int_equal(read_msr(0x1b, true, &vcpu), 0xfee00100);
    assert_int_equal(read_msr(0x179, true, &vcpu), 0);
    assert_int_equal(read_msr(0xc0010114, false, &vcpu) & 0x18, 0x18);
    assert_true(write_msr(0x8b, &vcpu, 0));
    assert_true(write_msr(0x1b, &vcpu, 0xfee00100));
}

static void knows_no_others(void **state)
{
    (void)state;
    static const uint32_t unknown[] = {
        0x3b, 0x48, 0x49, 0x10a, 0x122, 0x140, 0x186, 0x38f, 0x400, 0x480, 0x4b564d00, 0x6e0,
        0x800, 0xc0000103, 0xc0010117, 0xc0010140, 0xdead,
    };
    for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++) {
        assert_null(msr_find(unknown[i], true));
        assert_null(msr_find(unknown[i], false));
    }
    assert_null(msr_find(0x1a0, false));
    assert_null(msr_find(0xc0010015, true));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reaches_guest_registers),
        cmocka_unit_test(refuses_bad_values),
        cmocka_unit_test(guards_efer),
        cmocka_unit_test(answers_constants),
        cmocka_unit_test(knows_no_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
