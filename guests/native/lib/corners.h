/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Errors that chance does not find: kernel memory and names used up to the last, tasks that are
 * ending. Each call counts in tally.h. For a life (life.h): the threads that are left behind come
 * back with its task.
 */
#include "native.h"

#define CORNER_PIECE 0x200000UL /* what one large page maps */

/* `memory`: a piece, aligned, that stands in large pages if the board allows. */
void corners_of_memory(uint64_t memory);
/* Before there is a VM, which is made; `memory` as above. */
void corners_of_vm(uint64_t memory);
/* Of threads: 64 for each task. */
void corner_of_threads(void);
/* Of tasks, in the whole machine → how many there could be. */
uint64_t corner_of_names(void);
/* A task that ends and makes another meanwhile. */
void corner_of_ending(void);
