/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* How fast do the processor's clocks run? Measured against the PIT's, which is the one clock of a
 * PC whose rate is known. */
#include <stdint.h>

struct clock_rates {
    uint64_t tsc_hz;        /* 0: nothing to measure against */
    uint64_t lapic_per_tsc; /* ticks of the APIC timer per TSC tick, 32.32 fixed point */
};

/* Takes about 25 ms. The local APIC is on, its timer in counter mode and nobody's. */
struct clock_rates clock_measure(void);
