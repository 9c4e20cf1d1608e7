/* sources: vmm/bus.c */
/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "bus.h"

/* Eight bytes of memory that remember the last access. */
struct memory {
    uint8_t bytes[8];
    struct access last;
    unsigned accesses;
};

static void memory_access(void *device, struct access *access)
{
    struct memory *memory = device;

    memory->last = *access;
    memory->accesses++;
    assert_true(access->offset + access->size <= sizeof(memory->bytes));
    if (access->write) {
        memcpy(memory->bytes + access->offset, &access->value, access->size);
    } else {
        access->value = 0;
        memcpy(&access->value, memory->bytes + access->offset, access->size);
    }
}

static struct bus bus;
static struct memory one, two;
static struct access reported;
static unsigned reports;

static void unclaimed(void *owner, const struct access *access)
{
    assert_ptr_equal(owner, &bus);
    reported = *access;
    reports++;
}

static struct bus_range range(struct memory *memory, uint64_t base, uint64_t size)
{
    return (struct bus_range){ "memory", base, size, memory_access, memory };
}

static int setup(void **state)
{
    (void)state;
    bus = (struct bus){ .unclaimed = unclaimed, .owner = &bus };
    one = (struct memory){ .bytes = { 0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17 } };
    two = (struct memory){ .bytes = { 0x20, 0x21, 0x22, 0x23, 0x24, 0x25, 0x26, 0x27 } };
    reports = 0;
    assert_true(bus_attach(&bus, range(&two, 0x208, 8)));
    assert_true(bus_attach(&bus, range(&one, 0x100, 8)));
    return 0;
}

static uint64_t read_bus(uint64_t address, uint8_t size, bool claimed)
{
    struct access access = { .offset = address, .size = size, .value = 0x5555 };

    assert_int_equal(bus_access(&bus, &access), claimed);
    assert_int_equal(access.offset, address);
    assert_int_equal(access.size, size);
    return access.value;
}

static void write_bus(uint64_t address, uint8_t size, uint64_t value, bool claimed)
{
    struct access access = { .offset = address, .size = size, .value = value, .write = true };

    assert_int_equal(bus_access(&bus, &access), claimed);
    assert_int_equal(access.value, value);
}

static void reaches_the_device_with_relative_addresses(void **state)
{
    (void)state;
    assert_int_equal(read_bus(0x100, 1, true), 0x10);
    assert_int_equal(read_bus(0x104, 4, true), 0x17161514);
    assert_int_equal(one.last.offset, 4);
    assert_int_equal(read_bus(0x208, 8, true), 0x2726252423222120);
    write_bus(0x20e, 2, 0xbeef, true);
    assert_int_equal(two.last.offset, 6);
    assert_int_equal(read_bus(0x20e, 2, true), 0xbeef);
    assert_int_equal(reports, 0);
    assert_int_equal(bus.unclaimed_count, 0);
}

static void unclaimed_reads_all_ones_and_is_reported_once(void **state)
{
    (void)state;
    assert_int_equal(read_bus(0x0ff, 1, false), 0xff);
    assert_int_equal(read_bus(0x108, 2, false), 0xffff);
    assert_int_equal(read_bus(0x108, 4, false), 0xffffffff);
    assert_int_equal(read_bus(0x210, 8, false), UINT64_MAX);
    assert_int_equal(reports, 3);
    write_bus(0x210, 1, 7, false);
    assert_int_equal(reports, 3);
    write_bus(0x300, 1, 7, false);
    assert_int_equal(reports, 4);
    assert_int_equal(reported.offset, 0x300);
    assert_int_equal(reported.value, 7);
    assert_true(reported.write);
    assert_int_equal(bus.unclaimed_count, 6);
}

static void reports_are_bounded(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 1000; i++) {
        write_bus(0x1000 + i, 1, 0, false);
    }
    assert_int_equal(reports, BUS_REPORTED);
    assert_int_equal(bus.unclaimed_count, 1000);
}

static void an_access_over_an_edge_is_split(void **state)
{
    (void)state;
    assert_int_equal(read_bus(0x0fe, 4, false), 0x1110ffff);
    assert_int_equal(read_bus(0x106, 4, false), 0xffff1716);
    assert_int_equal(reports, 4); /* 0xfe, 0xff, 0x108, 0x109 */
    write_bus(0x207, 2, 0xaabb, false);
    assert_int_equal(two.bytes[0], 0xaa);
    assert_int_equal(two.last.size, 1);

    assert_true(bus_attach(&bus, range(&two, 0x108, 8)));
    assert_int_equal(read_bus(0x104, 8, true), 0x232221aa17161514);
}

static void the_top_of_the_address_space(void **state)
{
    (void)state;
    assert_false(bus_attach(&bus, range(&one, UINT64_MAX - 3, 8)));
    assert_false(bus_attach(&bus, range(&one, UINT64_MAX - 7, 8)));
    assert_true(bus_attach(&bus, range(&one, UINT64_MAX - 8, 8)));
    assert_int_equal(read_bus(UINT64_MAX - 8, 8, true), 0x1716151413121110);
    assert_int_equal(read_bus(UINT64_MAX - 1, 1, true), 0x17);
    assert_int_equal(read_bus(UINT64_MAX - 1, 4, false), 0xffffff17);
    assert_int_equal(read_bus(UINT64_MAX, 1, false), 0xff);
}

static void refuses_what_overlaps(void **state)
{
    (void)state;
    assert_false(bus_attach(&bus, range(&one, 0x100, 8)));
    assert_false(bus_attach(&bus, range(&one, 0x0ff, 2)));
    assert_false(bus_attach(&bus, range(&one, 0x107, 1)));
    assert_false(bus_attach(&bus, range(&one, 0x0, 0x1000)));
    assert_false(bus_attach(&bus, range(&one, 0x102, 1)));
    assert_false(bus_attach(&bus, range(&one, 0x500, 0)));
    assert_false(bus_attach(&bus, (struct bus_range){ "nobody", 0x500, 8, NULL, NULL }));
    assert_int_equal(bus.ranges, 2);
    assert_true(bus_attach(&bus, range(&one, 0x0f8, 8)));
    assert_true(bus_attach(&bus, range(&one, 0x108, 8)));
    assert_int_equal(bus.ranges, 4);
}

static void refuses_one_too_many_and_finds_all(void **state)
{
    (void)state;
    for (unsigned i = 2; i < BUS_RANGES; i++) {
        assert_true(bus_attach(&bus, range(&one, 0x8000 - 0x10 * i, 8)));
    }
    assert_false(bus_attach(&bus, range(&one, 0x9000, 8)));
    for (unsigned i = 2; i < BUS_RANGES; i++) {
        assert_int_equal(read_bus(0x8000 - 0x10 * i, 1, true), 0x10);
        assert_int_equal(read_bus(0x8000 - 0x10 * i + 8, 1, false), 0xff);
    }
}

static void an_empty_bus_claims_nothing(void **state)
{
    (void)state;
    bus = (struct bus){ 0 };
    assert_int_equal(read_bus(0, 1, false), 0xff);
    write_bus(0, 4, 1, false);
    assert_int_equal(bus.unclaimed_count, 2);
}

static void ignored_is_claimed_and_empty(void **state)
{
    (void)state;
    assert_true(bus_attach(&bus, (struct bus_range){ "delay", 0x80, 1, bus_ignore, NULL }));
    write_bus(0x80, 1, 0, true);
    assert_int_equal(read_bus(0x80, 1, true), 0xff);
    assert_int_equal(bus.unclaimed_count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(reaches_the_device_with_relative_addresses, setup),
        cmocka_unit_test_setup(unclaimed_reads_all_ones_and_is_reported_once, setup),
        cmocka_unit_test_setup(reports_are_bounded, setup),
        cmocka_unit_test_setup(an_access_over_an_edge_is_split, setup),
        cmocka_unit_test_setup(the_top_of_the_address_space, setup),
        cmocka_unit_test_setup(refuses_what_overlaps, setup),
        cmocka_unit_test_setup(refuses_one_too_many_and_finds_all, setup),
        cmocka_unit_test_setup(an_empty_bus_claims_nothing, setup),
        cmocka_unit_test_setup(ignored_is_claimed_and_empty, setup),
    };

    return cmocka_run_group_tests_name("bus", tests, NULL, NULL);
}
