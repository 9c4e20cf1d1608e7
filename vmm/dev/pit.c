/* SPDX-License-Identifier: Apache-2.0 */
/*
 * 8254, after Intel's data sheet (order number 231164).
 *
 * All times are ticks of the 1.193182 MHz input since the VM's clock started. A count written
 * during one tick is loaded at the next, so that in mode 0 OUT rises count + 1 ticks after the
 * write, as the data sheet says.
 */
#include "dev/pit.h"

enum {
    PORT_CONTROL = 3,

    CONTROL_READ_BACK = 3, /* in the place of a counter's number */
    READ_BACK_NO_COUNT = 0x20,
    READ_BACK_NO_STATUS = 0x10,

    RW_LATCH = 0,
    RW_HIGH = 2,
    RW_BOTH = 3,
    CONTROL_BCD = 0x01,

    STATUS_OUT = 0x80,
    STATUS_NULL_COUNT = 0x40,

    SPEAKER_GATE = 0x01,
    SPEAKER_WRITABLE = 0x0f,
    SPEAKER_REFRESH = 0x10,
    SPEAKER_OUT = 0x20,
    REFRESH_TICKS = 18, /* 15 us, what firmware programs counter 1 to */
};

#define NEVER UINT64_MAX

/* ---- One counter: pure functions of its state and the tick `now` -------------------------- */

static unsigned access_mode(const struct pit_counter *c)
{
    return c->control >> 4;
}

/* Counts run from this down to 0, which stands for it. */
static uint32_t modulus(const struct pit_counter *c)
{
    return c->control & CONTROL_BCD ? 10000 : 0x10000;
}

static bool is_periodic(const struct pit_counter *c)
{
    return c->mode == 2 || c->mode == 3;
}

/* In modes 1 and 5 a rising gate starts the count; in the others a low gate stops it. */
static bool is_triggered(const struct pit_counter *c)
{
    return c->mode == 1 || c->mode == 5;
}

static bool is_stopped(const struct pit_counter *c)
{
    return !c->gate && !is_triggered(c);
}

static bool is_loaded(const struct pit_counter *c, uint64_t now)
{
    return c->counting && (int64_t)(now - c->start) >= 0;
}

static uint64_t elapsed(const struct pit_counter *c, uint64_t now)
{
    if (is_stopped(c)) {
        return c->held;
    }
    return is_loaded(c, now) ? now - c->start : 0;
}

/* Mode 3: OUT is high for this long, and low for the rest of `count`. */
static uint32_t high_half(uint32_t count)
{
    return (count + 1) / 2;
}

static bool output(const struct pit_counter *c, uint64_t now)
{
    uint64_t ticks = elapsed(c, now);

    if (!c->counting || (is_periodic(c) && !c->gate)) {
        return c->mode != 0;
    }
    switch (c->mode) {
    case 0:
    case 1:
        return ticks >= c->count;
    case 2:
        return ticks % c->count != c->count - 1;
    case 3:
        return ticks % c->count < high_half(c->count);
    default: /* the strobe of modes 4 and 5 */
        return ticks != c->count;
    }
}

/* What the counting element holds, 0 to modulus - 1. */
static uint32_t value(const struct pit_counter *c, uint64_t now)
{
    uint64_t ticks = c->counting ? elapsed(c, now) : 0;
    uint64_t left;

    switch (c->mode) {
    case 2:
        left = c->count - ticks % c->count;
        break;
    case 3: /* counts by two, through both halves alike, from an even number */
        ticks %= c->count;
        ticks -= ticks < high_half(c->count) ? 0 : high_half(c->count);
        left = (c->count & ~1u) - 2 * ticks;
        break;
    default: /* goes on below zero */
        left = c->count + modulus(c) - ticks % modulus(c);
        break;
    }
    return (uint32_t)(left % modulus(c));
}

/* The next tick after `now` at which OUT rises, or NEVER when only the guest can bring it about.
 * Wants a settled counter. */
static uint64_t next_rise(const struct pit_counter *c, uint64_t now)
{
    if (!c->counting || is_stopped(c)) {
        return NEVER;
    }
    if (is_periodic(c)) {
        if (c->next) {
            return c->next_start == c->boundary ? c->boundary : c->next_start + c->next;
        }
        return c->start + (elapsed(c, now) / c->count + 1) * c->count;
    }

    uint64_t rise = c->start + c->count + (c->mode >= 4);

    return (int64_t)(rise - now) > 0 ? rise : NEVER;
}

/* ---- One counter: what changes it --------------------------------------------------------- */

static void load(struct pit_counter *c, uint64_t now, uint32_t count)
{
    c->count = count;
    c->next = 0;
    c->start = now + 1;
    c->held = 0;
    c->counting = true;
}

/* Loads the count that waited for the end of a period, if that has come. */
static void settle(struct pit_counter *c, uint64_t now)
{
    if (is_periodic(c) && c->next && !is_stopped(c) && now >= c->boundary) {
        c->count = c->next;
        c->start = c->next_start;
        c->next = 0;
    }
}

/* Modes 2 and 3: the new count waits for the end of the period, or of the half period. */
static void load_at_boundary(struct pit_counter *c, uint64_t now, uint32_t count)
{
    uint64_t phase = elapsed(c, now) % c->count;

    c->next = count;
    if (c->mode == 3 && phase < high_half(c->count)) {
        c->boundary = now - phase + high_half(c->count);
        c->next_start = c->boundary - high_half(count);
    } else {
        c->boundary = now - phase + c->count;
        c->next_start = c->boundary;
    }
}

/* `written` is the 16-bit count register; 0 stands for the modulus. */
static void write_count(struct pit_counter *c, uint64_t now, uint32_t written)
{
    uint32_t count = written;

    if (c->control & CONTROL_BCD) {
        count = (written >> 12) * 1000 + (written >> 8 & 15) * 100 + (written >> 4 & 15) * 10 +
                (written & 15);
    }
    if (count == 0) {
        count = modulus(c);
    } else if (count == 1 && is_periodic(c)) {
        count = 2; /* a count of 1 is illegal there */
    }

    if (is_triggered(c)) {
        c->next = count;
    } else if (is_periodic(c) && is_loaded(c, now)) {
        load_at_boundary(c, now, count);
    } else {
        load(c, now, count);
    }
}

static void write_counter(struct pit_counter *c, uint64_t now, uint8_t byte)
{
    if (access_mode(c) != RW_BOTH) {
        write_count(c, now, access_mode(c) == RW_HIGH ? (uint32_t)byte << 8 : byte);
    } else if (c->write_high) {
        c->write_high = false;
        write_count(c, now, (uint32_t)byte << 8 | c->low);
    } else {
        c->write_high = true;
        c->low = byte;
        if (c->mode == 0) {
            c->counting = false;
        }
    }
}

static void set_gate(struct pit_counter *c, uint64_t now, bool gate)
{
    if (gate == c->gate) {
        return;
    }
    c->held = elapsed(c, now);
    c->gate = gate;
    if (!gate) {
        return;
    }
    if (is_triggered(c) || is_periodic(c)) {
        if (c->next || c->counting) {
            load(c, now, c->next ? c->next : c->count);
        }
    } else {
        c->start = now - c->held;
    }
}

static void write_control(struct pit_counter *c, uint8_t control)
{
    uint8_t mode = control >> 1 & 7;

    *c = (struct pit_counter){
        .control = control & 0x3f,
        .mode = mode >= 6 ? mode - 4 : mode, /* 6 and 7 are 2 and 3 */
        .gate = c->gate,
        .count = c->count,
    };
}

static uint16_t readable(const struct pit_counter *c, uint64_t now)
{
    uint32_t v = value(c, now);

    if (c->control & CONTROL_BCD) {
        v = (v / 1000) << 12 | (v / 100 % 10) << 8 | (v / 10 % 10) << 4 | v % 10;
    }
    return (uint16_t)v;
}

static void latch_count(struct pit_counter *c, uint64_t now)
{
    if (!c->latched) {
        c->latched = true;
        c->latch = readable(c, now);
    }
}

static void latch_status(struct pit_counter *c, uint64_t now)
{
    if (!c->status_latched) {
        c->status_latched = true;
        c->status = (uint8_t)((output(c, now) ? STATUS_OUT : 0) |
                              (c->next || !is_loaded(c, now) ? STATUS_NULL_COUNT : 0) | c->control);
    }
}

static uint8_t read_counter(struct pit_counter *c, uint64_t now)
{
    if (c->status_latched) {
        c->status_latched = false;
        return c->status;
    }

    uint16_t count = c->latched ? c->latch : readable(c, now);
    bool both = access_mode(c) == RW_BOTH;
    bool high = both ? c->read_high : access_mode(c) == RW_HIGH;

    c->read_high = both && !high;
    c->latched = c->latched && both && !high;
    return (uint8_t)(high ? count >> 8 : count);
}

/* ---- The interrupt of counter 0 ------------------------------------------------------------ */

static uint64_t now_tick(const struct pit *pit)
{
    return ticks_at(time_now(pit->queue), PIT_HZ);
}

static void arm(struct pit *pit, uint64_t now)
{
    uint64_t rise = next_rise(&pit->counter[0], now);

    if (rise == NEVER) {
        timer_cancel(pit->queue, &pit->timer);
    } else {
        timer_arm(pit->queue, &pit->timer, time_of_tick(rise, PIT_HZ));
    }
}

/*
 * OUT rises. Where it fell before does not matter to an edge-triggered input, so both edges are
 * made here. A late VM gets one edge for all that it missed.
 */
static void rising_edge(void *device)
{
    struct pit *pit = device;
    uint64_t now = now_tick(pit);

    irq_set(&pit->irq, false);
    irq_set(&pit->irq, true);
    settle(&pit->counter[0], now);
    arm(pit, now);
}

/* An edge that is due comes before what the guest does now. */
static void catch_up(struct pit *pit)
{
    if (pit->timer.armed && pit->timer.deadline_ns <= time_now(pit->queue)) {
        timer_cancel(pit->queue, &pit->timer);
        rising_edge(pit);
    }
}

/* After a write to counter 0: a control word, and in mode 0 a count, set OUT at once. */
static void follow(struct pit *pit, uint64_t now)
{
    const struct pit_counter *c = &pit->counter[0];

    if (!c->counting || c->mode == 0) {
        irq_set(&pit->irq, output(c, now));
    }
    arm(pit, now);
}

/* ---- Ports ------------------------------------------------------------------------------- */

static void read_back(struct pit *pit, uint64_t now, uint8_t command)
{
    for (unsigned i = 0; i < 3; i++) {
        if (!(command & 2u << i)) {
            continue;
        }
        settle(&pit->counter[i], now);
        if (!(command & READ_BACK_NO_COUNT)) {
            latch_count(&pit->counter[i], now);
        }
        if (!(command & READ_BACK_NO_STATUS)) {
            latch_status(&pit->counter[i], now);
        }
    }
}

static void write_command(struct pit *pit, uint64_t now, uint8_t command)
{
    unsigned number = command >> 6;

    if (number == CONTROL_READ_BACK) {
        read_back(pit, now, command);
        return;
    }

    struct pit_counter *c = &pit->counter[number];

    if ((command >> 4 & 3) == RW_LATCH) {
        settle(c, now);
        latch_count(c, now);
        return;
    }
    write_control(c, command);
    if (number == 0) {
        follow(pit, now);
    }
}

void pit_access(void *device, struct access *access)
{
    struct pit *pit = device;

    if (access->size != 1) {
        access_bytewise(pit, access, pit_access);
        return;
    }
    if (access->write) {
        catch_up(pit);
    }

    uint64_t now = now_tick(pit);

    if (access->offset == PORT_CONTROL) {
        if (access->write) {
            write_command(pit, now, (uint8_t)access->value);
        }
        return;
    }

    struct pit_counter *c = &pit->counter[access->offset];

    settle(c, now);
    if (!access->write) {
        access->value = read_counter(c, now);
        return;
    }
    write_counter(c, now, (uint8_t)access->value);
    if (access->offset == 0) {
        follow(pit, now);
    }
}

void pit_speaker_access(void *device, struct access *access)
{
    struct pit *pit = device;
    struct pit_counter *c = &pit->counter[2];
    uint64_t now = now_tick(pit);

    settle(c, now);
    if (access->write) {
        pit->speaker = access->value & SPEAKER_WRITABLE;
        set_gate(c, now, access->value & SPEAKER_GATE);
    } else {
        access->value = (uint64_t)(pit->speaker | (output(c, now) ? SPEAKER_OUT : 0) |
                                   (now / REFRESH_TICKS % 2 ? SPEAKER_REFRESH : 0));
    }
}

void pit_reset(struct pit *pit)
{
    timer_cancel(pit->queue, &pit->timer);
    *pit = (struct pit){
        .counter = { { .gate = true, .count = 1 }, { .gate = true, .count = 1 }, { .count = 1 } },
        .irq = pit->irq,
        .queue = pit->queue,
        .timer = { .expired = rising_edge, .device = pit },
    };
    irq_set(&pit->irq, false);
}

void pit_init(struct pit *pit, struct timer_queue *queue, struct irq_line irq)
{
    *pit = (struct pit){ .queue = queue, .irq = irq };
    pit_reset(pit);
}
