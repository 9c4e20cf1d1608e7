/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/log.h"

#include "kernel/cpu.h"
#include "lib/format.h"

enum { LINE_MAX = 256, TEXT_MAX = LINE_MAX - 48 };

void log_line(const char *format, ...)
{
    char line[LINE_MAX];
    va_list args;

    va_start(args, format);
    arch_console_write(line, format_text(line, sizeof(line), format, args));
    va_end(args);
}

/* Last words are one line each, because another processor may be in the middle of its own. */
void panic(const char *format, ...)
{
    char text[TEXT_MAX];
    va_list args;

    va_start(args, format);
    format_text(text, sizeof(text), format, args);
    va_end(args);
    log_line("\nhecht: PANIC on processor %u: %s\n", arch_this_cpu()->id, text);
    arch_machine_stop();
}

void refuse(const char *format, ...)
{
    char text[TEXT_MAX];
    va_list args;

    va_start(args, format);
    format_text(text, sizeof(text), format, args);
    va_end(args);
    log_line("\nhecht: cannot start: %s\n", text);
    arch_machine_stop();
}
