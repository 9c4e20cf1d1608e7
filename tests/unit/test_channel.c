/* SPDX-License-Identifier: Apache-2.0 */
/* sources: hypervisor/lib/string.c */
/* libs: -lpthread */
/* Both kinds of channels: what arrives, in which order, what a hostile other side can do, and an
 * end that is interrupted in the middle of a message. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/string.h"

/* The other side runs in the middle of a copy. */
static void (*in_between)(void);

static void broken_copy(void *to, const void *from, size_t size)
{
    size_t half = size / 2;
    void (*call)(void) = in_between;

    memcpy(to, from, half);
    if (call) {
        in_between = NULL;
        call();
        in_between = call;
    }
    memcpy((char *)to + half, (const char *)from + half, size - half);
}
#define memory_copy broken_copy
#include "lib/channel.c"

#define KHZ 1000000u /* a tick is a nanosecond */
#define SIZE 40u
#define COUNT 5u

/* Exactly as large as σ0 would make it, so that the sanitizer sees every step outside. */
struct fixture {
    uint8_t *memory;
    struct channel_writer_part *writer;
    struct channel_reader_part *reader;
    struct channel_end source, destination;
};
static struct fixture f;

static void start(uint32_t kind, uint32_t size, uint32_t count, uint64_t refresh_ns)
{
    uint64_t bytes = channel_writer_size(kind, size, count);

    assert_true(bytes > 0);
    f.memory = calloc(1, bytes + channel_reader_size(kind));
    assert_non_null(f.memory);
    struct partition_port port = {
        .kind = kind, .source = 1, .message_size = size, .message_count = count,
        .refresh_ns = refresh_ns, .address = (uint64_t)f.memory,
    };

    f.writer = (void *)f.memory;
    f.reader = kind == CHANNEL_QUEUING ? (void *)(f.memory + bytes) : NULL;
    channel_init(f.writer, f.reader);
    assert_int_equal(channel_open(&f.source, &port, KHZ), STATUS_OK);
    port.source = 0;
    assert_int_equal(channel_open(&f.destination, &port, KHZ), STATUS_OK);
}

static void stop(void)
{
    in_between = NULL;
    free(f.memory);
}

/* Message n: its length and each byte follow from n. */
static uint32_t make(uint8_t message[SIZE], uint32_t n)
{
    uint32_t length = n * 7 % SIZE + 1;

    memset(message, (int)(n * 31 & 0xff), length);
    return length;
}

static bool is_whole(const uint8_t message[SIZE], uint32_t length, uint32_t n)
{
    uint8_t expected[SIZE];

    return length == make(expected, n) && memcmp(message, expected, length) == 0;
}

static enum status send_number(uint32_t n)
{
    uint8_t message[SIZE];
    uint32_t length = make(message, n);

    return f.source.kind == CHANNEL_QUEUING ? channel_send(&f.source, message, length, n)
                                            : channel_write(&f.source, message, length, n);
}

/* ---- Sizes ----------------------------------------------------------------------------------- */

static void test_sizes(void **state)
{
    (void)state;
    assert_int_equal(channel_writer_size(CHANNEL_SAMPLING, 64, 1), PAGE_SIZE);
    assert_int_equal(channel_writer_size(CHANNEL_QUEUING, 4096 - 64 - 16, 1), PAGE_SIZE);
    assert_int_equal(channel_writer_size(CHANNEL_QUEUING, 4096 - 64 - 15, 1), 2 * PAGE_SIZE);
    assert_int_equal(channel_reader_size(CHANNEL_SAMPLING), 0);
    assert_int_equal(channel_reader_size(CHANNEL_QUEUING), PAGE_SIZE);
    assert_int_equal(channel_writer_size(0, 64, 1), 0);
    assert_int_equal(channel_writer_size(3, 64, 1), 0);
    assert_int_equal(channel_writer_size(CHANNEL_QUEUING, 0, 1), 0);
    assert_int_equal(channel_writer_size(CHANNEL_QUEUING, 64, 0), 0);
    assert_int_equal(channel_writer_size(CHANNEL_QUEUING, UINT32_MAX, 1), 0);
    assert_int_equal(channel_writer_size(CHANNEL_QUEUING, 64, UINT32_MAX), 0);
    assert_int_equal(channel_writer_size(CHANNEL_QUEUING, CHANNEL_MESSAGE_MAX, UINT32_MAX), 0);
    assert_int_equal(channel_writer_size(CHANNEL_QUEUING, CHANNEL_MESSAGE_MAX, 15),
                     0xf01000); /* 15 MiB and a page */
    assert_int_equal(channel_writer_size(CHANNEL_QUEUING, CHANNEL_MESSAGE_MAX, 16), 0);
}

static void test_wrong_arguments(void **state)
{
    uint8_t message[SIZE];
    uint32_t length;
    bool valid;

    (void)state;
    start(CHANNEL_QUEUING, SIZE, COUNT, 0);
    assert_int_equal(channel_send(&f.source, message, 0, 0), STATUS_BAD_ARGUMENT);
    assert_int_equal(channel_send(&f.source, message, SIZE + 1, 0), STATUS_BAD_ARGUMENT);
    assert_int_equal(channel_send(&f.destination, message, 1, 0), STATUS_BAD_ARGUMENT);
    assert_int_equal(channel_receive(&f.source, message, &length), STATUS_BAD_ARGUMENT);
    assert_int_equal(channel_write(&f.source, message, 1, 0), STATUS_BAD_ARGUMENT);
    assert_int_equal(channel_read(&f.destination, message, &length, 0, &valid),
                     STATUS_BAD_ARGUMENT);
    stop();
    struct partition_port port = {.kind = CHANNEL_QUEUING, .message_size = 1};

    assert_int_equal(channel_open(&f.source, &port, KHZ), STATUS_BAD_ARGUMENT);
}

/* ---- Sampling -------------------------------------------------------------------------------- */

static void test_last_message_stands(void **state)
{
    uint8_t message[SIZE];
    uint32_t length;
    bool valid;

    (void)state;
    start(CHANNEL_SAMPLING, SIZE, 1, 100);
    assert_int_equal(channel_read(&f.destination, message, &length, 0, &valid), STATUS_EMPTY);
    for (uint32_t n = 1; n < 50; n++) {
        assert_int_equal(send_number(n), STATUS_OK);
        for (unsigned i = 0; i < 2; i++) {
            assert_int_equal(channel_read(&f.destination, message, &length, n, &valid),
                             STATUS_OK);
            assert_true(is_whole(message, length, n));
            assert_true(valid);
        }
    }
    stop();
}

static void test_validity(void **state)
{
    uint8_t message[SIZE] = {1};
    uint32_t length;
    bool valid;

    (void)state;
    start(CHANNEL_SAMPLING, SIZE, 1, 5000);
    assert_int_equal(channel_write(&f.source, message, 1, 1000), STATUS_OK);
    channel_read(&f.destination, message, &length, 6000, &valid);
    assert_true(valid);
    channel_read(&f.destination, message, &length, 6001, &valid);
    assert_false(valid);
    channel_read(&f.destination, message, &length, 999, &valid); /* written since it looked */
    assert_true(valid);
    stop();
    start(CHANNEL_SAMPLING, SIZE, 1, 0);
    channel_write(&f.source, message, 1, 0);
    channel_read(&f.destination, message, &length, UINT64_MAX, &valid);
    assert_true(valid);
    stop();
}

static uint32_t next_number;
static unsigned writes_in_between;

static void write_some(void)
{
    for (unsigned i = 0; i < writes_in_between; i++) {
        assert_int_equal(send_number(next_number++), STATUS_OK);
    }
}

/* A reader that is interrupted in every copy: whole messages, or none. */
static void test_slow_reader(void **state)
{
    uint8_t message[SIZE];
    uint32_t length;
    bool valid;

    (void)state;
    for (writes_in_between = 0; writes_in_between < 6; writes_in_between++) {
        start(CHANNEL_SAMPLING, SIZE, 1, 0);
        next_number = 1;
        for (unsigned i = 0; i < 100; i++) {
            in_between = NULL;
            write_some();
            send_number(next_number++);
            in_between = write_some;
            uint32_t first = next_number - 1;
            enum status status = channel_read(&f.destination, message, &length, 0, &valid);

            if (writes_in_between < CHANNEL_SAMPLING_SLOTS - 1) {
                assert_int_equal(status, STATUS_OK);
                assert_true(is_whole(message, length, first));
            } else {
                assert_int_equal(status, STATUS_BUSY);
            }
        }
        stop();
    }
}

static void read_in_between(void)
{
    uint8_t message[SIZE];
    uint32_t length;
    bool valid;

    assert_int_equal(channel_read(&f.destination, message, &length, 0, &valid), STATUS_OK);
    assert_true(is_whole(message, length, next_number - 1));
}

/* A writer that is interrupted in the middle of a message: the one before is there. */
static void test_slow_writer(void **state)
{
    (void)state;
    start(CHANNEL_SAMPLING, SIZE, 1, 0);
    send_number(0);
    in_between = read_in_between;
    for (next_number = 1; next_number < 100; next_number++) {
        send_number(next_number);
    }
    stop();
}

#define STREAM 200000u
static bool stream_ended;

static void *stream(void *unused)
{
    for (uint32_t n = 1; n <= STREAM; n++) {
        uint32_t message[SIZE / 4];

        for (unsigned i = 0; i < SIZE / 4; i++) {
            message[i] = n;
        }
        if (f.source.kind == CHANNEL_SAMPLING) {
            channel_write(&f.source, message, SIZE, n);
        } else {
            while (channel_send(&f.source, message, SIZE, n) != STATUS_OK) {
            }
        }
    }
    __atomic_store_n(&stream_ended, true, __ATOMIC_SEQ_CST);
    return unused;
}

static uint32_t check_stream(const uint32_t message[SIZE / 4], uint32_t length)
{
    assert_int_equal(length, SIZE);
    for (unsigned i = 1; i < SIZE / 4; i++) {
        assert_int_equal(message[i], message[0]);
    }
    return message[0];
}

/* On two processors at once. */
static void test_streams(void **state)
{
    (void)state;
    for (uint32_t kind = CHANNEL_SAMPLING; kind <= CHANNEL_QUEUING; kind++) {
        uint32_t message[SIZE / 4], length, last = 0;
        pthread_t thread;
        bool valid, ended = false;

        start(kind, SIZE, COUNT, 0);
        stream_ended = false;
        assert_int_equal(pthread_create(&thread, NULL, stream, NULL), 0);
        while (!ended || (kind == CHANNEL_QUEUING && last < STREAM)) {
            ended = __atomic_load_n(&stream_ended, __ATOMIC_SEQ_CST);
            if (kind == CHANNEL_SAMPLING) {
                if (channel_read(&f.destination, message, &length, 0, &valid) == STATUS_OK) {
                    uint32_t n = check_stream(message, length);

                    assert_true(n >= last);
                    last = n;
                }
            } else if (channel_receive(&f.destination, message, &length) == STATUS_OK) {
                assert_int_equal(check_stream(message, length), ++last);
            }
        }
        pthread_join(thread, NULL);
        assert_int_equal(last, STREAM);
        stop();
    }
}

/* ---- Queues ---------------------------------------------------------------------------------- */

/* A million random steps against what a queue is. */
static void test_queue_is_a_queue(void **state)
{
    uint32_t sent = 0, taken = 0;

    (void)state;
    start(CHANNEL_QUEUING, SIZE, COUNT, 0);
    srand(1);
    for (unsigned i = 0; i < 1000000; i++) {
        if (rand() & 0x40) {
            bool full = sent - taken == COUNT;

            assert_int_equal(send_number(sent), full ? STATUS_BUSY : STATUS_OK);
            sent += !full;
        } else {
            uint8_t message[SIZE];
            uint32_t length;
            enum status status = channel_receive(&f.destination, message, &length);

            assert_int_equal(status, sent == taken ? STATUS_EMPTY : STATUS_OK);
            if (status == STATUS_OK) {
                assert_true(is_whole(message, length, taken));
                taken++;
            }
        }
    }
    stop();
}

static void receive_in_between(void)
{
    uint8_t message[SIZE];
    uint32_t length;

    while (channel_receive(&f.destination, message, &length) == STATUS_OK) {
        assert_true(is_whole(message, length, next_number++));
    }
}

/* The reader runs in the middle of every message that is sent, and the other way round. */
static void test_interrupted_queue(void **state)
{
    (void)state;
    start(CHANNEL_QUEUING, SIZE, COUNT, 0);
    next_number = 0;
    in_between = receive_in_between;
    for (uint32_t n = 0; n < 1000; n++) {
        assert_int_equal(send_number(n), STATUS_OK);
        assert_int_equal(next_number, n); /* not before it is whole */
    }
    stop();

    start(CHANNEL_QUEUING, SIZE, COUNT, 0);
    next_number = 1;
    send_number(0);
    writes_in_between = 1;
    in_between = write_some;
    for (uint32_t n = 0; n < 1000; n++) {
        uint8_t message[SIZE];
        uint32_t length;

        assert_int_equal(channel_receive(&f.destination, message, &length), STATUS_OK);
        assert_true(is_whole(message, length, n));
    }
    stop();
}

/* ---- A hostile other side -------------------------------------------------------------------- */

static uint64_t any(void)
{
    uint64_t value = (uint64_t)rand() << 40 ^ (uint64_t)rand() << 20 ^ (uint64_t)rand();

    switch (rand() % 4) {
    case 0:
        return value;
    case 1:
        return value % (2 * COUNT);
    case 2:
        return UINT64_MAX - value % (2 * COUNT);
    default:
        return f.writer->head + value % (4 * COUNT) - 2 * COUNT;
    }
}

static void spoil_writers_part(void)
{
    uint8_t *slots = f.writer->slots;
    uint64_t bytes = (uint64_t)f.source.slots * f.source.slot_size;

    f.writer->head = any();
    for (uint64_t i = 0; i < bytes; i++) {
        slots[i] = (uint8_t)rand();
    }
}

static void spoil_readers_part(void)
{
    f.reader->tail = any();
}

/* Whatever the writer does, the reader stays inside (the sanitizer looks), gets no more than a
 * message, and comes to an end. */
static void test_hostile_writer(void **state)
{
    (void)state;
    srand(2);
    for (uint32_t kind = CHANNEL_SAMPLING; kind <= CHANNEL_QUEUING; kind++) {
        uint8_t *message = malloc(SIZE);

        start(kind, SIZE, COUNT, 100);
        for (unsigned i = 0; i < 50000; i++) {
            uint32_t length = 0;
            bool valid;

            in_between = NULL;
            spoil_writers_part();
            in_between = i % 3 ? spoil_writers_part : NULL;
            enum status status =
                kind == CHANNEL_SAMPLING
                    ? channel_read(&f.destination, message, &length, any(), &valid)
                    : channel_receive(&f.destination, message, &length);

            assert_true(status == STATUS_OK || status == STATUS_EMPTY ||
                        (status == STATUS_BUSY && kind == CHANNEL_SAMPLING));
            assert_true(length <= SIZE);
        }
        free(message);
        stop();
    }
}

static void test_hostile_reader(void **state)
{
    (void)state;
    srand(3);
    start(CHANNEL_QUEUING, SIZE, COUNT, 0);
    uint64_t sent = 0;

    for (uint32_t i = 0; i < 200000; i++) {
        in_between = NULL;
        spoil_readers_part();
        in_between = spoil_readers_part;
        enum status status = send_number(i);

        assert_true(status == STATUS_OK || status == STATUS_BUSY);
        sent += status == STATUS_OK;
        assert_int_equal(f.writer->head, sent); /* its own, whatever the reader says */
    }
    assert_true(sent > 1000);
    stop();
}

/* σ0 makes the channel anew while the other end goes on: the reader mends it. */
static void test_new_start(void **state)
{
    uint8_t message[SIZE];
    uint32_t length;

    (void)state;
    start(CHANNEL_QUEUING, SIZE, COUNT, 0);
    for (uint32_t n = 0; n < 12; n++) {
        send_number(n);
        channel_receive(&f.destination, message, &length);
    }
    f.writer->head = 0; /* the reader's store came last */
    assert_int_equal(send_number(1), STATUS_BUSY);
    assert_int_equal(channel_receive(&f.destination, message, &length), STATUS_EMPTY);
    assert_int_equal(send_number(2), STATUS_OK);
    assert_int_equal(channel_receive(&f.destination, message, &length), STATUS_OK);
    assert_true(is_whole(message, length, 2));
    channel_init(f.writer, f.reader);
    assert_int_equal(channel_receive(&f.destination, message, &length), STATUS_EMPTY);
    assert_int_equal(send_number(3), STATUS_OK);
    assert_int_equal(channel_receive(&f.destination, message, &length), STATUS_OK);
    assert_true(is_whole(message, length, 3));
    stop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_wrong_arguments),
        cmocka_unit_test(test_last_message_stands),
        cmocka_unit_test(test_validity),
        cmocka_unit_test(test_slow_reader),
        cmocka_unit_test(test_slow_writer),
        cmocka_unit_test(test_streams),
        cmocka_unit_test(test_queue_is_a_queue),
        cmocka_unit_test(test_interrupted_queue),
        cmocka_unit_test(test_hostile_writer),
        cmocka_unit_test(test_hostile_reader),
        cmocka_unit_test(test_new_start),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
