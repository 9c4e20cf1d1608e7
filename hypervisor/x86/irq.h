/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Devices' interrupt lines: the kernel's own, and those that arch_irq_route gives to threads. */
#include "kernel/arch.h"

/* The console's line goes to the calling processor, and to nobody else. False: no such line. */
bool irq_keep_console(uint8_t isa_line);
/* VECTOR_IRQ + line came: masks the line, ends the interrupt, and tells the kernel. */
void irq_interrupt(struct cpu *cpu, unsigned line);
