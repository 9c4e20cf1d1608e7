/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A small printf for code without a C library. */
#include <stdarg.h>
#include <stddef.h>

/* %s %c %d %u %x %ld %lu %lx %p %%, a width and 0 padding ("%016lx"), a precision for %s ("%.8s"). Writes at most
 * size - 1 bytes and a 0; returns how many bytes were written without it. */
size_t format_text(char *out, size_t size, const char *format, va_list args);
size_t format_line(char *out, size_t size, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
