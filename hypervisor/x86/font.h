/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The letters of the frame buffer console: printable ASCII, five dots wide, drawn for Hecht. */
#include <stdint.h>

#define FONT_FIRST 0x20
#define FONT_COUNT 95
#define FONT_ROWS 8
#define FONT_DOTS 5

extern const uint8_t font[FONT_COUNT][FONT_ROWS];
