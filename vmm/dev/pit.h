/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The PC's 8254 interval timer. Counter 0 drives an interrupt line, counter 1 is the refresh
 * clock, counter 2 belongs to the speaker port 0x61, which gates it and reads its output.
 *
 * Nothing counts in the background: counts and outputs are computed from the clock when they are
 * asked for. A timer runs only for the rising edges of counter 0.
 */
#include "dev.h"

#define PIT_HZ UINT64_C(1193182)

struct pit_counter {
    uint8_t control; /* RW, mode and BCD bits as written */
    uint8_t mode;    /* 0 to 5 */
    bool gate;
    bool counting; /* a count is loaded (modes 1 and 5: and was triggered) */

    uint64_t start; /* the tick at which `count` was loaded */
    uint64_t held;  /* ticks counted when the gate closed */
    uint32_t count; /* 1 to 65536, in BCD to 10000 */

    /* A count that waits for `boundary` (modes 2 and 3) or a trigger (1 and 5); 0: none. */
    uint32_t next;
    uint64_t boundary;
    uint64_t next_start; /* becomes `start`: in mode 3 a half period may lie before `boundary` */

    uint8_t low;        /* first byte of a two-byte write */
    bool write_high;    /* which byte comes next */
    bool read_high;
    bool latched;
    bool status_latched;
    uint16_t latch;
    uint8_t status;
};

struct pit {
    struct pit_counter counter[3];
    uint8_t speaker; /* the writable bits of port 0x61 */
    struct irq_line irq;
    struct timer_queue *queue;
    struct timer timer; /* the next rising edge of counter 0 */
};

/* Wires the device, which must not be in use, and resets it. `queue` must outlive it. */
void pit_init(struct pit *pit, struct timer_queue *queue, struct irq_line irq);

/* Power-on state; no counter runs. */
void pit_reset(struct pit *pit);

/* Ports 0x40 to 0x43, and port 0x61. */
void pit_access(void *pit, struct access *access);
void pit_speaker_access(void *pit, struct access *access);
