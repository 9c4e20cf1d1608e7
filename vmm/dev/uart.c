/* SPDX-License-Identifier: Apache-2.0 */
/* 16550A, after National Semiconductor's PC16550D data sheet. */
#include "dev/uart.h"

enum {
    REG_DATA = 0, /* RBR, THR; DLL when LCR says so */
    REG_IER = 1,  /* or DLM */
    REG_IIR = 2,  /* FCR when written */
    REG_LCR = 3,
    REG_MCR = 4,
    REG_LSR = 5,
    REG_MSR = 6,
    REG_SCR = 7,

    IER_RECEIVED = 0x01,
    IER_THR_EMPTY = 0x02,
    IER_LINE = 0x04,
    IER_MODEM = 0x08,
    IER_ALL = 0x0f,

    IIR_NONE = 0x01,
    IIR_MODEM = 0x00,
    IIR_THR_EMPTY = 0x02,
    IIR_RECEIVED = 0x04,
    IIR_LINE = 0x06,
    IIR_TIMEOUT = 0x0c,
    IIR_FIFOS = 0xc0,

    FCR_ENABLE = 0x01,
    FCR_CLEAR_RX = 0x02,
    FCR_CLEAR_TX = 0x04,
    FCR_TRIGGER = 0xc0,

    LCR_BREAK = 0x40,
    LCR_DLAB = 0x80,

    MCR_DTR = 0x01,
    MCR_RTS = 0x02,
    MCR_OUT1 = 0x04,
    MCR_OUT2 = 0x08,
    MCR_LOOP = 0x10,
    MCR_ALL = 0x1f,

    LSR_READY = 0x01,
    LSR_OVERRUN = 0x02,
    LSR_BREAK = 0x10,
    LSR_THR_EMPTY = 0x20,
    LSR_IDLE = 0x40,

    MSR_RI_FELL = 0x04,
    MSR_CTS = 0x10,
    MSR_DSR = 0x20,
    MSR_RI = 0x40,
    MSR_DCD = 0x80,
};

/* ---- FIFOs ------------------------------------------------------------------------------- */

static void fifo_push(struct uart_fifo *fifo, uint8_t byte)
{
    fifo->bytes[(fifo->first + fifo->count) % UART_FIFO] = byte;
    fifo->count++;
}

static uint8_t fifo_pop(struct uart_fifo *fifo)
{
    uint8_t byte = fifo->bytes[fifo->first];

    fifo->first = (uint8_t)((fifo->first + 1) % UART_FIFO);
    fifo->count--;
    return byte;
}

static bool fifo_full(const struct uart *uart, const struct uart_fifo *fifo)
{
    return fifo->count >= (uart->fcr & FCR_ENABLE ? UART_FIFO : 1);
}

/* ---- Interrupt --------------------------------------------------------------------------- */

static uint8_t received_cause(const struct uart *uart)
{
    static const uint8_t trigger[] = { 1, 4, 8, 14 };

    if (!(uart->fcr & FCR_ENABLE) || uart->rx.count >= trigger[uart->fcr >> 6]) {
        return IIR_RECEIVED;
    }
    return IIR_TIMEOUT;
}

/* The most urgent cause, as IIR shows it. */
static uint8_t cause(const struct uart *uart)
{
    if ((uart->ier & IER_LINE) && uart->lsr) {
        return IIR_LINE;
    }
    if ((uart->ier & IER_RECEIVED) && uart->rx.count) {
        return received_cause(uart);
    }
    if ((uart->ier & IER_THR_EMPTY) && uart->thr_empty) {
        return IIR_THR_EMPTY;
    }
    if ((uart->ier & IER_MODEM) && uart->msr) {
        return IIR_MODEM;
    }
    return IIR_NONE;
}

static void update_irq(struct uart *uart)
{
    bool level = (uart->mcr & (MCR_OUT2 | MCR_LOOP)) == MCR_OUT2 && cause(uart) != IIR_NONE;

    if (level != uart->raised) {
        uart->raised = level;
        irq_set(&uart->irq, level);
    }
}

/* ---- The line ---------------------------------------------------------------------------- */

bool uart_can_receive(const struct uart *uart)
{
    return !(uart->mcr & MCR_LOOP) && !fifo_full(uart, &uart->rx);
}

bool uart_receive(struct uart *uart, uint8_t byte)
{
    if (!uart_can_receive(uart)) {
        return false;
    }
    fifo_push(&uart->rx, byte);
    update_irq(uart);
    return true;
}

/* A break is a zero byte with a mark; LSR shows the mark of the byte that is read next. */
static void take_break(struct uart *uart)
{
    fifo_push(&uart->rx, 0);
    uart->lsr |= LSR_BREAK;
}

bool uart_receive_break(struct uart *uart)
{
    if ((uart->mcr & MCR_LOOP) || uart->rx.count) {
        return false;
    }
    take_break(uart);
    update_irq(uart);
    return true;
}

static void loop_back(struct uart *uart, uint8_t byte)
{
    if (fifo_full(uart, &uart->rx)) {
        uart->lsr |= LSR_OVERRUN;
    } else {
        fifo_push(&uart->rx, byte);
    }
}

static bool put(const struct uart *uart, uint8_t byte)
{
    return !uart->sink.put || uart->sink.put(uart->sink.stream, byte);
}

/*
 * THR becomes empty again at once, unless the sink is behind. Its interrupt goes and comes back,
 * since an edge-triggered input must see that. A byte that finds the FIFO full is lost.
 */
static void transmit(struct uart *uart, uint8_t byte)
{
    uart->thr_empty = false;
    update_irq(uart);
    if (uart->mcr & MCR_LOOP) {
        loop_back(uart, byte);
    } else if (uart->tx.count || !put(uart, byte)) {
        if (!fifo_full(uart, &uart->tx)) {
            fifo_push(&uart->tx, byte);
        }
        return;
    }
    uart->thr_empty = uart->tx.count == 0;
    update_irq(uart);
}

bool uart_drain(struct uart *uart)
{
    struct uart_fifo *tx = &uart->tx;

    if (tx->count == 0) {
        return true;
    }
    while (tx->count && put(uart, tx->bytes[tx->first])) {
        fifo_pop(tx);
    }
    uart->thr_empty = tx->count == 0;
    update_irq(uart);
    return uart->thr_empty;
}

/* ---- Registers --------------------------------------------------------------------------- */

/* The modem's lines: connected and ready, or in loopback mode what MCR drives. */
static uint8_t modem_lines(uint8_t mcr)
{
    if (!(mcr & MCR_LOOP)) {
        return MSR_DCD | MSR_DSR | MSR_CTS;
    }
    return (uint8_t)((mcr & MCR_RTS ? MSR_CTS : 0) | (mcr & MCR_DTR ? MSR_DSR : 0) |
                     (mcr & MCR_OUT1 ? MSR_RI : 0) | (mcr & MCR_OUT2 ? MSR_DCD : 0));
}

static void write_mcr(struct uart *uart, uint8_t value)
{
    uint8_t before = modem_lines(uart->mcr);
    uint8_t after = modem_lines(value);
    uint8_t changed = (uint8_t)(before ^ after) >> 4;

    uart->mcr = value & MCR_ALL;
    if (after & MSR_RI) {
        changed &= (uint8_t)~MSR_RI_FELL;
    }
    uart->msr |= changed;
    update_irq(uart);
}

/* Enabling the transmitter's interrupt raises it when THR is empty: drivers start with that. */
static void write_ier(struct uart *uart, uint8_t value)
{
    bool enables = value & ~uart->ier & IER_THR_EMPTY;

    uart->ier = value & IER_ALL;
    if (enables && uart->tx.count == 0) {
        uart->thr_empty = true;
    }
    update_irq(uart);
}

static void write_fcr(struct uart *uart, uint8_t value)
{
    bool switched = (value ^ uart->fcr) & FCR_ENABLE;

    uart->fcr = value & FCR_ENABLE ? value & (FCR_ENABLE | FCR_TRIGGER) : 0;
    if (switched || (value & FCR_CLEAR_RX)) {
        uart->rx = (struct uart_fifo){ 0 };
        uart->lsr &= (uint8_t)~LSR_BREAK;
    }
    if ((switched || (value & FCR_CLEAR_TX)) && uart->tx.count) {
        uart->tx = (struct uart_fifo){ 0 };
        uart->thr_empty = true;
    }
    update_irq(uart);
}

static void write_lcr(struct uart *uart, uint8_t value)
{
    bool begins_break = value & ~uart->lcr & LCR_BREAK;

    uart->lcr = value;
    if (begins_break && (uart->mcr & MCR_LOOP) && uart->rx.count == 0) {
        take_break(uart);
        update_irq(uart);
    }
}

static uint8_t read_rbr(struct uart *uart)
{
    if (uart->rx.count == 0) {
        return 0;
    }

    uint8_t byte = fifo_pop(&uart->rx);

    uart->lsr &= (uint8_t)~LSR_BREAK;
    update_irq(uart);
    return byte;
}

/* Reading IIR acknowledges the transmitter's interrupt, if that is what it shows. */
static uint8_t read_iir(struct uart *uart)
{
    uint8_t shown = cause(uart);

    if (shown == IIR_THR_EMPTY) {
        uart->thr_empty = false;
        update_irq(uart);
    }
    return shown | (uart->fcr & FCR_ENABLE ? IIR_FIFOS : 0);
}

static uint8_t read_lsr(struct uart *uart)
{
    uint8_t lsr = (uint8_t)(uart->lsr | (uart->rx.count ? LSR_READY : 0) |
                            (uart->tx.count ? 0 : LSR_THR_EMPTY | LSR_IDLE));

    if (uart->lsr) {
        uart->lsr = 0;
        update_irq(uart);
    }
    return lsr;
}

static uint8_t read_msr(struct uart *uart)
{
    uint8_t msr = modem_lines(uart->mcr) | uart->msr;

    if (uart->msr) {
        uart->msr = 0;
        update_irq(uart);
    }
    return msr;
}

static uint8_t read_register(struct uart *uart, uint64_t offset)
{
    switch (offset) {
    case REG_LSR: /* a console polls it for every byte */
        return read_lsr(uart);
    case REG_DATA:
        return uart->lcr & LCR_DLAB ? uart->dll : read_rbr(uart);
    case REG_IER:
        return uart->lcr & LCR_DLAB ? uart->dlm : uart->ier;
    case REG_IIR:
        return read_iir(uart);
    case REG_LCR:
        return uart->lcr;
    case REG_MCR:
        return uart->mcr;
    case REG_MSR:
        return read_msr(uart);
    default:
        return uart->scr;
    }
}

static void write_register(struct uart *uart, uint64_t offset, uint8_t value)
{
    bool divisor = uart->lcr & LCR_DLAB;

    switch (offset) {
    case REG_DATA:
        if (divisor) {
            uart->dll = value;
        } else {
            transmit(uart, value);
        }
        break;
    case REG_IER:
        if (divisor) {
            uart->dlm = value;
        } else {
            write_ier(uart, value);
        }
        break;
    case REG_IIR:
        write_fcr(uart, value);
        break;
    case REG_LCR:
        write_lcr(uart, value);
        break;
    case REG_MCR:
        write_mcr(uart, value);
        break;
    case REG_SCR:
        uart->scr = value;
        break;
    default: /* LSR and MSR are read only */
        break;
    }
}

void uart_access(void *device, struct access *access)
{
    struct uart *uart = device;

    if (access->size != 1) {
        access_bytewise(uart, access, uart_access);
    } else if (access->write) {
        write_register(uart, access->offset, (uint8_t)access->value);
    } else {
        access->value = read_register(uart, access->offset);
    }
}

void uart_reset(struct uart *uart)
{
    *uart = (struct uart){
        .thr_empty = true,
        .dll = 1, /* 115,200 baud */
        .sink = uart->sink,
        .irq = uart->irq,
    };
    irq_set(&uart->irq, false);
}

void uart_init(struct uart *uart, struct char_sink sink, struct irq_line irq)
{
    *uart = (struct uart){ .sink = sink, .irq = irq };
    uart_reset(uart);
}
