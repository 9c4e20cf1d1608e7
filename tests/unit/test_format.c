/* SPDX-License-Identifier: Apache-2.0 */
/* sources: hypervisor/lib/format.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "lib/format.h"

/* The oracle is the C library. */
#define SAME(...)                                                                                  \
    do {                                                                                           \
        char ours[100], theirs[100];                                                               \
        size_t length = format_line(ours, sizeof(ours), __VA_ARGS__);                              \
        snprintf(theirs, sizeof(theirs), __VA_ARGS__);                                             \
        assert_string_equal(ours, theirs);                                                         \
        assert_int_equal(length, strlen(theirs));                                                  \
    } while (0)

static void test_like_printf(void **state)
{
    (void)state;
    SAME("plain");
    SAME("%s|%c|%d|%u|%x", "text", 'c', -5, 7u, 0xabcu);
    SAME("%lu %ld %lx", UINT64_MAX, INT64_MIN, UINT64_MAX);
    SAME("%016lx|%8u|%08d|%3d", 0x1234UL, 5u, -42, 12345);
    SAME("%.3s|%8.2s|%s", "abcdef", "xyz", "");
    SAME("%d%%", 100);
}

static void test_never_past_the_end(void **state)
{
    char small[8] = "1234567";

    (void)state;
    assert_int_equal(format_line(small, 4, "%s %016lx", "abcdefgh", 1UL), 3);
    assert_string_equal(small, "abc");
    assert_string_equal(small + 4, "567");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_like_printf),
        cmocka_unit_test(test_never_past_the_end),
    };
    return cmocka_run_group_tests_name("format", tests, NULL, NULL);
}
