/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Guests made by chance (chance.h), with arguments for emulators that cannot take them all
 * (docs/limits.md):
 *   calm    RFLAGS.IF is set at each entry, and the code has nothing that loops or clears it
 *   tame    likewise, and all is in real mode with good tables: no exception ends the guest
 */
#include "abi/vcpu.h"

/* Fills the state page: a good state of some mode, spoiled or not, or nothing but chance. */
void guest_state(struct vcpu_state *state);
/* What a VMM does to the state page after an exit: steps over the instruction, loads another
 * state, marks anything as changed, injects something. */
void guest_reply(struct vcpu_state *state);
/* Writes what the good states expect into the first of these pages of a guest. */
#define GUEST_KIT_PAGES 16u
void guest_tables(void *memory);
/* Page `number` of them: one of `memory`, or of code, which the image holds → its rights. */
unsigned guest_kit(void *memory, unsigned number, uint64_t *address);
/* Some page of code: instructions that concern a hypervisor, or random bytes. */
uint64_t guest_code_page(void);
/* Is it an address of the kernel's that no chance brought? */
bool guest_address_is_kernels(uint64_t address);
