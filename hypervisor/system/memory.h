/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Where σ0 places memory: guest RAM and program pages come from the lowest free region that holds
 * them at the alignment asked for, in the order of the partition table. Nothing is ever given
 * back: what was placed stays, and the boot log says where.
 */
#include "abi/info.h"

void memory_setup(const struct boot_info *boot);
/* A physical range of `size` bytes (multiple of a page) at `align` (power of two), zeroed; 0 when
 * there is none. σ0 sees it at SIGMA0_PHYSICAL + the address. */
uint64_t memory_place(uint64_t size, uint64_t align);
/* Bytes that are left. */
uint64_t memory_left(void);
