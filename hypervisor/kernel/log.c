/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/log.h"

#include "kernel/arch.h"
#include "lib/format.h"

enum { LINE_MAX = 256 };

static void write_text(const char *format, va_list args)
{
    char line[LINE_MAX];

    arch_console_write(line, format_text(line, sizeof(line), format, args));
}

void log_line(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    write_text(format, args);
    va_end(args);
}

void panic(const char *format, ...)
{
    va_list args;

    log_line("\nhecht: PANIC ");
    va_start(args, format);
    write_text(format, args);
    va_end(args);
    log_line("\n");
    arch_machine_stop();
}

void refuse(const char *format, ...)
{
    va_list args;

    log_line("\nhecht: cannot start: ");
    va_start(args, format);
    write_text(format, args);
    va_end(args);
    log_line("\n");
    arch_machine_stop();
}
