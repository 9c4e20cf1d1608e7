/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * 16550A serial port. Bytes leave the moment they are written, as long as the sink takes them;
 * otherwise they wait in the transmit FIFO, and LSR says so, until uart_drain gets them out.
 * Input waits with the caller until the receive FIFO has room.
 *
 * The line is idle the moment a byte has arrived, so a FIFO below its trigger level raises the
 * timeout interrupt at once. As on a PC, MCR's OUT2 connects the interrupt.
 */
#include "dev.h"

enum { UART_FIFO = 16 };

struct uart_fifo {
    uint8_t bytes[UART_FIFO];
    uint8_t first;
    uint8_t count;
};

struct uart {
    uint8_t ier;
    uint8_t fcr;
    uint8_t lcr;
    uint8_t mcr;
    uint8_t lsr; /* the errors; what the FIFOs say is added when it is read */
    uint8_t msr; /* the changes; the lines are added when it is read */
    uint8_t scr;
    uint8_t dll;
    uint8_t dlm;
    bool thr_empty; /* the transmitter's interrupt waits */
    bool raised;    /* level of `irq` */
    struct uart_fifo rx;
    struct uart_fifo tx;
    struct char_sink sink;
    struct irq_line irq;
};

/* Wires the device, which must not be in use, and resets it. */
void uart_init(struct uart *uart, struct char_sink sink, struct irq_line irq);

/* Power-on state. What waited in the FIFOs is lost. */
void uart_reset(struct uart *uart);

/* Eight bytes of ports or of memory. */
void uart_access(void *uart, struct access *access);

/* Whether uart_receive would take a byte; false in loopback mode too. */
bool uart_can_receive(const struct uart *uart);

/* A byte arrives on the line. False: not taken, to be offered again when the guest has read. */
bool uart_receive(struct uart *uart, uint8_t byte);

/* A break arrives on the line. False: not taken, since bytes before it have not been read. */
bool uart_receive_break(struct uart *uart);

/* To be called when the sink has room again. True when nothing waits any more. */
bool uart_drain(struct uart *uart);
