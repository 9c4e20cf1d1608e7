/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Numbered messages that show when they are torn: the number, and in every other word something
 * that follows from it. */
#include "port.h"

#define STREAM_WORDS 512u /* of the largest message */

/* port_find, but ends the task where a message of that port would not fit. */
bool stream_find(const char *name, struct port *out);

/* Fills in message n → its length in bytes. */
uint32_t stream_fill(uint64_t *buffer, const struct port *port, uint64_t n);
/* The message's number; 0: it is not whole. */
uint64_t stream_check(const uint64_t *buffer, uint32_t length);
