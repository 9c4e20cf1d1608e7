/* sources: vmm/dev/pic.c */
/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "dev/pic.h"

static struct pic pic;

static void access_port(unsigned port, struct access *access)
{
    access_fn fn = port >= 0x4d0 ? pic_elcr_access : port >= 0xa0 ? pic_slave_access
                                                                  : pic_master_access;

    access->offset = port & 1;
    fn(&pic, access);
}

static void out(unsigned port, uint8_t value)
{
    struct access access = { .value = value, .size = 1, .write = true };

    access_port(port, &access);
}

static uint8_t in(unsigned port)
{
    struct access access = { .value = UINT64_MAX, .size = 1 };

    access_port(port, &access);
    assert_true(access.value <= 0xff);
    return (uint8_t)access.value;
}

static void raise(unsigned input)
{
    pic_set_irq(&pic, input, true);
}

static void lower(unsigned input)
{
    pic_set_irq(&pic, input, false);
}

static void pulse(unsigned input)
{
    lower(input);
    raise(input);
}

/* What is peeked must be what is acknowledged. */
static int take(void)
{
    int vector = pic_peek(&pic);

    if (vector >= 0) {
        assert_int_equal(pic_ack(&pic), vector);
    }
    return vector;
}

/* As Linux's init_8259A does it, ending with everything masked but what `imr` says. */
static void linux_init(uint8_t icw4, uint16_t imr)
{
    out(0x21, 0xff);
    out(0x20, 0x11);
    out(0x21, 0x30);
    out(0x21, 0x04);
    out(0x21, icw4);
    out(0xa0, 0x11);
    out(0xa1, 0x38);
    out(0xa1, 0x02);
    out(0xa1, 0x01);
    out(0x21, (uint8_t)imr);
    out(0xa1, (uint8_t)(imr >> 8));
}

/* As Linux's mask_and_ack_8259A. */
static void linux_mask_and_ack(unsigned irq)
{
    if (irq & 8) {
        out(0xa1, (uint8_t)(in(0xa1) | 1u << (irq & 7)));
        out(0xa0, (uint8_t)(0x60 + (irq & 7)));
        out(0x20, 0x62);
    } else {
        out(0x21, (uint8_t)(in(0x21) | 1u << irq));
        out(0x20, (uint8_t)(0x60 + irq));
    }
}

static void linux_unmask(unsigned irq)
{
    unsigned port = irq & 8 ? 0xa1 : 0x21;

    out(port, (uint8_t)(in(port) & ~(1u << (irq & 7))));
}

static int setup(void **state)
{
    (void)state;
    pic_init(&pic);
    linux_init(0x01, 0);
    return 0;
}

static void silent_before_initialization(void **state)
{
    (void)state;
    pic_init(&pic);
    for (unsigned i = 0; i < 20; i++) {
        raise(i);
    }
    assert_int_equal(pic_peek(&pic), -1);
    assert_int_equal(in(0x21), 0xff);
}

static void linux_probe_finds_it(void **state)
{
    (void)state;
    pic_init(&pic);
    out(0xa1, 0xff);
    out(0x21, 0xfb);
    assert_int_equal(in(0x21), 0xfb);
    linux_init(0x01, 0xfffb);
    assert_int_equal(in(0x21), 0xfb);
    assert_int_equal(in(0xa1), 0xff);
}

static void every_input_has_its_vector(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 16; i++) {
        raise(i);
        assert_int_equal(take(), i == 2 ? -1 : (int)(0x30 + i));
        lower(i);
        out(0xa0, 0x20);
        out(0x20, 0x20);
    }
    assert_int_equal(pic.master.isr | pic.slave.isr, 0);
}

static void linux_handles_an_edge(void **state)
{
    (void)state;
    raise(4);
    assert_int_equal(take(), 0x34);
    linux_mask_and_ack(4);
    assert_int_equal(take(), -1);
    pulse(4); /* the next one waits behind the mask */
    assert_int_equal(take(), -1);
    linux_unmask(4);
    assert_int_equal(take(), 0x34);
    assert_int_equal(take(), -1);
}

static void an_edge_counts_once(void **state)
{
    (void)state;
    raise(4);
    raise(4);
    assert_int_equal(take(), 0x34);
    out(0x20, 0x64);
    raise(4);
    assert_int_equal(take(), -1);
    pulse(4);
    assert_int_equal(take(), 0x34);
}

static void a_slave_interrupt(void **state)
{
    (void)state;
    raise(8);
    assert_int_equal(take(), 0x38);
    out(0x20, 0x0b);
    out(0xa0, 0x0b);
    assert_int_equal(in(0x20), 0x04);
    assert_int_equal(in(0xa0), 0x01);
    linux_mask_and_ack(8);
    assert_int_equal(in(0x20), 0);
    assert_int_equal(in(0xa0), 0);
}

static void two_slave_interrupts_follow_each_other(void **state)
{
    (void)state;
    raise(14);
    raise(8);
    assert_int_equal(take(), 0x38);
    linux_mask_and_ack(8);
    assert_int_equal(take(), 0x3e);
    linux_mask_and_ack(14);
    assert_int_equal(take(), -1);
}

static void slave_in_auto_eoi_passes_on_what_waits(void **state)
{
    (void)state;
    out(0xa0, 0x11);
    out(0xa1, 0x38);
    out(0xa1, 0x02);
    out(0xa1, 0x03);
    raise(9);
    raise(10);
    assert_int_equal(take(), 0x39);
    out(0x20, 0x62);
    assert_int_equal(take(), 0x3a);
    out(0x20, 0x62);
    assert_int_equal(take(), -1);
}

static void priority_nests(void **state)
{
    (void)state;
    raise(4);
    assert_int_equal(take(), 0x34);
    raise(5);
    assert_int_equal(take(), -1);
    raise(3);
    assert_int_equal(take(), 0x33);
    raise(8);
    assert_int_equal(take(), 0x38);
    raise(1);
    assert_int_equal(take(), 0x31);
    out(0x20, 0x20); /* 1 */
    out(0xa0, 0x20);
    out(0x20, 0x20); /* 2 */
    out(0x20, 0x20); /* 3 */
    assert_int_equal(take(), -1);
    out(0x20, 0x20); /* 4 */
    assert_int_equal(take(), 0x35);
}

static void a_line_that_falls_takes_its_request_along(void **state)
{
    (void)state;
    raise(3);
    raise(12);
    lower(3);
    lower(12);
    assert_int_equal(take(), -1);
    assert_int_equal(pic_ack(&pic), 0x37);
    assert_int_equal(pic.master.isr, 0);
}

static void spurious_of_the_slave(void **state)
{
    (void)state;
    raise(11);
    pic.slave.irr = 0; /* gone between the two acknowledge pulses */
    assert_int_equal(take(), 0x3f);
    out(0xa0, 0x0b);
    assert_int_equal(in(0xa0) & 0x80, 0); /* how Linux tells */
    out(0x20, 0x62);
    assert_int_equal(pic.master.isr, 0);
}

static void level_triggered_by_elcr(void **state)
{
    (void)state;
    out(0x4d0, 0xff);
    out(0x4d1, 0xff);
    assert_int_equal(in(0x4d0), 0xf8);
    assert_int_equal(in(0x4d1), 0xde);

    raise(11);
    assert_int_equal(take(), 0x3b);
    assert_int_equal(take(), -1);
    out(0xa0, 0x63);
    out(0x20, 0x62);
    assert_int_equal(take(), 0x3b); /* still high */
    lower(11);
    out(0xa0, 0x63);
    out(0x20, 0x62);
    assert_int_equal(take(), -1);

    out(0x4d0, 0);
    raise(5);
    assert_int_equal(take(), 0x35);
    out(0x20, 0x65);
    out(0x4d0, 0x20); /* high already */
    assert_int_equal(take(), 0x35);
}

static void initialization_forgets_edges_but_not_levels(void **state)
{
    (void)state;
    out(0x4d0, 0x20);
    raise(4);
    raise(5);
    linux_init(0x01, 0);
    assert_int_equal(take(), 0x35);
    lower(5);
    out(0x20, 0x20);
    assert_int_equal(take(), -1);
    pulse(4);
    assert_int_equal(take(), 0x34);
}

static void initialization_words(void **state)
{
    (void)state;
    out(0x20, 0x12); /* single, no ICW4 */
    out(0x21, 0x4f);
    out(0x21, 0xa5);
    assert_int_equal(in(0x21), 0xa5);
    raise(1);
    assert_int_equal(take(), 0x49);

    out(0x20, 0x10); /* cascaded, no ICW4 */
    out(0x21, 0x50);
    out(0x21, 0x04);
    out(0x21, 0x5a);
    assert_int_equal(in(0x21), 0x5a);
    assert_int_equal(pic.master.isr, 0);
}

static void auto_eoi(void **state)
{
    (void)state;
    linux_init(0x03, 0);
    raise(4);
    assert_int_equal(take(), 0x34);
    assert_int_equal(pic.master.isr, 0);
    raise(5);
    assert_int_equal(take(), 0x35);
}

static void rotation(void **state)
{
    (void)state;
    out(0x20, 0xc4); /* 4 becomes the lowest: 5 6 7 0 1 2 3 4 */
    raise(3);
    raise(5);
    assert_int_equal(take(), 0x35);
    raise(4);
    raise(6);
    assert_int_equal(take(), -1);
    out(0x20, 0xa0); /* EOI, and 5 becomes the lowest */
    assert_int_equal(take(), 0x36);
    out(0x20, 0xe6); /* EOI of 6, which becomes the lowest */
    assert_int_equal(take(), 0x33);
    out(0x20, 0x40); /* nothing */
    assert_int_equal(pic.master.lowest, 6);
}

static void rotation_in_auto_eoi(void **state)
{
    (void)state;
    linux_init(0x03, 0);
    out(0x20, 0x80);
    raise(0);
    assert_int_equal(take(), 0x30);
    pulse(0);
    raise(1);
    assert_int_equal(take(), 0x31);
    pulse(1);
    assert_int_equal(take(), 0x30);
    out(0x20, 0x00);
    assert_int_equal(take(), 0x31);
    assert_int_equal(pic.master.lowest, 0);
}

static void special_mask_mode_lets_lower_ones_in(void **state)
{
    (void)state;
    raise(3);
    assert_int_equal(take(), 0x33);
    raise(6);
    out(0x21, 0x08);
    assert_int_equal(take(), -1);
    out(0x20, 0x68);
    assert_int_equal(take(), 0x36);
    out(0x20, 0x20); /* unspecific EOI passes over the masked one */
    assert_int_equal(pic.master.isr, 0x08);
    out(0x20, 0x48);
    raise(7);
    assert_int_equal(take(), -1);
}

static void special_fully_nested_mode(void **state)
{
    (void)state;
    linux_init(0x11, 0);
    raise(12);
    assert_int_equal(take(), 0x3c);
    raise(9);
    assert_int_equal(take(), 0x39);
    raise(3);
    assert_int_equal(take(), -1);

    linux_init(0x01, 0);
    pulse(12);
    assert_int_equal(take(), 0x3c);
    pulse(9);
    assert_int_equal(take(), -1);
}

static void polling(void **state)
{
    (void)state;
    out(0x20, 0x0c);
    assert_int_equal(in(0x20), 0);
    raise(5);
    out(0x20, 0x0c);
    assert_int_equal(in(0x21), 0x85);
    assert_int_equal(in(0x21), 0x00);
    assert_int_equal(pic.master.isr, 0x20);

    raise(9);
    raise(10);
    out(0x20, 0x0c);
    assert_int_equal(in(0x20), 0x82);
    out(0xa0, 0x0c);
    assert_int_equal(in(0xa0), 0x81);
    out(0xa0, 0x20);
    out(0x20, 0x20);
    assert_int_equal(take(), 0x3a);
}

static void status_reads(void **state)
{
    (void)state;
    out(0x21, 0xff);
    raise(1);
    raise(6);
    assert_int_equal(in(0x20), 0x42);
    out(0x20, 0x0b);
    assert_int_equal(in(0x20), 0x00);
    out(0x20, 0x0a);
    assert_int_equal(in(0x20), 0x42);
}

static void wide_accesses_are_two_bytes(void **state)
{
    struct access access = { .value = 0xfb0a, .size = 2, .write = true };

    (void)state;
    access_port(0x20, &access);
    assert_int_equal(in(0x21), 0xfb);
    access = (struct access){ .size = 2 };
    access_port(0x20, &access);
    assert_int_equal(access.value, 0xfb00);

    access = (struct access){ .value = 0x0e20, .size = 2, .write = true };
    access_port(0x4d0, &access);
    access = (struct access){ .size = 2 };
    access_port(0x4d0, &access);
    assert_int_equal(access.value, 0x0e20);
    access = (struct access){ .value = 0x5a0a, .size = 2, .write = true };
    access_port(0xa0, &access);
    assert_int_equal(in(0xa1), 0x5a);
}

/* Another vCPU changes the pair between the offer of a vector and the first one's taking it. */
static void taking_what_was_offered(void **state)
{
    (void)state;
    linux_init(1, 0);
    raise(4);
    assert_int_equal(pic_peek(&pic), 0x34);
    raise(1);
    assert_int_equal(pic_peek(&pic), 0x31);
    pic_take(&pic, 0x34);
    assert_int_equal(pic.master.isr, 1 << 4);
    assert_int_equal(pic.master.irr, 1 << 1); /* the edge of 4 is spent */
    assert_int_equal(take(), 0x31);
    out(0x20, 0x20);
    out(0x20, 0x20);
    assert_int_equal(pic.master.isr, 0);

    raise(12);
    raise(0);
    pic_take(&pic, 0x3c);
    assert_int_equal(pic.master.isr, 1 << 2);
    assert_int_equal(pic.slave.isr, 1 << 4);
    assert_int_equal(pic.slave.irr, 0);
    assert_int_equal(take(), 0x30);
    out(0x20, 0x20);
    out(0x20, 0x20);
    out(0xa0, 0x20);

    raise(5);
    pic_take(&pic, 0x35); /* unchanged: like pic_ack */
    assert_int_equal(pic.master.isr, 1 << 5);
    out(0x20, 0x20);
    raise(3);
    out(0x20, 0x11); /* the vectors are others' now: nothing is in service */
    out(0x21, 0x50);
    out(0x21, 0x04);
    out(0x21, 0x01);
    pic_take(&pic, 0x33);
    assert_int_equal(pic.master.isr, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(silent_before_initialization, setup),
        cmocka_unit_test_setup(linux_probe_finds_it, setup),
        cmocka_unit_test_setup(every_input_has_its_vector, setup),
        cmocka_unit_test_setup(linux_handles_an_edge, setup),
        cmocka_unit_test_setup(an_edge_counts_once, setup),
        cmocka_unit_test_setup(a_slave_interrupt, setup),
        cmocka_unit_test_setup(two_slave_interrupts_follow_each_other, setup),
        cmocka_unit_test_setup(slave_in_auto_eoi_passes_on_what_waits, setup),
        cmocka_unit_test_setup(priority_nests, setup),
        cmocka_unit_test_setup(a_line_that_falls_takes_its_request_along, setup),
        cmocka_unit_test_setup(spurious_of_the_slave, setup),
        cmocka_unit_test_setup(level_triggered_by_elcr, setup),
        cmocka_unit_test_setup(initialization_forgets_edges_but_not_levels, setup),
        cmocka_unit_test_setup(initialization_words, setup),
        cmocka_unit_test_setup(auto_eoi, setup),
        cmocka_unit_test_setup(rotation, setup),
        cmocka_unit_test_setup(rotation_in_auto_eoi, setup),
        cmocka_unit_test_setup(special_mask_mode_lets_lower_ones_in, setup),
        cmocka_unit_test_setup(special_fully_nested_mode, setup),
        cmocka_unit_test_setup(polling, setup),
        cmocka_unit_test_setup(status_reads, setup),
        cmocka_unit_test_setup(taking_what_was_offered, setup),
        cmocka_unit_test_setup(wide_accesses_are_two_bytes, setup),
    };

    return cmocka_run_group_tests_name("pic", tests, NULL, NULL);
}
