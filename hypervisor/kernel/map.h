/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Memory that a task holds, passed on: to a child's address space or to a VM. */
#include "kernel/task.h"

/* Is [address, address + size) a page-aligned, not empty range below `limit`? */
static inline bool range_valid(uint64_t address, uint64_t size, uint64_t limit)
{
    return ((address | size) & (PAGE_SIZE - 1)) == 0 && size > 0 && size <= limit &&
           address <= limit - size;
}

/*
 * Maps the first part of what `source` holds at [from, from + size) to [to, …) of `space`, charged
 * to `quota`; *done is its size, also when there is an error behind it. NOT_MAPPED, DENIED
 * (rights, or the kernel's own memory), EXISTS, NO_MEMORY. Holds the kernel's lock.
 */
enum status map_pass(const struct task *source, uint64_t from, struct arch_space *space,
                     uint64_t to, uint64_t size, unsigned rights, struct quota *quota,
                     uint64_t *done);

/* Where a call in steps stands that goes through the tree from `top` down: the task of that name,
 * if it is in there; else NULL. */
struct task *map_cursor(struct task *top, uint64_t id);
