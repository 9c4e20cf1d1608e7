/* SPDX-License-Identifier: Apache-2.0 */
/* The intercept maps, which all VMs share: made at boot, read-only then. */
#include "lib/string.h"
#include "x86/instr.h"
#include "x86/sections.h"
#include "x86/vmx/vmx.h"

/* Bit set: the port exits (SDM vol 3, 24.6.4). All do, so one page is both maps. */
RO_AFTER_INIT _Alignas(PAGE_SIZE) uint8_t vmx_port_map[PAGE_SIZE];
/* Likewise for MSRs (24.6.9), in quarters of 1 KiB. */
RO_AFTER_INIT _Alignas(PAGE_SIZE) uint8_t vmx_msr_map[PAGE_SIZE];

#define MSR_READ_HIGH 0x400
#define MSR_WRITE_HIGH 0xc00
#define MSR_HIGH_FIRST 0xc0000000u

static void let_through(uint32_t msr)
{
    uint32_t bit = msr - MSR_HIGH_FIRST;
    uint8_t mask = (uint8_t)~(1u << bit % 8);

    vmx_msr_map[MSR_READ_HIGH + bit / 8] &= mask;
    vmx_msr_map[MSR_WRITE_HIGH + bit / 8] &= mask;
}

void vmx_make_maps(void)
{
    memory_set(vmx_port_map, 0xff, sizeof(vmx_port_map));
    memory_set(vmx_msr_map, 0xff, sizeof(vmx_msr_map));
    /* Switched with the guest's state, and written on every switch of the guest's processes. */
    let_through(MSR_FS_BASE);
    let_through(MSR_GS_BASE);
    let_through(MSR_KERNEL_GS_BASE);
}
