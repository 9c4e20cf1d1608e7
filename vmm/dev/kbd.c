/* SPDX-License-Identifier: Apache-2.0 */
/* 8042, after the IBM PC/AT Technical Reference, "Keyboard controller". */
#include "dev/kbd.h"

enum {
    STATUS_INPUT_FULL = 0x02,

    /* Pulse output port: bits 0 to 3 that are clear pulse their line; bit 0 is the reset. */
    COMMAND_PULSE = 0xf0,
    PULSE_NOT_RESET = 0x01,
};

void kbd_data_access(void *device, struct access *access)
{
    (void)device;
    (void)access;
}

void kbd_command_access(void *device, struct access *access)
{
    struct kbd *kbd = device;

    if (!access->write) {
        access->value = 0xff & ~STATUS_INPUT_FULL;
    } else if ((access->value & (COMMAND_PULSE | PULSE_NOT_RESET)) == COMMAND_PULSE) {
        kbd->reset(kbd->machine);
    }
}

void kbd_init(struct kbd *kbd, void (*reset)(void *machine), void *machine)
{
    *kbd = (struct kbd){ .reset = reset, .machine = machine };
}
