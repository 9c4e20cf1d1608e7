/* SPDX-License-Identifier: Apache-2.0 */
/* Registers as in Intel's 82371AB (PIIX4) and ICH data sheets: "P92" and "RC". */
#include "dev/reset.h"

enum {
    PORT_92_RESET = 0x01,
    PORT_92_A20 = 0x02,
    PORT_92_WRITABLE = PORT_92_RESET | PORT_92_A20,

    CONTROL_RESET = 0x04, /* of the processor or the system: a VM knows one reset */
    CONTROL_WRITABLE = 0x0e,
};

/* A reset happens when its bit goes from 0 to 1. */
static void write_register(struct reset *reset, uint8_t *reg, uint8_t value, uint8_t reset_bit)
{
    bool rises = value & ~*reg & reset_bit;

    *reg = value;
    if (rises) {
        reset->reset(reset->machine);
    }
}

void reset_port_92_access(void *device, struct access *access)
{
    struct reset *reset = device;

    if (access->write) {
        write_register(reset, &reset->port_92, access->value & PORT_92_WRITABLE, PORT_92_RESET);
    } else {
        access->value = reset->port_92;
    }
}

void reset_control_access(void *device, struct access *access)
{
    struct reset *reset = device;

    if (access->write) {
        write_register(reset, &reset->control, access->value & CONTROL_WRITABLE, CONTROL_RESET);
    } else {
        access->value = reset->control;
    }
}

void reset_init(struct reset *reset, void (*callback)(void *machine), void *machine)
{
    *reset = (struct reset){
        .port_92 = PORT_92_A20,
        .reset = callback,
        .machine = machine,
    };
}
