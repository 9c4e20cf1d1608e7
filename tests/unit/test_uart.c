/* sources: vmm/dev/uart.c */
/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "dev/uart.h"

enum { DATA, IER, IIR, LCR, MCR, LSR, MSR, SCR };
enum { FCR = IIR };

static struct uart uart;
static char sent[64];
static unsigned sent_count;
static unsigned room; /* what the sink takes yet */
static bool line;
static unsigned edges;

static bool put(void *stream, uint8_t byte)
{
    assert_ptr_equal(stream, sent);
    if (room == 0) {
        return false;
    }
    room--;
    assert_true(sent_count < sizeof(sent) - 1);
    sent[sent_count++] = (char)byte;
    return true;
}

static void set_line(void *controller, unsigned input, bool level)
{
    assert_ptr_equal(controller, &line);
    assert_int_equal(input, 4);
    edges += level && !line;
    line = level;
}

static int setup(void **state)
{
    (void)state;
    memset(sent, 0, sizeof(sent));
    sent_count = 0;
    room = 1000;
    line = false;
    edges = 0;
    uart_init(&uart, (struct char_sink){ put, sent }, (struct irq_line){ set_line, &line, 4 });
    return 0;
}

static void out(unsigned reg, uint8_t value)
{
    struct access access = { .offset = reg, .value = value, .size = 1, .write = true };

    uart_access(&uart, &access);
}

static uint8_t in(unsigned reg)
{
    struct access access = { .offset = reg, .value = UINT64_MAX, .size = 1 };

    uart_access(&uart, &access);
    assert_true(access.value <= 0xff);
    return (uint8_t)access.value;
}

/* As Linux's serial8250_do_startup leaves it: FIFOs with trigger level 8, 8n1, OUT2. */
static void start(uint8_t ier)
{
    out(FCR, 0x01);
    out(FCR, 0x07);
    out(FCR, 0x00);
    out(FCR, 0x81);
    out(LCR, 0x03);
    out(MCR, 0x0b);
    in(LSR);
    in(DATA);
    in(IIR);
    in(MSR);
    out(IER, ier);
}

static void linux_autoconfig_finds_a_16550a(void **state)
{
    (void)state;
    out(IER, 0);
    assert_int_equal(in(IER) & 0x0f, 0);
    out(IER, 0x0f);
    assert_int_equal(in(IER) & 0x0f, 0x0f);
    out(IER, 0);

    out(MCR, 0x1a); /* loopback: RTS and OUT2 come back as CTS and DCD */
    assert_int_equal(in(MSR) & 0xf0, 0x90);
    out(MCR, 0);

    out(LCR, 0xbf);
    out(FCR, 0);
    out(LCR, 0);
    out(FCR, 0x01);
    assert_int_equal(in(IIR) >> 6, 3);

    out(LCR, 0x80); /* no EFR: not a 16650 */
    assert_int_not_equal(in(IIR), 0);
    out(LCR, 0xbf);
    assert_int_not_equal(in(IIR), 0);
    out(LCR, 0);
    out(FCR, 0x21); /* no 64-byte FIFO: not a 16750 */
    assert_int_equal(in(IIR) & 0x20, 0);
    out(IER, 0x40); /* not an XScale */
    assert_int_equal(in(IER), 0);
    out(SCR, 0xa5);
    assert_int_equal(in(SCR), 0xa5);
}

static void linux_finds_no_thre_bug(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(in(LSR), 0x60);
        out(IER, 0x02);
        assert_int_equal(in(IIR), 0x02);
        assert_int_equal(in(IIR), 0x01);
        out(IER, 0);
    }
    assert_int_equal(edges, 0); /* OUT2 is off */
}

static void a_polling_console(void **state)
{
    (void)state;
    for (const char *c = "Linux version"; *c; c++) {
        assert_int_equal(in(LSR) & 0x60, 0x60);
        out(DATA, (uint8_t)*c);
    }
    assert_string_equal(sent, "Linux version");
    assert_int_equal(edges, 0);
}

static void transmit_by_interrupts(void **state)
{
    (void)state;
    start(0x05);
    out(IER, 0x07); /* start_tx */
    assert_true(line);
    assert_int_equal(in(IIR), 0xc2);
    assert_false(line);
    for (unsigned i = 0; i < 16; i++) {
        out(DATA, (uint8_t)('a' + i));
    }
    assert_true(line);
    assert_int_equal(in(IIR), 0xc2);
    assert_int_equal(in(IIR), 0xc1);
    out(IER, 0x05); /* stop_tx */
    assert_string_equal(sent, "abcdefghijklmnop");
    edges = 0;
    out(IER, 0x07);
    assert_int_equal(edges, 1);
    assert_int_equal(in(IIR), 0xc2);
    out(IER, 0x07); /* enabled already: nothing new */
    assert_false(line);
    out(IER, 0x05);
    edges = 0;
    out(IER, 0x07);
    assert_int_equal(edges, 1);
    out(DATA, 'x'); /* without a look at IIR there is an edge nevertheless */
    assert_int_equal(edges, 2);
}

static void a_full_sink_holds_the_bytes(void **state)
{
    (void)state;
    start(0x02);
    in(IIR);
    room = 2;
    for (unsigned i = 0; i < 20; i++) {
        out(DATA, (uint8_t)('a' + i));
    }
    assert_string_equal(sent, "ab");
    assert_int_equal(in(LSR) & 0x60, 0);
    assert_false(line);
    assert_int_equal(in(IIR), 0xc1);
    assert_false(uart_drain(&uart));
    room = 5;
    assert_false(uart_drain(&uart));
    assert_string_equal(sent, "abcdefg");
    out(IER, 0);
    out(IER, 2);
    assert_false(line); /* not empty yet */
    room = 100;
    assert_true(uart_drain(&uart));
    assert_string_equal(sent, "abcdefghijklmnopqr"); /* s and t found the FIFO full */
    assert_int_equal(in(LSR) & 0x60, 0x60);
    assert_true(line);
    assert_int_equal(in(IIR), 0xc2);
    assert_true(uart_drain(&uart));
    assert_false(line);
}

static void order_survives_a_full_sink(void **state)
{
    (void)state;
    start(0);
    room = 0;
    out(DATA, 'a');
    room = 100;
    out(DATA, 'b'); /* must not pass the first */
    assert_int_equal(in(LSR) & 0x60, 0);
    assert_true(uart_drain(&uart));
    assert_string_equal(sent, "ab");
}

static void without_fifo_one_byte_waits(void **state)
{
    (void)state;
    room = 0;
    out(DATA, 'a');
    out(DATA, 'b');
    room = 100;
    assert_true(uart_drain(&uart));
    assert_string_equal(sent, "a");
    assert_int_equal(in(IIR) & 0xc0, 0);
}

static void receives_with_trigger_and_timeout(void **state)
{
    (void)state;
    start(0x05);
    assert_int_equal(in(LSR), 0x60);
    for (unsigned i = 0; i < 7; i++) {
        assert_true(uart_receive(&uart, (uint8_t)(0x40 + i)));
        assert_true(line);
        assert_int_equal(in(IIR), 0xcc);
    }
    assert_true(uart_receive(&uart, 0x47));
    assert_int_equal(in(IIR), 0xc4);
    assert_int_equal(in(LSR), 0x61);
    assert_int_equal(edges, 1);
    for (unsigned i = 0; i < 8; i++) {
        assert_true(line);
        assert_int_equal(in(DATA), 0x40 + i);
    }
    assert_false(line);
    assert_int_equal(in(LSR), 0x60);
    assert_int_equal(in(DATA), 0);
}

static void a_full_fifo_refuses(void **state)
{
    (void)state;
    start(0x01);
    for (unsigned i = 0; i < 16; i++) {
        assert_true(uart_can_receive(&uart));
        assert_true(uart_receive(&uart, (uint8_t)i));
    }
    assert_false(uart_can_receive(&uart));
    assert_false(uart_receive(&uart, 99));
    assert_int_equal(in(DATA), 0);
    assert_true(uart_receive(&uart, 16));
    for (unsigned i = 1; i <= 16; i++) {
        assert_int_equal(in(DATA), i);
    }
    assert_int_equal(in(LSR) & 0x03, 0);

    uart_reset(&uart);
    assert_true(uart_receive(&uart, 1));
    assert_false(uart_receive(&uart, 2)); /* no FIFO */
    assert_int_equal(in(DATA), 1);
}

static void causes_have_their_order(void **state)
{
    (void)state;
    start(0x0f);
    out(MCR, 0x18); /* a change of the modem lines */
    out(MCR, 0x0b);
    assert_true(uart_receive_break(&uart));
    assert_int_equal(in(IIR), 0xc6);
    assert_int_equal(in(LSR), 0x71);
    assert_int_equal(in(LSR), 0x61);
    assert_int_equal(in(IIR), 0xcc);
    assert_int_equal(in(DATA), 0);
    assert_int_equal(in(IIR), 0xc2);
    assert_int_equal(in(IIR), 0xc0);
    assert_int_equal(in(MSR) & 0xf0, 0xb0);
    assert_int_equal(in(IIR), 0xc1);
    assert_false(line);
}

static void a_break_waits_for_the_bytes_before_it(void **state)
{
    (void)state;
    start(0x05);
    assert_true(uart_receive(&uart, 'x'));
    assert_false(uart_receive_break(&uart));
    assert_int_equal(in(DATA), 'x');
    assert_true(uart_receive_break(&uart));
    assert_true(uart_receive(&uart, 'h'));
    assert_int_equal(in(LSR), 0x71);
    assert_int_equal(in(DATA), 0);
    assert_int_equal(in(LSR), 0x61);
    assert_int_equal(in(DATA), 'h');
}

static void loopback(void **state)
{
    (void)state;
    start(0x01);
    out(MCR, 0x18);
    assert_false(uart_receive(&uart, 'x'));
    assert_false(uart_receive_break(&uart));
    for (unsigned i = 0; i < 16; i++) {
        out(DATA, (uint8_t)i);
    }
    assert_int_equal(in(LSR), 0x61);
    out(DATA, 16);
    assert_int_equal(in(LSR), 0x63);
    assert_int_equal(in(LSR), 0x61);
    assert_false(line); /* OUT2 is cut off */
    assert_int_equal(sent_count, 0);
    out(MCR, 0x08);
    assert_true(line);
    assert_int_equal(in(DATA), 0);

    out(FCR, 0x83);
    out(MCR, 0x10);
    out(LCR, 0x43);
    assert_int_equal(in(LSR), 0x71);
    assert_int_equal(in(DATA), 0);
    out(LCR, 0x03);

    in(MSR);
    out(MCR, 0x1f);
    assert_int_equal(in(MSR), 0xfb); /* RI rises: no TERI */
    out(MCR, 0x10);
    assert_int_equal(in(MSR), 0x0f);
    assert_int_equal(in(MSR), 0x00);
}

static void divisor_latch(void **state)
{
    (void)state;
    out(LCR, 0x83);
    out(DATA, 0x0c);
    out(IER, 0x01);
    assert_int_equal(in(DATA), 0x0c);
    assert_int_equal(in(IER), 0x01);
    out(LCR, 0x03);
    assert_int_equal(in(IER), 0);
    assert_int_equal(sent_count, 0);
    assert_int_equal(in(LCR), 0x03);
}

static void clearing_the_fifos(void **state)
{
    (void)state;
    start(0x03);
    in(IIR);
    room = 0;
    out(DATA, 'a');
    uart_receive(&uart, 'b');
    out(FCR, 0x83);
    assert_int_equal(in(LSR), 0x00);
    out(FCR, 0x85);
    assert_int_equal(in(LSR), 0x60);
    assert_true(line);
    assert_int_equal(in(IIR), 0xc2);
    uart_receive(&uart, 'b');
    out(FCR, 0); /* so does switching */
    assert_int_equal(in(LSR), 0x60);
}

static void a_disconnected_one_swallows(void **state)
{
    (void)state;
    uart_init(&uart, (struct char_sink){ 0 }, (struct irq_line){ 0 });
    start(0x07);
    out(DATA, 'a');
    assert_int_equal(in(LSR), 0x60);
}

static void status_registers_are_read_only(void **state)
{
    (void)state;
    out(LSR, 0xff);
    out(MSR, 0xff);
    assert_int_equal(in(LSR), 0x60);
    assert_int_equal(in(MSR), 0xb0);
}

static void wide_accesses_are_bytes(void **state)
{
    struct access access = { .offset = LCR, .value = 0x0b03, .size = 2, .write = true };

    (void)state;
    uart_access(&uart, &access);
    assert_int_equal(in(LCR), 0x03);
    assert_int_equal(in(MCR), 0x0b);
    access = (struct access){ .offset = LCR, .size = 2 };
    uart_access(&uart, &access);
    assert_int_equal(access.value, 0x0b03);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(linux_autoconfig_finds_a_16550a, setup),
        cmocka_unit_test_setup(linux_finds_no_thre_bug, setup),
        cmocka_unit_test_setup(a_polling_console, setup),
        cmocka_unit_test_setup(transmit_by_interrupts, setup),
        cmocka_unit_test_setup(a_full_sink_holds_the_bytes, setup),
        cmocka_unit_test_setup(order_survives_a_full_sink, setup),
        cmocka_unit_test_setup(without_fifo_one_byte_waits, setup),
        cmocka_unit_test_setup(receives_with_trigger_and_timeout, setup),
        cmocka_unit_test_setup(a_full_fifo_refuses, setup),
        cmocka_unit_test_setup(causes_have_their_order, setup),
        cmocka_unit_test_setup(a_break_waits_for_the_bytes_before_it, setup),
        cmocka_unit_test_setup(loopback, setup),
        cmocka_unit_test_setup(divisor_latch, setup),
        cmocka_unit_test_setup(clearing_the_fifos, setup),
        cmocka_unit_test_setup(a_disconnected_one_swallows, setup),
        cmocka_unit_test_setup(status_registers_are_read_only, setup),
        cmocka_unit_test_setup(wide_accesses_are_bytes, setup),
    };

    return cmocka_run_group_tests_name("uart", tests, NULL, NULL);
}
