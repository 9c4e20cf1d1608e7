/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The processor's local APIC (SDM vol 3, 10): x2APIC where the firmware chose it, else registers
 * in memory. */
#include <stdint.h>

/* Turns the calling processor's APIC on, with everything masked but NMI. */
void lapic_init(void);
uint32_t lapic_id(void);
void lapic_end_of_interrupt(void);

/* The timer raises VECTOR_TIMER, once per setting. */
enum lapic_timer { LAPIC_TIMER_COUNTER, LAPIC_TIMER_TSC_DEADLINE };
void lapic_timer_init(enum lapic_timer mode);
/* Counter mode: ticks to go, 0 stops it. The unit is the bus clock, undivided. */
void lapic_timer_start(uint32_t ticks);
uint32_t lapic_timer_left(void);
