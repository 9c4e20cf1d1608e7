/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The screen as the board's console: the VGA's text mode, or a frame buffer with 32 or 24 bits
 * per pixel. Output only. */
#include "x86/multiboot.h"

#define SCREEN_COLUMNS_MAX 160
#define SCREEN_ROWS_MAX 64

struct screen {
    volatile uint8_t *base; /* NULL: there is no screen */
    struct framebuffer mode;
    uint32_t columns, rows; /* of characters, as far as they are used */
    uint32_t column, row;   /* where the next character goes */
    uint32_t to_scroll;     /* cells that are still to get what stands below them */
    uint8_t escape;         /* inside an escape sequence: its last byte but parameters, or 0 */
    /* What stands on the screen, so that it need not be read and only changes are drawn. */
    char shown[SCREEN_ROWS_MAX][SCREEN_COLUMNS_MAX];
};

/* Bytes that the frame buffer takes. */
uint64_t screen_size(const struct framebuffer *mode);
/* Clears the screen that is mapped at `base` (screen_size bytes) and starts at its top. */
void screen_init(struct screen *screen, const struct framebuffer *mode, volatile void *base);
/* Goes on with the same screen at another address; NULL: without. */
void screen_move(struct screen *screen, volatile void *base);
/* Does a bounded part of what is to be scrolled before this can be written. True: nothing is
 * left. */
bool screen_ready(struct screen *screen, char byte);
/* Does what is left of that first. Printable characters, \n, \r and \b. Escape sequences of
 * terminals are left out, anything else shows as '?'. */
void screen_write(struct screen *screen, char byte);
