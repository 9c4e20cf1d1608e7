/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What the processors remember of a task's address space. */
#include "kernel/arch.h"

/* No translation of [address, address + size) and no table that led to it is in use any more. */
void tlb_invalidate(const struct arch_space *space, uint64_t address, uint64_t size);
/* The space is about to go: no processor runs on it any more. */
void tlb_abandon(const struct arch_space *space);
