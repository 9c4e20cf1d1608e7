/* sources: vmm/dev/pci.c */
/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "dev/pci.h"

static struct pci pci;
static unsigned byte_1_accesses;

static void byte_1(void *device, struct access *access)
{
    assert_ptr_equal(device, &pci);
    assert_int_equal(access->offset, 0);
    assert_int_equal(access->size, 1);
    byte_1_accesses++;
    access->value = 0x5a;
}

static int setup(void **state)
{
    (void)state;
    byte_1_accesses = 0;
    pci_init(&pci, byte_1, &pci);
    return 0;
}

static void out(unsigned port, uint8_t size, uint32_t value)
{
    struct access access = { .offset = port - 0xcf8, .value = value, .size = size, .write = true };

    pci_access(&pci, &access);
}

static uint32_t in(unsigned port, uint8_t size)
{
    struct access access = { .offset = port - 0xcf8, .value = UINT32_MAX, .size = size };

    pci_access(&pci, &access);
    return (uint32_t)access.value;
}

/* As pci_check_type1 and, if that failed, pci_check_type2. */
static void linux_finds_mechanism_1(void **state)
{
    (void)state;
    out(0xcfb, 1, 0x01);
    out(0xcf8, 4, 0x80000000);
    assert_int_equal(in(0xcf8, 4), 0x80000000);
    out(0xcf8, 1, 0);
    out(0xcfa, 1, 0);
    assert_int_not_equal(in(0xcf8, 1), 0);
    assert_int_equal(in(0xcf8, 4), 0x80000000);
}

static void there_is_no_device(void **state)
{
    (void)state;
    for (uint32_t device = 0; device < 0x10000; device += 8) {
        out(0xcf8, 4, 0x80000000 | device << 8);
        assert_int_equal(in(0xcfc, 4), UINT32_MAX);
    }
    assert_int_equal(in(0xcfe, 2), UINT32_MAX);
    out(0xcfc, 4, 0);
    assert_int_equal(in(0xcfc, 4), UINT32_MAX);
}

static void reserved_address_bits_read_as_zero(void **state)
{
    (void)state;
    out(0xcf8, 4, UINT32_MAX);
    assert_int_equal(in(0xcf8, 4), 0x80fffffc);
}

static void byte_1_is_handed_on(void **state)
{
    (void)state;
    assert_int_equal(in(0xcf9, 1), 0x5a);
    out(0xcf9, 1, 6);
    assert_int_equal(byte_1_accesses, 2);
    in(0xcf9, 2);
    in(0xcfd, 1);
    assert_int_equal(byte_1_accesses, 2);
    pci_init(&pci, NULL, NULL);
    assert_int_equal(in(0xcf9, 1), UINT32_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(linux_finds_mechanism_1, setup),
        cmocka_unit_test_setup(there_is_no_device, setup),
        cmocka_unit_test_setup(reserved_address_bits_read_as_zero, setup),
        cmocka_unit_test_setup(byte_1_is_handed_on, setup),
    };

    return cmocka_run_group_tests_name("pci", tests, NULL, NULL);
}
