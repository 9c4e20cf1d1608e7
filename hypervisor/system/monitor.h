/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The health monitor: learns of errors, logs them and does what the tables say. All of it belongs
 * to the service thread; the first thread uses it before that one runs. */
#include "health.h"
#include "partition.h"

/* An error of a partition that runs, or, with `alive` false, whose task has ended or was never
 * made. It may be down, or with the worker, afterwards. */
void monitor_error(struct partition *partition, const struct health_event *event, bool alive);
/* An error that is no partition's. */
void monitor_module_error(enum health_error error, uint64_t detail);

/* Looks which partitions have ended, and what has become of those that the worker had; ends the
 * machine after the last. */
void monitor_look(void);
/* A partition's first thread has called with these words: what it is answered (enum status). */
int64_t monitor_raise(thread_id from, const uint64_t words[4]);
/* What came from other processors since. */
void monitor_take_raised(void);

/* Goes over to another schedule; tried again when another change is still to come. */
void monitor_switch_schedule(uint32_t number);
/* When monitor_retry has something to do: TSC, or TSC_NEVER. */
tsc_time monitor_deadline(void);
void monitor_retry(void);

/* For the operator. */
void monitor_print_log(void);
void monitor_print_state(void);
