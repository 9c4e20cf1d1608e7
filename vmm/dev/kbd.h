/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The part of an 8042 keyboard controller that a PC without a keyboard needs: the reset line.
 *
 * The status register reads as that of a bus without controller but for IBF: the output buffer
 * never empties. A driver that probes, as Linux's i8042 does, gives up after one FIFO's worth of
 * reads instead of talking to a keyboard that is not there; and one that wants to reset the
 * machine does not wait for the input buffer.
 */
#include "dev.h"

struct kbd {
    void (*reset)(void *machine); /* the guest wants the machine reset */
    void *machine;
};

void kbd_init(struct kbd *kbd, void (*reset)(void *machine), void *machine);

/* Port 0x60 (data) and port 0x64 (status and command), one byte each. Data is never anything but
 * all-ones and has no effect: bus_ignore serves port 0x60 as well. */
void kbd_data_access(void *kbd, struct access *access);
void kbd_command_access(void *kbd, struct access *access);
