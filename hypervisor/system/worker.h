/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The threads that make partitions again: take away what is left of them, scrub, load and start
 * them. Each does it for the partitions of its processor, in the time that those leave, on a low
 * priority (health_worker_priority). */
#include "partition.h"

/* `done` is signalled to `service` whenever one has finished with a partition.
 * False: no memory. */
bool worker_start(const struct boot_info *boot, thread_id service, uint64_t done);
/* By the service thread: hands over a partition that has been stopped. It comes back running, and
 * fresh, or down with partition->error. */
void worker_order(struct partition *partition, enum start_condition condition);
