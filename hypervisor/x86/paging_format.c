/* SPDX-License-Identifier: Apache-2.0 */
#include "x86/paging_format.h"

#include "x86/memory_type.h"
#include "x86/sections.h"

RO_AFTER_INIT uint8_t page_largest_host = 1;
RO_AFTER_INIT uint8_t page_largest_npt = 1;
RO_AFTER_INIT uint8_t page_largest_ept = 1;

void paging_format_init(bool gigabyte_pages)
{
    page_largest_host = gigabyte_pages ? 2 : 1;
    page_largest_npt = page_largest_host;
}

/* ---- Host and NPT (SDM vol 3, tables 4-15 to 4-20) ---- */

#define HOST_RIGHTS_SHIFT 9 /* ignored by the processor */

/* Accessed and dirty are preset: nobody reads them, and the processor need not write them. */
static uint64_t host_entry(uint64_t physical, unsigned rights, unsigned level, bool execute)
{
    return physical | HOST_PRESENT | HOST_USER | HOST_ACCESSED |
           (rights & MEM_WRITE ? HOST_WRITE | HOST_DIRTY : 0) | (level > 0 ? HOST_LARGE : 0) |
           (execute ? 0 : HOST_NX) | (uint64_t)(rights & MEM_ALL) << HOST_RIGHTS_SHIFT;
}

/* W^X: what may be written is not executed, whatever its holder may pass on. */
static uint64_t host_leaf(uint64_t physical, unsigned rights, unsigned level)
{
    return host_entry(physical, rights, level, (rights & (MEM_WRITE | MEM_EXECUTE)) == MEM_EXECUTE);
}

static uint64_t host_table(uint64_t physical)
{
    return physical | HOST_PRESENT | HOST_WRITE | HOST_USER | HOST_ACCESSED;
}

static unsigned host_rights(uint64_t entry)
{
    return (unsigned)(entry >> HOST_RIGHTS_SHIFT) & MEM_ALL;
}

const struct page_format page_format_host = {
    .name = "host",
    .leaf = host_leaf,
    .table = host_table,
    .rights = host_rights,
    .present = HOST_PRESENT,
    .large = HOST_LARGE,
    .largest = &page_largest_host,
    .root_entries = TABLE_ENTRIES / 2,
    .user = true,
};

const struct page_format *const arch_user_format = &page_format_host;

/* Nested walks count as user accesses (APM vol 2, 15.25.5), hence the user bit. What the VMM
 * granted is what the guest gets; its own tables say the rest. */
static uint64_t npt_leaf(uint64_t physical, unsigned rights, unsigned level)
{
    return host_entry(physical, rights, level, (rights & MEM_EXECUTE) != 0);
}

const struct page_format page_format_npt = {
    .name = "NPT",
    .leaf = npt_leaf,
    .table = host_table,
    .rights = host_rights,
    .present = HOST_PRESENT,
    .large = HOST_LARGE,
    .largest = &page_largest_npt,
    .root_entries = TABLE_ENTRIES,
};

/* ---- EPT (SDM vol 3, tables 28-1 to 28-6) ---- */

#define EPT_READ (1UL << 0)
#define EPT_WRITE (1UL << 1)
#define EPT_EXECUTE (1UL << 2)
#define EPT_RIGHTS (EPT_READ | EPT_WRITE | EPT_EXECUTE)
#define EPT_TYPE_SHIFT 3
#define EPT_LARGE (1UL << 7)

/* Always readable: write without read is a misconfiguration, execute alone not offered by all.
 * The guest's PAT can make memory less cached than the type here says, and not more. */
static uint64_t ept_leaf(uint64_t physical, unsigned rights, unsigned level)
{
    uint64_t type = memory_type(physical, PAGE_SIZE << 9 * level);

    return physical | EPT_READ | type << EPT_TYPE_SHIFT | (rights & MEM_WRITE ? EPT_WRITE : 0) |
           (rights & MEM_EXECUTE ? EPT_EXECUTE : 0) | (level > 0 ? EPT_LARGE : 0);
}

static uint64_t ept_table(uint64_t physical)
{
    return physical | EPT_RIGHTS;
}

static unsigned ept_rights(uint64_t entry)
{
    return (entry & EPT_READ ? MEM_READ : 0u) | (entry & EPT_WRITE ? MEM_WRITE : 0u) |
           (entry & EPT_EXECUTE ? MEM_EXECUTE : 0u);
}

const struct page_format page_format_ept = {
    .name = "EPT",
    .leaf = ept_leaf,
    .table = ept_table,
    .rights = ept_rights,
    .present = EPT_RIGHTS,
    .large = EPT_LARGE,
    .largest = &page_largest_ept,
    .root_entries = TABLE_ENTRIES,
};
