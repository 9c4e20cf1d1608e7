/* SPDX-License-Identifier: Apache-2.0 */
#include "x86/ioapic.h"

#include "x86/instr.h"
#include "x86/kernel_space.h"
#include "x86/sections.h"

/* 82093AA datasheet, 3.1: an index and a data register; two registers per line from 0x10 on. */
enum { INDEX = 0x00 / 4, DATA = 0x10 / 4, REGISTERS_SIZE = 0x20 };
enum { REG_VERSION = 0x01, REG_LINES = 0x10 };

#define LINE_ACTIVE_LOW (1u << 13)
#define LINE_LEVEL (1u << 15)
#define LINE_MASKED (1u << 16)
#define APIC_ID_MAX 254u

struct ioapic {
    volatile uint32_t *registers;
    uint32_t first, count;
};

static RO_AFTER_INIT struct ioapic ioapics[IOAPIC_MAX];
static RO_AFTER_INIT unsigned ioapic_count;

/* Index and data belong together, and every processor masks its lines. */
static bool locked;

static void lock(void)
{
    while (__atomic_test_and_set(&locked, __ATOMIC_ACQUIRE)) {
        cpu_pause();
    }
}

static void unlock(void)
{
    __atomic_clear(&locked, __ATOMIC_RELEASE);
}

static uint32_t ioapic_read(const struct ioapic *ioapic, uint32_t reg)
{
    ioapic->registers[INDEX] = reg;
    return ioapic->registers[DATA];
}

static void ioapic_write(const struct ioapic *ioapic, uint32_t reg, uint32_t value)
{
    ioapic->registers[INDEX] = reg;
    ioapic->registers[DATA] = value;
}

void ioapic_add(uint64_t physical, uint32_t first)
{
    if (ioapic_count == IOAPIC_MAX) {
        return;
    }
    struct ioapic *ioapic = &ioapics[ioapic_count++];

    ioapic->registers = map_device(physical, REGISTERS_SIZE);
    ioapic->first = first;
    ioapic->count = (ioapic_read(ioapic, REG_VERSION) >> 16 & 0xff) + 1;
    for (uint32_t i = 0; i < ioapic->count; i++) {
        ioapic_write(ioapic, REG_LINES + 2 * i, LINE_MASKED);
    }
}

static const struct ioapic *ioapic_of(uint32_t interrupt)
{
    for (unsigned i = 0; i < ioapic_count; i++) {
        if (interrupt - ioapics[i].first < ioapics[i].count) {
            return &ioapics[i];
        }
    }
    return NULL;
}

bool ioapic_route(struct acpi_irq line, uint8_t vector, uint32_t apic_id, bool masked)
{
    const struct ioapic *ioapic = ioapic_of(line.gsi);

    if (!ioapic || apic_id > APIC_ID_MAX) {
        return false;
    }
    uint32_t reg = REG_LINES + 2 * (line.gsi - ioapic->first);

    lock();
    ioapic_write(ioapic, reg, LINE_MASKED); /* while the halves do not belong together */
    ioapic_write(ioapic, reg + 1, apic_id << 24);
    ioapic_write(ioapic, reg,
                 vector | (line.active_low ? LINE_ACTIVE_LOW : 0) | (line.level ? LINE_LEVEL : 0) |
                     (masked ? LINE_MASKED : 0));
    unlock();
    return true;
}

void ioapic_mask(uint32_t interrupt, bool masked)
{
    const struct ioapic *ioapic = ioapic_of(interrupt);

    if (ioapic) {
        uint32_t reg = REG_LINES + 2 * (interrupt - ioapic->first);

        lock();
        uint32_t value = ioapic_read(ioapic, reg) & ~LINE_MASKED;

        ioapic_write(ioapic, reg, value | (masked ? LINE_MASKED : 0));
        unlock();
    }
}
