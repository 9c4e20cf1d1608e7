/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The VM's console: the partition's side of the rings that it shares with σ0. It carries what
 * the UART sends, and the VMM's own lines, which start with "vmm: " on a line of their own.
 *
 * Bytes are in the ring at once; σ0 is told of them by the line, when the ring fills, when the
 * VM has nothing to do, and otherwise after CONSOLE_DELAY_NS, so that a byte costs no switch.
 */
#include "abi/console.h"
#include "dev.h"

#define CONSOLE_DELAY_NS UINT64_C(5000000)
#define CONSOLE_WAITS 1000u /* for σ0 to make room, before it is given up */

struct console {
    struct console_channel *channel;
    struct timer_queue *queue;
    /* Tells σ0 that there is output, or room for input. */
    void (*notify)(void *owner);
    /* Waits a millisecond, or until something happens. */
    void (*wait)(void *owner);
    void *owner;

    /* The indices that are ours. The shared page is only written with them. */
    uint32_t output_head;
    uint32_t input_tail;
    bool unsent;        /* σ0 has not been told of all */
    bool refused;       /* a byte was refused: somebody waits for room */
    bool in_line;       /* the last byte was no line feed */
    struct timer delay; /* until σ0 is told */
};

/* Takes up the rings where they stand. `queue` is for the delay. */
void console_init(struct console *console);

/* Fits char_sink.put. */
bool console_put(void *console, uint8_t byte);

/* Tells σ0 of what it has not been told of. */
void console_flush(struct console *console);

/* Is there room again after a byte was refused? Says so once. */
bool console_drained(struct console *console);

/* Looks at the next byte typed; false: there is none. console_skip takes it. */
bool console_peek(const struct console *console, uint8_t *byte);
void console_skip(struct console *console);

/* Is there nothing typed and nobody who waits for room? */
static inline bool console_is_quiet(const struct console *console)
{
    return __atomic_load_n(&console->channel->input_head, __ATOMIC_RELAXED) ==
               console->input_tail &&
           !console->refused;
}

/* A line of the VMM's own: "vmm: ", the text, a line end. Waits for room; bounded. */
void console_line(struct console *console, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Waits until σ0 has read everything; bounded. */
void console_drain(struct console *console);
