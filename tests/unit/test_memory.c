/* SPDX-License-Identifier: Apache-2.0 */
/* sources: hypervisor/kernel/memory.c hypervisor/lib/string.c */
/* cflags: -Itests/unit/fake */
/* The kernel's frames and quotas. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernel/log.h"
#include "kernel/memory.h"

#define FRAMES 64

static _Alignas(65536) uint8_t pool[FRAMES * PAGE_SIZE];

void panic(const char *format, ...)
{
    (void)format;
    mock_assert(0, "panic", __FILE__, __LINE__);
    abort();
}

static int setup(void **state)
{
    (void)state;
    memory_init(pool, sizeof(pool));
    return 0;
}

static void test_quota_is_a_limit(void **state)
{
    struct quota quota = {.limit = 3};

    (void)state;
    for (int i = 0; i < 3; i++) {
        assert_non_null(frame_alloc(&quota));
    }
    assert_null(frame_alloc(&quota));
    assert_int_equal(quota.used, 3);
}

static void test_frames_are_zero_and_come_back(void **state)
{
    struct quota quota = {.limit = FRAMES};
    uint64_t before = memory_free();
    uint8_t *frame = frame_alloc(&quota);

    (void)state;
    frame[0] = frame[PAGE_SIZE - 1] = 0xff;
    frame_free(&quota, frame);
    assert_int_equal(memory_free(), before);
    uint8_t *again = frame_alloc(&quota);

    assert_ptr_equal(again, frame);
    assert_int_equal(again[0] | again[PAGE_SIZE - 1], 0);
}

static void test_pool_runs_out_kindly(void **state)
{
    struct quota quota = {.limit = 10 * FRAMES};
    unsigned count = 0;

    (void)state;
    while (frame_alloc(&quota)) {
        count++;
    }
    assert_int_equal(memory_free(), 0);
    assert_int_equal(count, quota.used);
    assert_int_equal(count, FRAMES - 1); /* one for the bitmap */
}

static void test_no_frame_is_given_back_twice(void **state)
{
    struct quota quota = {.limit = FRAMES};
    void *frame = frame_alloc(&quota);

    (void)state;
    frame_alloc(&quota);
    frame_free(&quota, frame);
    expect_assert_failure(frame_free(&quota, frame));
}

static void test_random_against_a_model(void **state)
{
    struct quota quota = {.limit = FRAMES};
    void *held[FRAMES];
    unsigned count = 0;

    (void)state;
    srand(1);
    for (int i = 0; i < 20000; i++) {
        if (rand() % 2) {
            void *frame = frame_alloc(&quota);

            if (frame) {
                for (unsigned k = 0; k < count; k++) {
                    assert_ptr_not_equal(held[k], frame);
                }
                for (unsigned k = 0; k < PAGE_SIZE / 8; k++) {
                    assert_int_equal(((uint64_t *)frame)[k], 0);
                }
                memset(frame, 0xa5, PAGE_SIZE);
                held[count++] = frame;
            }
        } else if (count > 0) {
            unsigned pick = (unsigned)rand() % count;

            frame_free(&quota, held[pick]);
            held[pick] = held[--count];
        }
        assert_int_equal(quota.used, count);
    }
}

static void test_split_takes_from_the_parent(void **state)
{
    struct quota parent = {.limit = 10, .used = 4}, child;

    (void)state;
    assert_int_equal(quota_split(&parent, &child, 7), STATUS_NO_MEMORY);
    assert_int_equal(parent.used, 4);
    assert_int_equal(quota_split(&parent, &child, 6), STATUS_OK);
    assert_int_equal(child.limit, 6);
    assert_null(frame_alloc(&parent));
    assert_non_null(frame_alloc(&child));
    assert_int_equal(quota_split(&parent, &child, UINT64_MAX), STATUS_NO_MEMORY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_quota_is_a_limit, setup),
        cmocka_unit_test_setup(test_frames_are_zero_and_come_back, setup),
        cmocka_unit_test_setup(test_pool_runs_out_kindly, setup),
        cmocka_unit_test_setup(test_no_frame_is_given_back_twice, setup),
        cmocka_unit_test_setup(test_random_against_a_model, setup),
        cmocka_unit_test_setup(test_split_takes_from_the_parent, setup),
    };
    return cmocka_run_group_tests_name("memory", tests, NULL, NULL);
}
