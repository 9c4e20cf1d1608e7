/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/format.h"

#include <stdbool.h>
#include <stdint.h>

struct output {
    char *next, *end; /* one byte before the end is kept for the 0 */
};

struct spec {
    unsigned width;
    unsigned precision; /* of %s; UINT32_MAX: none */
    bool zero;
    bool is_long;
};

static void put(struct output *out, char c)
{
    if (out->next < out->end) {
        *out->next++ = c;
    }
}

static void pad(struct output *out, const struct spec *spec, unsigned length)
{
    for (unsigned i = length; i < spec->width; i++) {
        put(out, spec->zero ? '0' : ' ');
    }
}

static void put_number(struct output *out, const struct spec *spec, uint64_t value, unsigned base,
                       bool negative)
{
    char digits[20];
    unsigned count = 0;

    do {
        digits[count++] = "0123456789abcdef"[value % base];
        value /= base;
    } while (value);
    if (negative && spec->zero) {
        put(out, '-');
    }
    pad(out, spec, count + (negative ? 1 : 0));
    if (negative && !spec->zero) {
        put(out, '-');
    }
    while (count > 0) {
        put(out, digits[--count]);
    }
}

static void put_string(struct output *out, const struct spec *spec, const char *text)
{
    unsigned length = 0;

    while (length < spec->precision && text[length]) {
        length++;
    }
    pad(out, spec, length);
    for (unsigned i = 0; i < length; i++) {
        put(out, text[i]);
    }
}

static unsigned read_number(const char **format)
{
    unsigned value = 0;

    while (**format >= '0' && **format <= '9') {
        value = value * 10 + (unsigned)(*(*format)++ - '0');
    }
    return value;
}

static const char *read_spec(const char *format, struct spec *spec)
{
    *spec = (struct spec){.precision = UINT32_MAX};
    if (*format == '0') {
        spec->zero = true;
    }
    spec->width = read_number(&format);
    if (*format == '.') {
        format++;
        spec->precision = read_number(&format);
    }
    while (*format == 'l') {
        spec->is_long = true;
        format++;
    }
    return format;
}

size_t format_text(char *text, size_t size, const char *format, va_list args)
{
    struct output out = {text, text + size - 1};
    struct spec spec;

    for (; *format; format++) {
        if (*format != '%') {
            put(&out, *format);
            continue;
        }
        format = read_spec(format + 1, &spec);
        switch (*format) {
        case 'c':
            put(&out, (char)va_arg(args, int));
            break;
        case 's':
            put_string(&out, &spec, va_arg(args, const char *));
            break;
        case 'd': {
            int64_t value = spec.is_long ? va_arg(args, int64_t) : va_arg(args, int);
            put_number(&out, &spec, value < 0 ? 0 - (uint64_t)value : (uint64_t)value, 10,
                       value < 0);
            break;
        }
        case 'u':
        case 'x': {
            uint64_t value = spec.is_long ? va_arg(args, uint64_t) : va_arg(args, unsigned);
            put_number(&out, &spec, value, *format == 'x' ? 16 : 10, false);
            break;
        }
        case 'p':
            put_number(&out, &spec, (uintptr_t)va_arg(args, void *), 16, false);
            break;
        case '\0':
            format--;
            break;
        default:
            put(&out, *format);
            break;
        }
    }
    *out.next = '\0';
    return (size_t)(out.next - text);
}

size_t format_line(char *out, size_t size, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    size_t length = format_text(out, size, format, args);
    va_end(args);
    return length;
}
