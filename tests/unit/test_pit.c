/* sources: vmm/dev/pit.c vmm/timer.c */
/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "dev/pit.h"

static struct pit pit;
static struct timer_queue queue;
static uint64_t now; /* ns */
static bool line;
static unsigned edges; /* rising */

static uint64_t now_ns(void *clock)
{
    (void)clock;
    return now;
}

static void set_line(void *controller, unsigned input, bool level)
{
    assert_ptr_equal(controller, &pit);
    assert_int_equal(input, 0);
    edges += level && !line;
    line = level;
}

static int setup(void **state)
{
    (void)state;
    now = 0;
    line = false;
    edges = 0;
    queue = (struct timer_queue){ .now_ns = now_ns };
    pit_init(&pit, &queue, (struct irq_line){ set_line, &pit, 0 });
    return 0;
}

static void out(unsigned port, uint8_t value)
{
    struct access access = { .value = value, .size = 1, .write = true };

    access.offset = port == 0x61 ? 0 : port - 0x40;
    (port == 0x61 ? pit_speaker_access : pit_access)(&pit, &access);
}

static uint8_t in(unsigned port)
{
    struct access access = { .value = 0xff, .size = 1 };

    access.offset = port == 0x61 ? 0 : port - 0x40;
    (port == 0x61 ? pit_speaker_access : pit_access)(&pit, &access);
    assert_true(access.value <= 0xff);
    return (uint8_t)access.value;
}

static void write_count(unsigned counter, unsigned count)
{
    out(0x40 + counter, (uint8_t)count);
    out(0x40 + counter, (uint8_t)(count >> 8));
}

/* Latched, so that both bytes are of one moment. */
static unsigned count_of(unsigned counter)
{
    out(0x43, (uint8_t)(counter << 6));

    unsigned low = in(0x40 + counter);

    return low | (unsigned)in(0x40 + counter) << 8;
}

static void at_tick(uint64_t tick)
{
    now = time_of_tick(tick, PIT_HZ);
    timer_run(&queue);
}

static bool out2(void)
{
    return in(0x61) & 0x20;
}

static void mode0_interrupts_once(void **state)
{
    (void)state;
    at_tick(1000);
    out(0x43, 0x30);
    assert_false(line);
    write_count(0, 100);
    at_tick(1001);
    assert_int_equal(count_of(0), 100);
    at_tick(1041);
    assert_int_equal(count_of(0), 60);
    at_tick(1100);
    assert_false(line);
    assert_int_equal(count_of(0), 1);
    at_tick(1101); /* count + 1 ticks after the write */
    assert_true(line);
    assert_int_equal(count_of(0), 0);
    at_tick(1102);
    assert_int_equal(count_of(0), 0xffff);
    at_tick(1000000);
    assert_int_equal(edges, 1);
    assert_int_equal(timer_run(&queue), TIME_NEVER);
}

static void mode0_first_byte_stops_and_lowers(void **state)
{
    (void)state;
    out(0x43, 0x30);
    write_count(0, 10);
    at_tick(100);
    assert_true(line);
    out(0x40, 50);
    assert_false(line);
    at_tick(200);
    assert_false(line);
    out(0x40, 0);
    at_tick(250);
    assert_false(line);
    at_tick(251);
    assert_true(line);
}

static void mode2_is_periodic_without_drift(void **state)
{
    const unsigned count = 4773; /* 250 Hz */

    (void)state;
    out(0x43, 0x34);
    assert_true(line);
    write_count(0, count);
    edges = 0;
    for (unsigned i = 1; i <= 2500; i++) {
        uint64_t tick = 1 + (uint64_t)i * count;

        at_tick(tick - 1);
        assert_int_equal(edges, i - 1);
        assert_int_equal(count_of(0), 1);
        at_tick(tick);
        assert_int_equal(edges, i);
        assert_int_equal(count_of(0), count);
    }
}

static void missed_periods_give_one_edge(void **state)
{
    (void)state;
    out(0x43, 0x34);
    write_count(0, 1000);
    edges = 0;
    at_tick(123457);
    assert_int_equal(edges, 1);
    at_tick(124000);
    assert_int_equal(edges, 1);
    at_tick(124001); /* still on the grid */
    assert_int_equal(edges, 2);
}

static void mode2_takes_a_new_count_at_the_end_of_the_period(void **state)
{
    (void)state;
    out(0x43, 0x34);
    write_count(0, 1000);
    edges = 0;
    at_tick(501);
    write_count(0, 100);
    assert_int_equal(count_of(0), 500);
    at_tick(1000);
    assert_int_equal(count_of(0), 1);
    at_tick(1001);
    assert_int_equal(edges, 1);
    assert_int_equal(count_of(0), 100);
    at_tick(1101);
    assert_int_equal(edges, 2);
    at_tick(1301);
    assert_int_equal(edges, 3);
}

static void a_write_does_not_swallow_an_edge_that_is_due(void **state)
{
    (void)state;
    out(0x43, 0x38);
    write_count(0, 100);
    edges = 0;
    now = time_of_tick(200, PIT_HZ); /* no timer_run yet */
    write_count(0, 100);
    assert_int_equal(edges, 1);
    at_tick(301);
    assert_int_equal(edges, 1);
    at_tick(302);
    assert_int_equal(edges, 2);
}

static void mode4_strobes_once(void **state)
{
    (void)state;
    out(0x43, 0x38); /* Linux's one-shot */
    assert_true(line);
    write_count(0, 100);
    edges = 0;
    at_tick(101);
    assert_int_equal(edges, 0);
    assert_int_equal(count_of(0), 0);
    out(0x43, 0xe2);
    assert_int_equal(in(0x40), 0x38);
    at_tick(102);
    assert_int_equal(edges, 1);
    out(0x43, 0xe2);
    assert_int_equal(in(0x40), 0xb8);
    at_tick(1000000);
    assert_int_equal(edges, 1);
    write_count(0, 100);
    write_count(0, 200);
    at_tick(1000201);
    assert_int_equal(edges, 1);
    at_tick(1000202);
    assert_int_equal(edges, 2);
}

static void mode3_is_a_square_wave(void **state)
{
    (void)state;
    out(0x61, 1);
    out(0x43, 0xb6);
    write_count(2, 10);
    for (unsigned i = 0; i < 40; i++) {
        at_tick(1 + i);
        assert_int_equal(out2(), i % 10 < 5);
        assert_int_equal(count_of(2), 10 - i % 5 * 2);
    }
    write_count(2, 0);
    assert_int_equal(count_of(2), 2);
    at_tick(41); /* the low half is over */
    assert_int_equal(count_of(2), 0);
    assert_true(out2());
    at_tick(40 + 32768);
    assert_true(out2());
    at_tick(41 + 32768);
    assert_false(out2());
}

static void mode3_with_an_odd_count(void **state)
{
    static const uint8_t counts[] = { 6, 4, 2, 0, 6, 4, 2 };

    (void)state;
    out(0x61, 1);
    out(0x43, 0xb6);
    write_count(2, 7);
    for (unsigned i = 0; i < 35; i++) {
        at_tick(1 + i);
        assert_int_equal(out2(), i % 7 < 4);
        assert_int_equal(count_of(2), counts[i % 7]);
    }
}

static void mode3_interrupts_once_per_period(void **state)
{
    (void)state;
    out(0x43, 0x36);
    write_count(0, 1000);
    edges = 0;
    at_tick(1000);
    assert_int_equal(edges, 0);
    at_tick(1001);
    assert_int_equal(edges, 1);
    at_tick(1501 - 10); /* high half: the new count makes the low half */
    write_count(0, 200);
    at_tick(1600);
    assert_int_equal(edges, 1);
    at_tick(1601);
    assert_int_equal(edges, 2);
    at_tick(1601 + 150); /* low half: the new count begins with its high half */
    write_count(0, 400);
    at_tick(1801);
    assert_int_equal(edges, 3);
    at_tick(2200);
    assert_int_equal(edges, 3);
    at_tick(2201);
    assert_int_equal(edges, 4);
}

static void gate_stops_and_triggers(void **state)
{
    (void)state;
    out(0x43, 0xb0); /* mode 0: stops and goes on */
    write_count(2, 100);
    at_tick(50);
    assert_int_equal(count_of(2), 100);
    out(0x61, 1);
    at_tick(80);
    assert_int_equal(count_of(2), 70);
    out(0x61, 0);
    at_tick(500);
    assert_int_equal(count_of(2), 70);
    assert_false(out2());
    out(0x61, 1);
    at_tick(569);
    assert_false(out2());
    at_tick(570);
    assert_true(out2());

    out(0x61, 1); /* mode 2: starts anew */
    out(0x43, 0xb4);
    write_count(2, 100);
    at_tick(600);
    out(0x61, 0);
    at_tick(700);
    assert_int_equal(count_of(2), 71);
    assert_true(out2());
    out(0x61, 1);
    at_tick(701);
    assert_int_equal(count_of(2), 100);
}

static void mode1_and_5_wait_for_the_gate(void **state)
{
    (void)state;
    out(0x43, 0xb2);
    assert_true(out2());
    write_count(2, 100);
    at_tick(1000);
    assert_true(out2());
    out(0x61, 1);
    at_tick(1001);
    assert_false(out2());
    out(0x61, 0);
    at_tick(1100);
    assert_false(out2());
    at_tick(1101);
    assert_true(out2());
    out(0x61, 1); /* again, and retriggered */
    at_tick(1150);
    out(0x61, 0);
    out(0x61, 1);
    at_tick(1250);
    assert_false(out2());
    at_tick(1251);
    assert_true(out2());

    out(0x61, 0);
    out(0x43, 0xba);
    write_count(2, 10);
    out(0x61, 1);
    at_tick(1261);
    assert_true(out2());
    at_tick(1262);
    assert_false(out2());
    at_tick(1263);
    assert_true(out2());
}

static void linux_calibrates_with_counter_2(void **state)
{
    const unsigned latch = 11931; /* CAL_LATCH for 10 ms */
    unsigned polls = 0;

    (void)state;
    now = 123456789;
    out(0x61, (uint8_t)((in(0x61) & ~2) | 1));
    out(0x43, 0xb0);
    write_count(2, latch);

    uint64_t begin = now;

    while (!(in(0x61) & 0x20)) {
        now += 1000;
        assert_true(++polls < 20000);
    }
    assert_in_range(now - begin, 9999000, 10002000);
}

static void linux_quick_calibration_reads_falling_msb(void **state)
{
    (void)state;
    out(0x61, (uint8_t)((in(0x61) & ~2) | 1));
    out(0x43, 0xb0);
    out(0x42, 0xff);
    out(0x42, 0xff);
    in(0x42);
    in(0x42);
    for (unsigned msb = 0xff; msb > 0xe0; msb--) {
        unsigned reads = 0;

        do {
            now += 1000;
            in(0x42);
            reads++;
            assert_true(reads < 1000);
        } while (in(0x42) == msb);
        assert_in_range(reads, 213, 216); /* 256 ticks are 214.6 us */
    }
}

static void latches_hold_until_read(void **state)
{
    (void)state;
    out(0x43, 0x34);
    write_count(0, 0x8000);
    at_tick(1 + 0x123);
    out(0x43, 0x00);
    at_tick(1 + 0x2000);
    out(0x43, 0x00); /* a second latch is ignored */
    assert_int_equal(in(0x40), 0xdd);
    assert_int_equal(in(0x40), 0x7e);
    assert_int_equal(in(0x40), 0x00); /* live */
    assert_int_equal(in(0x40), 0x60);
}

static void read_back_latches_status_and_counts(void **state)
{
    (void)state;
    out(0x43, 0x34);
    out(0x43, 0xe2);
    assert_int_equal(in(0x40), 0xf4); /* no count yet */
    write_count(0, 1000);
    at_tick(501);
    out(0x43, 0xc2);
    at_tick(700);
    assert_int_equal(in(0x40), 0xb4); /* status first */
    assert_int_equal(in(0x40), 500 & 0xff);
    assert_int_equal(in(0x40), 500 >> 8);
    write_count(0, 2000);
    out(0x43, 0xe2);
    assert_int_equal(in(0x40), 0xf4); /* waits for the period's end */
    at_tick(1001);
    out(0x43, 0xe2);
    assert_int_equal(in(0x40), 0xb4);
}

static void single_byte_access(void **state)
{
    (void)state;
    out(0x61, 1);
    out(0x43, 0x94); /* counter 2, low byte, mode 2 */
    out(0x42, 0x40);
    at_tick(17);
    assert_int_equal(in(0x42), 0x30);
    assert_int_equal(in(0x42), 0x30);
    out(0x43, 0xa4); /* high byte */
    out(0x42, 0x40);
    at_tick(18 + 0x123);
    assert_int_equal(in(0x42), 0x3e);
}

static void bcd_counts_in_decimals(void **state)
{
    (void)state;
    out(0x43, 0x35);
    write_count(0, 0x1234);
    edges = 0;
    at_tick(1);
    assert_int_equal(count_of(0), 0x1234);
    at_tick(36);
    assert_int_equal(count_of(0), 0x1199);
    at_tick(1235);
    assert_int_equal(edges, 1);

    out(0x43, 0x31);
    write_count(0, 0);
    at_tick(1236);
    assert_int_equal(count_of(0), 0);
    at_tick(1237);
    assert_int_equal(count_of(0), 0x9999);
    at_tick(11236);
    assert_int_equal(edges, 2);
    at_tick(11237);
    assert_int_equal(count_of(0), 0x9999);
}

static void zero_is_65536_and_one_is_no_storm(void **state)
{
    (void)state;
    out(0x43, 0x34);
    write_count(0, 0);
    edges = 0;
    at_tick(65536);
    assert_int_equal(edges, 0);
    at_tick(65537);
    assert_int_equal(edges, 1);
    out(0x43, 0x34);
    write_count(0, 1);
    edges = 0;
    at_tick(1000000);
    assert_int_equal(edges, 1);
    assert_true(queue.first->deadline_ns > now);
}

static void speaker_port(void **state)
{
    (void)state;
    out(0x61, 0xff);
    assert_int_equal(in(0x61) & 0xcf, 0x0f);

    unsigned toggles = 0;

    for (unsigned i = 0; i < 1000; i++) {
        bool before = in(0x61) & 0x10;

        now += 1000;
        toggles += before != !!(in(0x61) & 0x10);
    }
    assert_in_range(toggles, 65, 67); /* every 15.085 us */
}

static void a_word_access_is_two_bytes(void **state)
{
    struct access access = { .offset = 2, .value = 0xb400, .size = 2, .write = true };

    (void)state;
    pit_access(&pit, &access); /* counter 2, and then the control word for it */
    out(0x43, 0xe8);
    assert_int_equal(in(0x42) & 0x3f, 0x34);
}

static void reset_disarms(void **state)
{
    (void)state;
    out(0x43, 0x34);
    write_count(0, 1000);
    assert_true(pit.timer.armed);
    pit_reset(&pit);
    assert_false(line);
    assert_int_equal(timer_run(&queue), TIME_NEVER);
}

static void works_for_centuries(void **state)
{
    (void)state;
    now = 18000000000u * UINT64_C(1000000000);
    out(0x43, 0x34);
    write_count(0, 1000);
    edges = 0;
    at_tick(ticks_at(now, PIT_HZ) + 1001);
    assert_int_equal(edges, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(mode0_interrupts_once, setup),
        cmocka_unit_test_setup(mode0_first_byte_stops_and_lowers, setup),
        cmocka_unit_test_setup(mode2_is_periodic_without_drift, setup),
        cmocka_unit_test_setup(missed_periods_give_one_edge, setup),
        cmocka_unit_test_setup(mode2_takes_a_new_count_at_the_end_of_the_period, setup),
        cmocka_unit_test_setup(a_write_does_not_swallow_an_edge_that_is_due, setup),
        cmocka_unit_test_setup(mode4_strobes_once, setup),
        cmocka_unit_test_setup(mode3_is_a_square_wave, setup),
        cmocka_unit_test_setup(mode3_with_an_odd_count, setup),
        cmocka_unit_test_setup(mode3_interrupts_once_per_period, setup),
        cmocka_unit_test_setup(gate_stops_and_triggers, setup),
        cmocka_unit_test_setup(mode1_and_5_wait_for_the_gate, setup),
        cmocka_unit_test_setup(linux_calibrates_with_counter_2, setup),
        cmocka_unit_test_setup(linux_quick_calibration_reads_falling_msb, setup),
        cmocka_unit_test_setup(latches_hold_until_read, setup),
        cmocka_unit_test_setup(read_back_latches_status_and_counts, setup),
        cmocka_unit_test_setup(single_byte_access, setup),
        cmocka_unit_test_setup(bcd_counts_in_decimals, setup),
        cmocka_unit_test_setup(zero_is_65536_and_one_is_no_storm, setup),
        cmocka_unit_test_setup(speaker_port, setup),
        cmocka_unit_test_setup(a_word_access_is_two_bytes, setup),
        cmocka_unit_test_setup(reset_disarms, setup),
        cmocka_unit_test_setup(works_for_centuries, setup),
    };

    return cmocka_run_group_tests_name("pit", tests, NULL, NULL);
}
