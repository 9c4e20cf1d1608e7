/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The start of a small guest: a flat image at 1 MiB, entered at its first byte in 64-bit mode
 * on the tables of boot.h, interrupts off, the stack's top at 0x6000. RDI holds the number of the
 * vCPU, RSI the address of the command line (0-terminated, at 0x20000). All vCPUs are entered so,
 * at once: the guest tells them apart, and gives all but one another stack before the first push.
 * Interrupts go to the first; another that halts stands until the VM is reset.
 */
#include "boot.h"

/* As linux_load. The rest of RAM up to the image's end must be there; BSS is the RAM's zeros. */
const char *mini_load(const struct guest_ram *ram, struct boot_image image, const char *cmdline,
                      struct boot_entry *entry);
