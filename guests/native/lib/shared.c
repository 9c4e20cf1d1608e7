/* SPDX-License-Identifier: Apache-2.0 */
#include "shared.h"

#include "abi/config.h"

int64_t shared_find(const char *name, struct shared *out)
{
    const struct partition_info *info = PARTITION_INFO;

    for (uint32_t i = 0; i < info->port_count && i < PARTITION_PORTS_MAX; i++) {
        const struct partition_port *port = &info->port[i];

        if (port->kind == CHANNEL_MEMORY && string_equal(port->name, name)) {
            *out = (struct shared){
                .memory = (uint8_t *)port->address,
                .size = port->memory_size,
                .writable = port->source != 0,
            };
            return STATUS_OK;
        }
    }
    return STATUS_BAD_ID;
}
