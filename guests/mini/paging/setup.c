/* SPDX-License-Identifier: Apache-2.0 */
/* Descriptors for both modes and rings, and the tables of the fixed part. */
#include "guest.h"
#include "run.h"

#define PRESENT        0x1u
#define WRITE          0x2u
#define USER           0x4u
#define LARGE          0x80u
#define PAGE           0x1000u
#define LARGE_PAGE     0x200000u
#define VECTORS        48u
#define INTERRUPT_GATE 0x8e00u /* SDM vol 3, 6.11 and 6.14.1: present, 32-bit or 64-bit */

extern uint8_t pf_32[], other_32[], back_32[], pf_64[], other_64[], back_64[];
extern uint8_t user_page[], user_stack[], run_stack_top[];

struct __attribute__((packed)) table_pointer {
    uint16_t limit;
    uint64_t base;
};

/* SDM vol 3, figures 7-2 and 7-11: what of a TSS is used, the stack of ring 0. */
static uint32_t tss_32[26];
static struct __attribute__((packed)) {
    uint32_t reserved;
    uint64_t rsp0;
    uint32_t rest[23];
} tss_64;
_Static_assert(sizeof(tss_32) == 104 && sizeof(tss_64) == 104, "SDM vol 3, 7.2.1 and 7.7");

uint64_t run_gdt[10] = {
    [SELECTOR_CODE64 / 8] = 0x00af9b000000ffff,
    [SELECTOR_DATA / 8] = 0x00cf93000000ffff,
    [SELECTOR_CODE32 / 8] = 0x00cf9b000000ffff,
    [SELECTOR_USER_DATA / 8] = 0x00cff3000000ffff,
    [SELECTOR_USER_CODE32 / 8] = 0x00cffb000000ffff,
    [SELECTOR_USER_CODE64 / 8] = 0x00affb000000ffff,
};
static uint64_t idt_32[VECTORS], idt_64[VECTORS][2];
struct table_pointer run_idt_32, run_idt_64;

static uint64_t task_descriptor(const void *tss)
{
    uint64_t base = (uintptr_t)tss;

    return 103 | (base & 0xffffff) << 16 | 0x89UL << 40 | (base >> 24 & 0xff) << 56;
}

static uint64_t gate(unsigned selector, const uint8_t *entry, unsigned type)
{
    uint64_t offset = (uintptr_t)entry;

    return (offset & 0xffff) | (uint64_t)selector << 16 | (uint64_t)type << 32 |
           (offset & 0xffff0000) << 32;
}

static void set_gate(unsigned vector, const uint8_t *entry_32, const uint8_t *entry_64,
                     unsigned type)
{
    idt_32[vector] = gate(SELECTOR_CODE32, entry_32, type);
    idt_64[vector][0] = gate(SELECTOR_CODE64, entry_64, type);
}

static void descriptors_setup(void)
{
    const struct table_pointer gdt = {sizeof(run_gdt) - 1, (uintptr_t)run_gdt};

    tss_32[1] = (uint32_t)(uintptr_t)run_stack_top;
    tss_32[2] = SELECTOR_DATA;
    tss_64.rsp0 = (uintptr_t)run_stack_top;
    run_gdt[SELECTOR_TSS32 / 8] = task_descriptor(tss_32);
    run_gdt[SELECTOR_TSS64 / 8] = task_descriptor(&tss_64);
    for (unsigned i = 0; i < VECTORS; i++) {
        set_gate(i, other_32, other_64, INTERRUPT_GATE);
    }
    set_gate(OP_PAGE_FAULT, pf_32, pf_64, INTERRUPT_GATE);
    set_gate(VECTOR_BACK, back_32, back_64, INTERRUPT_GATE);
    run_idt_32 = (struct table_pointer){sizeof(idt_32) - 1, (uintptr_t)idt_32};
    run_idt_64 = (struct table_pointer){sizeof(idt_64) - 1, (uintptr_t)idt_64};
    __asm__ volatile("lgdt %0" : : "m"(gdt));
}

/* Of a page of 4 KiB: the supervisor's, but for two. */
static uint64_t rights_of(uint64_t page)
{
    bool user = page == (uintptr_t)user_page || page == (uintptr_t)user_stack;

    return PRESENT | WRITE | (user ? USER : 0);
}

static void tables_setup(void)
{
    uint64_t *pdpt = (uint64_t *)FIXED_PDPT, *directory = (uint64_t *)FIXED_DIRECTORY;
    uint64_t *table = (uint64_t *)FIXED_TABLE;
    uint32_t *narrow = (uint32_t *)FIXED_TABLES_32;

    pdpt[0] = FIXED_DIRECTORY | PRESENT | WRITE | USER;
    directory[0] = FIXED_TABLE | PRESENT | WRITE | USER;
    for (uint64_t i = 1; i < FIXED_SIZE / LARGE_PAGE; i++) {
        directory[i] = i * LARGE_PAGE | PRESENT | WRITE | LARGE;
    }
    for (uint64_t i = 0; i < LARGE_PAGE / PAGE; i++) {
        table[i] = i * PAGE | rights_of(i * PAGE);
    }
    for (uint64_t i = 0; i < FIXED_SIZE / PAGE; i++) {
        narrow[i] = (uint32_t)(i * PAGE | rights_of(i * PAGE));
    }
}

void run_setup(void)
{
    descriptors_setup();
    tables_setup();
}
