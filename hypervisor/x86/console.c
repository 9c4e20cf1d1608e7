/* SPDX-License-Identifier: Apache-2.0 */
#include "x86/console.h"

#include "abi/config.h"
#include "kernel/cpu.h"
#include "x86/instr.h"
#include "x86/kernel_space.h"
#include "x86/processors.h"
#include "x86/screen.h"
#include "x86/serial.h"

enum { INPUT_SIZE = 256 }; /* a power of two */

static struct serial serial;
static struct screen screen;

/* Who writes, its id + 1; 0: nobody. */
static uint32_t writer;
#define PATIENCE (1UL << 32) /* TSC ticks: many lines */

/* What was typed and not yet read; more than fits is lost. One processor takes the interrupts,
 * one at a time reads. */
static struct {
    uint8_t byte[INPUT_SIZE];
    unsigned head, tail;
} input;

void console_init(void)
{
    if (kernel_config.consoles & CONSOLE_SERIAL) {
        serial_init(&serial, kernel_config.serial_port, kernel_config.serial_baud);
    }
}

void console_add_screen(const struct framebuffer *mode)
{
    /* What the loader does not mention on a BIOS is the VGA in text mode. */
    static const struct framebuffer vga_text = {
        .address = 0xb8000, .pitch = 160, .width = 80, .height = 25, .text = true};

    if (mode->address == 0) {
        mode = &vga_text;
    }
    if (kernel_config.consoles & CONSOLE_SCREEN) {
        bool reachable = mode->address + screen_size(mode) <= 1UL << 32;

        screen_init(&screen, mode, reachable ? (volatile void *)mode->address : NULL);
    }
}

void console_map_screen(void)
{
    if (screen.columns > 0) {
        volatile void *base = map_device(screen.mode.address, screen_size(&screen.mode));

        if (screen.base) {
            screen_move(&screen, base);
        } else {
            struct framebuffer mode = screen.mode;

            screen_init(&screen, &mode, base);
        }
    }
}

/* False: whoever writes is under us (an NMI), stopped, or hangs. Better two lines in one than
 * none. */
static bool console_lock(uint32_t self)
{
    uint64_t start = rdtsc();

    for (uint32_t other = 0;
         !__atomic_compare_exchange_n(&writer, &other, self, false, __ATOMIC_ACQUIRE,
                                      __ATOMIC_RELAXED);
         other = 0) {
        if (other == self || processors_stopping() || rdtsc() - start > PATIENCE) {
            return false;
        }
        cpu_pause();
    }
    return true;
}

static void console_unlock(bool locked)
{
    if (locked) {
        __atomic_store_n(&writer, 0, __ATOMIC_RELEASE);
    }
}

/* A terminal wants CR before LF; a guest's driver has often written it already. */
static bool put(char byte)
{
    static char last;
    char next = byte == '\n' && last != '\r' ? '\r' : byte;

    if (!screen_ready(&screen, next) || !serial_write(&serial, next)) {
        return false;
    }
    last = next;
    screen_write(&screen, next);
    return next == byte;
}

bool arch_console_put(char byte)
{
    bool locked = console_lock(arch_this_cpu()->id + 1);
    bool done = put(byte);

    console_unlock(locked);
    return done;
}

void arch_console_write(const char *text, size_t length)
{
    bool locked = console_lock(arch_this_cpu()->id + 1);

    for (size_t i = 0; i < length; i++) {
        while (!put(text[i])) {
            cpu_pause();
        }
    }
    console_unlock(locked);
}

int console_interrupt_line(void)
{
    bool odd = serial.port == 0x3f8 || serial.port == 0x3e8; /* COM1, COM3 */
    bool even = serial.port == 0x2f8 || serial.port == 0x2e8;

    return odd ? 4 : even ? 3 : -1;
}

void console_listen(void)
{
    serial_enable_interrupt(&serial);
}

void console_interrupt(void)
{
    /* A port that never runs empty is broken: it does not get the processor for good. */
    for (unsigned i = 0; i < INPUT_SIZE; i++) {
        int byte = serial_read(&serial);

        if (byte < 0) {
            return;
        }
        unsigned tail = __atomic_load_n(&input.tail, __ATOMIC_ACQUIRE);

        if (input.head - tail < INPUT_SIZE) {
            input.byte[input.head % INPUT_SIZE] = (uint8_t)byte;
            __atomic_store_n(&input.head, input.head + 1, __ATOMIC_RELEASE);
        }
    }
}

int arch_console_read(void)
{
    if (__atomic_load_n(&input.head, __ATOMIC_ACQUIRE) == input.tail) {
        return -1;
    }
    int byte = input.byte[input.tail % INPUT_SIZE];

    __atomic_store_n(&input.tail, input.tail + 1, __ATOMIC_RELEASE);
    return byte;
}
