/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What the kernel says: to the board's consoles, and how it dies. */
#include "abi/types.h"

/* %s %c %d %u %x %lx %lu %ld %p %% with width and 0 padding ("%016lx"). One line per call, with
 * its newline. */
void log_line(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Our own bug: reports and stops all processors. Prints "hecht: PANIC on processor N: " and the
 * text. */
_Noreturn void panic(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The machine cannot run this image: prints "hecht: cannot start: " and the text, and stops. */
_Noreturn void refuse(const char *format, ...) __attribute__((format(printf, 1, 2)));

#define KASSERT(condition)                                                                         \
    ((condition) ? (void)0 : panic("%s:%d: assertion %s", __FILE__, __LINE__, #condition))
