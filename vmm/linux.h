/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The 64-bit entry of Linux's x86 boot protocol (Documentation/arch/x86/boot.rst): puts a
 * bzImage, its initrd and command line into guest RAM and describes them in the zero page.
 * Nothing is added to the command line.
 *
 *   0x00006000  GDT              0x00020000  command line
 *   0x00007000  zero page        pref_address  kernel, entered at +0x200
 *   0x00009000  page tables      top of RAM    initrd, page-aligned, ends there
 */
#include "boot.h"

/*
 * Loads; the RAM starts at guest-physical 0 and is zero (or at least the pages that the loader
 * does not fill may hold anything the guest may see). The kernel's header is checked field by
 * field, so `kernel` may be any bytes. Returns NULL and fills *entry, or says what is wrong,
 * in a static string; what RAM holds then is undefined.
 */
const char *linux_load(const struct guest_ram *ram, struct boot_image kernel,
                       struct boot_image initrd, const char *cmdline, struct boot_entry *entry);
