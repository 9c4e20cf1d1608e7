/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The processor's local APIC (SDM vol 3, 10): x2APIC where the firmware chose it, else registers
 * in memory. */
#include <stdbool.h>
#include <stdint.h>

/* Turns the calling processor's APIC on, with everything masked but NMI. The first processor's
 * mode becomes that of all. */
void lapic_init(void);
uint32_t lapic_id(void);
void lapic_end_of_interrupt(void);

/* To another processor: one of these, or a vector. What was written before, it sees. */
#define LAPIC_NMI 0x400u
#define LAPIC_INIT 0x500u
#define LAPIC_STARTUP 0x600u /* | page below 1 MiB where it starts */
void lapic_send(uint32_t apic_id, uint32_t command);
/* Can that processor be named? */
bool lapic_reaches(uint32_t apic_id);

/* The timer raises VECTOR_TIMER, once per setting. */
enum lapic_timer { LAPIC_TIMER_COUNTER, LAPIC_TIMER_TSC_DEADLINE };
void lapic_timer_init(enum lapic_timer mode);
/* Counter mode: ticks to go, 0 stops it. The unit is the bus clock, undivided. */
void lapic_timer_start(uint32_t ticks);
uint32_t lapic_timer_left(void);
