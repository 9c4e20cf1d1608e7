/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fills the sampling port "sample" and the queuing port "queue", of which it may have one or both,
 * with numbered messages (stream.h) that guests/native/consume.c checks.
 *
 *   count=N     1000
 *   period=NS   between two messages; 0: as fast as the queue takes them
 */
#include "arguments.h"
#include "clock.h"
#include "native.h"
#include "port.h"
#include "print.h"
#include "stream.h"

#define PATIENCE_NS 20000000000UL

static uint64_t buffer[STREAM_WORDS];

void native_main(void)
{
    uint64_t count = argument_number("count", 1000), period = argument_number("period", 0);
    struct port sample, queue;
    bool has_sample = stream_find("sample", &sample);
    bool has_queue = stream_find("queue", &queue);

    for (uint64_t n = 1; n <= count; n++) {
        if (has_sample) {
            native_must("sample", sampling_write(&sample, buffer,
                                                 stream_fill(buffer, &sample, n)));
        }
        if (has_queue) {
            native_must("queue", queuing_send(&queue, buffer, stream_fill(buffer, &queue, n),
                                              clock_now() + clock_ticks(PATIENCE_NS)));
        }
        if (period) {
            clock_sleep(clock_now() + clock_ticks(period));
        }
    }
    print("produce: %lu messages\n", has_sample || has_queue ? count : 0);
}
