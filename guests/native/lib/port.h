/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The partition's ports by name: ends of ARINC 653 channels (abi/channel.h). */
#include "lib/channel.h"
#include "native.h"

struct port {
    struct channel_end end;
    const struct partition_port *info;
};

/* BAD_ID: the configuration has no port of that name here. */
int64_t port_find(const char *name, struct port *out);

/* Statuses as in lib/channel.h. Messages are read into message_size bytes. */
int64_t sampling_write(const struct port *port, const void *message, uint32_t length);
int64_t sampling_read(const struct port *port, void *message, uint32_t *length, bool *valid);
/* Wait until there is room, or a message; TIMEOUT. One thread at a time uses a port. */
int64_t queuing_send(const struct port *port, const void *message, uint32_t length,
                     tsc_time deadline);
int64_t queuing_receive(const struct port *port, void *message, uint32_t *length,
                        tsc_time deadline);
