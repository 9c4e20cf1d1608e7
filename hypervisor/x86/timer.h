/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Time: the processor's time-stamp counter, and one alarm per processor. */
#include "kernel/arch.h"

/* Finds out how fast the clocks run; the local APIC is on. Refuses the machine if it cannot. */
void timer_init(void);
/* Prepares the calling processor's alarm. */
void timer_init_cpu(void);
/* Ticks of the time-stamp counter per second. */
uint64_t timer_tsc_hz(void);
/* VECTOR_TIMER came. */
void timer_interrupt(struct cpu *cpu);
