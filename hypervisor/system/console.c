/* SPDX-License-Identifier: Apache-2.0 */
#include "console.h"

#include "lib/format.h"
#include "lib/string.h"
#include "lib/user/syscall.h"

enum { CHUNK = 40 }; /* bytes in one SYS_CONSOLE_WRITE */

void console_write(const char *text, size_t length)
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

void console_line(const char *format, ...)
{
    char line[200];
    va_list args;

    va_start(args, format);
    size_t length = format_text(line, sizeof(line), format, args);
    va_end(args);
    console_write(line, length);
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
    if (count > CONSOLE_OUTPUT_SIZE) {
        tail = head - CONSOLE_OUTPUT_SIZE;
    }
    while (tail != head) {
        uint32_t part = 0;

        while (part < CHUNK && tail != head) {
            chunk[part++] = (char)channel->output[tail++ % CONSOLE_OUTPUT_SIZE];
        }
        console_write(chunk, part);
    }
    __atomic_store_n(&channel->output_tail, tail, __ATOMIC_RELEASE);
    return true;
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
