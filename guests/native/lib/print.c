/* SPDX-License-Identifier: Apache-2.0 */
#include "print.h"

#include "abi/console.h"
#include "clock.h"
#include "lib/format.h"
#include "native.h"

enum { LINE_SIZE = 201, WAIT_NS = 1000000, WAITS = 2000 };

#define CHANNEL ((struct console_channel *)USER_CONSOLE)

/* Nonsense in σ0's index would count as a full ring. */
static uint32_t used(void)
{
    uint32_t tail = __atomic_load_n(&CHANNEL->output_tail, __ATOMIC_ACQUIRE);
    uint32_t bytes = CHANNEL->output_head - tail;

    return bytes <= CONSOLE_OUTPUT_SIZE ? bytes : CONSOLE_OUTPUT_SIZE;
}

static void tell(void)
{
    sys_event_signal(PARTITION_INFO->console, 1UL << PARTITION_INFO->console_event);
}

/* Until no more than `most` bytes are unread. */
static bool wait_for_room(uint32_t most)
{
    for (unsigned i = 0; i < WAITS; i++) {
        if (used() <= most) {
            return true;
        }
        tell();
        clock_sleep(clock_now() + clock_ticks(WAIT_NS));
    }
    return false;
}

static void put(uint8_t byte)
{
    uint32_t head = CHANNEL->output_head;

    if (used() == CONSOLE_OUTPUT_SIZE && !wait_for_room(CONSOLE_OUTPUT_SIZE / 2)) {
        return;
    }
    CHANNEL->output[head % CONSOLE_OUTPUT_SIZE] = byte;
    __atomic_store_n(&CHANNEL->output_head, head + 1, __ATOMIC_RELEASE);
}

void print(const char *format, ...)
{
    char line[LINE_SIZE];
    va_list args;

    va_start(args, format);
    size_t length = format_text(line, sizeof(line), format, args);
    va_end(args);
    for (size_t i = 0; i < length; i++) {
        put((uint8_t)line[i]);
    }
    if (length > 0 && line[length - 1] == '\n') {
        tell();
    }
}

void print_drain(void)
{
    if (used() > 0) {
        tell();
        wait_for_room(0);
    }
}

bool console_read(uint8_t *byte)
{
    uint32_t tail = CHANNEL->input_tail;

    if (__atomic_load_n(&CHANNEL->input_head, __ATOMIC_ACQUIRE) == tail) {
        return false;
    }
    *byte = CHANNEL->input[tail % CONSOLE_INPUT_SIZE];
    __atomic_store_n(&CHANNEL->input_tail, tail + 1, __ATOMIC_RELEASE);
    return true;
}
