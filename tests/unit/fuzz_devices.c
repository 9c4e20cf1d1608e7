/* sources: vmm/bus.c vmm/timer.c vmm/dev/pic.c vmm/dev/pit.c vmm/dev/uart.c vmm/dev/rtc.c vmm/dev/kbd.c vmm/dev/reset.c vmm/dev/pci.c */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All device models on one port bus, driven by arbitrary accesses, time and input, with the
 * rules that must hold whatever a guest does. A short deterministic run: -runs=20000 -seed=1.
 */
#include <stdlib.h>

#include "bus.h"
#include "dev/kbd.h"
#include "dev/pci.h"
#include "dev/pic.h"
#include "dev/pit.h"
#include "dev/reset.h"
#include "dev/rtc.h"
#include "dev/uart.h"

struct machine {
    uint64_t now;
    bool sink_full;
    unsigned resets;
    struct timer_queue queue;
    struct bus bus;
    struct pic pic;
    struct pit pit;
    struct uart uart;
    struct rtc rtc;
    struct kbd kbd;
    struct reset reset;
    struct pci pci;
};

static void check(bool rule)
{
    if (!rule) {
        abort();
    }
}

static uint64_t now_ns(void *clock)
{
    return ((struct machine *)clock)->now;
}

static bool put(void *stream, uint8_t byte)
{
    (void)byte;
    return !((struct machine *)stream)->sink_full;
}

static void request_reset(void *machine)
{
    ((struct machine *)machine)->resets++;
}

static void power_on(struct machine *m)
{
    struct bus_range ranges[] = {
        { "pic", 0x20, 2, pic_master_access, &m->pic },
        { "pic", 0xa0, 2, pic_slave_access, &m->pic },
        { "elcr", 0x4d0, 2, pic_elcr_access, &m->pic },
        { "pit", 0x40, 4, pit_access, &m->pit },
        { "speaker", 0x61, 1, pit_speaker_access, &m->pit },
        { "rtc", 0x70, 2, rtc_access, &m->rtc },
        { "uart", 0x3f8, 8, uart_access, &m->uart },
        { "kbd", 0x60, 1, kbd_data_access, &m->kbd },
        { "kbd", 0x64, 1, kbd_command_access, &m->kbd },
        { "port 92", 0x92, 1, reset_port_92_access, &m->reset },
        { "pci", 0xcf8, 8, pci_access, &m->pci },
        { "delay", 0x80, 1, bus_ignore, NULL },
    };

    *m = (struct machine){ .queue = { .now_ns = now_ns, .clock = m } };
    pic_init(&m->pic);
    pit_init(&m->pit, &m->queue, (struct irq_line){ pic_set_irq, &m->pic, 0 });
    uart_init(&m->uart, (struct char_sink){ put, m }, (struct irq_line){ pic_set_irq, &m->pic, 4 });
    rtc_init(&m->rtc, &m->queue, (struct irq_line){ pic_set_irq, &m->pic, 8 }, 1700000000);
    kbd_init(&m->kbd, request_reset, m);
    reset_init(&m->reset, request_reset, m);
    pci_init(&m->pci, reset_control_access, &m->reset);
    for (unsigned i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
        check(bus_attach(&m->bus, ranges[i]));
    }
}

/* ---- One step: an operation byte and its operands ------------------------------------------- */

struct input {
    const uint8_t *bytes;
    size_t left;
};

static uint64_t take(struct input *in, unsigned bytes)
{
    uint64_t value = 0;

    while (bytes-- > 0 && in->left > 0) {
        value = value << 8 | *in->bytes++;
        in->left--;
    }
    return value;
}

static void guest_access(struct machine *m, struct input *in, bool write)
{
    static const uint16_t bases[] = { 0x20, 0xa0, 0x4d0, 0x40, 0x60, 0x70, 0x3f8, 0x92, 0xcf8, 0 };
    uint64_t where = take(in, 1);
    uint64_t how = take(in, 1);
    uint8_t size = how < 0xc0 ? 1 : (uint8_t)(1u << (how & 3));
    struct access access = {
        .offset = bases[(where >> 3) % (sizeof(bases) / sizeof(bases[0]))] + (where & 7),
        .size = size,
        .write = write,
    };

    access.value = write ? take(in, size) : 0;
    bus_access(&m->bus, &access);
    check(size == 8 || access.value >> (8 * size) == 0);
}

static void take_interrupt(struct machine *m)
{
    int vector = pic_peek(&m->pic);
    int taken = pic_ack(&m->pic);

    check(vector < 0 || vector == taken);
    check(taken >= 0 && taken <= 0xff);
}

static void pass_time(struct machine *m, struct input *in)
{
    uint64_t ns = take(in, 1) << (take(in, 1) % 48);

    m->now += ns;
    if (m->now >> 62) {
        m->now = UINT64_C(1) << 62;
    }
}

/* After a run nothing may be due: a device that could re-arm itself into the past would storm. */
static void run_timers(struct machine *m)
{
    check(timer_run(&m->queue) > m->now);
    check(m->queue.due == NULL);
}

static void serial_input(struct machine *m, struct input *in)
{
    bool ready = uart_can_receive(&m->uart);

    check(uart_receive(&m->uart, (uint8_t)take(in, 1)) == ready);
}

static void serial_output(struct machine *m, bool full)
{
    m->sink_full = full;
    check(uart_drain(&m->uart) || full);
}

static void reset_devices(struct machine *m)
{
    pit_reset(&m->pit);
    rtc_reset(&m->rtc);
    uart_reset(&m->uart);
}

static void step(struct machine *m, struct input *in)
{
    switch (take(in, 1) % 16) {
    case 0:
    case 1:
    case 2:
    case 3:
    case 4:
        guest_access(m, in, true);
        break;
    case 5:
    case 6:
    case 7:
        guest_access(m, in, false);
        break;
    case 8:
        take_interrupt(m);
        break;
    case 9:
        pass_time(m, in);
        break;
    case 10:
        run_timers(m);
        break;
    case 11:
        serial_input(m, in);
        break;
    case 12:
        uart_receive_break(&m->uart);
        break;
    case 13:
        serial_output(m, take(in, 1) & 1);
        break;
    case 14:
        pic_set_irq(&m->pic, (unsigned)take(in, 1) % 20, take(in, 1) & 1);
        break;
    default:
        if (take(in, 1) == 0) {
            reset_devices(m);
        }
        break;
    }
}

static void check_rules(const struct machine *m)
{
    const struct pic *pic = &m->pic;

    check(m->uart.rx.count <= UART_FIFO && m->uart.tx.count <= UART_FIFO);
    check(!(pic->master.irr & ~pic->master.lines) && !(pic->slave.irr & ~pic->slave.lines));
    for (unsigned i = 0; i < 3; i++) {
        check(m->pit.counter[i].count >= 1 && m->pit.counter[i].count <= 0x10000);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct machine machine;
    struct input in = { data, size };

    power_on(&machine);
    while (in.left > 0) {
        step(&machine, &in);
        check_rules(&machine);
    }
    return 0;
}
