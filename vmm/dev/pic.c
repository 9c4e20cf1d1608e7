/* SPDX-License-Identifier: Apache-2.0 */
/*
 * 8259A, after Intel's data sheet (order number 231468); ELCR as in the 82371AB (PIIX4).
 *
 * Priorities are handled as ranks: 0 is the most urgent input, 7 the least, 8 stands for none.
 * Rotation only moves the input that has rank 0.
 */
#include "dev/pic.h"

enum {
    CASCADE = 2,  /* the master's input that is wired to the slave */
    SPURIOUS = 7, /* the input that is reported when the request has gone */
    NO_RANK = 8,
    NO_INPUT = -1,

    ICW1_INIT = 0x10,
    ICW1_SINGLE = 0x02,
    ICW1_WITH_ICW4 = 0x01,
    ICW4_NESTED = 0x10,
    ICW4_AUTO_EOI = 0x02,

    OCW2_ROTATE = 0x80,
    OCW2_SPECIFIC = 0x40,
    OCW2_EOI = 0x20,
    OCW3 = 0x08,
    OCW3_CHANGE_MASK_MODE = 0x40,
    OCW3_SPECIAL_MASK = 0x20,
    OCW3_POLL = 0x04,
    OCW3_READ = 0x02,
    OCW3_READ_ISR = 0x01,
    POLL_REQUEST = 0x80,

    /* Timer, keyboard, cascade, clock and coprocessor are edge triggered for ever. */
    ELCR_MASTER = 0xf8,
    ELCR_SLAVE = 0xde,
};

static uint8_t bit(unsigned input)
{
    return (uint8_t)(1u << input);
}

static void set_bit(uint8_t *bits, uint8_t mask, bool on)
{
    *bits = (uint8_t)(on ? *bits | mask : *bits & ~mask);
}

/* ---- One chip --------------------------------------------------------------------------- */

static unsigned rank_of(const struct pic_chip *chip, unsigned inputs)
{
    unsigned turned = ((inputs << 8 | inputs) >> (chip->lowest + 1u)) & 0xff;

    return turned ? (unsigned)__builtin_ctz(turned) : NO_RANK;
}

static unsigned input_of(const struct pic_chip *chip, unsigned rank)
{
    return (chip->lowest + 1u + rank) & 7;
}

/* What is in service and holds back others: in special mask mode, a masked input does not. */
static unsigned blocking(const struct pic_chip *chip)
{
    return chip->special_mask ? chip->isr & ~(unsigned)chip->imr : chip->isr;
}

/* The input that INT is raised for, or NO_INPUT. */
static int request(const struct pic_chip *chip)
{
    unsigned wanted = chip->irr & ~(unsigned)chip->imr;

    if (!wanted) {
        return NO_INPUT;
    }

    unsigned rank = rank_of(chip, wanted);
    unsigned limit = rank_of(chip, blocking(chip));

    /* A second request of the slave is for a more urgent input of its own. */
    if (chip->nested_cascade && limit != NO_RANK && input_of(chip, limit) == CASCADE) {
        limit++;
    }
    return rank < limit ? (int)input_of(chip, rank) : NO_INPUT;
}

/* A request lasts while its line is high: one that falls before the acknowledge is lost. */
static void set_line(struct pic_chip *chip, unsigned input, bool level)
{
    uint8_t mask = bit(input);
    bool rises = level && !(chip->lines & mask);

    set_bit(&chip->lines, mask, level);
    if (!level) {
        set_bit(&chip->irr, mask, false);
    } else if (rises || (chip->elcr & mask)) {
        set_bit(&chip->irr, mask, true);
    }
}

static void serve_input(struct pic_chip *chip, unsigned input)
{
    bool still = (chip->elcr & chip->lines & bit(input)) != 0;

    set_bit(&chip->irr, bit(input), still);
    if (!chip->auto_eoi) {
        set_bit(&chip->isr, bit(input), true);
    } else if (chip->rotate_on_auto_eoi) {
        chip->lowest = (uint8_t)input;
    }
}

static unsigned acknowledge(struct pic_chip *chip)
{
    int input = request(chip);

    if (input == NO_INPUT) {
        return SPURIOUS;
    }
    serve_input(chip, (unsigned)input);
    return (unsigned)input;
}

static void write_icw1(struct pic_chip *chip, uint8_t value)
{
    *chip = (struct pic_chip){
        .lines = chip->lines,
        .elcr = chip->elcr,
        .irr = chip->lines & chip->elcr, /* an edge must come again */
        .vector = chip->vector,
        .lowest = 7,
        .icw = 2,
        .single = value & ICW1_SINGLE,
        .with_icw4 = value & ICW1_WITH_ICW4,
    };
}

static void write_icw2_to_4(struct pic_chip *chip, uint8_t value)
{
    switch (chip->icw) {
    case 2:
        chip->vector = value & 0xf8;
        chip->icw = !chip->single ? 3 : chip->with_icw4 ? 4 : 0;
        break;
    case 3: /* the cascade is wired, whatever the guest says */
        chip->icw = chip->with_icw4 ? 4 : 0;
        break;
    default:
        chip->auto_eoi = value & ICW4_AUTO_EOI;
        chip->nested_cascade = value & ICW4_NESTED;
        chip->icw = 0;
        break;
    }
}

static void write_ocw2(struct pic_chip *chip, uint8_t value)
{
    bool rotate = value & OCW2_ROTATE;
    bool specific = value & OCW2_SPECIFIC;
    unsigned input = value & 7;

    if (!(value & OCW2_EOI)) {
        if (!specific) {
            chip->rotate_on_auto_eoi = rotate;
        } else if (rotate) {
            chip->lowest = (uint8_t)input;
        }
        return;
    }
    if (!specific) {
        unsigned rank = rank_of(chip, blocking(chip));

        if (rank == NO_RANK) {
            return;
        }
        input = input_of(chip, rank);
    }
    set_bit(&chip->isr, bit(input), false);
    if (rotate) {
        chip->lowest = (uint8_t)input;
    }
}

static void write_ocw3(struct pic_chip *chip, uint8_t value)
{
    if (value & OCW3_CHANGE_MASK_MODE) {
        chip->special_mask = value & OCW3_SPECIAL_MASK;
    }
    if (value & OCW3_POLL) {
        chip->poll = true;
    } else if (value & OCW3_READ) {
        chip->read_isr = value & OCW3_READ_ISR;
    }
}

static void write_chip(struct pic_chip *chip, uint64_t offset, uint8_t value)
{
    if (offset == 1) {
        if (chip->icw) {
            write_icw2_to_4(chip, value);
        } else {
            chip->imr = value;
        }
    } else if (value & ICW1_INIT) {
        write_icw1(chip, value);
    } else if (value & OCW3) {
        write_ocw3(chip, value);
    } else {
        write_ocw2(chip, value);
    }
}

/* A poll is an acknowledge by software; it answers at either address. */
static uint8_t poll(struct pic_chip *chip)
{
    chip->poll = false;
    return request(chip) == NO_INPUT ? 0 : (uint8_t)(POLL_REQUEST | acknowledge(chip));
}

static uint8_t read_chip(const struct pic_chip *chip, uint64_t offset)
{
    return offset == 1 ? chip->imr : chip->read_isr ? chip->isr : chip->irr;
}

/* ---- The pair --------------------------------------------------------------------------- */

static void update_cascade(struct pic *pic)
{
    set_line(&pic->master, CASCADE, request(&pic->slave) != NO_INPUT);
}

/* The slave's INT falls with every acknowledge, so that what it has next makes a new edge. */
static void slave_acknowledged(struct pic *pic)
{
    set_line(&pic->master, CASCADE, false);
    update_cascade(pic);
}

void pic_init(struct pic *pic)
{
    *pic = (struct pic){
        .master = { .imr = 0xff, .lowest = 7 },
        .slave = { .imr = 0xff, .lowest = 7 },
    };
}

void pic_set_irq(void *device, unsigned input, bool level)
{
    struct pic *pic = device;

    if (input < 8 && input != CASCADE) {
        set_line(&pic->master, input, level);
    } else if (input >= 8 && input < 16) {
        set_line(&pic->slave, input - 8, level);
        update_cascade(pic);
    }
}

int pic_peek(const struct pic *pic)
{
    int input = request(&pic->master);

    if (input == NO_INPUT) {
        return -1;
    }
    if (input != CASCADE) {
        return pic->master.vector + input;
    }
    input = request(&pic->slave);
    return pic->slave.vector + (input == NO_INPUT ? SPURIOUS : input);
}

int pic_ack(struct pic *pic)
{
    unsigned input = acknowledge(&pic->master);

    if (input != CASCADE) {
        return pic->master.vector + (int)input;
    }
    input = acknowledge(&pic->slave);
    slave_acknowledged(pic);
    return pic->slave.vector + (int)input;
}

void pic_take(struct pic *pic, uint8_t vector)
{
    if (pic_peek(pic) == vector) {
        pic_ack(pic);
    } else if ((vector & 0xf8) == pic->master.vector) {
        serve_input(&pic->master, vector & 7);
    } else if ((vector & 0xf8) == pic->slave.vector) {
        serve_input(&pic->master, CASCADE);
        serve_input(&pic->slave, vector & 7);
        slave_acknowledged(pic);
    }
}

void pic_master_access(void *device, struct access *access)
{
    struct pic *pic = device;
    struct pic_chip *chip = &pic->master;

    if (access->size != 1) {
        access_bytewise(pic, access, pic_master_access);
    } else if (access->write) {
        write_chip(chip, access->offset, (uint8_t)access->value);
    } else {
        access->value = chip->poll ? poll(chip) : read_chip(chip, access->offset);
    }
}

void pic_slave_access(void *device, struct access *access)
{
    struct pic *pic = device;
    struct pic_chip *chip = &pic->slave;

    if (access->size != 1) {
        access_bytewise(pic, access, pic_slave_access);
    } else if (access->write) {
        write_chip(chip, access->offset, (uint8_t)access->value);
        chip->nested_cascade = false; /* nothing is cascaded to the slave */
        update_cascade(pic);
    } else if (chip->poll) {
        access->value = poll(chip);
        slave_acknowledged(pic);
    } else {
        access->value = read_chip(chip, access->offset);
    }
}

void pic_elcr_access(void *device, struct access *access)
{
    struct pic *pic = device;
    struct pic_chip *chip = access->offset ? &pic->slave : &pic->master;

    if (access->size != 1) {
        access_bytewise(pic, access, pic_elcr_access);
    } else if (access->write) {
        chip->elcr = (uint8_t)access->value & (access->offset ? ELCR_SLAVE : ELCR_MASTER);
        chip->irr |= chip->lines & chip->elcr;
        update_cascade(pic);
    } else {
        access->value = chip->elcr;
    }
}
