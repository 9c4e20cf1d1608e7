/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Several processors: started one after the other, and stopped together. docs/processors.md */
#include "kernel/arch.h"

/* The trampoline's page lies below this: a BIOS's extended data area may stand above. */
#define TRAMPOLINE_LIMIT 0x80000UL

/* Makes what the configured processors need before they run: stacks, task state segments and
 * their struct cpu's `id` and `arch`. `trampoline` is a page of RAM below TRAMPOLINE_LIMIT that
 * nobody uses, 0: there is none. Refuses a machine with fewer processors. The local APIC is on. */
void processors_prepare(phys_addr trampoline);

/* To all that run but this one (lapic_send): an interrupt at a vector, or more than that. */
void processors_send_others(uint32_t command);

/* This processor is about to tell the machine's end: the others stop where they are. Does not
 * return if another one came first. */
void processors_stop_others(void);
/* Has one of them called processors_stop_others? */
bool processors_stopping(void);
/* This one, for good. */
_Noreturn void processor_halt(void);
