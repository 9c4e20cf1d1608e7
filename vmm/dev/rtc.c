/* SPDX-License-Identifier: Apache-2.0 */
/* MC146818A, after Motorola's data sheet. */
#include "dev/rtc.h"

enum {
    REG_SECOND = 0x00,
    REG_SECOND_ALARM = 0x01,
    REG_MINUTE = 0x02,
    REG_MINUTE_ALARM = 0x03,
    REG_HOUR = 0x04,
    REG_HOUR_ALARM = 0x05,
    REG_WEEKDAY = 0x06, /* 1 is Sunday */
    REG_DAY = 0x07,
    REG_MONTH = 0x08,
    REG_YEAR = 0x09,
    REG_A = 0x0a,
    REG_B = 0x0b,
    REG_C = 0x0c,
    REG_D = 0x0d,
    REG_CENTURY = 0x32,

    A_UPDATE_IN_PROGRESS = 0x80,
    A_DIVIDER = 0x70,
    A_DIVIDER_RUNS = 0x20,
    A_RATE = 0x0f,

    B_SET = 0x80,
    B_PERIODIC = 0x40,
    B_ALARM = 0x20,
    B_UPDATE = 0x10,
    B_SQUARE_WAVE = 0x08,
    B_BINARY = 0x04,
    B_24_HOURS = 0x02,

    /* Register C: the flags stand where B has their enables. */
    C_INTERRUPT = 0x80,
    C_FLAGS = B_PERIODIC | B_ALARM | B_UPDATE,

    D_VALID = 0x80,

    HOUR_PM = 0x80,
    ALARM_ANY = 0xc0, /* an alarm byte with these bits matches always */

    SECONDS_PER_DAY = 86400,
    UPDATE_WARNING_NS = 244000, /* UIP precedes the update by this much */
};

#define DIVIDER_HZ UINT64_C(32768)

/* ---- The calendar -------------------------------------------------------------------------- */

struct calendar {
    unsigned second, minute, hour; /* 0 to 23 */
    unsigned weekday;              /* 1 to 7 */
    unsigned day, month, year;     /* 1 to 31, 1 to 12, with the century */
};

static bool is_leap(unsigned year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

static unsigned days_in(unsigned month, unsigned year)
{
    if (month == 2) {
        return is_leap(year) ? 29 : 28;
    }
    return month == 4 || month == 6 || month == 9 || month == 11 ? 30 : 31;
}

/* A guest may have set any nonsense; it becomes a proper date with the next carry. */
static void next_day(struct calendar *t)
{
    t->weekday = t->weekday % 7 + 1;
    if (++t->day <= days_in(t->month, t->year)) {
        return;
    }
    t->day = 1;
    if (++t->month <= 12) {
        return;
    }
    t->month = 1;
    t->year++;
}

static void next_second(struct calendar *t)
{
    if (++t->second < 60) {
        return;
    }
    t->second = 0;
    if (++t->minute < 60) {
        return;
    }
    t->minute = 0;
    if (++t->hour < 24) {
        return;
    }
    t->hour = 0;
    next_day(t);
}

static struct calendar calendar_at(uint64_t unix_seconds)
{
    uint64_t days = unix_seconds / SECONDS_PER_DAY;
    unsigned rest = (unsigned)(unix_seconds % SECONDS_PER_DAY);
    struct calendar t = {
        .second = rest % 60,
        .minute = rest / 60 % 60,
        .hour = rest / 3600,
        .weekday = (unsigned)((days + 4) % 7) + 1, /* 1 January 1970 was a Thursday */
        .day = 1,
        .month = 1,
        .year = 1970,
    };
    uint64_t length;

    t.year += (unsigned)(days / 146097) * 400; /* the calendar repeats after 400 years */
    days %= 146097;
    while (days >= (length = is_leap(t.year) ? 366 : 365)) {
        days -= length;
        t.year++;
    }
    while (days >= (length = days_in(t.month, t.year))) {
        days -= length;
        t.month++;
    }
    t.day += (unsigned)days;
    return t;
}

/* ---- The registers' formats ---------------------------------------------------------------- */

static unsigned decode(const struct rtc *rtc, uint8_t value)
{
    return rtc->ram[REG_B] & B_BINARY ? value : (value >> 4) * 10u + (value & 15u);
}

static uint8_t encode(const struct rtc *rtc, unsigned value)
{
    return (uint8_t)(rtc->ram[REG_B] & B_BINARY ? value : value / 10 % 10 << 4 | value % 10);
}

/* 12-hour mode counts 12, 1, ... 11, and has bit 7 for the afternoon. */
static unsigned decode_hour(const struct rtc *rtc, uint8_t value)
{
    if (rtc->ram[REG_B] & B_24_HOURS) {
        return decode(rtc, value);
    }
    return decode(rtc, value & (uint8_t)~HOUR_PM) % 12 + (value & HOUR_PM ? 12 : 0);
}

static uint8_t encode_hour(const struct rtc *rtc, unsigned hour)
{
    if (rtc->ram[REG_B] & B_24_HOURS) {
        return encode(rtc, hour);
    }
    return encode(rtc, hour % 12 ? hour % 12 : 12) | (hour >= 12 ? HOUR_PM : 0);
}

static struct calendar read_time(const struct rtc *rtc)
{
    return (struct calendar){
        .second = decode(rtc, rtc->ram[REG_SECOND]),
        .minute = decode(rtc, rtc->ram[REG_MINUTE]),
        .hour = decode_hour(rtc, rtc->ram[REG_HOUR]),
        .weekday = rtc->ram[REG_WEEKDAY],
        .day = decode(rtc, rtc->ram[REG_DAY]),
        .month = decode(rtc, rtc->ram[REG_MONTH]),
        .year = decode(rtc, rtc->ram[REG_CENTURY]) * 100 + decode(rtc, rtc->ram[REG_YEAR]),
    };
}

static void write_time(struct rtc *rtc, const struct calendar *t)
{
    rtc->ram[REG_SECOND] = encode(rtc, t->second);
    rtc->ram[REG_MINUTE] = encode(rtc, t->minute);
    rtc->ram[REG_HOUR] = encode_hour(rtc, t->hour);
    rtc->ram[REG_WEEKDAY] = (uint8_t)t->weekday;
    rtc->ram[REG_DAY] = encode(rtc, t->day);
    rtc->ram[REG_MONTH] = encode(rtc, t->month);
    rtc->ram[REG_YEAR] = encode(rtc, t->year % 100);
    rtc->ram[REG_CENTURY] = encode(rtc, t->year / 100 % 100);
}

static bool alarm_matches(const struct rtc *rtc, const struct calendar *t)
{
    uint8_t second = rtc->ram[REG_SECOND_ALARM];
    uint8_t minute = rtc->ram[REG_MINUTE_ALARM];
    uint8_t hour = rtc->ram[REG_HOUR_ALARM];

    return (second >= ALARM_ANY || decode(rtc, second) == t->second) &&
           (minute >= ALARM_ANY || decode(rtc, minute) == t->minute) &&
           (hour >= ALARM_ANY || decode_hour(rtc, hour) == t->hour);
}

/* ---- Bringing the registers up to date ------------------------------------------------------ */

static bool divider_runs(const struct rtc *rtc)
{
    return (rtc->ram[REG_A] & A_DIVIDER) == A_DIVIDER_RUNS;
}

static bool time_runs(const struct rtc *rtc)
{
    return divider_runs(rtc) && !(rtc->ram[REG_B] & B_SET);
}

/* Second by second, since each may meet the alarm; but only the last two days of a long sleep. */
static void advance(struct rtc *rtc, uint64_t seconds)
{
    struct calendar t = read_time(rtc);

    rtc->ram[REG_C] |= B_UPDATE;
    for (; seconds >= 2 * SECONDS_PER_DAY; seconds -= SECONDS_PER_DAY) {
        next_day(&t);
    }
    for (; seconds > 0; seconds--) {
        next_second(&t);
        if (alarm_matches(rtc, &t)) {
            rtc->ram[REG_C] |= B_ALARM;
        }
    }
    write_time(rtc, &t);
}

static void sync_time(struct rtc *rtc, uint64_t now)
{
    uint64_t second = now / NS_PER_SECOND;

    if (second > rtc->second && time_runs(rtc)) {
        advance(rtc, second - rtc->second);
    }
    rtc->second = second;
}

/* The periodic interrupt comes every 2^shift ticks of the divider; 0: never. */
static unsigned periodic_shift(const struct rtc *rtc)
{
    unsigned rate = rtc->ram[REG_A] & A_RATE;

    if (rate == 0 || !divider_runs(rtc)) {
        return 0;
    }
    return rate <= 2 ? rate + 6 : rate - 1; /* 1 and 2 are 256 and 128 Hz */
}

static void sync_periodic(struct rtc *rtc, uint64_t now)
{
    uint64_t ticks = ticks_at(now, DIVIDER_HZ);
    unsigned shift = periodic_shift(rtc);

    if (shift && ticks >> shift != rtc->periodic >> shift) {
        rtc->ram[REG_C] |= B_PERIODIC;
    }
    rtc->periodic = ticks;
}

static void sync(struct rtc *rtc)
{
    uint64_t now = time_now(rtc->queue);

    sync_time(rtc, now);
    sync_periodic(rtc, now);
}

/* ---- Interrupt ------------------------------------------------------------------------------ */

static uint64_t next_event(const struct rtc *rtc)
{
    unsigned shift = periodic_shift(rtc);
    uint64_t next = TIME_NEVER;

    if ((rtc->ram[REG_B] & (B_ALARM | B_UPDATE)) && time_runs(rtc)) {
        next = (rtc->second + 1) * NS_PER_SECOND;
    }
    if ((rtc->ram[REG_B] & B_PERIODIC) && shift) {
        uint64_t tick = time_of_tick(((rtc->periodic >> shift) + 1) << shift, DIVIDER_HZ);

        next = tick < next ? tick : next;
    }
    return next;
}

/* Drives the line by flags and enables. While it is raised nothing new can happen. */
static void update_irq(struct rtc *rtc)
{
    bool raised = rtc->ram[REG_B] & rtc->ram[REG_C] & C_FLAGS;
    uint64_t next = raised ? TIME_NEVER : next_event(rtc);

    rtc->ram[REG_C] = (rtc->ram[REG_C] & C_FLAGS) | (raised ? C_INTERRUPT : 0);
    irq_set(&rtc->irq, raised);
    if (next == TIME_NEVER) {
        timer_cancel(rtc->queue, &rtc->timer);
    } else {
        timer_arm(rtc->queue, &rtc->timer, next);
    }
}

static void event(void *device)
{
    struct rtc *rtc = device;

    sync(rtc);
    update_irq(rtc);
}

/* ---- Ports ------------------------------------------------------------------------------- */

static bool update_is_near(const struct rtc *rtc)
{
    return time_runs(rtc) &&
           time_now(rtc->queue) % NS_PER_SECOND >= NS_PER_SECOND - UPDATE_WARNING_NS;
}

static uint8_t read_data(struct rtc *rtc)
{
    uint8_t value;

    if (rtc->index > REG_C && rtc->index != REG_CENTURY) {
        return rtc->ram[rtc->index];
    }
    sync(rtc);
    value = rtc->ram[rtc->index];
    if (rtc->index == REG_A && update_is_near(rtc)) {
        value |= A_UPDATE_IN_PROGRESS;
    } else if (rtc->index == REG_C) {
        rtc->ram[REG_C] = 0;
        update_irq(rtc);
        value |= value & rtc->ram[REG_B] & C_FLAGS ? C_INTERRUPT : 0;
    }
    return value;
}

static void write_data(struct rtc *rtc, uint8_t value)
{
    sync(rtc);
    switch (rtc->index) {
    case REG_A:
        rtc->ram[REG_A] = value & (uint8_t)~A_UPDATE_IN_PROGRESS;
        break;
    case REG_B: /* SET aborts an update and its interrupt */
        rtc->ram[REG_B] = value & B_SET ? value & (uint8_t)~B_UPDATE : value;
        break;
    case REG_C:
    case REG_D: /* read only */
        return;
    default:
        rtc->ram[rtc->index] = value;
        return;
    }
    update_irq(rtc);
}

void rtc_access(void *device, struct access *access)
{
    struct rtc *rtc = device;

    if (access->size != 1) {
        access_bytewise(rtc, access, rtc_access);
    } else if (access->offset == 0) {
        if (access->write) {
            rtc->index = access->value & 0x7f; /* bit 7 is the PC's NMI mask */
        }
    } else if (access->write) {
        write_data(rtc, (uint8_t)access->value);
    } else {
        access->value = read_data(rtc);
    }
}

void rtc_reset(struct rtc *rtc)
{
    sync(rtc);
    rtc->index = 0;
    rtc->ram[REG_B] &= (uint8_t)~(C_FLAGS | B_SQUARE_WAVE);
    rtc->ram[REG_C] = 0;
    update_irq(rtc);
}

void rtc_init(struct rtc *rtc, struct timer_queue *queue, struct irq_line irq,
              uint64_t unix_seconds)
{
    uint64_t now = time_now(queue);
    struct calendar start = calendar_at(unix_seconds + now / NS_PER_SECOND);

    *rtc = (struct rtc){
        .ram = {
            [REG_A] = A_DIVIDER_RUNS | 6, /* 1024 Hz, as PC firmware leaves it */
            [REG_B] = B_24_HOURS,
            [REG_D] = D_VALID,
        },
        .second = now / NS_PER_SECOND,
        .periodic = ticks_at(now, DIVIDER_HZ),
        .irq = irq,
        .queue = queue,
        .timer = { .expired = event, .device = rtc },
    };
    write_time(rtc, &start);
}
