/* SPDX-License-Identifier: Apache-2.0 */
#include "x86/segments.h"

#include "kernel/cpu.h"
#include "x86/instr.h"
#include "x86/kernel_space.h"
#include "x86/layout.h"
#include "x86/sections.h"
#include "x86/trap.h"

enum { VECTORS = 256 };
enum { BREAKPOINT = 3 };

/* entry.S: one stub of 16 bytes per vector. */
extern const char trap_stubs[VECTORS][16];

/* entry.S finds RSP0 here when SYSCALL enters. */
struct tss cpu_tss[CPU_MAX];

/* Descriptors (SDM vol 3, 3.4.5), their accessed bits set because the table becomes read-only. */
static RO_AFTER_INIT uint64_t gdt[FIRST_TSS / 8 + 2 * CPU_MAX] = {
    [KERNEL_CS / 8] = 0x00209b0000000000,
    [KERNEL_DS / 8] = 0x0000930000000000,
    [USER_DS / 8] = 0x0000f30000000000,
    [USER_CS / 8] = 0x0020fb0000000000,
};

/* Gates (SDM vol 3, 6.14.1). */
struct gate {
    uint16_t offset_low, selector;
    uint8_t ist, type;
    uint16_t offset_middle;
    uint32_t offset_high, reserved;
};
_Static_assert(sizeof(struct gate) == 16, "SDM vol 3, 6.14.1");
static RO_AFTER_INIT struct gate idt[VECTORS];

enum { GATE_INTERRUPT = 0x8e, GATE_USER = 0x60 };

void segments_init(void)
{
    static const uint8_t ist[VECTORS] = {
        [VECTOR_NMI] = STACK_NMI,
        [VECTOR_DOUBLE_FAULT] = STACK_DOUBLE_FAULT,
        [VECTOR_MACHINE_CHECK] = STACK_MACHINE_CHECK,
    };

    for (unsigned vector = 0; vector < VECTORS; vector++) {
        uint64_t stub = (uint64_t)trap_stubs[vector];

        idt[vector] = (struct gate){
            .offset_low = (uint16_t)stub,
            .selector = KERNEL_CS,
            .ist = ist[vector],
            .type = GATE_INTERRUPT | (vector == BREAKPOINT ? GATE_USER : 0),
            .offset_middle = (uint16_t)(stub >> 16),
            .offset_high = (uint32_t)(stub >> 32),
        };
    }
}

/* SDM vol 3, 8.2.3: an available 64-bit TSS. */
static void set_tss_descriptor(uint64_t *descriptor, const struct tss *tss)
{
    uint64_t base = (uint64_t)tss, limit = offsetof(struct tss, unused) - 1;

    descriptor[0] = limit | (base & 0xffffff) << 16 | 0x89UL << 40 | (base >> 24 & 0xff) << 56;
    descriptor[1] = base >> 32;
}

static uint16_t tss_selector(const struct cpu *cpu)
{
    return (uint16_t)(FIRST_TSS + 16 * cpu->id);
}

void segments_make(struct cpu *cpu)
{
    struct tss *tss = &cpu_tss[cpu->id];

    tss->io_map = offsetof(struct tss, unused); /* beyond the limit: no ports for user mode */
    for (unsigned kind = STACK_NMI; kind < STACKS_PER_CPU; kind++) {
        tss->ist[kind - 1] = kernel_stack_make(cpu, kind);
    }
    cpu->arch.tss = tss;
    cpu->arch.kernel_stack = kernel_stack_make(cpu, STACK_KERNEL);
    set_tss_descriptor(&gdt[tss_selector(cpu) / 8], tss);
}

void segments_load(const struct cpu *cpu)
{
    struct table_pointer gdt_pointer = {sizeof(gdt) - 1, (uint64_t)gdt};
    struct table_pointer idt_pointer = {sizeof(idt) - 1, (uint64_t)idt};

    __asm__ volatile("lgdt %0" : : "m"(gdt_pointer));
    __asm__ volatile("lidt %0" : : "m"(idt_pointer));
    __asm__ volatile("pushq %0\n\t"
                     "lea 1f(%%rip), %%rax\n\t"
                     "pushq %%rax\n\t"
                     "lretq\n"
                     "1:"
                     :
                     : "i"(KERNEL_CS)
                     : "rax", "memory");
    __asm__ volatile("mov %0, %%ss" : : "r"(KERNEL_DS));
    __asm__ volatile("mov %0, %%ds\n\tmov %0, %%es\n\tmov %0, %%fs\n\tmov %0, %%gs" : : "r"(0));
    __asm__ volatile("lldt %w0" : : "r"(0));
    __asm__ volatile("ltr %0" : : "r"(tss_selector(cpu)));
}
