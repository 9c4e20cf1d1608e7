/* sources: vmm/dev/kbd.c vmm/dev/reset.c */
/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "dev/kbd.h"
#include "dev/reset.h"

static struct kbd kbd;
static struct reset reset;
static unsigned resets;

static void reset_machine(void *machine)
{
    assert_ptr_equal(machine, &resets);
    resets++;
}

static int setup(void **state)
{
    (void)state;
    resets = 0;
    kbd_init(&kbd, reset_machine, &resets);
    reset_init(&reset, reset_machine, &resets);
    return 0;
}

static void access_port(unsigned port, struct access *access)
{
    switch (port) {
    case 0x60:
        kbd_data_access(&kbd, access);
        break;
    case 0x64:
        kbd_command_access(&kbd, access);
        break;
    case 0x92:
        reset_port_92_access(&reset, access);
        break;
    default:
        reset_control_access(&reset, access);
        break;
    }
}

static void out(unsigned port, uint8_t value)
{
    struct access access = { .value = value, .size = 1, .write = true };

    access_port(port, &access);
}

static uint8_t in(unsigned port)
{
    struct access access = { .value = 0xff, .size = 1 };

    access_port(port, &access);
    return (uint8_t)access.value;
}

/* As i8042_flush: 16 bytes that do not end mean that there is no controller. */
static void linux_finds_no_controller(void **state)
{
    unsigned count = 0;

    (void)state;
    while ((in(0x64) & 0x01) && count < 16) {
        in(0x60);
        count++;
    }
    assert_int_equal(count, 16);
}

/* As kb_wait and BOOT_KBD in native_machine_emergency_restart. */
static void linux_reboots_without_waiting(void **state)
{
    (void)state;
    assert_int_equal(in(0x64) & 0x02, 0);
    out(0x64, 0xfe);
    assert_int_equal(resets, 1);
}

static void other_commands_do_nothing(void **state)
{
    (void)state;
    for (unsigned command = 0; command < 0xf0; command++) {
        out(0x64, (uint8_t)command);
        out(0x60, 0);
    }
    out(0x64, 0xff); /* pulses no line */
    out(0x64, 0xfd);
    assert_int_equal(resets, 0);
    out(0x64, 0xf0);
    assert_int_equal(resets, 1);
}

static void port_92_resets_on_the_rising_bit(void **state)
{
    (void)state;
    assert_int_equal(in(0x92), 0x02);
    out(0x92, 0x00);
    assert_int_equal(in(0x92), 0x00);
    out(0x92, 0xfe);
    assert_int_equal(resets, 0);
    out(0x92, 0x03);
    assert_int_equal(resets, 1);
    out(0x92, 0x03);
    assert_int_equal(resets, 1);
}

/* As BOOT_CF9_FORCE: request a hard reset, then do it. */
static void reset_control_register(void **state)
{
    (void)state;
    assert_int_equal(in(0xcf9), 0);
    out(0xcf9, 0x02);
    assert_int_equal(in(0xcf9), 0x02);
    assert_int_equal(resets, 0);
    out(0xcf9, 0x06);
    assert_int_equal(resets, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(linux_finds_no_controller, setup),
        cmocka_unit_test_setup(linux_reboots_without_waiting, setup),
        cmocka_unit_test_setup(other_commands_do_nothing, setup),
        cmocka_unit_test_setup(port_92_resets_on_the_rising_bit, setup),
        cmocka_unit_test_setup(reset_control_register, setup),
    };

    return cmocka_run_group_tests_name("kbd", tests, NULL, NULL);
}
