/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The board's consoles: what is written goes to all that kernel_config names. */
#include "x86/multiboot.h"

/* The serial port, as early as possible. */
void console_init(void);
/* The screen; its memory must be mapped at its physical address. */
void console_add_screen(const struct framebuffer *mode);
/* Low memory is about to go away: the screen pauses until console_map_screen. */
void console_map_screen(void);
/* What is typed makes interrupts from now on; `line` is the ISA interrupt of the port. */
void console_listen(void);
/* ISA interrupt line of the serial port, or -1: no serial port. */
int console_interrupt_line(void);
/* The serial port's interrupt. */
void console_interrupt(void);
