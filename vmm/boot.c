/* SPDX-License-Identifier: Apache-2.0 */
#include "boot.h"

#include "lib/registers.h"

#define CR0_ET (1u << 4)
#define RFLAGS_FIXED (1u << 1)

#define PTE_PRESENT (1u << 0)
#define PTE_WRITE (1u << 1)
#define PTE_LARGE (1u << 7)
#define PTES_PER_TABLE 512u

/* Selectors that the 64-bit boot protocol asks for (Documentation/arch/x86/boot.rst). */
#define SELECTOR_CODE 0x10u
#define SELECTOR_DATA 0x18u
#define SELECTOR_TSS 0x20u
#define GDT_ENTRIES 6u /* the TSS descriptor takes two */

/* Power-up value: WB, WT, UC-, UC twice (SDM vol 3, 12.12.4). */
#define PAT_RESET 0x0007040600070406u
#define DR7_RESET 0x400u

static void put64(const struct guest_ram *ram, uint64_t gpa, uint64_t value)
{
    uint8_t *to = guest_ram_at(ram, gpa, sizeof(value));
    if (to) {
        __builtin_memcpy(to, &value, sizeof(value));
    }
}

static void build_gdt(const struct guest_ram *ram)
{
    static const uint64_t gdt[GDT_ENTRIES] = {
        [SELECTOR_CODE / 8] = 0x00af9b000000ffff, /* 64-bit code, execute and read, accessed */
        [SELECTOR_DATA / 8] = 0x00cf93000000ffff, /* flat data, read and write, accessed */
        [SELECTOR_TSS / 8] = 0x00008b0000000067,  /* busy 64-bit TSS at 0 */
    };
    for (unsigned i = 0; i < GDT_ENTRIES; i++) {
        put64(ram, BOOT_GDT + i * sizeof(gdt[0]), gdt[i]);
    }
}

void boot_build_tables(const struct guest_ram *ram)
{
    const uint64_t pdpt = BOOT_PML4 + PAGE_SIZE;

    build_gdt(ram);
    put64(ram, BOOT_PML4, pdpt | PTE_PRESENT | PTE_WRITE);
    for (uint64_t gib = 0; gib < BOOT_IDENTITY_GIB; gib++) {
        uint64_t directory = pdpt + PAGE_SIZE + gib * PAGE_SIZE;
        put64(ram, pdpt + gib * sizeof(uint64_t), directory | PTE_PRESENT | PTE_WRITE);
        for (uint64_t i = 0; i < PTES_PER_TABLE; i++) {
            uint64_t page = (gib * PTES_PER_TABLE + i) * LARGE_PAGE_SIZE;
            put64(ram, directory + i * sizeof(uint64_t),
                  page | PTE_PRESENT | PTE_WRITE | PTE_LARGE);
        }
    }
}

void boot_start_state(struct vcpu_state *state, const struct boot_entry *entry, unsigned number)
{
    const struct vcpu_segment code = {
        .selector = SELECTOR_CODE, .attributes = 0xa9b, .limit = UINT32_MAX
    };
    const struct vcpu_segment data = {
        .selector = SELECTOR_DATA, .attributes = 0xc93, .limit = UINT32_MAX
    };
    const struct vcpu_segment none = { .attributes = SEGMENT_UNUSABLE };

    *state = (struct vcpu_state){
        .dirty = BOOT_STATE,
        .gpr = { [GPR_RSP] = entry->rsp, [GPR_RSI] = entry->rsi, [GPR_RDI] = number },
        .rip = entry->rip,
        .rflags = RFLAGS_FIXED,
        .cr0 = CR0_PE | CR0_ET | CR0_NE | CR0_WP | CR0_PG,
        .cr3 = BOOT_PML4,
        .cr4 = CR4_PAE,
        .efer = EFER_LME | EFER_LMA,
        .dr7 = DR7_RESET,
        .segment = {
            [SEG_ES] = data, [SEG_CS] = code, [SEG_SS] = data, [SEG_DS] = data,
            [SEG_FS] = data, [SEG_GS] = data, [SEG_LDTR] = none,
            [SEG_TR] = { .selector = SELECTOR_TSS, .attributes = 0x8b, .limit = 0x67 },
        },
        .gdtr = { .base = BOOT_GDT, .limit = GDT_ENTRIES * 8 - 1 },
        .idtr = { .limit = 0 },
        .pat = PAT_RESET,
    };
}
