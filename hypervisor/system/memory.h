/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Where σ0 places memory. What has its place by the tables is taken first. All other guest RAM,
 * program pages and channels come from the lowest free region that holds them at the alignment
 * asked for: channels, then partitions, in the order of the tables. Nothing is ever given back:
 * what was placed stays, and a restarted partition gets the same memory again.
 */
#include "abi/info.h"
#include "abi/layout.h"

void memory_setup(const struct boot_info *boot);
/* A physical range of `size` bytes (multiple of a page) at `align` (power of two, at least a
 * page), not zeroed; 0 when there is none. */
uint64_t memory_place(uint64_t size, uint64_t align);
/* Takes [base, base + size), whole pages. False, and nothing is taken, where it is not all free. */
bool memory_take(uint64_t base, uint64_t size);
/* Bytes that are left. */
uint64_t memory_left(void);

/* Where σ0 sees it. */
static inline void *memory_at(uint64_t physical)
{
    return (void *)(SIGMA0_PHYSICAL + physical);
}
