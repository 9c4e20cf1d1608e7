/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What every boot protocol of the VMM shares: the images it is given, the low memory it builds
 * (GDT and identity page tables), and the registers in which the vCPU starts, in 64-bit mode
 * with interrupts off. Pure functions on the guest's RAM: they run in the host tests as they are.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "abi/vcpu.h"
#include "dev.h"

/* Guest-physical addresses that the VMM fills before the guest starts; see docs of the boot
 * protocol in linux.h. All of it is RAM that the guest may overwrite once it runs on its own. */
#define BOOT_GDT 0x6000u
#define BOOT_STACK_TOP 0x6000u
#define BOOT_ZERO_PAGE 0x7000u
#define BOOT_PML4 0x9000u        /* then one PDPT and BOOT_IDENTITY_GIB page directories */
#define BOOT_IDENTITY_GIB 4u
#define BOOT_CMDLINE 0x20000u
#define BOOT_LOW_RAM_END 0x9fc00u /* where a BIOS would keep its extended data area */
#define BOOT_HIGH_RAM 0x100000u
#define BOOT_CMDLINE_MAX (BOOT_LOW_RAM_END - BOOT_CMDLINE) /* with its 0 */

/* A file as σ0 handed it over. size 0: there is none. */
struct boot_image {
    const uint8_t *data;
    uint64_t size; /* bytes */
};

/* Where and with what each vCPU starts; everything else is the same for all. */
struct boot_entry {
    uint64_t rip;
    uint64_t rsp;
    uint64_t rsi;
};

/* Writes GDT and page tables below 64 KiB. The RAM reaches at least to BOOT_HIGH_RAM. */
void boot_build_tables(const struct guest_ram *ram);

/* The groups that every vCPU has and that can be loaded. */
#define BOOT_STATE                                                                                 \
    ((uint32_t)(STATE_IP | STATE_RSP | STATE_CONTROL | STATE_SEGMENTS | STATE_TABLES |             \
                STATE_DEBUG | STATE_MSRS))

/* Makes `state` the start-up state of a vCPU: 64-bit mode on the tables above, its number (0 for
 * the first) in RDI, marks BOOT_STATE dirty (XCR0 is for a vCPU that has one), nothing pending. */
void boot_start_state(struct vcpu_state *state, const struct boot_entry *entry, unsigned number);
