/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* σ0's end of the consoles: the board's, and a channel to every partition. */
#include "abi/console.h"

/* To the board's console. */
void console_write(const char *text, size_t length);
void console_line(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Copies what a partition wrote to the board's console; true when there was something. */
bool console_drain(struct console_channel *channel);
/* Gives a typed byte to a partition; false when its ring is full. */
bool console_type(struct console_channel *channel, uint8_t byte);
