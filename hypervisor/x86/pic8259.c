/* SPDX-License-Identifier: Apache-2.0 */
#include "x86/pic8259.h"

#include "x86/instr.h"
#include "x86/trap.h"

enum { MASTER = 0x20, SLAVE = 0xa0 };

/* 8259A datasheet: ICW1 to ICW4, then the mask. */
static void init(uint16_t port, uint8_t vector, uint8_t cascade)
{
    out8(port, 0x11);
    out8((uint16_t)(port + 1), vector);
    out8((uint16_t)(port + 1), cascade);
    out8((uint16_t)(port + 1), 0x01);
    out8((uint16_t)(port + 1), 0xff);
}

void pic8259_disable(void)
{
    init(MASTER, VECTOR_LEGACY, 4);
    init(SLAVE, VECTOR_LEGACY + 8, 2);
}
