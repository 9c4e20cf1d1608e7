/* SPDX-License-Identifier: Apache-2.0 */
/* sources: hypervisor/x86/screen.c build/font/font.c hypervisor/x86/rtc.c */
/* The screen console in both modes, on memory instead of a screen; and the board clock's dates. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "x86/font.h"
#include "x86/rtc.h"
#include "x86/screen.h"

static struct screen screen;
static uint8_t *memory;

/* Memory of exactly the size, filled with what is no blank in either mode. */
static void start(struct framebuffer mode)
{
    memory = malloc(screen_size(&mode));
    assert_non_null(memory);
    memset(memory, 0x55, screen_size(&mode));
    screen_init(&screen, &mode, memory);
}

static void stop(void)
{
    free(memory);
    memory = NULL;
}

static void write_text(const char *text)
{
    while (*text) {
        screen_write(&screen, *text++);
    }
    while (!screen_ready(&screen, '\n')) {
    }
}

static const struct framebuffer text_mode = {.pitch = 20, .width = 10, .height = 3, .text = true};

static void expect_line(unsigned row, const char *text)
{
    for (unsigned column = 0; column < 10; column++) {
        size_t length = strlen(text);

        assert_int_equal(memory[row * 20 + column * 2], column < length ? text[column] : ' ');
        assert_int_equal(memory[row * 20 + column * 2 + 1], 7);
    }
}

static void test_text(void **state)
{
    (void)state;
    start(text_mode);
    expect_line(0, "");
    expect_line(2, "");
    write_text("ab\ncd\r\nX\b\bY\n");
    expect_line(0, "cd");
    expect_line(1, "Y");
    expect_line(2, "");
    write_text("0123456789"); /* a full line scrolls with the next character only */
    expect_line(2, "0123456789");
    expect_line(0, "cd");
    write_text("!");
    expect_line(0, "Y");
    expect_line(1, "0123456789");
    expect_line(2, "!");
    write_text("\r\x01\xff~");
    expect_line(2, "?" "?~");
    write_text("\r\n\x1b[31;1mred\x1b[0m\x1b""7x\x1b[6n");
    expect_line(2, "redx");
    stop();
}

static void test_moves(void **state)
{
    (void)state;
    uint8_t *first;

    start(text_mode);
    write_text("one\n");
    first = memory;
    memory = malloc(60);
    assert_non_null(memory);
    memcpy(memory, first, 60);
    screen_move(&screen, memory);
    free(first);
    write_text("two");
    expect_line(0, "one");
    expect_line(1, "two");
    screen_move(&screen, NULL);
    write_text("nobody sees this\n\n\n\n");
    expect_line(1, "two");
    stop();
}

static unsigned pixel(const struct framebuffer *mode, unsigned x, unsigned y)
{
    return memory[y * mode->pitch + x * mode->bytes_per_pixel];
}

/* The character in a cell, found by its dots, or 0. */
static char read_cell(const struct framebuffer *mode, unsigned column, unsigned row)
{
    for (unsigned c = 0; c < FONT_COUNT; c++) {
        bool same = true;

        for (unsigned y = 0; y < 16; y++) {
            for (unsigned x = 0; x < 8; x++) {
                /* Five dots, one column of space before, two behind. */
                bool dot = x >= 1 && x < 6 && (font[c][y / 2] >> (5 - x) & 1);

                same = same && dot == (pixel(mode, column * 8 + x, row * 16 + y) != 0);
            }
        }
        if (same) {
            return (char)(c + FONT_FIRST);
        }
    }
    return 0;
}

static void check_pixels(struct framebuffer mode)
{
    start(mode);
    write_text("Ag!\n{@}");
    assert_int_equal(read_cell(&mode, 0, 0), 'A');
    assert_int_equal(read_cell(&mode, 1, 0), 'g');
    assert_int_equal(read_cell(&mode, 2, 0), '!');
    assert_int_equal(read_cell(&mode, 3, 0), ' ');
    assert_int_equal(read_cell(&mode, 1, 1), '@');
    write_text("\nx");
    assert_int_equal(read_cell(&mode, 0, 0), '{');
    assert_int_equal(read_cell(&mode, 0, 1), 'x');
    assert_int_equal(read_cell(&mode, 1, 1), ' ');
    /* What is no cell is left alone. */
    assert_int_equal(pixel(&mode, 32, 0), 0x55);
    assert_int_equal(pixel(&mode, 0, 32), 0x55);
    stop();
}

static void test_pixels(void **state)
{
    (void)state;
    check_pixels((struct framebuffer){
        .pitch = 36 * 4 + 8, .width = 36, .height = 34, .bytes_per_pixel = 4});
    check_pixels(
        (struct framebuffer){.pitch = 36 * 3, .width = 36, .height = 34, .bytes_per_pixel = 3});
}

static void test_sizes(void **state)
{
    (void)state;
    /* Larger than we use, and too small for anything. */
    start((struct framebuffer){
        .pitch = 4000 * 4, .width = 4000, .height = 2000, .bytes_per_pixel = 4});
    assert_int_equal(screen.columns, SCREEN_COLUMNS_MAX);
    assert_int_equal(screen.rows, SCREEN_ROWS_MAX);
    for (unsigned i = 0; i < 2 * SCREEN_COLUMNS_MAX * SCREEN_ROWS_MAX; i++) {
        screen_write(&screen, (char)('a' + i % 26));
    }
    stop();
    start((struct framebuffer){.pitch = 400, .width = 100, .height = 15, .bytes_per_pixel = 4});
    assert_null(screen.base);
    write_text("nothing");
    stop();
}

/* Each letter is one of a kind. */
static void test_font(void **state)
{
    (void)state;
    for (unsigned a = 0; a < FONT_COUNT; a++) {
        for (unsigned b = 0; b < a; b++) {
            assert_memory_not_equal(font[a], font[b], FONT_ROWS);
        }
        for (unsigned row = 0; row < FONT_ROWS; row++) {
            assert_true(font[a][row] < 1 << FONT_DOTS);
        }
    }
}

static void test_epoch(void **state)
{
    (void)state;
    assert_int_equal(rtc_epoch(1970, 1, 1, 0, 0, 0), 0);
    assert_int_equal(rtc_epoch(2000, 2, 29, 12, 0, 0), 951825600);
    assert_int_equal(rtc_epoch(2000, 3, 1, 0, 0, 0), 951868800);
    assert_int_equal(rtc_epoch(2023, 11, 14, 22, 13, 20), 1700000000);
    assert_int_equal(rtc_epoch(2024, 12, 31, 23, 59, 59), 1735689599);
    assert_int_equal(rtc_epoch(2038, 1, 19, 3, 14, 8), 2147483648);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text),  cmocka_unit_test(test_moves), cmocka_unit_test(test_pixels),
        cmocka_unit_test(test_sizes), cmocka_unit_test(test_font),  cmocka_unit_test(test_epoch),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
