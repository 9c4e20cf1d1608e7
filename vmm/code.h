/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The bytes of the instruction at which the guest stands. */
#include <stdint.h>

struct vm;

#define CODE_MAX 15u /* bytes of the longest instruction */

struct code {
    uint8_t byte[CODE_MAX];
    uint8_t length; /* bytes that could be fetched: fewer than 15 when the next page is absent */
};

/* Reads the instruction's bytes through the guest's page tables. Makes STATE_IP, CONTROL and
 * SEGMENTS valid. */
void code_fetch(struct vm *vm, struct code *code);

/* The length of the instruction that the exit's reason names, prefixes included, for hardware
 * that does not tell. 0: there is another instruction now (the guest has changed it, or its
 * page tables), so the guest had better execute that. */
uint32_t code_length(struct vm *vm);
