/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The PC's pair of 8259A interrupt controllers: the slave's INT is wired to the master's IR2.
 * The edge/level control registers (ELCR) of PCI chipsets choose each input's trigger; ICW1's
 * LTIM bit is ignored, as those chipsets do.
 *
 * The run loop asks pic_peek whenever the guest can take an interrupt, and pic_ack when it does.
 */
#include "dev.h"

struct pic_chip {
    uint8_t lines;  /* level of the inputs IR0 to IR7 */
    uint8_t irr;    /* interrupt request: latched edges, and levels */
    uint8_t isr;    /* in service */
    uint8_t imr;    /* masked */
    uint8_t elcr;   /* level triggered */
    uint8_t vector; /* of IR0, from ICW2 */
    uint8_t lowest; /* the input of lowest priority; the next one up is the highest */
    uint8_t icw;    /* the initialization word that comes next: 2 to 4, 0 outside of it */
    bool single;    /* ICW1: no ICW3 */
    bool with_icw4; /* ICW1 */
    bool auto_eoi;
    bool rotate_on_auto_eoi;
    bool nested_cascade; /* the master's special fully nested mode */
    bool special_mask;
    bool read_isr; /* what a read answers, by OCW3: ISR, otherwise IRR */
    bool poll;     /* the next read is a poll */
};

struct pic {
    struct pic_chip master;
    struct pic_chip slave;
};

/* Power-on state, all inputs low. Everything is masked until the guest initializes the pair. */
void pic_init(struct pic *pic);

/* Ports 0x20 and 0x21, 0xa0 and 0xa1, 0x4d0 and 0x4d1: two bytes each. */
void pic_master_access(void *pic, struct access *access);
void pic_slave_access(void *pic, struct access *access);
void pic_elcr_access(void *pic, struct access *access);

/* Fits irq_line.set. Inputs are 0 to 15; 2 is the cascade, and like any above 15 is ignored. */
void pic_set_irq(void *pic, unsigned input, bool level);

/* The vector that pic_ack would give now, or -1 while no interrupt is requested. */
int pic_peek(const struct pic *pic);

/* True: pic_peek would say -1. Short, but does not know all such cases. */
static inline bool pic_is_quiet(const struct pic *pic)
{
    return !(pic->master.irr & ~(unsigned)pic->master.imr);
}

/* The processor's interrupt acknowledge cycle: the vector, always. Where no request is left it is
 * the spurious one of input 7 (or 15), which sets no in-service bit. */
int pic_ack(struct pic *pic);

/* The same after the fact: the processor has taken `vector`, which pic_peek gave when it was
 * offered. If others have changed the pair since, so that another would be given now, it is still
 * that one which is in service. */
void pic_take(struct pic *pic, uint8_t vector);
