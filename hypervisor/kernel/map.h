/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Memory that a task holds, passed on: to a child's address space or to a VM. */
#include "kernel/task.h"

/* Is [address, address + size) a page-aligned, not empty range below `limit`? */
bool range_valid(uint64_t address, uint64_t size, uint64_t limit);

/*
 * Maps what `source` holds at [from, from + size) to [to, …) of `space`, charged to `quota`.
 * All or nothing: NOT_MAPPED, DENIED (rights, or the kernel's own memory), EXISTS, NO_MEMORY.
 */
enum status map_pass(const struct task *source, uint64_t from, struct arch_space *space,
                     uint64_t to, uint64_t size, unsigned rights, struct quota *quota);
