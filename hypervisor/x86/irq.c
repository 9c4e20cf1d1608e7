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

static struct ioapic_line line_of(struct acpi_irq irq)
{
    return (struct ioapic_line){
        .interrupt = irq.gsi, .level = irq.level, .active_low = irq.active_low};
}

bool irq_keep_console(uint8_t isa_line)
{
    struct ioapic_line line = line_of(acpi_isa_irq(isa_line));

    console_line = line.interrupt;
    return ioapic_route(&line, VECTOR_CONSOLE, lapic_id());
}

bool arch_irq_route(unsigned line, struct cpu *cpu)
{
    if (line >= IRQ_LINES || line == console_line) {
        return false;
    }
    struct ioapic_line masked = line_of(acpi_line(line));

    masked.masked = true;
    return ioapic_route(&masked, (uint8_t)(VECTOR_IRQ + line), cpu->arch.apic_id);
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
