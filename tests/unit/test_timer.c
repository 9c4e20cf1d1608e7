/* sources: vmm/timer.c */
/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "dev.h"

struct bench {
    struct timer_queue queue;
    uint64_t now;
    char log[16]; /* names of the timers that expired, in order */
    unsigned logged;
};

struct probe {
    struct timer timer;
    struct bench *bench;
    char name;
    uint64_t again;       /* re-arms itself at this deadline; TIME_NEVER: not */
    struct probe *victim; /* cancels this one */
};

static uint64_t now_ns(void *clock)
{
    return *(uint64_t *)clock;
}

static void expired(void *device)
{
    struct probe *probe = device;
    struct bench *bench = probe->bench;

    assert_false(probe->timer.armed);
    assert_true(bench->logged < sizeof(bench->log) - 1);
    bench->log[bench->logged++] = probe->name;
    if (probe->again != TIME_NEVER) {
        timer_arm(&bench->queue, &probe->timer, probe->again);
    }
    if (probe->victim) {
        timer_cancel(&bench->queue, &probe->victim->timer);
    }
}

static struct bench bench;
static struct probe a, b, c;

static int setup(void **state)
{
    (void)state;
    bench = (struct bench){ .queue = { .now_ns = now_ns, .clock = &bench.now } };
    a = (struct probe){ { .expired = expired, .device = &a }, &bench, 'a', TIME_NEVER, NULL };
    b = (struct probe){ { .expired = expired, .device = &b }, &bench, 'b', TIME_NEVER, NULL };
    c = (struct probe){ { .expired = expired, .device = &c }, &bench, 'c', TIME_NEVER, NULL };
    return 0;
}

static uint64_t run_at(uint64_t now)
{
    bench.now = now;
    return timer_run(&bench.queue);
}

static void expires_in_order_of_deadlines(void **state)
{
    (void)state;
    assert_int_equal(run_at(0), TIME_NEVER);
    timer_arm(&bench.queue, &c.timer, 300);
    timer_arm(&bench.queue, &a.timer, 100);
    timer_arm(&bench.queue, &b.timer, 200);
    assert_int_equal(run_at(99), 100);
    assert_string_equal(bench.log, "");
    assert_int_equal(run_at(100), 200);
    assert_string_equal(bench.log, "a");
    assert_int_equal(run_at(1000), TIME_NEVER);
    assert_string_equal(bench.log, "abc");
}

static void equal_deadlines_expire_as_armed(void **state)
{
    (void)state;
    timer_arm(&bench.queue, &b.timer, 5);
    timer_arm(&bench.queue, &a.timer, 5);
    timer_arm(&bench.queue, &c.timer, 5);
    run_at(5);
    assert_string_equal(bench.log, "bac");
}

static void arming_again_moves(void **state)
{
    (void)state;
    timer_arm(&bench.queue, &a.timer, 10);
    timer_arm(&bench.queue, &b.timer, 20);
    timer_arm(&bench.queue, &a.timer, 30);
    assert_int_equal(run_at(10), 20);
    assert_int_equal(run_at(20), 30);
    assert_int_equal(run_at(30), TIME_NEVER);
    assert_string_equal(bench.log, "ba");
}

static void cancelled_does_not_expire(void **state)
{
    (void)state;
    timer_cancel(&bench.queue, &a.timer);
    timer_arm(&bench.queue, &a.timer, 10);
    timer_arm(&bench.queue, &b.timer, 20);
    timer_cancel(&bench.queue, &a.timer);
    timer_cancel(&bench.queue, &a.timer);
    assert_int_equal(run_at(10), 20);
    assert_int_equal(run_at(20), TIME_NEVER);
    assert_string_equal(bench.log, "b");
}

static void rearming_into_the_past_is_called_once_per_run(void **state)
{
    (void)state;
    a.again = 0;
    timer_arm(&bench.queue, &a.timer, 1);
    timer_arm(&bench.queue, &b.timer, 2);
    assert_int_equal(run_at(10), 0);
    assert_string_equal(bench.log, "ab");
    assert_int_equal(run_at(10), 0);
    assert_string_equal(bench.log, "aba");
}

static void one_that_is_due_can_still_be_cancelled(void **state)
{
    (void)state;
    a.victim = &b;
    timer_arm(&bench.queue, &a.timer, 1);
    timer_arm(&bench.queue, &b.timer, 2);
    timer_arm(&bench.queue, &c.timer, 3);
    assert_int_equal(run_at(10), TIME_NEVER);
    assert_string_equal(bench.log, "ac");
    assert_false(b.timer.armed);
}

static void ticks_are_exact(void **state)
{
    const uint64_t hz = 1193182;
    const uint64_t times[] = { 0, 1, 838, 839, 999999999, 1000000000, 86400000000000,
                               3155760000000000000, 18446744072999999999u };

    (void)state;
    for (unsigned i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
        unsigned __int128 exact = (unsigned __int128)times[i] * hz / NS_PER_SECOND;
        uint64_t tick = ticks_at(times[i], hz);
        uint64_t first = time_of_tick(tick, hz);

        assert_true(exact == tick);
        assert_true(first <= times[i]);
        assert_int_equal(ticks_at(first, hz), tick);
        assert_true(first == 0 || ticks_at(first - 1, hz) == tick - 1);
    }
    assert_true(ticks_at(UINT64_MAX, hz) == (unsigned __int128)UINT64_MAX * hz / NS_PER_SECOND);
    assert_int_equal(time_of_tick(UINT64_MAX, hz), TIME_NEVER);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(expires_in_order_of_deadlines, setup),
        cmocka_unit_test_setup(equal_deadlines_expire_as_armed, setup),
        cmocka_unit_test_setup(arming_again_moves, setup),
        cmocka_unit_test_setup(cancelled_does_not_expire, setup),
        cmocka_unit_test_setup(rearming_into_the_past_is_called_once_per_run, setup),
        cmocka_unit_test_setup(one_that_is_due_can_still_be_cancelled, setup),
        cmocka_unit_test(ticks_are_exact),
    };

    return cmocka_run_group_tests_name("timer", tests, NULL, NULL);
}
