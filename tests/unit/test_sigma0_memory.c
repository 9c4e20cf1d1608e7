/* SPDX-License-Identifier: Apache-2.0 */
/* sources: hypervisor/system/memory.c */
/* cflags: -Ihypervisor/system */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "memory.h"

#define MIB 0x100000UL

/* The memory map of a PC, more or less: a piece below 1 MiB, one above that begins at no large
 * page, one above 4 GiB. */
static const struct boot_info boot = {
    .region_count = 3,
    .region = {{0x1000, 0x9e000}, {17 * MIB + 0x3000, 100 * MIB}, {4096 * MIB, 512 * MIB}},
};

static int setup(void **state)
{
    (void)state;
    memory_setup(&boot);
    return 0;
}

static bool is_free(uint64_t start, uint64_t size)
{
    for (uint32_t i = 0; i < boot.region_count; i++) {
        const struct boot_region *region = &boot.region[i];

        if (start >= region->base && start + size <= region->base + region->size) {
            return true;
        }
    }
    return false;
}

static void test_the_lowest_region_that_holds_it(void **state)
{
    (void)state;
    assert_int_equal(memory_place(PAGE_SIZE, PAGE_SIZE), 0x1000);
    assert_int_equal(memory_place(PAGE_SIZE, PAGE_SIZE), 0x2000);
    assert_int_equal(memory_place(MIB, PAGE_SIZE), 17 * MIB + 0x3000);
    assert_int_equal(memory_place(200 * MIB, LARGE_PAGE_SIZE), 4096 * MIB);
    assert_int_equal(memory_place(PAGE_SIZE, PAGE_SIZE), 0x3000);
}

static void test_what_alignment_skips_is_used_later(void **state)
{
    (void)state;
    uint64_t left = memory_left();

    assert_int_equal(memory_place(64 * MIB, LARGE_PAGE_SIZE), 18 * MIB);
    assert_int_equal(memory_place(0x9e000, PAGE_SIZE), 0x1000);
    assert_int_equal(memory_place(MIB - 0x3000, PAGE_SIZE), 17 * MIB + 0x3000);
    assert_int_equal(memory_place(PAGE_SIZE, PAGE_SIZE), 82 * MIB);
    assert_int_equal(memory_left(), left - 65 * MIB - 0x9e000 + 0x3000 - PAGE_SIZE);
}

static void test_what_the_build_placed_is_taken_or_not_there(void **state)
{
    uint64_t left = memory_left();

    (void)state;
    assert_true(memory_take(20 * MIB, 4 * MIB));
    assert_int_equal(memory_left(), left - 4 * MIB);
    assert_false(memory_take(20 * MIB, PAGE_SIZE)); /* taken */
    assert_false(memory_take(19 * MIB, 2 * MIB));   /* in part */
    assert_false(memory_take(16 * MIB, 2 * MIB));   /* begins before the region */
    assert_false(memory_take(116 * MIB, 2 * MIB));  /* ends behind it */
    assert_false(memory_take(UINT64_MAX - PAGE_SIZE + 1, PAGE_SIZE));
    assert_false(memory_take(4096 * MIB, UINT64_MAX));
    assert_int_equal(memory_left(), left - 4 * MIB);
    assert_true(memory_take(24 * MIB, MIB)); /* just behind the first */
    assert_int_equal(memory_place(4 * MIB, LARGE_PAGE_SIZE), 26 * MIB);
}

static void test_too_much_is_refused_and_changes_nothing(void **state)
{
    uint64_t left = memory_left();

    (void)state;
    assert_int_equal(memory_place(513 * MIB, PAGE_SIZE), 0);
    assert_int_equal(memory_place(UINT64_MAX & ~(PAGE_SIZE - 1), PAGE_SIZE), 0);
    assert_int_equal(memory_place(512 * MIB, 1UL << 33), 0);
    assert_int_equal(memory_left(), left);
    assert_int_equal(memory_place(512 * MIB, LARGE_PAGE_SIZE), 4096 * MIB);
}

/* Whatever is asked for in whatever order: nothing twice, nothing from outside. */
static void test_pieces_never_overlap(void **state)
{
    static struct {
        uint64_t start, size;
    } given[2000];
    unsigned count = 0;
    uint32_t random = 1;

    (void)state;
    while (count < 2000) {
        random = random * 1103515245u + 12345u;
        uint64_t size = (1 + (random >> 16) % 300) * PAGE_SIZE;
        uint64_t align = PAGE_SIZE << (random >> 8) % 10;
        uint64_t start = memory_place(size, align);

        if (start == 0) {
            break;
        }
        assert_int_equal(start & (align - 1), 0);
        assert_true(is_free(start, size));
        for (unsigned i = 0; i < count; i++) {
            assert_true(start + size <= given[i].start || given[i].start + given[i].size <= start);
        }
        given[count].start = start;
        given[count++].size = size;
    }
    assert_true(count > 500);
}

static void test_a_full_table_wastes_and_does_not_overflow(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2 * BOOT_REGIONS_MAX; i++) {
        assert_int_not_equal(memory_place(PAGE_SIZE, 4 * PAGE_SIZE), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_the_lowest_region_that_holds_it, setup),
        cmocka_unit_test_setup(test_what_alignment_skips_is_used_later, setup),
        cmocka_unit_test_setup(test_what_the_build_placed_is_taken_or_not_there, setup),
        cmocka_unit_test_setup(test_too_much_is_refused_and_changes_nothing, setup),
        cmocka_unit_test_setup(test_pieces_never_overlap, setup),
        cmocka_unit_test_setup(test_a_full_table_wastes_and_does_not_overflow, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
