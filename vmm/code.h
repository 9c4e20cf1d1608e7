/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The bytes of the instruction at which the guest stands. */
#include <stdbool.h>
#include <stdint.h>

#include "abi/vcpu.h"
#include "lib/insn.h"

struct vcpu;

#define CODE_MAX 15u /* bytes of the longest instruction */

struct code {
    uint8_t byte[CODE_MAX];
    uint8_t length; /* bytes that could be fetched: fewer than 15 when the next page is absent */
};

/*
 * Where an instruction of 64-bit code was found, and what it is. Guests exit at the same few
 * places again and again; but nothing is believed of a place that is not looked at again: the
 * entries of all page tables on the way there, and the bytes. Sized so that it is found by a
 * shift.
 */
struct code_place {
    uint64_t rip, cr3;
    const uint64_t *entry[4]; /* in the VM's RAM; a large page has its last one several times */
    uint64_t value[4];        /* what they were */
    const uint8_t *at;        /* the bytes, in RAM, CODE_WINDOW of them in one page; NULL: they
                                 could not be remembered */
    uint64_t bytes[2];        /* what they were */
    uint32_t reason;          /* the exit, and how long the instruction is for which; or NONE */
    uint32_t length;
    bool decoded;             /* into insn; neither: the place is not in use */
    struct insn insn;
} __attribute__((aligned(256)));
#define CODE_WINDOW 16u
#define CODE_PLACES 16u /* a power of two */

struct code_cache {
    struct code_place place[CODE_PLACES];
};

/* Does the guest execute 64-bit code? STATE_CONTROL and CODE are valid. */
static inline bool code_is_64_bit(const struct vcpu_state *state)
{
    const uint64_t efer_lma = 1u << 10;
    const uint16_t cs_long = 0x200;

    return (state->efer & efer_lma) && (state->segment[SEG_CS].attributes & cs_long);
}

/* Reads the instruction's bytes through the guest's page tables. Makes STATE_IP, CONTROL and
 * CODE valid. */
void code_fetch(struct vcpu *vcpu, struct code *code);

/* The length of the instruction that the exit's reason names, prefixes included, for hardware
 * that does not tell. 0: there is another instruction now (the guest has changed it, or its
 * page tables), so the guest had better execute that. */
uint32_t code_length(struct vcpu *vcpu);

/* Fetches and decodes the instruction; valid until the next call. NULL: it cannot be. Makes
 * STATE_IP, CONTROL and CODE valid. */
const struct insn *code_decode(struct vcpu *vcpu);
