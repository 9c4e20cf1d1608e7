/* SPDX-License-Identifier: Apache-2.0 */
#include "guest.h"

#include "lib/format.h"

enum {
    COM1 = 0x3f8,
    UART_LSR = 5,
    LSR_THRE = 0x20,
    EXIT_PORT = 0xf4,
    PIC1 = 0x20,
    PIC2 = 0xa0,
    VECTORS = 48,
};

void print(const char *format, ...)
{
    char line[160];
    va_list args;

    va_start(args, format);
    size_t length = format_text(line, sizeof(line), format, args);
    va_end(args);
    for (size_t i = 0; i < length; i++) {
        while ((in8(COM1 + UART_LSR) & LSR_THRE) == 0) {
        }
        if (line[i] == '\n') {
            out8(COM1, '\r');
        }
        out8(COM1, (uint8_t)line[i]);
    }
}

void guest_exit(uint32_t code)
{
    for (;;) {
        __asm__ volatile("outl %0, %1" : : "a"(code), "Nd"((uint16_t)EXIT_PORT));
    }
}

/* SDM vol 3, 6.14.1: a gate of the 64-bit IDT. */
struct gate {
    uint16_t offset_low, selector;
    uint8_t ist, type;
    uint16_t offset_middle;
    uint32_t offset_high, reserved;
};
_Static_assert(sizeof(struct gate) == 16, "SDM vol 3, 6.14.1");

struct __attribute__((packed)) idt_pointer {
    uint16_t limit;
    uint64_t base;
};

extern const uint8_t vector_stubs[];
static struct gate idt[VECTORS];
static interrupt_handler handlers[VECTORS];

void interrupt(unsigned vector, struct interrupt_frame *frame, uint64_t error);

void interrupt(unsigned vector, struct interrupt_frame *frame, uint64_t error)
{
    if (handlers[vector]) {
        handlers[vector](frame, error);
        return;
    }
    print("mini: unexpected interrupt %u, error 0x%lx at 0x%lx\n", vector, error, frame->rip);
    guest_exit(1);
}

void interrupt_set(unsigned vector, interrupt_handler handler)
{
    handlers[vector] = handler;
}

/* Intel 8259A data sheet, "Initialization Command Words". */
static void pic_setup(void)
{
    out8(PIC1, 0x11);
    out8(PIC1 + 1, IRQ_VECTOR);
    out8(PIC1 + 1, 1 << 2);
    out8(PIC1 + 1, 1);
    out8(PIC2, 0x11);
    out8(PIC2 + 1, IRQ_VECTOR + 8);
    out8(PIC2 + 1, 2);
    out8(PIC2 + 1, 1);
    out8(PIC1 + 1, 0xfb); /* all masked but the cascade */
    out8(PIC2 + 1, 0xff);
}

void irq_unmask(unsigned irq)
{
    uint16_t port = irq < 8 ? PIC1 + 1 : PIC2 + 1;

    out8(port, (uint8_t)(in8(port) & ~(1u << (irq % 8))));
}

void irq_end(unsigned irq)
{
    if (irq >= 8) {
        out8(PIC2, 0x20);
    }
    out8(PIC1, 0x20);
}

static bool interrupts_ready;

static void load_idt(void)
{
    struct idt_pointer pointer = {sizeof(idt) - 1, (uintptr_t)idt};

    __asm__ volatile("lidt %0" : : "m"(pointer));
}

void interrupts_setup(void)
{
    for (unsigned i = 0; i < VECTORS; i++) {
        uintptr_t stub = (uintptr_t)vector_stubs + i * 16;

        idt[i] = (struct gate){
            .offset_low = (uint16_t)stub,
            .selector = 0x08,
            .type = 0x8e,
            .offset_middle = (uint16_t)(stub >> 16),
            .offset_high = (uint32_t)(stub >> 32),
        };
    }
    load_idt();
    pic_setup();
    __atomic_store_n(&interrupts_ready, true, __ATOMIC_RELEASE);
}

/* ---- The other vCPUs ------------------------------------------------------------------------- */

__attribute__((weak)) void vcpu_main(unsigned number)
{
    (void)number;
}

_Noreturn void vcpu_start(unsigned number);

_Noreturn void vcpu_start(unsigned number)
{
    while (!__atomic_load_n(&interrupts_ready, __ATOMIC_ACQUIRE)) {
        pause();
    }
    load_idt();
    vcpu_main(number);
    for (;;) {
        __asm__ volatile("cli; hlt");
    }
}
