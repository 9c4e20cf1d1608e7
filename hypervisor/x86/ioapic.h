/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The I/O APICs: from a device's interrupt line (a global system interrupt, ACPI 5.2.12) to a
 * processor's vector. */
#include <stdbool.h>
#include <stdint.h>

#define IOAPIC_MAX 16

/* Adds a controller whose registers stand at `physical`, with all its lines masked; its first
 * line is interrupt `first`. */
void ioapic_add(uint64_t physical, uint32_t first);

struct ioapic_line {
    uint32_t interrupt; /* global system interrupt */
    bool level, active_low;
    bool masked; /* for now: ioapic_mask */
};

/* Sends the line to `vector` of the processor with that APIC ID. False: no controller has the line,
 * or can name the processor. */
bool ioapic_route(const struct ioapic_line *line, uint8_t vector, uint32_t apic_id);
/* A controller without the line ignores it. Any processor, interrupts off. */
void ioapic_mask(uint32_t interrupt, bool masked);
