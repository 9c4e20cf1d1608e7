/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The partition's console (abi/console.h). One thread of a task prints at a time, the caller sees
 * to that. A thread that waits for room in the ring takes no calls meanwhile: who calls it then
 * runs into its deadline.
 */
#include "abi/types.h"

/* At most 200 bytes; formats as in lib/format.h. σ0 is told at the end of a line. */
void print(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Waits until σ0 has read everything; gives up when it does not read. */
void print_drain(void);
/* The next byte that was typed; false: there is none. EVENT_CONSOLE_INPUT tells the first thread
 * of new ones. */
bool console_read(uint8_t *byte);
