/* sources: vmm/cr.c */
/* SPDX-License-Identifier: Apache-2.0 */
/* The rules of the control registers, and the instructions that reach them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "cr.h"

#define PG 0x80000000u
#define PCIDE 0x20000u
#define SHOWN 0x3507bf /* without PCIDs */
#define LONG_CODE 0xa9b
#define CODE_32 0xc9b

static struct vcpu_state make(uint64_t cr0, uint64_t cr4, uint64_t efer, uint16_t cs)
{
    struct vcpu_state state = { .cr0 = cr0, .cr4 = cr4, .efer = efer };
    state.segment[SEG_CS].attributes = cs;
    return state;
}

static void guards_cr0(void **unused)
{
    (void)unused;
    struct vcpu_state s = make(0x11, 0x20, 0x100, CODE_32);

    assert_false(cr_write(&s, SHOWN, 0, PG | 0x10));       /* PG without PE */
    assert_false(cr_write(&s, SHOWN, 0, 0x20000011));      /* NW without CD */
    assert_false(cr_write(&s, SHOWN, 0, 1UL << 32 | 0x11));
    assert_int_equal(s.dirty, 0);
    assert_true(cr_write(&s, SHOWN, 0, PG | 0x1)); /* into long mode; ET stays */
    assert_int_equal(s.cr0, PG | 0x11);
    assert_int_equal(s.efer, 0x500);
    assert_int_equal(s.dirty, STATE_CONTROL);
    assert_true(cr_write(&s, SHOWN, 0, 0x11)); /* and out of it, from 32-bit code */
    assert_int_equal(s.efer, 0x100);

    s = make(0x11, 0x00, 0x100, CODE_32);
    assert_false(cr_write(&s, SHOWN, 0, PG | 0x11)); /* LME without PAE */
    s = make(0x11, 0x20, 0x100, LONG_CODE);
    assert_false(cr_write(&s, SHOWN, 0, PG | 0x11));
    s = make(PG | 0x11, 0x20, 0x500, LONG_CODE);
    assert_false(cr_write(&s, SHOWN, 0, 0x11));
    s = make(0x11, 0x00, 0, CODE_32);
    assert_true(cr_write(&s, SHOWN, 0, PG | 0x11)); /* legacy paging */
    assert_int_equal(s.efer, 0);
}

static void guards_cr3_and_cr4(void **unused)
{
    (void)unused;
    struct vcpu_state s = make(PG | 0x11, 0x20, 0x500, LONG_CODE);

    assert_true(cr_write(&s, SHOWN, 3, 0x123000));
    assert_false(cr_write(&s, SHOWN, 3, 1UL << 63 | 0x123000));
    assert_int_equal(s.cr3, 0x123000);
    assert_true(cr_write(&s, SHOWN, 4, 0x3506b0));
    assert_false(cr_write(&s, SHOWN, 4, 0x90)); /* PAE off in long mode */
    static const unsigned hidden[] = { 6, 12, 13, 14, 17, 22, 23, 24, 40 };
    for (size_t i = 0; i < sizeof(hidden) / sizeof(hidden[0]); i++) {
        assert_false(cr_write(&s, SHOWN, 4, 0x20 | 1UL << hidden[i]));
    }
    assert_int_equal(s.cr4, 0x3506b0);
    assert_false(cr_write(&s, 0x507bf, 4, 0x100020)); /* no SMEP */
    assert_false(cr_write(&s, SHOWN, 1, 0));
    assert_false(cr_write(&s, SHOWN, 2, 0));
}

static void guards_pcids(void **unused)
{
    (void)unused;
    struct vcpu_state s = make(PG | 0x11, 0x20, 0x500, CODE_32);

    s.cr3 = 0x1008;
    assert_false(cr_write(&s, SHOWN | PCIDE, 4, 0x20 | PCIDE)); /* CR3 has other bits there */
    s.cr3 = 0x1000;
    assert_false(cr_write(&s, SHOWN, 4, 0x20 | PCIDE));
    assert_true(cr_write(&s, SHOWN | PCIDE, 4, 0x20 | PCIDE));
    assert_true(cr_write(&s, SHOWN | PCIDE, 3, 1UL << 63 | 0x2003));
    assert_int_equal(s.cr3, 0x2003);
    assert_false(cr_write(&s, SHOWN | PCIDE, 3, 1UL << 62 | 0x2003));
    assert_false(cr_write(&s, SHOWN | PCIDE, 0, 0x11)); /* out of long mode */
    assert_true(cr_write(&s, SHOWN | PCIDE, 4, 0x20));
    assert_true(cr_write(&s, SHOWN | PCIDE, 0, 0x11));
    assert_false(cr_write(&s, SHOWN | PCIDE, 4, 0x20 | PCIDE));
}

static void decodes(void **unused)
{
    (void)unused;
    static const struct {
        uint8_t code[6], length, long_mode, good, kind, number, gpr, size;
    } rows[] = {
        { { 0x0f, 0x22, 0xc0 }, 3, 1, 1, CR_MOV_TO, 0, 0, 3 },
        { { 0x0f, 0x20, 0xdf }, 3, 1, 1, CR_MOV_FROM, 3, 7, 3 },
        { { 0x41, 0x0f, 0x22, 0xe4 }, 4, 1, 1, CR_MOV_TO, 4, 12, 4 },
        { { 0x44, 0x0f, 0x22, 0xc3 }, 4, 1, 1, CR_MOV_TO, 8, 3, 4 },
        { { 0xf0, 0x0f, 0x20, 0xc1 }, 4, 0, 1, CR_MOV_FROM, 8, 1, 4 },
        { { 0x66, 0x0f, 0x22, 0xd8 }, 4, 0, 1, CR_MOV_TO, 3, 0, 4 },
        { { 0x41, 0x66, 0x0f, 0x22, 0xc0 }, 5, 1, 1, CR_MOV_TO, 0, 0, 5 }, /* a REX too early */
        { { 0x0f, 0x06 }, 2, 1, 1, CR_CLTS, 0, 0, 2 },
        { { 0x0f, 0x01, 0xf6 }, 3, 1, 1, CR_LMSW, 0, 6, 3 },
        { { 0x0f, 0x01, 0x36 }, 3, 1, 0, 0, 0, 0, 0 }, /* from memory */
        { { 0x0f, 0x22 }, 2, 1, 0, 0, 0, 0, 0 },
        { { 0x0f }, 1, 1, 0, 0, 0, 0, 0 },
        { { 0x90 }, 1, 1, 0, 0, 0, 0, 0 },
        { { 0x41, 0x0f, 0x22, 0xc0 }, 4, 0, 0, 0, 0, 0, 0 }, /* INC ECX in 32-bit code */
        { { 0x66, 0x66, 0x66 }, 3, 1, 0, 0, 0, 0, 0 },
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct cr_access access = { .kind = CR_MOV_TO };
        bool good = cr_decode(rows[i].code, rows[i].length, rows[i].long_mode, &access);
        assert_int_equal(good, rows[i].good);
        if (good) {
            assert_int_equal(access.kind, rows[i].kind);
            assert_int_equal(access.number, rows[i].number);
            assert_int_equal(access.gpr, rows[i].gpr);
            assert_int_equal(access.length, rows[i].size);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(guards_cr0),
        cmocka_unit_test(guards_cr3_and_cr4),
        cmocka_unit_test(guards_pcids),
        cmocka_unit_test(decodes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
