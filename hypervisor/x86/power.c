/* SPDX-License-Identifier: Apache-2.0 */
/* The machine's part of kernel/arch.h that ends it. */
#include "kernel/arch.h"
#include "x86/acpi.h"
#include "x86/instr.h"
#include "x86/segments.h"

/* PM1 control (ACPI 6.5, 4.8.3.2.1). */
#define PM1_SLP_TYP_SHIFT 10
#define PM1_SLP_TYP (7u << PM1_SLP_TYP_SHIFT)
#define PM1_SLP_EN (1u << 13)

#define RESET_CONTROL 0xcf9
#define KEYBOARD_COMMAND 0x64
#define KEYBOARD_PULSE_RESET 0xfe

enum { PATIENCE = 1000000 };

static void wait_a_little(void)
{
    for (int i = 0; i < PATIENCE; i++) {
        cpu_pause();
    }
}

/* The register's other bits are the firmware's. */
static void sleep_port(uint16_t port, uint8_t type)
{
    if (port != 0) {
        unsigned others = in16(port) & ~(PM1_SLP_TYP | PM1_SLP_EN);

        out16(port, (uint16_t)(others | ((unsigned)type << PM1_SLP_TYP_SHIFT & PM1_SLP_TYP) |
                               PM1_SLP_EN));
    }
}

void arch_machine_off(void)
{
    if (!acpi_info.can_power_off) {
        return;
    }
    sleep_port(acpi_info.pm1a_control, acpi_info.s5_type_a);
    sleep_port(acpi_info.pm1b_control, acpi_info.s5_type_b);
    wait_a_little();
}

void arch_machine_reset(void)
{
    static const struct table_pointer no_idt = {0, 0};

    if (acpi_info.reset_port != 0) {
        out8(acpi_info.reset_port, acpi_info.reset_value);
        wait_a_little();
    }
    out8(RESET_CONTROL, 0x02);
    out8(RESET_CONTROL, 0x06);
    wait_a_little();
    out8(KEYBOARD_COMMAND, KEYBOARD_PULSE_RESET);
    wait_a_little();
    __asm__ volatile("lidt %0\n\tint3" : : "m"(no_idt));
}
