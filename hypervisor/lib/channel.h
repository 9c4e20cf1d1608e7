/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Both ends of a channel (abi/channel.h), for programs and VMMs, and what σ0 needs to make one.
 * No state but in the channel itself: an end that starts anew goes on where it was.
 */
#include "abi/channel.h"
#include "abi/config.h"
#include "abi/info.h"
#include "abi/status.h"

/* ---- For who makes it ---------------------------------------------------------------------- */

/* Bytes, whole pages, of the writer's part; 0: there can be no such channel. `kind` is an enum
 * channel_kind, `count` is that of a queue and is not looked at for sampling. */
uint64_t channel_writer_size(uint32_t kind, uint32_t message_size, uint32_t count);
/* Of the reader's part: 0 for sampling, a page for a queue. */
uint64_t channel_reader_size(uint32_t kind);
/* An empty channel. Both parts are as large as said above; `reader` is NULL where there is none.
 * An end may be using it meanwhile: at worst it loses a message. */
void channel_init(void *writer, void *reader);

/* ---- For its ends -------------------------------------------------------------------------- */

struct channel_end {
    struct channel_writer_part *writer;
    struct channel_reader_part *reader; /* of a queue */
    uint32_t kind;
    bool source;
    uint32_t message_size;
    uint32_t slots;
    uint32_t slot_size;     /* bytes */
    tsc_time refresh_ticks; /* 0: no limit */
};

/* `port` is as σ0 wrote it; `tsc_khz` converts its refresh period. BAD_ARGUMENT: no such channel
 * can be. */
enum status channel_open(struct channel_end *end, const struct partition_port *port,
                         uint64_t tsc_khz);

/* Sampling, the source: `length` 1..message_size. Never waits for a reader. BAD_ARGUMENT. */
enum status channel_write(const struct channel_end *end, const void *message, uint32_t length,
                          tsc_time now);
/* The last message, into message_size bytes. *valid: it is no older than the refresh period.
 * EMPTY: none yet. BUSY: it changed under every one of a few attempts. BAD_ARGUMENT. */
enum status channel_read(const struct channel_end *end, void *message, uint32_t *length,
                         tsc_time now, bool *valid);

/* A queue, the source: `length` 1..message_size. BUSY: it is full. BAD_ARGUMENT. */
enum status channel_send(const struct channel_end *end, const void *message, uint32_t length,
                         tsc_time now);
/* The oldest message, into message_size bytes. EMPTY, BAD_ARGUMENT. */
enum status channel_receive(const struct channel_end *end, void *message, uint32_t *length);
