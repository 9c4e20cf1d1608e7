/* SPDX-License-Identifier: Apache-2.0 */
#include "x86/serial.h"

#include "x86/instr.h"

/* Registers of the 16550, relative to the port. */
enum {
    REG_DATA = 0,
    REG_DIVISOR_LOW = 0,
    REG_INTERRUPT_ENABLE = 1,
    REG_DIVISOR_HIGH = 1,
    REG_FIFO_CONTROL = 2,
    REG_LINE_CONTROL = 3,
    REG_MODEM_CONTROL = 4,
    REG_LINE_STATUS = 5,
    REG_SCRATCH = 7,
};

enum {
    LINE_8N1 = 0x03,
    LINE_DIVISOR = 0x80,
    FIFO_ENABLE_CLEAR = 0x07,
    MODEM_DTR_RTS_OUT2 = 0x0b, /* OUT2 lets the interrupt through on a PC */
    STATUS_DATA = 0x01,
    STATUS_ROOM = 0x20,
    INTERRUPT_RECEIVED = 0x01,
};

enum { BASE_BAUD = 115200 };
/* A byte at 9600 baud takes a millisecond; a port that stays busy longer has nobody listening. */
enum { TRIES = 100000 };

static bool is_present(uint16_t port)
{
    out8((uint16_t)(port + REG_SCRATCH), 0x5a);
    if (in8((uint16_t)(port + REG_SCRATCH)) != 0x5a) {
        return false;
    }
    out8((uint16_t)(port + REG_SCRATCH), 0xa5);
    return in8((uint16_t)(port + REG_SCRATCH)) == 0xa5;
}

void serial_init(struct serial *serial, uint16_t port, uint32_t baud)
{
    uint32_t divisor = baud > 0 && baud <= BASE_BAUD ? BASE_BAUD / baud : 1;

    serial->port = 0;
    if (port == 0 || !is_present(port)) {
        return;
    }
    out8((uint16_t)(port + REG_INTERRUPT_ENABLE), 0);
    out8((uint16_t)(port + REG_LINE_CONTROL), LINE_DIVISOR | LINE_8N1);
    out8((uint16_t)(port + REG_DIVISOR_LOW), (uint8_t)divisor);
    out8((uint16_t)(port + REG_DIVISOR_HIGH), (uint8_t)(divisor >> 8));
    out8((uint16_t)(port + REG_LINE_CONTROL), LINE_8N1);
    out8((uint16_t)(port + REG_FIFO_CONTROL), FIFO_ENABLE_CLEAR);
    out8((uint16_t)(port + REG_MODEM_CONTROL), MODEM_DTR_RTS_OUT2);
    serial->port = port;
}

bool serial_write(struct serial *serial, char byte)
{
    if (!serial->port) {
        return true;
    }
    if (!(in8((uint16_t)(serial->port + REG_LINE_STATUS)) & STATUS_ROOM) &&
        serial->tries++ < TRIES) {
        return false;
    }
    serial->tries = 0;
    out8((uint16_t)(serial->port + REG_DATA), (uint8_t)byte);
    return true;
}

void serial_enable_interrupt(const struct serial *serial)
{
    if (serial->port) {
        out8((uint16_t)(serial->port + REG_INTERRUPT_ENABLE), INTERRUPT_RECEIVED);
    }
}

int serial_read(const struct serial *serial)
{
    if (serial->port && (in8((uint16_t)(serial->port + REG_LINE_STATUS)) & STATUS_DATA)) {
        return in8((uint16_t)(serial->port + REG_DATA));
    }
    return -1;
}
