/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The chipset's reset registers: system control port A (0x92) with the fast reset and the A20
 * gate, and the reset control register (0xcf9). The A20 gate reads back what was written; the
 * line itself is always enabled.
 */
#include "dev.h"

struct reset {
    uint8_t port_92;
    uint8_t control;
    void (*reset)(void *machine); /* the guest wants the machine reset */
    void *machine;
};

void reset_init(struct reset *reset, void (*callback)(void *machine), void *machine);

/* Port 0x92, and port 0xcf9 (which struct pci hands on): one byte each. */
void reset_port_92_access(void *reset, struct access *access);
void reset_control_access(void *reset, struct access *access);
