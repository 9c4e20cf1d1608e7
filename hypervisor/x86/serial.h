/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A 16550 as the board's console: output is polled, input comes by interrupt. */
#include <stdbool.h>
#include <stdint.h>

struct serial {
    uint16_t port;  /* 0: there is none */
    uint32_t tries; /* since the last byte */
};

/* Sets up the port for `baud`, 8 data bits, no parity; finds out whether there is one. */
void serial_init(struct serial *serial, uint16_t port, uint32_t baud);
/* False: the one before has not gone yet, try again. */
bool serial_write(struct serial *serial, char byte);
/* Received bytes make interrupts from now on. */
void serial_enable_interrupt(const struct serial *serial);
/* Next received byte, or -1. */
int serial_read(const struct serial *serial);
