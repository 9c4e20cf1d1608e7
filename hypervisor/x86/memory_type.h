/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The memory types that the firmware has given physical memory, in the MTRRs (SDM vol 3, 12.11).
 * The processor applies them to what the host's tables and AMD's nested ones map, and leaves them
 * out where EPT maps: there each entry has to repeat the type (28.3.7.2), so that registers in
 * memory stay uncached.
 */
#include "kernel/arch.h"

/* As MTRRs and EPT's entries have them. */
enum memory_type {
    MEMORY_UNCACHED = 0,
    MEMORY_WRITE_COMBINING = 1,
    MEMORY_WRITE_THROUGH = 4,
    MEMORY_WRITE_PROTECTED = 5,
    MEMORY_WRITE_BACK = 6,
};

#define MTRR_FIXED 11
#define MTRR_VARIABLE_MAX 16 /* Intel's processors have 10 */

struct mtrrs {
    uint64_t capabilities;      /* IA32_MTRRCAP */
    uint64_t default_type;      /* IA32_MTRR_DEF_TYPE */
    uint64_t fixed[MTRR_FIXED]; /* by address */
    struct {
        uint64_t base, mask;
    } variable[MTRR_VARIABLE_MAX];
};

/* From this processor's registers; during boot. Without MTRRs all is write-back. */
void memory_types_read(void);
/* From these. */
void memory_types_set(const struct mtrrs *mtrrs);

/* Of the page of `size` bytes at `base`; uncached where parts of it differ. */
enum memory_type memory_type(phys_addr base, uint64_t size);
