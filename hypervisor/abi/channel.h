/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Channels between partitions: ARINC 653 sampling and queuing ports over shared memory (2.3.5).
 *
 * A channel is a ring of slots. The writer's part, index and slots, is read-only at its readers.
 * A queue has a reader's part too, one page, which is read-only at the writer. So nobody can
 * change what the other side has said; and what the other side says is read once and taken
 * modulo, so that it leads nowhere outside. All that a hostile end can spoil is the messages.
 *
 * In a task the port i stands at USER_PORT_BASE + i * USER_PORT_STRIDE: the writer's part first,
 * then the reader's, if there is one, at channel_writer_size() (lib/channel.h). A queue's ends
 * signal EVENT_PORT (abi/console.h) to partition_port.partner, the writer after each message, the
 * reader after each that it took. Sampling ports signal nothing: their readers have a period.
 *
 * Shared memory (CHANNEL_MEMORY) is a channel without any of that: memory_size bytes, which σ0
 * zeroes before the first partition runs and never again, at USER_SHARED_BASE + i *
 * USER_SHARED_STRIDE. An end that is no source has it read-only. Nobody is signalled; what the
 * bytes mean is the ends' affair, and each has to expect any change at any time. A VMM maps it
 * into its VM at partition_port.gpa, with the same rights and never to execute.
 */
#include "abi/layout.h"
#include "abi/types.h"

/* One ring of a sampling port. Its writer is ahead of the last message by one slot at most, so
 * that its readers may be two messages slow before they have to read again; and a writer whose
 * window ends in the middle of a message keeps nobody from the one before. */
#define CHANNEL_SAMPLING_SLOTS 4u

#define CHANNEL_MESSAGE_MAX 0x100000u /* bytes in a message */
/* What both parts may take in a task's space. */
#define CHANNEL_SIZE_MAX USER_PORT_STRIDE

struct channel_slot {
    uint32_t length;   /* 0x00 of the message */
    uint32_t reserved;
    tsc_time time;     /* 0x08 when it was written */
    uint8_t message[]; /* 0x10 message_size bytes; slots begin at multiples of 16 */
};
_Static_assert(offsetof(struct channel_slot, message) == 0x10, "abi");

struct channel_writer_part {
    uint64_t head; /* 0x00 messages written so far: the next one goes to slot head % slots */
    uint8_t reserved[56];
    uint8_t slots[]; /* 0x40 */
};
_Static_assert(sizeof(struct channel_writer_part) == 0x40, "abi");

struct channel_reader_part {
    uint64_t tail; /* 0x00 messages taken so far, of a queue */
};
