/* SPDX-License-Identifier: Apache-2.0 */
/* The intercept maps, which all VMs share: made at boot, read-only then. */
#include "svm.h"

#include "lib/string.h"
#include "x86/instr.h"
#include "x86/sections.h"

/* Bit per port, set = intercepted, and a few behind the last port (APM vol 2, 15.10.1). */
RO_AFTER_INIT _Alignas(PAGE_SIZE) uint8_t svm_port_map[3 * PAGE_SIZE];
/* Two bits per MSR, read and write (15.11). */
RO_AFTER_INIT _Alignas(PAGE_SIZE) uint8_t svm_msr_map[2 * PAGE_SIZE];

/* Where the MSRs from 0xc0000000 on stand: 2 KiB for each of three ranges of 8,192. */
#define HIGH_MSRS 0x800
#define HIGH_MSRS_FIRST 0xc0000000u

static void let_through(uint32_t msr)
{
    uint32_t bit = (msr - HIGH_MSRS_FIRST) * 2;

    svm_msr_map[HIGH_MSRS + bit / 8] &= (uint8_t)~(3u << bit % 8);
}

void svm_make_maps(void)
{
    memory_set(svm_port_map, 0xff, sizeof(svm_port_map));
    memory_set(svm_msr_map, 0xff, sizeof(svm_msr_map));
    /* Switched by VMLOAD and VMSAVE, and written on every switch of the guest's processes. */
    let_through(MSR_FS_BASE);
    let_through(MSR_GS_BASE);
    let_through(MSR_KERNEL_GS_BASE);
}
