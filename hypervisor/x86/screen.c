/* SPDX-License-Identifier: Apache-2.0 */
#include "x86/screen.h"

#include "x86/font.h"

enum { CELL_WIDTH = 8, CELL_HEIGHT = 2 * FONT_ROWS };
enum { TEXT_GREY_ON_BLACK = 0x07 };
/* Of a screen that scrolls, so that it takes some 1,000 instructions; a cell of a frame buffer has
 * 128 pixels to draw. */
enum { CELLS_AT_ONCE = 16, DRAWS_AT_ONCE = 1 };
enum { PIXEL_ON = 0xc0, PIXEL_OFF = 0x00 }; /* all colours alike: their order does not matter */

uint64_t screen_size(const struct framebuffer *mode)
{
    return (uint64_t)mode->pitch * mode->height;
}

static void draw_pixels(volatile uint8_t *line, unsigned bytes, uint8_t dots)
{
    for (unsigned x = 0; x < CELL_WIDTH; x++) {
        uint8_t colour = dots >> (CELL_WIDTH - 1 - x) & 1 ? PIXEL_ON : PIXEL_OFF;

        if (bytes == 4) {
            ((volatile uint32_t *)line)[x] = colour * 0x010101u;
        } else {
            for (unsigned i = 0; i < bytes; i++) {
                line[x * bytes + i] = colour;
            }
        }
    }
}

static void draw(struct screen *screen, uint32_t column, uint32_t row, char character)
{
    const struct framebuffer *mode = &screen->mode;

    if (mode->text) {
        volatile uint8_t *cell = screen->base + row * mode->pitch + column * 2;

        cell[0] = (uint8_t)character;
        cell[1] = TEXT_GREY_ON_BLACK;
        return;
    }
    const uint8_t *glyph = font[(uint8_t)character - FONT_FIRST];
    volatile uint8_t *line = screen->base + (uint64_t)row * CELL_HEIGHT * mode->pitch +
                             column * CELL_WIDTH * mode->bytes_per_pixel;

    for (unsigned y = 0; y < CELL_HEIGHT; y++, line += mode->pitch) {
        draw_pixels(line, mode->bytes_per_pixel,
                    (uint8_t)(glyph[y / 2] << (CELL_WIDTH - 1 - FONT_DOTS)));
    }
}

static void show(struct screen *screen, uint32_t column, uint32_t row, char character)
{
    if (screen->shown[row][column] != character) {
        screen->shown[row][column] = character;
        draw(screen, column, row, character);
    }
}

static void new_line(struct screen *screen)
{
    screen->column = 0;
    if (screen->row + 1 < screen->rows) {
        screen->row++;
    } else {
        screen->to_scroll = screen->rows * screen->columns;
    }
}

/* The next cell, from the top left, gets what stands below it. */
static bool scroll_cell(struct screen *screen)
{
    uint32_t cell = screen->rows * screen->columns - screen->to_scroll--;
    uint32_t row = cell / screen->columns, column = cell % screen->columns;
    char below = row + 1 < screen->rows ? screen->shown[row + 1][column] : ' ';
    bool changes = screen->shown[row][column] != below;

    show(screen, column, row, below);
    return changes;
}

bool screen_ready(struct screen *screen, char byte)
{
    unsigned draws = 0;

    if (screen->base && !screen->to_scroll && screen->column == screen->columns &&
        (uint8_t)byte >= FONT_FIRST && screen->escape == 0) {
        new_line(screen);
    }
    for (unsigned i = 0; i < CELLS_AT_ONCE && draws < DRAWS_AT_ONCE && screen->to_scroll; i++) {
        draws += scroll_cell(screen) && !screen->mode.text;
    }
    return screen->to_scroll == 0;
}

void screen_init(struct screen *screen, const struct framebuffer *mode, volatile void *base)
{
    uint32_t columns = mode->text ? mode->width : mode->width / CELL_WIDTH;
    uint32_t rows = mode->text ? mode->height : mode->height / CELL_HEIGHT;

    *screen = (struct screen){
        .base = columns && rows ? base : NULL,
        .mode = *mode,
        .columns = columns < SCREEN_COLUMNS_MAX ? columns : SCREEN_COLUMNS_MAX,
        .rows = rows < SCREEN_ROWS_MAX ? rows : SCREEN_ROWS_MAX,
    };
    for (uint32_t row = 0; screen->base && row < screen->rows; row++) {
        for (uint32_t column = 0; column < screen->columns; column++) {
            show(screen, column, row, ' ');
        }
    }
}

void screen_move(struct screen *screen, volatile void *base)
{
    screen->base = base;
}

enum { ESCAPE = 0x1b };

/* Is this byte part of an escape sequence: ESC and a byte, or ESC [, parameters and a final byte
 * from '@' on (ECMA-48, 5.4)? */
static bool in_escape(struct screen *screen, uint8_t byte)
{
    if (byte == ESCAPE) {
        screen->escape = ESCAPE;
        return true;
    }
    if (screen->escape == ESCAPE) {
        screen->escape = byte == '[' ? byte : 0;
        return true;
    }
    if (screen->escape == '[') {
        screen->escape = byte >= '@' && byte <= '~' ? 0 : screen->escape;
        return true;
    }
    return false;
}

void screen_write(struct screen *screen, char byte)
{
    if (!screen->base || in_escape(screen, (uint8_t)byte)) {
        return;
    }
    while (!screen_ready(screen, byte)) {
    }
    switch (byte) {
    case '\n':
        new_line(screen);
        return;
    case '\r':
        screen->column = 0;
        return;
    case '\b':
        screen->column -= screen->column > 0;
        return;
    default:
        break;
    }
    if (screen->column == screen->columns) { /* a control character */
        return;
    }
    bool printable = (uint8_t)byte >= FONT_FIRST && (uint8_t)byte < FONT_FIRST + FONT_COUNT;

    show(screen, screen->column++, screen->row, printable ? byte : '?');
}
