/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The bytes of the instruction at which the guest stands. */
#include <stdbool.h>
#include <stdint.h>

#include "abi/vcpu.h"

struct vm;

#define CODE_MAX 15u /* bytes of the longest instruction */

struct code {
    uint8_t byte[CODE_MAX];
    uint8_t length; /* bytes that could be fetched: fewer than 15 when the next page is absent */
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
void code_fetch(struct vm *vm, struct code *code);

/* The length of the instruction that the exit's reason names, prefixes included, for hardware
 * that does not tell. 0: there is another instruction now (the guest has changed it, or its
 * page tables), so the guest had better execute that. */
uint32_t code_length(struct vm *vm);
