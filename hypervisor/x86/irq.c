/* SPDX-License-Identifier: Apache-2.0 */
#include "x86/irq.h"

#include "abi/syscall.h"
#include "kernel/cpu.h"
#include "x86/acpi.h"
#include "x86/ioapic.h"
#include "x86/lapic.h"
#include "x86/sections.h"
#include "x86/trap.h"

_Static_assert(VECTOR_IRQ + IRQ_LINES <= VECTOR_TIMER, "a vector for every line");

static RO_AFTER_INIT uint32_t console_line = UINT32_MAX;

bool irq_keep_console(uint8_t isa_line)
{
    struct acpi_irq line = acpi_isa_irq(isa_line);

    console_line = line.gsi;
    return ioapic_route(line, VECTOR_CONSOLE, lapic_id(), false);
}

bool arch_irq_route(unsigned line, struct cpu *cpu)
{
    return line < IRQ_LINES && line != console_line &&
           ioapic_route(acpi_line(line), (uint8_t)(VECTOR_IRQ + line), cpu->arch.apic_id, true);
}

void arch_irq_mask(unsigned line, bool masked)
{
    ioapic_mask(line, masked);
}

void irq_interrupt(struct cpu *cpu, unsigned line)
{
    ioapic_mask(line, true);
    lapic_end_of_interrupt();
    kernel_irq(cpu, line);
}
