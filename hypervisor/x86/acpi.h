/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What the kernel needs of the firmware's ACPI tables: processors and interrupt controllers
 * (MADT), power and reset (FADT, \_S5 of the DSDT). The tables are the firmware's, and checked
 * like any other input: a damaged one is left out.
 */
#include "abi/types.h"

#define ACPI_CPU_MAX 64
#define ACPI_IOAPIC_MAX 8
#define ACPI_OVERRIDE_MAX 24

struct acpi_ioapic {
    uint64_t address;
    uint32_t gsi_base; /* first of its interrupts in the system's count */
};

/* An interrupt line of an I/O APIC, and how it signals. */
struct acpi_irq {
    uint32_t gsi;
    bool level;
    bool active_low;
};

struct acpi_info {
    uint32_t cpu_count;     /* processors that can be used; at least 1 */
    uint32_t apic_id[ACPI_CPU_MAX];
    unsigned ioapic_count;
    struct acpi_ioapic ioapic[ACPI_IOAPIC_MAX];
    unsigned override_count; /* ISA interrupts that are not what they were */
    struct {
        uint8_t isa;
        struct acpi_irq irq;
    } override[ACPI_OVERRIDE_MAX];

    bool can_power_off;
    uint16_t pm1a_control, pm1b_control; /* ports; 0: none */
    uint8_t s5_type_a, s5_type_b;
    uint16_t reset_port; /* 0: none */
    uint8_t reset_value;
};

extern struct acpi_info acpi_info;

/* Reads the tables whose root pointer stands at physical address `rsdp` (0: it is searched where
 * a BIOS puts it). False: there are none; acpi_info then describes a PC without them. */
bool acpi_init(uint64_t rsdp);
/* Obeys the overrides; without one an ISA interrupt is its own number, edge, active high. */
struct acpi_irq acpi_isa_irq(uint8_t isa);
/* How a line signals: as an override says, else below 16 as ISA's do, above as PCI's (level,
 * active low). */
struct acpi_irq acpi_line(uint32_t gsi);

/* ---- The parsers, for the host tests ------------------------------------------------------- */

/* Each takes a whole table of `size` bytes, its header checked. */
void acpi_read_madt(struct acpi_info *info, const uint8_t *table, size_t size);
/* Returns the physical address of the DSDT, or 0. */
uint64_t acpi_read_fadt(struct acpi_info *info, const uint8_t *table, size_t size);
void acpi_read_dsdt(struct acpi_info *info, const uint8_t *table, size_t size);
