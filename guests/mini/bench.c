/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Measures round trips out of the guest and back, in TSC ticks: with the emulators set as in
 * docs/measuring.md one tick is one instruction. The cost of reading the TSC itself is taken off.
 */
#include "guest.h"

enum {
    ROUNDS = 1000,
    UART_SCRATCH = 0x3ff, /* a register of a user-mode device without side effects */
    UART_IER = 0x3f9,
    UART_IIR = 0x3fa,
    UART_IRQ = 4,
};
#define UART_MMIO 0xd0000000UL /* CONFIG_VM0_UART_MMIO of the measuring configuration */

static uint32_t sample[ROUNDS];

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
    irq_end(UART_IRQ);
}

/* The interrupt is pending already, so HLT wakes at once: the way out, the injection and the
 * handler's end of interrupt, but no waiting. */
static void do_halt(void)
{
    __asm__ volatile("sti; hlt; cli" : : : "memory");
}

static void raise_uart(void)
{
    in8(UART_IIR);
    out8(UART_IER, 0);
    out8(UART_IER, 2); /* transmitter empty: pending at once */
}

static void sort(uint32_t *values, unsigned count)
{
    for (unsigned gap = count / 2; gap > 0; gap /= 2) {
        for (unsigned i = gap; i < count; i++) {
            uint32_t value = values[i];
            unsigned j = i;

            for (; j >= gap && values[j - gap] > value; j -= gap) {
                values[j] = values[j - gap];
            }
            values[j] = value;
        }
    }
}

static void measure(const char *name, void (*prepare)(void), void (*operation)(void),
                    uint32_t overhead)
{
    for (unsigned i = 0; i < ROUNDS; i++) {
        prepare();
        uint64_t start = ticks();
        operation();
        sample[i] = (uint32_t)(ticks() - start) - overhead;
    }
    sort(sample, ROUNDS);
    print("bench: %s median %u min %u max %u\n", name, sample[ROUNDS / 2], sample[0],
          sample[ROUNDS - 1]);
}

int main(void)
{
    measure("nothing", do_nothing, do_nothing, 0);
    uint32_t overhead = sample[ROUNDS / 2];

    measure("cpuid", do_nothing, do_cpuid, overhead);
    measure("out", do_nothing, do_out, overhead);
    measure("in", do_nothing, do_in, overhead);
    measure("mmio-write", do_nothing, do_mmio_write, overhead);
    measure("mmio-read", do_nothing, do_mmio_read, overhead);
    interrupt_set(IRQ_VECTOR + UART_IRQ, on_uart);
    irq_unmask(UART_IRQ);
    measure("halt-wake", raise_uart, do_halt, overhead);
    return 0;
}
