/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* GDT, task state segments and the interrupt table: what the processor itself looks things up in. */
#include "kernel/arch.h"

/* SDM vol 3, 8.7 (figure 8-11), filled up to 128 bytes so that entry.S can index. */
struct tss {
    uint32_t reserved0;
    uint64_t rsp[3]; /* 0x04: rsp[0] is where interrupts from user mode push */
    uint64_t reserved1;
    uint64_t ist[7]; /* 0x24 */
    uint64_t reserved2;
    uint16_t reserved3;
    uint16_t io_map; /* 0x66 */
    uint8_t unused[24];
} __attribute__((packed, aligned(128)));
_Static_assert(offsetof(struct tss, rsp) == 4, "SDM vol 3, 8.7 and entry.S");
_Static_assert(offsetof(struct tss, ist) == 0x24, "SDM vol 3, 8.7");
_Static_assert(sizeof(struct tss) == 128, "entry.S");

/* What LGDT and LIDT take, SGDT and SIDT give (SDM vol 3, 2.4). */
struct table_pointer {
    uint16_t limit;
    uint64_t base;
} __attribute__((packed));

/* Fills the interrupt table, once. */
void segments_init(void);
/* Makes a processor's stacks, its TSS and their descriptors (cpu->arch). During boot only. */
void segments_make(struct cpu *cpu);
/* Loads GDT, IDT and the TSS of the calling processor. */
void segments_load(const struct cpu *cpu);
