/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The board's clock (MC146818). */
#include <stdint.h>

/* Seconds since 1970-01-01, the clock being taken for UTC; 0 if there is no clock. */
uint64_t rtc_read(void);
/* The same of a date: year 1970.., month 1..12, day 1..31. */
uint64_t rtc_epoch(unsigned year, unsigned month, unsigned day, unsigned hour, unsigned minute,
                   unsigned second);
