/* SPDX-License-Identifier: Apache-2.0 */
#include "console.h"

#include "lib/format.h"

#define LINE_MAX 160u

/* The reader's index, and our own published with everything before it (x86 keeps the order of
 * stores; the compiler must). */
static uint32_t load_index(const uint32_t *index)
{
    return __atomic_load_n(index, __ATOMIC_ACQUIRE);
}

static void store_index(uint32_t *index, uint32_t value)
{
    __atomic_store_n(index, value, __ATOMIC_RELEASE);
}

/* Bytes that σ0 has not read yet; nonsense in its index counts as a full ring. */
static uint32_t output_used(const struct console *console)
{
    uint32_t used = console->output_head - load_index(&console->channel->output_tail);
    return used <= CONSOLE_OUTPUT_SIZE ? used : CONSOLE_OUTPUT_SIZE;
}

static void delay_expired(void *device)
{
    console_flush(device);
}

void console_init(struct console *console)
{
    console->output_head = console->channel->output_head;
    console->input_tail = console->channel->input_tail;
    console->delay = (struct timer){ .expired = delay_expired, .device = console };
}

void console_flush(struct console *console)
{
    if (console->unsent) {
        console->unsent = false;
        timer_cancel(console->queue, &console->delay);
        console->notify(console->owner);
    }
}

static bool store_byte(struct console *console, uint8_t byte)
{
    if (output_used(console) == CONSOLE_OUTPUT_SIZE) {
        return false;
    }
    console->channel->output[console->output_head % CONSOLE_OUTPUT_SIZE] = byte;
    console->output_head++;
    store_index(&console->channel->output_head, console->output_head);
    console->unsent = true;
    console->in_line = byte != '\n';
    return true;
}

bool console_put(void *device, uint8_t byte)
{
    struct console *console = device;

    if (!store_byte(console, byte)) {
        console->refused = true;
        console->unsent = true;
        console_flush(console);
        return false;
    }
    if (byte == '\n' || output_used(console) == CONSOLE_OUTPUT_SIZE / 2) {
        console_flush(console);
    } else if (!console->delay.armed) {
        timer_arm(console->queue, &console->delay, time_now(console->queue) + CONSOLE_DELAY_NS);
    }
    return true;
}

bool console_drained(struct console *console)
{
    if (!console->refused || output_used(console) == CONSOLE_OUTPUT_SIZE) {
        return false;
    }
    console->refused = false;
    return true;
}

bool console_peek(const struct console *console, uint8_t *byte)
{
    const struct console_channel *channel = console->channel;

    if (load_index(&channel->input_head) == console->input_tail) {
        return false;
    }
    *byte = channel->input[console->input_tail % CONSOLE_INPUT_SIZE];
    return true;
}

void console_skip(struct console *console)
{
    bool full = load_index(&console->channel->input_head) - console->input_tail >=
                CONSOLE_INPUT_SIZE;

    console->input_tail++;
    store_index(&console->channel->input_tail, console->input_tail);
    if (full) {
        console->notify(console->owner);
    }
}

/* Waits until σ0 has left no more than `most` bytes unread. False: it does not read. */
static bool wait_for_room(struct console *console, uint32_t most)
{
    console_flush(console);
    for (unsigned i = 0; i < CONSOLE_WAITS; i++) {
        if (output_used(console) <= most) {
            return true;
        }
        console->wait(console->owner);
    }
    return false;
}

static void put_waiting(struct console *console, const char *text)
{
    for (; *text; text++) {
        if (!store_byte(console, (uint8_t)*text)) {
            console->unsent = true;
            if (!wait_for_room(console, CONSOLE_OUTPUT_SIZE / 2)) {
                return;
            }
            store_byte(console, (uint8_t)*text);
        }
    }
}

void console_line(struct console *console, const char *format, ...)
{
    char text[LINE_MAX];
    va_list args;

    va_start(args, format);
    format_text(text, sizeof(text), format, args);
    va_end(args);
    put_waiting(console, console->in_line ? "\r\nvmm: " : "vmm: ");
    put_waiting(console, text);
    put_waiting(console, "\r\n");
    console_flush(console);
}

void console_drain(struct console *console)
{
    wait_for_room(console, 0);
}
