/* sources: vmm/machine.c vmm/console.c vmm/bus.c vmm/timer.c vmm/boot.c hypervisor/lib/string.c vmm/linux.c vmm/mini.c vmm/dev/exit.c vmm/dev/kbd.c vmm/dev/pci.c vmm/dev/pic.c vmm/dev/pit.c vmm/dev/reset.c vmm/dev/rtc.c vmm/dev/uart.c hypervisor/lib/format.c */
/* SPDX-License-Identifier: Apache-2.0 */
/* The machine as a whole: clock, buses, console, and what the guest can ask of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "machine.h"

#define RAM_SIZE (4u << 20)
#define KHZ 2000000u

static tsc_time fake_tsc;

struct fixture {
    struct machine machine;
    struct vm_config config;
    struct console_channel channel;
    unsigned notified;
    unsigned waits;
    bool reader; /* σ0 reads while it is waited for */
    char output[16384];
    size_t length;
};

static tsc_time read_tsc(void)
{
    return fake_tsc;
}

/* σ0: takes what is in the output ring. */
static void collect(struct fixture *f)
{
    struct console_channel *c = &f->channel;
    while (c->output_tail != c->output_head) {
        assert_true(f->length + 1 < sizeof(f->output));
        f->output[f->length++] = (char)c->output[c->output_tail++ % CONSOLE_OUTPUT_SIZE];
    }
}

static void notify(void *owner)
{
    struct fixture *f = owner;
    f->notified++;
}

static void wait(void *owner)
{
    struct fixture *f = owner;
    f->waits++;
    if (f->reader) {
        collect(f);
    }
}

static void type(struct fixture *f, const char *text)
{
    for (; *text; text++) {
        f->channel.input[f->channel.input_head++ % CONSOLE_INPUT_SIZE] = (uint8_t)*text;
    }
}

static uint64_t port(struct fixture *f, uint64_t number, uint8_t size, bool write, uint64_t value)
{
    struct access access = { .offset = number, .value = value, .size = size, .write = write };
    bus_access(&f->machine.ports, &access);
    return access.value;
}

static uint64_t in(struct fixture *f, uint64_t number)
{
    return port(f, number, 1, false, 0);
}

static void out(struct fixture *f, uint64_t number, uint64_t value)
{
    port(f, number, 1, true, value);
}

static bool make(struct fixture *f)
{
    const struct machine_setup setup = {
        .config = &f->config,
        .ram = { .size = RAM_SIZE, .host = calloc(1, RAM_SIZE) },
        .read_tsc = read_tsc,
        .tsc_khz = KHZ,
        .unix_seconds = 1700000000,
    };
    struct console *console = &f->machine.console;

    console->channel = &f->channel;
    console->notify = notify;
    console->wait = wait;
    console->owner = f;
    return machine_init(&f->machine, &setup);
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    fake_tsc = 123456789;
    f->reader = true;
    f->config = (struct vm_config){ .name = "vm0", .boot = VM_BOOT_MINI, .cmdline = "",
                                    .pic = true, .pit = true, .uart = true, .rtc = true,
                                    .keyboard_controller = true, .pci = true,
                                    .uart_mmio = 0xd0000000 };
    assert_true(make(f));
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    free(f->machine.setup.ram.host);
    free(f);
    return 0;
}

static void init_pic(struct fixture *f)
{
    out(f, 0x20, 0x11);
    out(f, 0x21, 0x30);
    out(f, 0x21, 0x04);
    out(f, 0x21, 0x01);
    out(f, 0xa0, 0x11);
    out(f, 0xa1, 0x38);
    out(f, 0xa1, 0x02);
    out(f, 0xa1, 0x01);
    out(f, 0x21, 0x00);
    out(f, 0xa1, 0x00);
}

static void clock_converts(void **state)
{
    (void)state;
    static const uint64_t rates[] = { 1000, 999999, 1000000, 2400000, 3912345, 5000000 };

    for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
        struct clock clock;
        clock_init(&clock, 1000, rates[i]);
        assert_int_equal(clock_ns(&clock, 1000), 0);
        /* A day, to a microsecond. */
        uint64_t day = 86400 * rates[i] * 1000;
        int64_t error = (int64_t)(clock_ns(&clock, 1000 + day) - 86400000000000);
        assert_true(error > -1000 && error <= 0);
        /* Every deadline has been reached when its tick comes. */
        for (uint64_t ns = 1; ns < 2000000000; ns = ns * 3 + 1) {
            uint64_t reached = clock_ns(&clock, 1000 + clock_ticks(&clock, ns));
            assert_true(reached + 2 >= ns);
            assert_true(reached <= ns + 3 * 1000000 / rates[i] + 3);
        }
        assert_true(clock_ticks(&clock, UINT64_MAX) > UINT32_MAX);
    }
}

static void deadlines_are_on_the_tsc(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(machine_deadline(&f->machine, TIME_NEVER), TSC_NEVER);
    assert_int_equal(machine_deadline(&f->machine, 0), fake_tsc);
    tsc_time then = machine_deadline(&f->machine, 1000000);
    assert_true(then >= 123456789 + 2000000 && then <= 123456789 + 2000002);
}

static void timer_interrupts(void **state)
{
    struct fixture *f = *state;

    out(f, 0x43, 0x34); /* its output rises here, which is an edge too: before the PIC is on */
    out(f, 0x40, 0xa9); /* 1193 ticks: 1 ms */
    out(f, 0x40, 0x04);
    init_pic(f);
    uint64_t next = machine_serve(&f->machine);
    assert_true(next > 999000 && next < 1002000);
    assert_int_equal(pic_peek(&f->machine.pic), -1);
    fake_tsc = machine_deadline(&f->machine, next);
    assert_true(machine_serve(&f->machine) > next);
    assert_int_equal(pic_peek(&f->machine.pic), 0x30);
}

static void uart_writes_to_the_console(void **state)
{
    struct fixture *f = *state;

    out(f, 0x3f8, 'h');
    assert_int_equal(f->notified, 0); /* not per byte ... */
    uint64_t next = machine_serve(&f->machine);
    assert_true(next <= CONSOLE_DELAY_NS + 1);
    fake_tsc = machine_deadline(&f->machine, next);
    machine_serve(&f->machine);
    assert_int_equal(f->notified, 1); /* ... but after a while, */
    out(f, 0x3f8, 'i');
    out(f, 0x3f8, '\n');
    assert_int_equal(f->notified, 2); /* and by the line */
    struct access access = { .offset = 0xd0000000, .value = '!', .size = 1, .write = true };
    assert_true(bus_access(&f->machine.memory, &access));
    collect(f);
    assert_string_equal(f->output, "hi\n!");
}

static void input_interrupts(void **state)
{
    struct fixture *f = *state;

    init_pic(f);
    out(f, 0x3fc, 0x08);
    out(f, 0x3f9, 0x01);
    type(f, "ok");
    machine_serve(&f->machine);
    assert_int_equal(pic_peek(&f->machine.pic), 0x34);
    assert_int_equal(in(f, 0x3f8), 'o');
    machine_serve(&f->machine);
    assert_int_equal(in(f, 0x3f8), 'k');
    assert_int_equal(pic_peek(&f->machine.pic), -1);
    assert_int_equal(f->channel.input_tail, 2);
}

static void a_slow_reader_loses_nothing(void **state)
{
    struct fixture *f = *state;

    out(f, 0x3fa, 0x01);
    for (unsigned i = 0; i < CONSOLE_OUTPUT_SIZE + 10; i++) {
        out(f, 0x3f8, 'a' + i % 26);
    }
    assert_int_equal(in(f, 0x3fd) & 0x20, 0);
    assert_true(f->notified > 0);
    collect(f);
    machine_serve(&f->machine);
    collect(f);
    assert_int_equal(in(f, 0x3fd) & 0x20, 0x20);
    assert_int_equal(f->length, CONSOLE_OUTPUT_SIZE + 10);
    for (unsigned i = 0; i < f->length; i++) {
        assert_int_equal(f->output[i], 'a' + i % 26);
    }
}

static void hostile_indices_stay_inside(void **state)
{
    struct fixture *f = *state;
    uint8_t byte;

    f->channel.output_tail = 0x80000000;
    assert_false(console_put(&f->machine.console, 'x'));
    f->channel.input_head = 0xfffffff0;
    for (unsigned i = 0; i < 3000; i++) {
        assert_true(console_peek(&f->machine.console, &byte));
        console_skip(&f->machine.console);
    }
}

static void own_lines_stand_alone(void **state)
{
    struct fixture *f = *state;

    console_line(&f->machine.console, "one %u", 1u);
    out(f, 0x3f8, '#');
    console_line(&f->machine.console, "two");
    console_drain(&f->machine.console);
    assert_string_equal(f->output, "vmm: one 1\r\n#\r\nvmm: two\r\n");
}

static void a_dead_reader_holds_nobody(void **state)
{
    struct fixture *f = *state;

    f->reader = false;
    for (unsigned i = 0; i < 100; i++) {
        console_line(&f->machine.console, "%060u", i);
    }
    console_drain(&f->machine.console);
    assert_true(f->waits > 0);
}

static void unclaimed_is_told_once(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(port(f, 0x1234, 2, false, 0), 0xffff);
    assert_int_equal(port(f, 0x1234, 2, false, 0), 0xffff);
    out(f, 0x80, 0); /* power-on codes are nothing to tell */
    collect(f);
    assert_string_equal(f->output, "vmm: read from port 0x1234, 2 bytes: no device\r\n");
    assert_int_equal(f->machine.ports.unclaimed_count, 2);
}

static void resets_by_all_ways(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(f->machine.request, VM_GOES_ON);
    out(f, 0x64, 0xfe);
    assert_int_equal(f->machine.request, VM_RESTART);
    f->machine.request = VM_GOES_ON;
    out(f, 0xcf9, 0x06);
    assert_int_equal(f->machine.request, VM_RESTART);
    f->machine.request = VM_GOES_ON;
    out(f, 0x92, 0x03);
    assert_int_equal(f->machine.request, VM_RESTART);

    f->machine.setup.ram.host[12345] = 1;
    init_pic(f);
    out(f, 0x43, 0x34);
    out(f, 0x40, 0xa9);
    out(f, 0x40, 0x04);
    fake_tsc += 100000000;
    machine_serve(&f->machine);
    machine_reset(&f->machine);
    assert_int_equal(f->machine.request, VM_GOES_ON);
    assert_int_equal(f->machine.setup.ram.host[12345], 0);
    assert_int_equal(pic_peek(&f->machine.pic), -1);
    assert_int_equal(machine_serve(&f->machine), TIME_NEVER);
}

static void ends_by_the_exit_port(void **state)
{
    struct fixture *f = *state;

    port(f, 0xf4, 4, true, 42);
    assert_int_equal(f->machine.request, VM_END);
    assert_int_equal(f->machine.end_code, 42);
    assert_int_equal(f->machine.ports.unclaimed_count, 0);
}

/* A device that the configuration leaves out is an empty place. */
static void absent_devices_are_absent(void **state)
{
    static struct fixture f;
    static const uint16_t ports[] = { 0x20, 0x40, 0x61, 0x64, 0x70, 0x92, 0x3f8, 0xcf8, 0xf4 };

    (void)state;
    f.reader = true;
    f.config = (struct vm_config){ .name = "vm0", .boot = VM_BOOT_LINUX, .cmdline = "" };
    assert_true(make(&f));
    for (size_t i = 0; i < sizeof(ports) / sizeof(ports[0]); i++) {
        struct access access = { .offset = ports[i], .size = 1 };
        assert_false(bus_access(&f.machine.ports, &access));
        assert_int_equal(access.value, 0xff);
    }
    free(f.machine.setup.ram.host);
}

static void refuses_a_uart_inside_ram(void **state)
{
    static struct fixture f;

    (void)state;
    f.config = (struct vm_config){ .name = "vm0", .uart_mmio = 0x100000 };
    assert_false(make(&f));
    free(f.machine.setup.ram.host);
}

#define SHARED 0xc0000000u

/* One machine with a page that it may write and one behind it that it may not. */
static uint8_t *make_shared(struct fixture *f, uint64_t second)
{
    uint8_t *pages = calloc(2, PAGE_SIZE);
    struct machine_setup with = f->machine.setup;

    with.shared[0] = (struct shared_memory){ .name = "own", .writable = true,
                                             .range = { SHARED, PAGE_SIZE, pages } };
    with.shared[1] = (struct shared_memory){ .name = "others",
                                             .range = { second, PAGE_SIZE, pages + PAGE_SIZE } };
    with.shared_count = 2;
    if (machine_init(&f->machine, &with)) {
        return pages;
    }
    free(pages);
    return NULL;
}

static uint64_t at(struct fixture *f, uint64_t gpa, uint8_t size, bool write, uint64_t value)
{
    struct access access = { .offset = gpa, .value = value, .size = size, .write = write };
    assert_true(bus_access(&f->machine.memory, &access));
    return access.value;
}

static void shared_memory_is_behind_the_emulator(void **state)
{
    struct fixture *f = *state;
    uint8_t *pages = make_shared(f, SHARED + PAGE_SIZE);

    assert_non_null(pages);
    at(f, SHARED + 8, 8, true, 0x1122334455667788);
    assert_int_equal(pages[8], 0x88);
    assert_int_equal(at(f, SHARED + 10, 2, false, 0), 0x5566);
    pages[PAGE_SIZE - 1] = 0x12;
    pages[PAGE_SIZE] = 0x34;
    assert_int_equal(at(f, SHARED + PAGE_SIZE - 1, 2, false, 0), 0x3412);
    machine_reset(&f->machine);
    assert_int_equal(pages[8], 0x88);
    assert_int_equal(f->machine.request, VM_GOES_ON);
    free(pages);
}

static void a_write_where_it_may_only_read_is_the_end(void **state)
{
    struct fixture *f = *state;
    uint8_t *pages = make_shared(f, SHARED + PAGE_SIZE);

    assert_false(machine_refuses_write(&f->machine, SHARED + PAGE_SIZE - 1));
    assert_false(machine_refuses_write(&f->machine, SHARED + 2 * PAGE_SIZE));
    assert_int_equal(f->machine.request, VM_GOES_ON);
    assert_true(machine_refuses_write(&f->machine, SHARED + PAGE_SIZE));
    assert_int_equal(f->machine.request, VM_VIOLATION);
    f->machine.request = VM_GOES_ON;
    at(f, SHARED + PAGE_SIZE + 16, 4, true, UINT32_MAX);
    assert_int_equal(f->machine.request, VM_VIOLATION);
    assert_int_equal(f->machine.end_code, SHARED + PAGE_SIZE + 16);
    assert_int_equal(pages[PAGE_SIZE + 16], 0);
    free(pages);
}

static void shared_memory_has_a_place_of_its_own(void **state)
{
    struct fixture *f = *state;

    assert_null(make_shared(f, SHARED));
    assert_null(make_shared(f, RAM_SIZE - PAGE_SIZE));
    assert_null(make_shared(f, 0xd0000000)); /* the UART's registers */
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(clock_converts),
        TEST(deadlines_are_on_the_tsc),
        TEST(timer_interrupts),
        TEST(uart_writes_to_the_console),
        TEST(input_interrupts),
        TEST(a_slow_reader_loses_nothing),
        TEST(hostile_indices_stay_inside),
        TEST(own_lines_stand_alone),
        TEST(a_dead_reader_holds_nobody),
        TEST(unclaimed_is_told_once),
        TEST(resets_by_all_ways),
        TEST(ends_by_the_exit_port),
        TEST(absent_devices_are_absent),
        TEST(refuses_a_uart_inside_ram),
        TEST(shared_memory_is_behind_the_emulator),
        TEST(a_write_where_it_may_only_read_is_the_end),
        TEST(shared_memory_has_a_place_of_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
