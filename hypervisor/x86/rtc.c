/* SPDX-License-Identifier: Apache-2.0 */
#include "x86/rtc.h"

#include "lib/string.h"
#include "x86/instr.h"

/* MC146818 datasheet: registers behind an index and a data port. */
enum { RTC_INDEX = 0x70, RTC_DATA = 0x71 };
enum { REG_SECOND = 0x00, REG_MINUTE = 0x02, REG_HOUR = 0x04 };
enum { REG_DAY = 0x07, REG_MONTH = 0x08, REG_YEAR = 0x09, REG_A = 0x0a, REG_B = 0x0b };
enum { A_UPDATING = 0x80, B_24_HOURS = 0x02, B_BINARY = 0x04, HOUR_PM = 0x80 };
enum { TRIES = 100000 };

struct rtc_time {
    uint8_t second, minute, hour, day, month, year;
};

static uint8_t rtc_register(uint8_t index)
{
    out8(RTC_INDEX, index);
    return in8(RTC_DATA);
}

static struct rtc_time read_once(void)
{
    for (unsigned i = 0; i < TRIES && (rtc_register(REG_A) & A_UPDATING); i++) {
    }
    return (struct rtc_time){rtc_register(REG_SECOND), rtc_register(REG_MINUTE),
                             rtc_register(REG_HOUR),   rtc_register(REG_DAY),
                             rtc_register(REG_MONTH),  rtc_register(REG_YEAR)};
}

static unsigned number(uint8_t value, bool binary)
{
    return binary ? value : (value >> 4) * 10u + (value & 15u);
}

/* Days from the civil calendar: years begin with March, so that the leap day is their last. */
uint64_t rtc_epoch(unsigned year, unsigned month, unsigned day, unsigned hour, unsigned minute,
                   unsigned second)
{
    uint64_t y = month > 2 ? year : year - 1;
    uint64_t m = month > 2 ? month - 3 : month + 9;
    uint64_t days = 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1;

    return (days - 719468) * 86400 + hour * 3600u + minute * 60u + second;
}

uint64_t rtc_read(void)
{
    struct rtc_time now = read_once();

    /* Twice the same: the clock did not tick in between. */
    for (unsigned i = 0; i < 100; i++) {
        struct rtc_time again = read_once();

        if (memory_equal(&now, &again, sizeof(now))) {
            break;
        }
        now = again;
    }
    uint8_t b = rtc_register(REG_B);
    bool binary = (b & B_BINARY) != 0;
    unsigned hour = number(now.hour & (b & B_24_HOURS ? 0xff : 0x7f), binary);
    unsigned year = number(now.year, binary), month = number(now.month, binary);
    unsigned day = number(now.day, binary);

    if (!(b & B_24_HOURS)) {
        hour = hour % 12 + (now.hour & HOUR_PM ? 12 : 0);
    }
    if (month < 1 || month > 12 || day < 1 || day > 31 || hour > 23 || year > 99) {
        return 0;
    }
    return rtc_epoch(year < 70 ? 2000 + year : 1900 + year, month, day, hour,
                     number(now.minute, binary), number(now.second, binary));
}
