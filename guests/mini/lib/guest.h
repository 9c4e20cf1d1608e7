/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What every mini guest has: console, exit, interrupts and the instructions that C lacks. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* `cmdline` is the VM's (CONFIG_VMn_CMDLINE); what it returns is the VM's exit code. */
int main(const char *cmdline);

/* What the other vCPUs of the VM do, where there are any: those with the numbers from 1 on. Starts
 * once interrupts are set up. A guest without one leaves them standing. */
void vcpu_main(unsigned number);

/* ---- Instructions -------------------------------------------------------------------------- */

static inline void out8(uint16_t port, uint8_t value)
{
    __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port) : "memory");
}

static inline uint8_t in8(uint16_t port)
{
    uint8_t value;

    __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port) : "memory");
    return value;
}

static inline void pause(void)
{
    __asm__ volatile("pause" : : : "memory");
}

/* Ordered by what comes before: one tick is one instruction on both emulators. */
static inline uint64_t ticks(void)
{
    uint32_t low, high;

    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high) : : "memory");
    return (uint64_t)high << 32 | low;
}

struct cpuid {
    uint32_t eax, ebx, ecx, edx;
};

static inline struct cpuid cpuid(uint32_t leaf, uint32_t subleaf)
{
    struct cpuid r;

    __asm__ volatile("cpuid"
                     : "=a"(r.eax), "=b"(r.ebx), "=c"(r.ecx), "=d"(r.edx)
                     : "a"(leaf), "c"(subleaf));
    return r;
}

/* ---- Console and end ------------------------------------------------------------------------- */

void print(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Ends the VM; code 0 is success (vmm/dev/exit.h). */
_Noreturn void guest_exit(uint32_t code);

/* ---- Interrupts -------------------------------------------------------------------------------- */

struct interrupt_frame {
    uint64_t rip, cs, rflags, rsp, ss;
};
typedef void (*interrupt_handler)(struct interrupt_frame *frame, uint64_t error);

/* IRQ n of the PICs arrives at this vector. */
#define IRQ_VECTOR 32u

void interrupts_setup(void);
/* A vector without a handler prints what happened and ends the VM with code 1. */
void interrupt_set(unsigned vector, interrupt_handler handler);
void irq_unmask(unsigned irq);
void irq_end(unsigned irq);
