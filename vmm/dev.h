/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Everything a device model may see: its bus accesses, its interrupt line, its timers, its
 * character stream and guest memory. Nothing here knows the kernel, so a device model compiles
 * and is tested on the host as it is.
 *
 * A device model is one struct per instance, a reset by one compound literal, and one access
 * function with offsets relative to the device.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- Bus -------------------------------------------------------------------------------- */

/*
 * One access by the guest. `offset` is relative to the start of the device's range and
 * offset + size never runs past that range's end (the bus splits or refuses what would).
 * `size` is 1, 2, 4 or 8 bytes. For a write `value` holds the zero-extended data; a read stores
 * its answer there, and a device that leaves it alone answers all-ones, as an empty bus does.
 */
struct access {
    uint64_t offset;
    uint64_t value;
    uint8_t size;
    bool write;
};

typedef void (*access_fn)(void *device, struct access *access);

/*
 * For a device of byte-wide registers: makes a wider access one byte at a time, lowest address
 * first, as the ISA bus does. `one_byte` is called with accesses of size 1. Cold, so that it
 * stays out of the access functions, whose usual way is short.
 */
__attribute__((cold)) static inline void access_bytewise(void *device, struct access *access,
                                                         access_fn one_byte)
{
    uint64_t answer = 0;

    for (unsigned i = 0; i < access->size; i++) {
        struct access byte = {
            .offset = access->offset + i,
            .value = access->write ? (access->value >> (8 * i)) & 0xff : 0xff,
            .size = 1,
            .write = access->write,
        };

        one_byte(device, &byte);
        answer |= (byte.value & 0xff) << (8 * i);
    }
    if (!access->write) {
        access->value = answer;
    }
}

/* A half-open range [base, base + size) of ports or of guest-physical addresses, and its owner. */
struct bus_range {
    const char *name; /* for messages; static storage */
    uint64_t base;
    uint64_t size; /* bytes */
    access_fn access;
    void *device;
};

/* ---- Interrupt lines -------------------------------------------------------------------- */

/* A wire from a device to an input of an interrupt controller. */
struct irq_line {
    void (*set)(void *controller, unsigned input, bool level);
    void *controller;
    unsigned input;
};

/* Drives the wire. A line that is not connected (set == NULL) ignores it. */
static inline void irq_set(const struct irq_line *line, bool level)
{
    if (line->set) {
        line->set(line->controller, line->input, level);
    }
}

/* ---- Time ------------------------------------------------------------------------------- */

#define TIME_NEVER UINT64_MAX

/*
 * A timer of a device; times are nanoseconds of the VM's clock, which starts at 0 when the VM
 * is made and never goes back. Owned by the device, linked into the queue while armed.
 */
struct timer {
    uint64_t deadline_ns;
    void (*expired)(void *device); /* called from timer_run; may arm again */
    void *device;
    struct timer *next;
    bool armed;
};

/* The armed timers, earliest first, and the clock they are measured by. */
struct timer_queue {
    uint64_t (*now_ns)(void *clock);
    void *clock;
    struct timer *first;
    struct timer *due; /* what a running timer_run has yet to call */
};

static inline uint64_t time_now(const struct timer_queue *queue)
{
    return queue->now_ns(queue->clock);
}

#define NS_PER_SECOND UINT64_C(1000000000)

/*
 * Time counted by a clock of `hz` (below 2^32) that started with the VM's clock: the whole ticks
 * at `ns`, and the earliest nanosecond at which `ticks` are full. Exact and without overflow; the
 * second gives TIME_NEVER for ticks beyond the last whole second of the VM's clock.
 */
static inline uint64_t ticks_at(uint64_t ns, uint64_t hz)
{
    return ns / NS_PER_SECOND * hz + ns % NS_PER_SECOND * hz / NS_PER_SECOND;
}

static inline uint64_t time_of_tick(uint64_t ticks, uint64_t hz)
{
    uint64_t seconds = ticks / hz;

    if (seconds >= TIME_NEVER / NS_PER_SECOND) {
        return TIME_NEVER;
    }
    return seconds * NS_PER_SECOND + (ticks % hz * NS_PER_SECOND + hz - 1) / hz;
}

/* Arms or re-arms; a deadline that has passed expires at the next timer_run. */
void timer_arm(struct timer_queue *queue, struct timer *timer, uint64_t deadline_ns);
/* Does nothing when the timer is not armed. */
void timer_cancel(struct timer_queue *queue, struct timer *timer);
/* Calls what has expired, in order; returns the next deadline, or TIME_NEVER. Bounded: a timer
 * that re-arms itself into the past is called once per call of timer_run. */
uint64_t timer_run(struct timer_queue *queue);

/* ---- Character streams ------------------------------------------------------------------ */

/* Where a serial device sends its bytes. put never blocks; it returns false when the reader is
 * behind, and the byte was not taken. */
struct char_sink {
    bool (*put)(void *stream, uint8_t byte);
    void *stream;
};

/* ---- Guest memory ----------------------------------------------------------------------- */

/* One range of guest RAM, contiguous in the VMM. The guest writes it at any time: read once,
 * then check. */
struct guest_ram {
    uint64_t gpa;
    uint64_t size; /* bytes */
    uint8_t *host;
};

/* Pointer to [gpa, gpa + length) when all of it is RAM, otherwise NULL. Overflow-safe. */
static inline void *guest_ram_at(const struct guest_ram *ram, uint64_t gpa, uint64_t length)
{
    if (gpa < ram->gpa || length > ram->size || gpa - ram->gpa > ram->size - length) {
        return NULL;
    }
    return ram->host + (gpa - ram->gpa);
}
