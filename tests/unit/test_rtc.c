/* sources: vmm/dev/rtc.c vmm/timer.c */
/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>
#include <cmocka.h>

#include "dev/rtc.h"

#define SECOND NS_PER_SECOND
#define START 1704067199u /* Sunday, 2023-12-31 23:59:59 */

static struct rtc rtc;
static struct timer_queue queue;
static uint64_t now; /* ns */
static bool line;
static unsigned edges;

static uint64_t now_ns(void *clock)
{
    (void)clock;
    return now;
}

static void set_line(void *controller, unsigned input, bool level)
{
    assert_ptr_equal(controller, &rtc);
    assert_int_equal(input, 8);
    edges += level && !line;
    line = level;
}

static void start_at(uint64_t unix_seconds)
{
    now = 0;
    line = false;
    edges = 0;
    queue = (struct timer_queue){ .now_ns = now_ns };
    rtc_init(&rtc, &queue, (struct irq_line){ set_line, &rtc, 8 }, unix_seconds);
}

static int setup(void **state)
{
    (void)state;
    start_at(START);
    return 0;
}

static void out(unsigned reg, uint8_t value)
{
    struct access index = { .offset = 0, .value = reg, .size = 1, .write = true };
    struct access data = { .offset = 1, .value = value, .size = 1, .write = true };

    rtc_access(&rtc, &index);
    rtc_access(&rtc, &data);
}

static uint8_t in(unsigned reg)
{
    struct access index = { .offset = 0, .value = reg | 0x80, .size = 1, .write = true };
    struct access data = { .offset = 1, .value = UINT64_MAX, .size = 1 };

    rtc_access(&rtc, &index);
    rtc_access(&rtc, &data);
    assert_true(data.value <= 0xff);
    return (uint8_t)data.value;
}

static void at(uint64_t ns)
{
    now = ns;
    timer_run(&queue);
}

/* Century to seconds, as hexadecimal digits. */
static uint64_t stamp(void)
{
    static const uint8_t order[] = { 0x32, 0x09, 0x08, 0x07, 0x04, 0x02, 0x00 };
    uint64_t all = 0;

    for (unsigned i = 0; i < sizeof(order); i++) {
        all = all << 8 | in(order[i]);
    }
    return all;
}

static void linux_reads_the_time(void **state)
{
    (void)state;
    assert_int_equal(in(0x0a) & 0x80, 0);
    assert_int_equal(in(0x0b), 0x02);
    assert_int_equal(in(0x0d), 0x80);
    assert_int_equal(stamp(), 0x20231231235959);
    assert_int_equal(in(0x06), 1);
    now = SECOND;
    assert_int_equal(stamp(), 0x20240101000000);
    assert_int_equal(in(0x06), 2);
}

static void agrees_with_the_library(void **state)
{
    (void)state;
    srand(1);
    for (unsigned i = 0; i < 2000; i++) {
        uint64_t base = (uint64_t)rand() * 2;
        uint64_t later = (uint64_t)rand() % 100000000;
        time_t t = (time_t)(base + later);
        struct tm *tm;

        start_at(base);
        out(0x0b, 0x06);
        out(0x0b, 0x86); /* binary from now on: write the time anew */
        tm = gmtime(&(time_t){ (time_t)base });
        out(0x32, (uint8_t)((tm->tm_year + 1900) / 100));
        out(0x09, (uint8_t)(tm->tm_year % 100));
        out(0x08, (uint8_t)(tm->tm_mon + 1));
        out(0x07, (uint8_t)tm->tm_mday);
        out(0x04, (uint8_t)tm->tm_hour);
        out(0x02, (uint8_t)tm->tm_min);
        out(0x00, (uint8_t)tm->tm_sec);
        out(0x0b, 0x06);
        now = later * SECOND;
        tm = gmtime(&t);
        assert_int_equal(in(0x00), tm->tm_sec);
        assert_int_equal(in(0x02), tm->tm_min);
        assert_int_equal(in(0x04), tm->tm_hour);
        assert_int_equal(in(0x06), tm->tm_wday + 1);
        assert_int_equal(in(0x07), tm->tm_mday);
        assert_int_equal(in(0x08), tm->tm_mon + 1);
        assert_int_equal(in(0x09), tm->tm_year % 100);
        assert_int_equal(in(0x32), (tm->tm_year + 1900) / 100);
    }
}

static void leap_years(void **state)
{
    (void)state;
    start_at(1709164799); /* 2024-02-28 23:59:59 */
    now = SECOND;
    assert_int_equal(stamp(), 0x20240229000000);
    start_at(4107542399); /* 2100-02-28 23:59:59 */
    now = SECOND;
    assert_int_equal(stamp(), 0x21000301000000);
}

static void starts_when_the_clock_has_run(void **state)
{
    (void)state;
    now = 90 * SECOND + 5;
    rtc_init(&rtc, &queue, (struct irq_line){ 0 }, START);
    assert_int_equal(stamp(), 0x20240101000129);
}

static void update_in_progress_just_before_the_second(void **state)
{
    (void)state;
    now = SECOND - 244001;
    assert_int_equal(in(0x0a) & 0x80, 0);
    now = SECOND - 244000;
    assert_int_equal(in(0x0a) & 0x80, 0x80);
    now = SECOND - 1;
    assert_int_equal(in(0x0a) & 0x80, 0x80);
    assert_int_equal(stamp(), 0x20231231235959);
    now = SECOND;
    assert_int_equal(in(0x0a) & 0x80, 0);
    assert_int_equal(stamp(), 0x20240101000000);
    out(0x0b, 0x82);
    now = 2 * SECOND - 1;
    assert_int_equal(in(0x0a) & 0x80, 0);
}

/* As mc146818_set_time: SET, divider reset, fields, and back. */
static void linux_sets_the_time(void **state)
{
    uint8_t a, b;

    (void)state;
    now = 10 * SECOND;
    b = in(0x0b);
    out(0x0b, b | 0x80);
    a = in(0x0a);
    out(0x0a, a | 0x70);
    out(0x09, 0x30);
    out(0x08, 0x06);
    out(0x07, 0x15);
    out(0x04, 0x12);
    out(0x02, 0x34);
    out(0x00, 0x56);
    now = 20 * SECOND;
    assert_int_equal(stamp(), 0x20300615123456); /* stands still */
    out(0x0b, b);
    out(0x0a, a);
    now = 24 * SECOND;
    assert_int_equal(stamp(), 0x20300615123500);
}

static void fields_may_be_set_one_by_one(void **state)
{
    (void)state;
    out(0x08, 0x02); /* 31 February, until the day is set */
    out(0x07, 0x10);
    now = SECOND;
    assert_int_equal(stamp(), 0x20230211000000);
}

static void twelve_hours(void **state)
{
    static const uint8_t hours[] = { 0x12, 0x01, 0x11, 0x92, 0x81, 0x91 };
    static const unsigned at_hour[] = { 0, 1, 11, 12, 13, 23 };

    (void)state;
    start_at(START + 1);
    out(0x0b, 0x80);
    out(0x04, 0x12); /* midnight */
    out(0x0b, 0x00);
    for (unsigned i = 0; i < sizeof(hours); i++) {
        now = at_hour[i] * 3600 * SECOND;
        assert_int_equal(in(0x04), hours[i]);
    }
    now = 24 * 3600 * SECOND;
    assert_int_equal(stamp(), 0x20240102120000);
}

static void update_interrupt(void **state)
{
    (void)state;
    out(0x01, 0x30);
    in(0x0c);
    out(0x0b, 0x12);
    at(SECOND - 1);
    assert_false(line);
    at(SECOND);
    assert_true(line);
    assert_int_equal(timer_run(&queue), TIME_NEVER); /* until the guest has seen it */
    assert_int_equal(in(0x0c) & 0xb0, 0x90);
    assert_false(line);
    assert_int_equal(in(0x0c), 0);
    at(10 * SECOND + 5); /* late: one for all */
    assert_int_equal(edges, 2);
    in(0x0c);
    at(11 * SECOND);
    assert_int_equal(edges, 3);
    out(0x0b, 0x02);
    assert_false(line);
    at(20 * SECOND);
    assert_int_equal(edges, 3);
    assert_int_equal(timer_run(&queue), TIME_NEVER);
}

static void alarm_interrupt(void **state)
{
    (void)state;
    out(0x01, 0x05);
    out(0x03, 0x01);
    out(0x05, 0x00);
    in(0x0c);
    out(0x0b, 0x22);
    for (unsigned s = 1; s < 66; s++) {
        at(s * SECOND);
        assert_false(line);
    }
    at(66 * SECOND);
    assert_true(line);
    assert_int_equal(in(0x0c) & 0xb0, 0xb0);
    at(86466 * SECOND - 1);
    assert_false(line);
    at(86466 * SECOND);
    assert_true(line);
    in(0x0c);

    out(0x03, 0xff); /* every minute */
    out(0x05, 0xc0);
    at(89999 * SECOND);
    in(0x0c);
    edges = 0;
    for (unsigned s = 0; s < 600; s++) {
        at((90000 + s) * SECOND);
        in(0x0c);
    }
    assert_int_equal(edges, 10);
}

static void alarm_flag_without_interrupt(void **state)
{
    (void)state;
    out(0x01, 0x05);
    out(0x03, 0x00);
    out(0x05, 0x12);
    in(0x0c);
    now = 40000 * SECOND;
    assert_int_equal(in(0x0c) & 0xb0, 0x10);
    now = 50000 * SECOND;
    assert_int_equal(in(0x0c) & 0xb0, 0x30);
    now = UINT64_C(4000000000) * SECOND; /* a long sleep meets every alarm, and ends soon */
    assert_int_equal(in(0x0c) & 0xb0, 0x30);
    assert_int_equal(edges, 0);
}

static void periodic_interrupt(void **state)
{
    (void)state;
    out(0x0a, 0x26);
    out(0x0b, 0x42);
    for (unsigned i = 1; i <= 4096; i++) {
        uint64_t due = time_of_tick(i * 32, 32768);

        at(due - 1);
        assert_false(line);
        at(due);
        assert_true(line);
        assert_int_equal(in(0x0c) & 0xc0, 0xc0);
    }
    assert_int_equal(now, 4 * SECOND);
    at(5 * SECOND + 1);
    assert_int_equal(edges, 4097);
    in(0x0c);
    out(0x0a, 0x20);
    at(9 * SECOND);
    assert_int_equal(edges, 4097);
}

static void periodic_rates(void **state)
{
    static const unsigned hz[] = { 0,   256, 128, 8192, 4096, 2048, 1024, 512,
                                   256, 128, 64,  32,   16,   8,    4,    2 };

    (void)state;
    for (unsigned rate = 0; rate < 16; rate++) {
        uint64_t next, end;

        start_at(START);
        out(0x0a, (uint8_t)(0x20 | rate));
        in(0x0c);
        out(0x0b, 0x42);
        end = now + SECOND;
        while ((next = timer_run(&queue)) <= end) {
            now = next;
            timer_run(&queue);
            in(0x0c);
        }
        assert_int_equal(edges, hz[rate]);
    }
}

static void periodic_flag_can_be_polled(void **state)
{
    (void)state;
    in(0x0c);
    now = 976562;
    assert_int_equal(in(0x0c), 0);
    now = 976563;
    assert_int_equal(in(0x0c), 0x40);
    assert_int_equal(in(0x0c), 0);
}

static void ram_keeps_what_is_written(void **state)
{
    (void)state;
    for (unsigned i = 0x0e; i < 0x80; i++) {
        assert_int_equal(in(i), i == 0x32 ? 0x20 : 0);
        out(i, (uint8_t)(i * 3));
    }
    for (unsigned i = 0x0e; i < 0x80; i++) {
        assert_int_equal(in(i), (uint8_t)(i * 3));
    }
    out(0x0d, 0);
    assert_int_equal(in(0x0d), 0x80);
}

static void nonsense_is_survived(void **state)
{
    (void)state;
    for (unsigned mode = 0; mode < 8; mode += 2) {
        out(0x0b, (uint8_t)mode);
        for (unsigned i = 0; i < 10; i++) {
            out(i, 0xff);
        }
        out(0x32, 0xff);
        now += 123456 * SECOND;
        stamp();
        now += 100000000 * SECOND;
        stamp();
        assert_in_range(in(0x06), 1, 7);
    }
}

static void reset_keeps_the_time(void **state)
{
    (void)state;
    out(0x40, 0x55);
    out(0x0b, 0x72);
    at(3 * SECOND);
    assert_true(line);
    rtc_reset(&rtc);
    assert_false(line);
    assert_int_equal(timer_run(&queue), TIME_NEVER);
    assert_int_equal(in(0x0b), 0x02);
    assert_int_equal(in(0x40), 0x55);
    assert_int_equal(stamp(), 0x20240101000002);
}

static void a_word_write_sets_index_and_data(void **state)
{
    struct access access = { .value = 0x5a40, .size = 2, .write = true };

    (void)state;
    rtc_access(&rtc, &access);
    assert_int_equal(in(0x40), 0x5a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(linux_reads_the_time, setup),
        cmocka_unit_test_setup(agrees_with_the_library, setup),
        cmocka_unit_test_setup(leap_years, setup),
        cmocka_unit_test_setup(starts_when_the_clock_has_run, setup),
        cmocka_unit_test_setup(update_in_progress_just_before_the_second, setup),
        cmocka_unit_test_setup(linux_sets_the_time, setup),
        cmocka_unit_test_setup(fields_may_be_set_one_by_one, setup),
        cmocka_unit_test_setup(twelve_hours, setup),
        cmocka_unit_test_setup(update_interrupt, setup),
        cmocka_unit_test_setup(alarm_interrupt, setup),
        cmocka_unit_test_setup(alarm_flag_without_interrupt, setup),
        cmocka_unit_test_setup(periodic_interrupt, setup),
        cmocka_unit_test_setup(periodic_rates, setup),
        cmocka_unit_test_setup(periodic_flag_can_be_polled, setup),
        cmocka_unit_test_setup(ram_keeps_what_is_written, setup),
        cmocka_unit_test_setup(nonsense_is_survived, setup),
        cmocka_unit_test_setup(reset_keeps_the_time, setup),
        cmocka_unit_test_setup(a_word_write_sets_index_and_data, setup),
    };

    return cmocka_run_group_tests_name("rtc", tests, NULL, NULL);
}
