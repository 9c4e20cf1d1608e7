/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The exit port of small guests: a write of a code, of any size, ends the VM with that code.
 * Not there for a Linux guest, which would not know it.
 */
#include "dev.h"

struct exit_port {
    void (*end)(void *owner, uint64_t code); /* must return */
    void *owner;
};

/* Four ports; writing the first ends the VM, a read is all-ones. */
void exit_port_access(void *exit_port, struct access *access);
