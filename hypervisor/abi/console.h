/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The console channel between σ0 and a partition: two byte rings in one shared page. Each index
 * is written by one side only and taken modulo the size, so nothing that the other side writes
 * there can lead outside the ring; at worst it loses its own bytes.
 */
#include "abi/types.h"

#define CONSOLE_OUTPUT_SIZE 2048u /* powers of two */
#define CONSOLE_INPUT_SIZE 1024u

struct console_channel {
    uint32_t output_head; /* 0x00 written by the partition: next byte to fill */
    uint32_t output_tail; /* 0x04 written by σ0: next byte to read */
    uint32_t input_head;  /* 0x08 written by σ0 */
    uint32_t input_tail;  /* 0x0c written by the partition */
    uint8_t reserved[48];
    uint8_t output[CONSOLE_OUTPUT_SIZE]; /* 0x40 */
    uint8_t input[CONSOLE_INPUT_SIZE];   /* 0x840 */
};
_Static_assert(sizeof(struct console_channel) <= PAGE_SIZE, "abi");
_Static_assert(offsetof(struct console_channel, output) == 0x40, "abi");

/* Bit that σ0 signals to the partition's first thread when input arrives or output has drained. */
#define EVENT_CONSOLE_INPUT (1UL << 0)
/* Bit that one end of a channel signals to the first thread of the other. */
#define EVENT_PORT (1UL << 1)
