/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A neighbour who notices when somebody writes to its memory: it fills its heap with a pattern,
 * and looks whether all of it is still there, over and over, until a message arrives at its port
 * "done". Needs a priority above its neighbours', as it takes little time.
 */
#include "clock.h"
#include "heap.h"
#include "port.h"
#include "print.h"

#define PIECE 0x1000u       /* words in one go */
#define MESSAGE_WORDS 512u  /* the largest */
#define PAUSE_NS 1000000UL
#define PRIME 0x100000001b3UL

static uint64_t *memory;
static uint64_t words;

static void fill(void)
{
    uint64_t value = 0x9e3779b97f4a7c15UL;

    for (uint64_t i = 0; i < words; i++) {
        memory[i] = value;
        value = value * 0x5851f42d4c957f2dUL + 0x14057b7ef767814fUL;
    }
}

/* FNV-1a, a word at a time. */
static uint64_t hash(void)
{
    uint64_t sum = 0xcbf29ce484222325UL;

    for (uint64_t i = 0; i < words; i++) {
        sum = (sum ^ ((volatile uint64_t *)memory)[i]) * PRIME;
        if (i % PIECE == PIECE - 1) {
            clock_sleep(clock_now() + clock_ticks(PAUSE_NS));
        }
    }
    return sum;
}

static bool is_over(const struct port *port)
{
    uint64_t message[MESSAGE_WORDS];
    uint32_t length;
    bool valid;

    return sampling_read(port, message, &length, &valid) == STATUS_OK;
}

void native_main(void)
{
    struct port port;
    uint64_t rounds = 0;

    native_must("port done", port_find("done", &port));
    words = heap_left() / sizeof(*memory);
    memory = heap_pages(heap_left());
    fill();
    uint64_t first = hash();

    for (; !is_over(&port); rounds++) {
        uint64_t now = hash();

        if (now != first) {
            print("watch: round %lu: hash %lx, it was %lx\n", rounds, now, first);
            native_end(1);
        }
    }
    print("watch: %lu rounds over %lu KiB, always hash %lx\n", rounds, words / 128, first);
}
