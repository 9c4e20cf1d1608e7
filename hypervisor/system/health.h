/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The health monitor's judgement: what an end or a raise means, what the tables say is done about
 * it, and the log. No system call is made here. */
#include "abi/config.h"
#include "abi/health.h"
#include "lib/user/syscall.h"

/* What happened. */
struct health_event {
    enum health_error error;
    uint64_t detail;
};

/* Addresses below the end of a stack that count as its overflow. */
#define HEALTH_GUARD_SIZE 0x10000UL

/* What the end of a partition's first task means; false: none, its parent stopped it. */
bool health_of_end(const struct task_report *report, struct health_event *event);
/* The code proper of a task that ended by itself. */
uint64_t health_end_code(const struct task_report *report);
/* What a partition's call means; false: it may not raise that. `words` are a2..a5 of the call. */
bool health_of_raise(const uint64_t words[4], struct health_event *event);

/* What is done about it, from a table of HEALTH_ERROR_COUNT actions. Nonsense in the table means
 * HEALTH_STOP; so does the restart of what can never be made. */
enum health_action health_action_for(const uint8_t *table, enum health_error error);

/* Of σ0's threads, by the whole table: of the one on that processor that makes its partitions
 * again, and of the service thread. docs/health.md says why. */
unsigned health_worker_priority(const struct system_config *config, unsigned processor);
unsigned health_service_priority(const struct system_config *config);

const char *health_error_name(uint32_t error);
const char *health_action_name(uint32_t action);
/* Is the detail of such an error an address? */
bool health_detail_is_address(uint32_t error);

#define HEALTH_LOG_SIZE 64u /* a power of two */
#define HEALTH_NO_PARTITION UINT32_MAX

/* The newest records; the oldest gives way. */
struct health_log {
    uint64_t count; /* of all that were ever written */
    struct health_record record[HEALTH_LOG_SIZE];
};

void health_log_add(struct health_log *log, const struct health_record *record);
/* The number of records that are held. */
unsigned health_log_held(const struct health_log *log);
/* The n-th of them, oldest first; n < health_log_held. */
const struct health_record *health_log_get(const struct health_log *log, unsigned n);
