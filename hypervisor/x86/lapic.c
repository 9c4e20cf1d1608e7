/* SPDX-License-Identifier: Apache-2.0 */
#include "x86/lapic.h"

#include "abi/types.h"
#include "x86/instr.h"
#include "x86/kernel_space.h"
#include "x86/sections.h"
#include "x86/trap.h"

/* Register offsets (SDM vol 3, table 10-1); the x2APIC's MSR is 0x800 + offset / 16. */
enum {
    REG_ID = 0x20,
    REG_TASK_PRIORITY = 0x80,
    REG_END_OF_INTERRUPT = 0xb0,
    REG_SPURIOUS = 0xf0,
    REG_COMMAND = 0x300,
    REG_COMMAND_HIGH = 0x310,
    REG_LVT_TIMER = 0x320,
    REG_LVT_LINT0 = 0x350,
    REG_LVT_LINT1 = 0x360,
    REG_LVT_ERROR = 0x370,
    REG_TIMER_INITIAL = 0x380,
    REG_TIMER_CURRENT = 0x390,
    REG_TIMER_DIVIDE = 0x3e0,
};

#define APIC_BASE_FIRST (1UL << 8)
#define APIC_BASE_X2APIC (1UL << 10)
#define APIC_BASE_ENABLE (1UL << 11)
#define APIC_BASE_ADDRESS 0x000ffffffffff000UL
#define SPURIOUS_ENABLE 0x100u
#define LVT_MASKED 0x10000u
#define LVT_NMI 0x400u
#define LVT_TSC_DEADLINE 0x40000u
#define DIVIDE_BY_1 0xbu
#define X2APIC_MSR 0x800u
#define COMMAND_PENDING 0x1000u
#define COMMAND_ASSERT 0x4000u
enum { PATIENCE = 1000000 };

/* MSR_APIC_BASE of every processor but for APIC_BASE_FIRST; 0: not known yet. */
static RO_AFTER_INIT uint64_t base_of_all;
/* NULL: x2APIC. The same address on every processor. */
static RO_AFTER_INIT volatile uint32_t *registers;

static uint32_t lapic_read(uint32_t reg)
{
    return registers ? registers[reg / 4] : (uint32_t)rdmsr(X2APIC_MSR + reg / 16);
}

static void lapic_write(uint32_t reg, uint32_t value)
{
    if (registers) {
        registers[reg / 4] = value;
    } else {
        wrmsr(X2APIC_MSR + reg / 16, value);
    }
}

void lapic_init(void)
{
    uint64_t base = rdmsr(MSR_APIC_BASE), first = base & APIC_BASE_FIRST;

    if (base_of_all == 0) {
        base_of_all = (base & (APIC_BASE_X2APIC | APIC_BASE_ADDRESS)) | APIC_BASE_ENABLE;
        if (!(base_of_all & APIC_BASE_X2APIC)) {
            registers = map_device(base_of_all & APIC_BASE_ADDRESS, PAGE_SIZE);
        }
    }
    if (base != (base_of_all | first)) { /* off, xAPIC, x2APIC: in steps (SDM vol 3, 10.12.5) */
        if (base & APIC_BASE_X2APIC) {
            wrmsr(MSR_APIC_BASE, base & ~(APIC_BASE_ENABLE | APIC_BASE_X2APIC));
        }
        wrmsr(MSR_APIC_BASE, (base_of_all & ~APIC_BASE_X2APIC) | first);
        wrmsr(MSR_APIC_BASE, base_of_all | first);
    }
    lapic_write(REG_LVT_TIMER, LVT_MASKED | VECTOR_TIMER);
    lapic_write(REG_LVT_LINT0, LVT_MASKED);
    lapic_write(REG_LVT_LINT1, LVT_NMI);
    lapic_write(REG_LVT_ERROR, LVT_MASKED);
    lapic_write(REG_TASK_PRIORITY, 0);
    lapic_write(REG_SPURIOUS, SPURIOUS_ENABLE | VECTOR_SPURIOUS);
}

uint32_t lapic_id(void)
{
    uint32_t id = lapic_read(REG_ID);

    return registers ? id >> 24 : id;
}

void lapic_end_of_interrupt(void)
{
    lapic_write(REG_END_OF_INTERRUPT, 0);
}

void lapic_send(uint32_t apic_id, uint32_t command)
{
    command |= COMMAND_ASSERT;
    if (!registers) {
        /* This WRMSR waits for no store (SDM vol 3, 10.12.3). */
        __asm__ volatile("mfence\n\tlfence" : : : "memory");
        wrmsr(X2APIC_MSR + REG_COMMAND / 16, (uint64_t)apic_id << 32 | command);
        return;
    }
    for (int i = 0; i < PATIENCE && (lapic_read(REG_COMMAND) & COMMAND_PENDING); i++) {
        cpu_pause();
    }
    lapic_write(REG_COMMAND_HIGH, apic_id << 24);
    lapic_write(REG_COMMAND, command);
}

bool lapic_reaches(uint32_t apic_id)
{
    return !registers || apic_id < 255;
}

void lapic_timer_init(enum lapic_timer mode)
{
    lapic_write(REG_TIMER_DIVIDE, DIVIDE_BY_1);
    lapic_write(REG_LVT_TIMER,
                VECTOR_TIMER | (mode == LAPIC_TIMER_TSC_DEADLINE ? LVT_TSC_DEADLINE : 0));
    /* The mode must be there before the first write to TSC_DEADLINE (SDM vol 3, 10.5.4.1). */
    __asm__ volatile("mfence" : : : "memory");
}

void lapic_timer_start(uint32_t ticks)
{
    lapic_write(REG_TIMER_INITIAL, ticks);
}

uint32_t lapic_timer_left(void)
{
    return lapic_read(REG_TIMER_CURRENT);
}
