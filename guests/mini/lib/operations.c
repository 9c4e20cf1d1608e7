/* SPDX-License-Identifier: Apache-2.0 */
#include "operations.h"

#include "guest.h"

enum {
    UART_SCRATCH = 0x3ff, /* a register of a user-mode device without side effects */
    UART_IER = 0x3f9,
    UART_IIR = 0x3fa,
    UART_IRQ = 4,
};
#define UART_MMIO 0xd0000000UL /* CONFIG_PART0_UART_MMIO of the measuring configurations */

static void do_nothing(void)
{
}

static void do_cpuid(void)
{
    cpuid(0, 0);
}

static void do_out(void)
{
    out8(UART_SCRATCH, 0x5a);
}

static void do_in(void)
{
    in8(UART_SCRATCH);
}

static void do_mmio_write(void)
{
    *(volatile uint8_t *)(UART_MMIO + 7) = 0x5a;
}

static void do_mmio_read(void)
{
    (void)*(volatile uint8_t *)(UART_MMIO + 7);
}

static void on_uart(struct interrupt_frame *frame, uint64_t error)
{
    (void)frame;
    (void)error;
    in8(UART_IIR); /* takes the request back */
    irq_end(UART_IRQ);
}

static void raise_uart(void)
{
    out8(UART_IER, 0);
    out8(UART_IER, 2); /* "transmitter empty" is pending at once */
}

/* The interrupt is pending already, so HLT wakes at once: the way out, the injection and the
 * handler with two accesses to devices, but no waiting. */
static void do_halt(void)
{
    __asm__ volatile("sti; hlt; cli" : : : "memory");
}

const struct operation operations[] = {
    {"nothing", NULL, do_nothing},
    {"cpuid", NULL, do_cpuid},
    {"out", NULL, do_out},
    {"in", NULL, do_in},
    {"mmio-write", NULL, do_mmio_write},
    {"mmio-read", NULL, do_mmio_read},
    {"halt-wake", raise_uart, do_halt},
    {NULL, NULL, NULL},
};

void operations_setup(void)
{
    out8(0x3fc, 8); /* MCR.OUT2: the interrupt reaches the PIC, as on a PC */
    interrupt_set(IRQ_VECTOR + UART_IRQ, on_uart);
    irq_unmask(UART_IRQ);
}
