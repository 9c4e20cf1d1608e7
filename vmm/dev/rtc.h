/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * MC146818 real-time clock with 128 bytes of CMOS RAM, behind an index port and a data port. The
 * century is kept in byte 0x32, as PC firmware has it.
 *
 * The registers hold the time as the guest sees it, and are brought up to date when somebody
 * looks. A timer runs only while the guest has an interrupt enabled.
 */
#include "dev.h"

struct rtc {
    uint8_t index;
    uint8_t ram[128];  /* registers 0x00 to 0x0d, then RAM */
    uint64_t second;   /* of the VM's clock, up to which the time registers are advanced */
    uint64_t periodic; /* ticks of 32,768 Hz up to which register C's PF is known */
    struct irq_line irq;
    struct timer_queue *queue;
    struct timer timer; /* the next event that may raise the interrupt */
};

/*
 * Wires the device, which must not be in use, and powers it on: the RAM is zero, the time is
 * `unix_seconds` at the start of the VM's clock, shown as BCD in 24-hour mode, UTC. `queue` must
 * outlive it.
 */
void rtc_init(struct rtc *rtc, struct timer_queue *queue, struct irq_line irq,
              uint64_t unix_seconds);

/* The effect of RESET on a chip with a battery: interrupts are disabled, time and RAM stay. */
void rtc_reset(struct rtc *rtc);

/* Ports 0x70 and 0x71. */
void rtc_access(void *rtc, struct access *access);
