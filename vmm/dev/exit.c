/* SPDX-License-Identifier: Apache-2.0 */
#include "dev/exit.h"

void exit_port_access(void *device, struct access *access)
{
    const struct exit_port *port = device;

    if (access->write && access->offset == 0) {
        port->end(port->owner, access->value);
    }
}
