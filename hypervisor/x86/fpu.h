/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A guest's FPU and vector state with its XCR0. It stays in the processor while the processor's
 * vCPU stays the same, whatever kernel, σ0 and VMM do in between: they use general registers
 * only, and CR0.TS keeps user code out. XSAVE, or FXSAVE where the CPU has nothing better.
 */
#include "abi/types.h"

/* Legacy area, header, AVX, MPX, AVX-512 and PKRU where CPUs put them, rounded up. */
#define FPU_AREA_SIZE 2752

struct fpu {
    _Alignas(64) uint64_t xcr0;               /* while the processor does not hold it */
    _Alignas(64) uint8_t area[FPU_AREA_SIZE]; /* XSAVE's (SDM vol 1, 13.4) */
};

/* Finds what of XSAVE the calling processor has. The boot processor comes first. */
void fpu_enable(void);

/* State after reset (SDM vol 1, 13.6), XCR0 = 1, in zeroed memory. */
void fpu_init(struct fpu *fpu);
/* The same while the processor holds it, and for DR0 to DR3. */
void fpu_reset(struct fpu *fpu, uint64_t dr[4]);
/* Processor → *fpu, with the XCR0 that the guest has set. */
void fpu_save(struct fpu *fpu);
/* *fpu → processor. */
void fpu_load(const struct fpu *fpu);

/* XCR0 of the guest whose state the processor holds. */
uint64_t fpu_xcr0(void);
/* May a guest set this XCR0 on this CPU (SDM vol 1, 13.3)? */
bool fpu_xcr0_valid(uint64_t xcr0);
/* Sets it for the guest whose state the processor holds; it was found valid. */
void fpu_set_xcr0(uint64_t xcr0);
