/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Where σ0 places memory: guest RAM, program pages and channels come from the lowest free region
 * that holds them at the alignment asked for, in the order of the partition table. Nothing is
 * ever given back: what was placed stays, a restarted partition gets the same memory again, and
 * the boot log says where.
 */
#include "abi/info.h"
#include "abi/layout.h"

void memory_setup(const struct boot_info *boot);
/* A physical range of `size` bytes (multiple of a page) at `align` (power of two, at least a
 * page), not zeroed; 0 when there is none. */
uint64_t memory_place(uint64_t size, uint64_t align);
/* Bytes that are left. */
uint64_t memory_left(void);

/* Where σ0 sees it. */
static inline void *memory_at(uint64_t physical)
{
    return (void *)(SIGMA0_PHYSICAL + physical);
}
