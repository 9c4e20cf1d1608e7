/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Takes what guests/native/produce.c sends: every message of the port "queue", in order and whole;
 * and of "sample", which never goes back and is never torn. In the end, where there is a refresh
 * period, the sample must have become invalid.
 *
 *   count=N   1000
 */
#include "arguments.h"
#include "clock.h"
#include "native.h"
#include "port.h"
#include "print.h"
#include "stream.h"

#define PATIENCE_NS 20000000000UL

static uint64_t buffer[STREAM_WORDS];
static uint64_t last_sample, samples, valid_samples;

/* STATUS_EMPTY: none yet. */
static int64_t look_at_sample(const struct port *port, bool *valid)
{
    uint32_t length;
    int64_t status = sampling_read(port, buffer, &length, valid);

    if (status == STATUS_OK) {
        uint64_t n = stream_check(buffer, length);

        if (n < last_sample || n == 0) {
            native_fail("a sample that is torn or older", STATUS_BAD_ARGUMENT);
        }
        last_sample = n;
        samples++;
        valid_samples += *valid;
    }
    return status;
}

static void take_from_queue(const struct port *port, uint64_t n)
{
    uint32_t length;

    native_must("queue", queuing_receive(port, buffer, &length,
                                         clock_now() + clock_ticks(PATIENCE_NS)));
    if (stream_check(buffer, length) != n) {
        native_fail("a message that is torn or out of order", STATUS_BAD_ARGUMENT);
    }
}

/* Nobody writes any more. */
static void check_end(const struct port *port, uint64_t count)
{
    tsc_time patience = clock_now() + clock_ticks(PATIENCE_NS);
    bool valid;

    while (look_at_sample(port, &valid) != STATUS_OK || last_sample < count) {
        if (clock_now() > patience) {
            native_fail("the last sample", STATUS_TIMEOUT);
        }
        clock_sleep(clock_now() + clock_ticks(1000000));
    }
    if (port->info->refresh_ns) {
        clock_sleep(clock_now() + clock_ticks(2 * port->info->refresh_ns));
        look_at_sample(port, &valid);
        if (valid) {
            native_fail("an old sample is valid", STATUS_BAD_ARGUMENT);
        }
    }
}

void native_main(void)
{
    uint64_t count = argument_number("count", 1000);
    struct port sample, queue;
    bool has_sample = stream_find("sample", &sample), valid;
    bool has_queue = stream_find("queue", &queue);

    for (uint64_t n = 1; has_queue && n <= count; n++) {
        take_from_queue(&queue, n);
        /* The producer writes the sample before it sends. */
        if (has_sample && (look_at_sample(&sample, &valid) != STATUS_OK || last_sample < n)) {
            native_fail("a sample is older than the message", STATUS_BAD_ARGUMENT);
        }
    }
    if (has_sample) {
        check_end(&sample, count);
    }
    print("consume: %lu messages in order, %lu samples, %lu valid\n", has_queue ? count : 0,
          samples, valid_samples);
}
