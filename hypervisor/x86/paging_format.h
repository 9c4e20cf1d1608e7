/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The page-table formats: the host's own (SDM vol 3, 4.5), Intel's EPT (28.3.2) and AMD's nested
 * tables (APM vol 2, 15.25), which are the host's in another role. All have four levels of 512
 * entries of 8 bytes; one walker (paging.c) serves them through these operations.
 *
 * A level is counted from 0 (4 KiB) up: 1 is 2 MiB, 2 is 1 GiB.
 */
#include "kernel/arch.h"

#define TABLE_ENTRIES 512
#define TABLE_LEVELS 4
/* An entry of the host's (SDM vol 3, 4.5.4). */
#define HOST_PRESENT (1UL << 0)
#define HOST_WRITE (1UL << 1)
#define HOST_USER (1UL << 2)
#define HOST_UNCACHED (3UL << 3) /* PCD and PWT: PAT entry 3, uncached after reset */
#define HOST_ACCESSED (1UL << 5)
#define HOST_DIRTY (1UL << 6)
#define HOST_LARGE (1UL << 7)
#define HOST_GLOBAL (1UL << 8)
#define HOST_NX (1UL << 63)
#define ENTRY_ADDRESS_MASK 0x000ffffffffff000UL

struct page_format {
    const char *name;
    /* An entry that maps a page of that level, and one that names a table. */
    uint64_t (*leaf)(uint64_t physical, unsigned rights, unsigned level);
    uint64_t (*table)(uint64_t physical);
    /* What the page's holder may do (enum memory_rights). */
    unsigned (*rights)(uint64_t entry);
    uint64_t present;       /* an entry is empty when none of these bits is set */
    uint64_t large;         /* set in the leaves of levels 1 and 2 */
    const uint8_t *largest; /* highest level that may hold leaves */
    unsigned root_entries;  /* of the root table that belong to this space */
    bool user;              /* the processor's own: shares the kernel's half, cached in its TLB */
};

extern const struct page_format page_format_host;
extern const struct page_format page_format_ept;
extern const struct page_format page_format_npt;

/* Largest levels: 1 (2 MiB) until somebody knows better. paging_format_init sets host and npt from
 * CPUID; the VMX backend's probe sets EPT's to 2 where IA32_VMX_EPT_VPID_CAP offers 1 GiB. */
extern uint8_t page_largest_host;
extern uint8_t page_largest_npt;
extern uint8_t page_largest_ept;

/* `gigabyte_pages`: CPUID 80000001H:EDX bit 26. */
void paging_format_init(bool gigabyte_pages);
