/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A look at physical memory during boot, for firmware's tables. */
#include "abi/types.h"

#define BOOT_MAP_SIZE 0x100000UL

/* Maps [physical, physical + size) read-only until the next call; `physical` need not be aligned,
 * `size` is at most BOOT_MAP_SIZE. Returns the address of the byte at `physical`. For the boot
 * processor, before kernel_main. NULL: too large or beyond the physical address width. */
const void *x86_map_boot(uint64_t physical, size_t size);
