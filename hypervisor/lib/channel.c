/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/channel.h"

#include "lib/string.h"

enum { READ_ATTEMPTS = 8 };

static uint32_t slots_of(uint32_t kind, uint32_t count)
{
    return kind == CHANNEL_SAMPLING ? CHANNEL_SAMPLING_SLOTS : count;
}

/* `message_size` is at most CHANNEL_MESSAGE_MAX. */
static uint32_t slot_size_of(uint32_t message_size)
{
    return (uint32_t)sizeof(struct channel_slot) + ((message_size + 15) & ~15u);
}

uint64_t channel_reader_size(uint32_t kind)
{
    return kind == CHANNEL_QUEUING ? PAGE_SIZE : 0;
}

uint64_t channel_writer_size(uint32_t kind, uint32_t message_size, uint32_t count)
{
    uint64_t slots = slots_of(kind, count);

    if ((kind != CHANNEL_SAMPLING && kind != CHANNEL_QUEUING) || message_size == 0 ||
        message_size > CHANNEL_MESSAGE_MAX || slots == 0) {
        return 0;
    }
    uint64_t size = sizeof(struct channel_writer_part) + slots * slot_size_of(message_size);

    size = (size + PAGE_SIZE - 1) & ~(PAGE_SIZE - 1);
    return size + channel_reader_size(kind) <= CHANNEL_SIZE_MAX ? size : 0;
}

void channel_init(void *writer, void *reader)
{
    struct channel_writer_part *head = writer;
    struct channel_reader_part *tail = reader;

    __atomic_store_n(&head->head, 0, __ATOMIC_SEQ_CST);
    if (tail) {
        __atomic_store_n(&tail->tail, 0, __ATOMIC_SEQ_CST);
    }
}

enum status channel_open(struct channel_end *end, const struct partition_port *port,
                         uint64_t tsc_khz)
{
    uint64_t size = channel_writer_size(port->kind, port->message_size, port->message_count);

    if (size == 0) {
        return STATUS_BAD_ARGUMENT;
    }
    *end = (struct channel_end){
        .writer = (struct channel_writer_part *)port->address,
        .reader = (struct channel_reader_part *)(port->address + size),
        .kind = port->kind,
        .source = port->source != 0,
        .message_size = port->message_size,
        .slots = slots_of(port->kind, port->message_count),
        .slot_size = slot_size_of(port->message_size),
        /* In this order: of a period below an hour at 2^32 kHz nothing overflows. */
        .refresh_ticks = port->refresh_ns / 1000 * tsc_khz / 1000,
    };
    if (port->refresh_ns != 0 && end->refresh_ticks == 0) {
        end->refresh_ticks = 1;
    }
    return STATUS_OK;
}

/* ---- Slots ----------------------------------------------------------------------------------- */

static struct channel_slot *slot_at(const struct channel_end *end, uint64_t index)
{
    return (struct channel_slot *)(end->writer->slots + index % end->slots * end->slot_size);
}

static uint64_t load_head(const struct channel_end *end)
{
    return __atomic_load_n(&end->writer->head, __ATOMIC_ACQUIRE);
}

static bool may_put(const struct channel_end *end, uint32_t kind, uint32_t length)
{
    return end->kind == kind && end->source && length > 0 && length <= end->message_size;
}

/* Fills the slot at `head` and publishes it. */
static void put(const struct channel_end *end, uint64_t head, const void *message,
                uint32_t length, tsc_time now)
{
    struct channel_slot *slot = slot_at(end, head);

    /* Who still reads this slot sees, when it looks at the head afterwards, the one that was
     * published before anything here changes. */
    __atomic_thread_fence(__ATOMIC_RELEASE);
    slot->length = length;
    slot->time = now;
    memory_copy(slot->message, message, length);
    __atomic_store_n(&end->writer->head, head + 1, __ATOMIC_RELEASE);
}

/* What stands in the slot at `index`; whether it was whole is for the caller to find out.
 * Returns its time. */
static tsc_time get(const struct channel_end *end, uint64_t index, void *message,
                    uint32_t *length)
{
    const struct channel_slot *slot = slot_at(end, index);
    /* Read once: the writer can change it at any time. */
    uint32_t said = __atomic_load_n(&slot->length, __ATOMIC_RELAXED);
    tsc_time time = __atomic_load_n(&slot->time, __ATOMIC_RELAXED);

    *length = said <= end->message_size ? said : end->message_size;
    memory_copy(message, slot->message, *length);
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    return time;
}

/* ---- Sampling -------------------------------------------------------------------------------- */

enum status channel_write(const struct channel_end *end, const void *message, uint32_t length,
                          tsc_time now)
{
    if (!may_put(end, CHANNEL_SAMPLING, length)) {
        return STATUS_BAD_ARGUMENT;
    }
    put(end, end->writer->head, message, length, now);
    return STATUS_OK;
}

/* What was written after the reader looked at its clock is fresh too. */
static bool is_fresh(const struct channel_end *end, tsc_time written, tsc_time now)
{
    return end->refresh_ticks == 0 || written >= now || now - written <= end->refresh_ticks;
}

enum status channel_read(const struct channel_end *end, void *message, uint32_t *length,
                         tsc_time now, bool *valid)
{
    if (end->kind != CHANNEL_SAMPLING || end->source) {
        return STATUS_BAD_ARGUMENT;
    }
    for (unsigned i = 0; i < READ_ATTEMPTS; i++) {
        uint64_t head = load_head(end);

        if (head == 0) {
            return STATUS_EMPTY;
        }
        tsc_time written = get(end, head - 1, message, length);

        /* The writer fills the slot at its head: when that has come round to ours, or gone
         * backwards, what was copied may be of two messages. */
        if (load_head(end) - head < CHANNEL_SAMPLING_SLOTS - 1) {
            *valid = is_fresh(end, written, now);
            return STATUS_OK;
        }
    }
    return STATUS_BUSY;
}

/* ---- Queuing --------------------------------------------------------------------------------- */

enum status channel_send(const struct channel_end *end, const void *message, uint32_t length,
                         tsc_time now)
{
    if (!may_put(end, CHANNEL_QUEUING, length)) {
        return STATUS_BAD_ARGUMENT;
    }
    uint64_t head = end->writer->head;

    /* A tail that makes no sense counts as a full queue; its reader will mend it. */
    if (head - __atomic_load_n(&end->reader->tail, __ATOMIC_ACQUIRE) >= end->slots) {
        return STATUS_BUSY;
    }
    put(end, head, message, length, now);
    return STATUS_OK;
}

enum status channel_receive(const struct channel_end *end, void *message, uint32_t *length)
{
    if (end->kind != CHANNEL_QUEUING || end->source) {
        return STATUS_BAD_ARGUMENT;
    }
    uint64_t head = load_head(end), tail = end->reader->tail;

    if (head - tail > end->slots) {
        /* The other end, or the channel, began anew: what was in it is lost. */
        __atomic_store_n(&end->reader->tail, head, __ATOMIC_RELEASE);
        return STATUS_EMPTY;
    }
    if (head == tail) {
        return STATUS_EMPTY;
    }
    get(end, tail, message, length);
    __atomic_store_n(&end->reader->tail, tail + 1, __ATOMIC_RELEASE);
    return STATUS_OK;
}
