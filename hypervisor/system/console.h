/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* σ0's end of the consoles: the board's, and a channel to every partition. What one of them writes
 * begins on a line of its own; a line that another had to break is begun again. All of it belongs
 * to the service thread. */
#include "abi/console.h"

/* σ0's own words to the board's console: whole lines. */
void console_line(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* False: another partition is in the middle of a line, and has a moment to end it: until
 * console_deadline, in TSC ticks. */
bool console_is_free(const struct console_channel *channel);
tsc_time console_deadline(void);
/* Copies what a partition wrote to the board's console; true when there was something. */
bool console_drain(struct console_channel *channel);
/* Gives a typed byte to a partition; false when its ring is full. */
bool console_type(struct console_channel *channel, uint8_t byte);
