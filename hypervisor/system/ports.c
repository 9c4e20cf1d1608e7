/* SPDX-License-Identifier: Apache-2.0 */
#include "ports.h"

#include "abi/layout.h"
#include "lib/channel.h"
#include "lib/string.h"
#include "lib/user/syscall.h"
#include "memory.h"

/* The generator writes no more channels than partitions have ports. */
#define CHANNELS_MAX (PARTITIONS_MAX * PARTITION_PORTS_MAX)

/* The writer's part of each channel, with the reader's part behind it. */
static uint64_t place[CHANNELS_MAX];

static bool is_memory(uint32_t channel)
{
    return system_config.channel[channel].kind == CHANNEL_MEMORY;
}

/* All of it, of a shared memory. 0: there can be no such channel. */
static uint64_t writer_size(uint32_t channel)
{
    const struct channel_config *config = &system_config.channel[channel];

    if (is_memory(channel)) {
        return config->memory_size % PAGE_SIZE == 0 && config->memory_size <= USER_SHARED_STRIDE
                   ? config->memory_size : 0;
    }
    return channel_writer_size(config->kind, config->message_size, config->message_count);
}

static uint64_t reader_size(uint32_t channel)
{
    return channel_reader_size(system_config.channel[channel].kind);
}

static void reset(uint32_t channel)
{
    uint8_t *memory = memory_at(place[channel]);

    channel_init(memory, reader_size(channel) ? memory + writer_size(channel) : NULL);
}

const char *ports_place(void)
{
    if (system_config.channel_count > CHANNELS_MAX) {
        return "more channels than there can be";
    }
    for (uint32_t i = 0; i < system_config.channel_count; i++) {
        uint64_t size = writer_size(i) + reader_size(i);
        uint64_t align = is_memory(i) && size >= LARGE_PAGE_SIZE ? LARGE_PAGE_SIZE : PAGE_SIZE;

        place[i] = system_config.channel[i].base;
        if (!place[i] && writer_size(i)) {
            place[i] = memory_place(size, align);
        }
        if (!place[i]) {
            return system_config.channel[i].name;
        }
        memory_set(memory_at(place[i]), 0, size);
    }
    return NULL;
}

/* ---- One end --------------------------------------------------------------------------------- */

/* Where port i of a partition stands in its first task. */
static uint64_t address_of(const struct port_config *port, uint32_t i)
{
    return is_memory(port->channel) ? USER_SHARED_BASE + i * USER_SHARED_STRIDE
                                    : USER_PORT_BASE + i * USER_PORT_STRIDE;
}

static const char *map_port(const struct partition *partition, uint32_t i)
{
    const struct port_config *port = &partition->config->port[i];
    uint64_t address = address_of(port, i);
    uint64_t from = SIGMA0_PHYSICAL + place[port->channel];
    uint64_t writer = writer_size(port->channel), reader = reader_size(port->channel);
    unsigned own = MEM_READ | MEM_WRITE;

    if (place[port->channel] == 0) {
        return "there was no memory for its channel";
    }
    if (sys_mem_map(partition->task, from, address, writer, port->source ? own : MEM_READ) !=
            STATUS_OK ||
        (reader > 0 && sys_mem_map(partition->task, from + writer, address + writer, reader,
                                   port->source ? MEM_READ : own) != STATUS_OK)) {
        return "no kernel memory to map its channels";
    }
    return NULL;
}

/* Is that partition's port the other end of `mine`, to be signalled? */
static bool is_other_end(const struct partition *partition, uint32_t port,
                         const struct port_config *mine)
{
    const struct port_config *other = &partition->config->port[port];

    return other->channel == mine->channel && other->source != mine->source &&
           !is_memory(mine->channel);
}

/* Calls `act` for every pair of a port of this partition and the other end of its channel in a
 * partition that runs. */
static void for_partners(const struct partition *partition,
                         void (*act)(const struct partition *self, uint32_t port,
                                     const struct partition *partner, uint32_t partner_port))
{
    for (uint32_t i = 0; i < partition->config->port_count; i++) {
        for (uint32_t n = 0; n < partition_count(); n++) {
            const struct partition *partner = &partitions[n];

            if (partner == partition || !partition_runs(partner)) {
                continue;
            }
            for (uint32_t j = 0; j < partner->config->port_count; j++) {
                if (is_other_end(partner, j, &partition->config->port[i])) {
                    act(partition, i, partner, j);
                }
            }
        }
    }
}

static void tell(const struct partition *partition, uint32_t port, thread_id partner)
{
    __atomic_store_n(&partition->info->port[port].partner, partner, __ATOMIC_RELEASE);
}

/* One that ends in this moment answers BAD_ID, and is connected when it starts again. The event
 * says that the other end is a new one: of what was sent before that nobody has been told. */
static void connect(const struct partition *self, uint32_t port,
                    const struct partition *partner, uint32_t partner_port)
{
    sys_right_give(self->task, RIGHT_PEER, partner->task & 0xffff, 1);
    sys_right_give(partner->task, RIGHT_PEER, self->task & 0xffff, 1);
    if (self->info->port[port].partner == 0) {
        tell(self, port, partner->main);
        sys_event_signal(self->main, EVENT_PORT);
    }
    if (partner->info->port[partner_port].partner == 0) {
        tell(partner, partner_port, self->main);
        sys_event_signal(partner->main, EVENT_PORT);
    }
}

static void withdraw(const struct partition *self, uint32_t port,
                     const struct partition *partner, uint32_t partner_port)
{
    (void)port;
    if (partner->info->port[partner_port].partner == self->main) {
        tell(partner, partner_port, 0);
    }
}

/* ---- All of a partition ---------------------------------------------------------------------- */

static void describe(const struct port_config *port, struct partition_port *out, uint32_t i)
{
    const struct channel_config *channel = &system_config.channel[port->channel];

    *out = (struct partition_port){
        .kind = channel->kind,
        .source = port->source,
        .message_size = channel->message_size,
        .message_count = channel->message_count,
        .refresh_ns = channel->refresh_ns,
        .address = address_of(port, i),
        .memory_size = channel->memory_size,
        .gpa = port->gpa,
    };
    memory_copy(out->name, port->name, string_length(port->name, sizeof(out->name) - 1));
}

const char *ports_give(const struct partition *partition)
{
    const struct partition_config *config = partition->config;

    if (config->port_count > PARTITION_PORTS_MAX) {
        return "more ports than a partition can have";
    }
    for (uint32_t i = 0; i < config->port_count; i++) {
        if (config->port[i].channel >= system_config.channel_count) {
            return "a port without a channel";
        }
        describe(&config->port[i], &partition->info->port[i], i);
        const char *error = map_port(partition, i);

        if (error) {
            return error;
        }
    }
    partition->info->port_count = config->port_count;
    return NULL;
}

void ports_connect(const struct partition *partition)
{
    for_partners(partition, connect);
}

void ports_withdraw(const struct partition *partition)
{
    for_partners(partition, withdraw);
}

void ports_reset(const struct partition *partition)
{
    for (uint32_t i = 0; i < partition->config->port_count; i++) {
        uint32_t channel = partition->config->port[i].channel;

        if (channel < system_config.channel_count &&
            system_config.channel[channel].kind == CHANNEL_QUEUING) {
            reset(channel);
        }
    }
}
