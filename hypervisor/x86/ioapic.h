/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The I/O APICs: from a device's interrupt line (a global system interrupt, ACPI 5.2.12) to a
 * processor's vector. */
#include "x86/acpi.h"

#define IOAPIC_MAX 16

/* Adds a controller whose registers stand at `physical`, with all its lines masked; its first
 * line is interrupt `first`. */
void ioapic_add(uint64_t physical, uint32_t first);

/* Sends the line to `vector` of the processor with that APIC ID; `masked`: not yet, ioapic_mask.
 * False: no controller has the line, or can name the processor. */
bool ioapic_route(struct acpi_irq line, uint8_t vector, uint32_t apic_id, bool masked);
/* A controller without the line ignores it. Any processor, interrupts off. */
void ioapic_mask(uint32_t interrupt, bool masked);
