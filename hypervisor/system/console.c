/* SPDX-License-Identifier: Apache-2.0 */
#include "console.h"

#include "abi/info.h"
#include "abi/layout.h"
#include "lib/format.h"
#include "lib/string.h"
#include "lib/user/syscall.h"

enum {
    CHUNK = 40,        /* bytes in one SYS_CONSOLE_WRITE */
    PATIENCE_MS = 100, /* for which others wait for the end of a line */
    REPEATED = 160,    /* bytes of a broken line at most, before the rest of it */
};

/* The line that has begun on the board's console and not ended: whose, and until when nobody else
 * breaks it. */
static struct {
    const struct console_channel *of; /* NULL: none, or σ0's */
    tsc_time until;
} open_line;

/* A carriage return may stand on either side of the end of a line. */
static void note_ends(const struct console_channel *writer, const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (text[i] == '\n') {
            open_line.of = NULL;
        } else if (text[i] != '\r' && open_line.of == NULL) {
            const struct kernel_info *kernel = (const struct kernel_info *)USER_KERNEL_INFO;

            open_line.of = writer;
            open_line.until = __builtin_ia32_rdtsc() + PATIENCE_MS * (tsc_time)kernel->tsc_khz;
        }
    }
}

static void write_bytes(const char *text, size_t length)
{
    while (length > 0) {
        uint64_t words[5] = {0};
        size_t part = length < CHUNK ? length : CHUNK;

        memory_copy(words, text, part);
        sys_console_write(words, part);
        text += part;
        length -= part;
    }
}

/* Nobody else's words are on one line with the writer's. */
static void begin(const struct console_channel *writer)
{
    if (open_line.of && open_line.of != writer) {
        open_line.of = NULL;
        write_bytes("\n", 1);
    }
}

/*
 * Where the line of the byte at `tail` began. Looks only at bytes that were printed and that the
 * partition could not yet overwrite; one that was never written is 0. A terminal is not told twice
 * what it has to do: behind a control character nothing is repeated.
 */
static uint32_t line_start(const struct console_channel *channel, uint32_t tail, uint32_t head)
{
    uint32_t start = tail, left = CONSOLE_OUTPUT_SIZE - (head - tail);

    for (left = left < REPEATED ? left : REPEATED; left > 0; left--) {
        uint8_t byte = channel->output[(start - 1) % CONSOLE_OUTPUT_SIZE];

        if (byte == '\n' || byte == '\r' || byte == 0) {
            break;
        }
        if (byte < ' ') {
            return tail;
        }
        start--;
    }
    return start;
}

void console_line(const char *format, ...)
{
    char line[200];
    va_list args;

    va_start(args, format);
    size_t length = format_text(line, sizeof(line), format, args);
    va_end(args);
    begin(NULL);
    write_bytes(line, length);
}

bool console_drain(struct console_channel *channel)
{
    /* The head is the partition's word: it is read once, and an impossible one means that
     * bytes of the ring are printed which were never written — its own bytes. */
    uint32_t head = __atomic_load_n(&channel->output_head, __ATOMIC_ACQUIRE);
    uint32_t tail = channel->output_tail;
    uint32_t count = head - tail;
    char chunk[CHUNK];

    if (count == 0) {
        return false;
    }
    begin(channel);
    if (count > CONSOLE_OUTPUT_SIZE) {
        tail = head - CONSOLE_OUTPUT_SIZE;
    }
    if (open_line.of != channel) {
        tail = line_start(channel, tail, head); /* another broke it: it is read in one piece */
    }
    while (tail != head) {
        uint32_t part = 0;

        while (part < CHUNK && tail != head) {
            chunk[part++] = (char)channel->output[tail++ % CONSOLE_OUTPUT_SIZE];
        }
        note_ends(channel, chunk, part);
        write_bytes(chunk, part);
    }
    __atomic_store_n(&channel->output_tail, tail, __ATOMIC_RELEASE);
    return true;
}

bool console_is_free(const struct console_channel *channel)
{
    return !open_line.of || open_line.of == channel ||
           __builtin_ia32_rdtsc() >= open_line.until;
}

tsc_time console_deadline(void)
{
    return open_line.until;
}

bool console_type(struct console_channel *channel, uint8_t byte)
{
    uint32_t head = channel->input_head;
    uint32_t tail = __atomic_load_n(&channel->input_tail, __ATOMIC_ACQUIRE);

    if (head - tail >= CONSOLE_INPUT_SIZE) {
        return false;
    }
    channel->input[head % CONSOLE_INPUT_SIZE] = byte;
    __atomic_store_n(&channel->input_head, head + 1, __ATOMIC_RELEASE);
    return true;
}
