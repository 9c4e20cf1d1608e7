/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * σ0's threads. Its first one, on the highest priority, starts the system and then only passes on
 * what the kernel tells it: that a child has ended. Nothing that takes long runs on a priority
 * that could delay a window: consoles and the health monitor have the service thread, on
 * processor 0 as the first; every other processor with partitions has a thread that takes their
 * calls and passes them on to it. Restarts are for the workers, one for each processor with
 * partitions (docs/health.md).
 */
#include "abi/types.h"

/* Makes one, with a stack of its own and nothing below it; `entry` gets `argument` and never returns. 0: no memory. */
thread_id system_thread(void (*entry)(uint64_t argument), unsigned processor, unsigned priority,
                        uint64_t argument);

/* For those that only take events: waits for the next ones. Who calls is refused: any partition
 * can, and would pass its priority on until it is answered. */
uint64_t system_wait(void);
