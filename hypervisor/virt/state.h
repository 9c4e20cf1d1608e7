/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What may stand in a guest's registers, whoever runs it. */
#include "abi/vcpu.h"

/* RFLAGS: bit 1 is always 1; 3, 5, 15 and 22 upwards are 0. */
#define RFLAGS_DEFINED 0x3f7fd7UL
#define RFLAGS_ONE 2UL

/* Bits that may be set on this machine, the same for all processors; no padding: compared as a
 * whole. */
struct vcpu_limits {
    uint64_t cr4, efer;
    uint64_t physical_bits; /* width of CR3 */
    uint64_t gigabyte_pages; /* 1: there are */
};
_Static_assert(sizeof(struct vcpu_limits) == 32, "no padding: compared as bytes");

/* Four-level paging: bits 63:47 are all alike. */
static inline bool canonical(uint64_t address)
{
    return (address + (1UL << 47)) >> 48 == 0;
}

/* Is every value of these groups (enum vcpu_state_group; XCR0 is the backend's) one that may reach
 * the hardware? What does not go together in them an entry refuses harmlessly. `made_cr4`: bits that
 * software is behind. */
bool vcpu_state_valid(const struct vcpu_state *in, uint32_t groups,
                      const struct vcpu_limits *limits, uint64_t made_cr4);
