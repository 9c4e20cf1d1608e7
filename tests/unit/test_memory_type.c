/* SPDX-License-Identifier: Apache-2.0 */
/* sources: hypervisor/x86/memory_type.c hypervisor/x86/paging_format.c */
/* cflags: -Ihypervisor/x86 -Ihypervisor/x86/plain */
/* What the MTRRs say, address by address, against the manual's rules applied to each page. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "x86/memory_type.h"
#include "x86/paging_format.h"

#define MIB (1UL << 20)
#define GIB (1UL << 30)
#define VALID 0x800u
#define ENABLED 0x800u
#define FIXED_ENABLED 0x400u
#define MASK(size) ((0x7fffffffffUL & ~((size) - 1)) | VALID) /* 39 bits of address */

/* A PC with 5 GiB: 3 below the hole, 2 above 4 GiB. */
static const struct mtrrs pc = {
    .capabilities = 0x50a, /* write combining, fixed ones, 10 variable ones */
    .default_type = ENABLED | FIXED_ENABLED | MEMORY_UNCACHED,
    .fixed = {0x0606060606060606, 0x0606060606060606, 0, 0x0505050505050505, 0x0505050505050505,
              0x0505050505050505, 0x0505050505050505, 0x0505050505050505, 0x0505050505050505,
              0x0505050505050505, 0x0505050505050505},
    .variable = {{0 | MEMORY_WRITE_BACK, MASK(2 * GIB)},
                 {2 * GIB | MEMORY_WRITE_BACK, MASK(1 * GIB)},
                 {4 * GIB | MEMORY_WRITE_BACK, MASK(2 * GIB)},
                 {(3 * GIB - 8 * MIB) | MEMORY_UNCACHED, MASK(8 * MIB)},
                 {0xd0000000 | MEMORY_WRITE_COMBINING, MASK(256 * MIB)}},
};

static void test_a_machine(void **state)
{
    (void)state;
    memory_types_set(&pc);
    assert_int_equal(memory_type(0, PAGE_SIZE), MEMORY_WRITE_BACK);
    assert_int_equal(memory_type(0x9f000, PAGE_SIZE), MEMORY_WRITE_BACK);
    assert_int_equal(memory_type(0xa0000, PAGE_SIZE), MEMORY_UNCACHED);
    assert_int_equal(memory_type(0xc0000, PAGE_SIZE), MEMORY_WRITE_PROTECTED);
    assert_int_equal(memory_type(1 * MIB, PAGE_SIZE), MEMORY_WRITE_BACK);
    assert_int_equal(memory_type(2 * MIB, 2 * MIB), MEMORY_WRITE_BACK);
    assert_int_equal(memory_type(1 * GIB, GIB), MEMORY_WRITE_BACK);
    assert_int_equal(memory_type(3 * GIB - 10 * MIB, 2 * MIB), MEMORY_WRITE_BACK);
    assert_int_equal(memory_type(3 * GIB - 8 * MIB, 2 * MIB), MEMORY_UNCACHED);
    assert_int_equal(memory_type(3 * GIB, GIB), MEMORY_UNCACHED);
    assert_int_equal(memory_type(0xd0000000, 2 * MIB), MEMORY_WRITE_COMBINING);
    assert_int_equal(memory_type(0xfee00000, PAGE_SIZE), MEMORY_UNCACHED);
    assert_int_equal(memory_type(5 * GIB, GIB), MEMORY_WRITE_BACK);
    assert_int_equal(memory_type(6 * GIB, GIB), MEMORY_UNCACHED);
    assert_int_equal(memory_type(1UL << 51, PAGE_SIZE), MEMORY_UNCACHED);
}

static void test_a_page_of_two_kinds(void **state)
{
    (void)state;
    memory_types_set(&pc);
    assert_int_equal(memory_type(0, 2 * MIB), MEMORY_UNCACHED);
    assert_int_equal(memory_type(2 * GIB, GIB), MEMORY_UNCACHED);
    assert_int_equal(memory_type(2 * GIB, GIB / 2), MEMORY_WRITE_BACK);
}

static void test_ept_repeats_it(void **state)
{
    (void)state;
    memory_types_set(&pc);
    assert_int_equal(page_format_ept.leaf(1 * MIB, MEM_READ, 0) >> 3 & 7, MEMORY_WRITE_BACK);
    assert_int_equal(page_format_ept.leaf(0xfee00000, MEM_READ, 0) >> 3 & 7, MEMORY_UNCACHED);
    assert_int_equal(page_format_ept.leaf(4 * GIB, MEM_READ, 2) >> 3 & 7, MEMORY_WRITE_BACK);
    assert_int_equal(page_format_ept.leaf(2 * GIB, MEM_READ, 2) >> 3 & 7, MEMORY_UNCACHED);
}

static void test_switched_off(void **state)
{
    struct mtrrs off = pc, none = {.default_type = ENABLED | MEMORY_WRITE_BACK};

    (void)state;
    off.default_type = MEMORY_WRITE_BACK;
    memory_types_set(&off);
    assert_int_equal(memory_type(1 * MIB, PAGE_SIZE), MEMORY_UNCACHED);
    memory_types_set(&none);
    assert_int_equal(memory_type(0xa0000, PAGE_SIZE), MEMORY_WRITE_BACK);
    assert_int_equal(memory_type(0, 1UL << 40), MEMORY_WRITE_BACK);
    off = pc;
    off.default_type = ENABLED | MEMORY_UNCACHED; /* without the fixed ones */
    memory_types_set(&off);
    assert_int_equal(memory_type(0xa0000, PAGE_SIZE), MEMORY_WRITE_BACK);
}

/* SDM vol 3, 12.11.4.1, for one page. */
static unsigned rule(const struct mtrrs *mtrrs, uint64_t page)
{
    unsigned seen = 0, only = 0;

    for (unsigned i = 0; i < (mtrrs->capabilities & 0xff); i++) {
        uint64_t mask = mtrrs->variable[i].mask;

        if ((mask & VALID) && ((page ^ mtrrs->variable[i].base) & mask & ~0xfffUL) == 0) {
            only = mtrrs->variable[i].base & 0xff;
            seen |= 1u << only;
        }
    }
    if (seen == 0) {
        return mtrrs->default_type & 0xff;
    }
    if ((seen & (seen - 1)) == 0) {
        return only;
    }
    return seen == (1u << MEMORY_WRITE_BACK | 1u << MEMORY_WRITE_THROUGH) ? MEMORY_WRITE_THROUGH
                                                                           : MEMORY_UNCACHED;
}

static void test_random_ranges(void **state)
{
    static const uint8_t types[] = {0, 1, 4, 5, 6};

    (void)state;
    srand(1);
    for (unsigned round = 0; round < 2000; round++) {
        struct mtrrs mtrrs = {.capabilities = (uint64_t)rand() % 11,
                              .default_type = ENABLED | types[rand() % 5]};

        for (unsigned i = 0; i < 10; i++) {
            uint64_t size = PAGE_SIZE << rand() % 6;

            mtrrs.variable[i].base = (uint64_t)(rand() % 64) * PAGE_SIZE / size * size |
                                     types[rand() % 5];
            mtrrs.variable[i].mask = MASK(size) & (rand() % 4 ? ~0UL : ~(uint64_t)VALID);
        }
        memory_types_set(&mtrrs);
        for (uint64_t page = 0; page < 70 * PAGE_SIZE; page += PAGE_SIZE) {
            assert_int_equal(memory_type(page, PAGE_SIZE), rule(&mtrrs, page));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_machine),
        cmocka_unit_test(test_a_page_of_two_kinds),
        cmocka_unit_test(test_ept_repeats_it),
        cmocka_unit_test(test_switched_off),
        cmocka_unit_test(test_random_ranges),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
