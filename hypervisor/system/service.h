/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The service thread: the partitions' consoles, the operator's keys, the health monitor. */
#include "partition.h"

/* Its events: bit n below 32 = partition n wrote to its console. A partition can signal any of
 * them; each only makes the thread look. */
#define EVENT_TYPED (1UL << 40)
#define EVENT_CHILD_ENDED (1UL << 41) /* from σ0's first thread */
#define EVENT_RAISED (1UL << 42)      /* from its threads on other processors */
#define EVENT_REMADE (1UL << 43)      /* from the worker */

/* Makes it and the other processors' threads; none runs before the caller waits, but for those.
 * Every partition then knows whom to signal and call. False: no memory. */
bool service_start(void);
thread_id service_thread(void);
/* Carries what the partition has written to the board's console. */
void service_carry(struct partition *partition);
