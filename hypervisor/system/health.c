/* SPDX-License-Identifier: Apache-2.0 */
#include "health.h"

#include "abi/layout.h"

enum { VECTOR_PAGE_FAULT = 14 }; /* SDM vol 3, 6.15 */

/* ---- What happened --------------------------------------------------------------------------- */

static bool below_stack(uint64_t address)
{
    uint64_t end = USER_STACK_TOP - USER_STACK_SIZE;

    return address < end && address >= end - HEALTH_GUARD_SIZE;
}

static struct health_event of_exception(uint64_t vector, uint64_t address)
{
    if (vector != VECTOR_PAGE_FAULT) {
        return (struct health_event){HEALTH_EXCEPTION, vector};
    }
    return (struct health_event){
        below_stack(address) ? HEALTH_STACK_OVERFLOW : HEALTH_MEMORY_VIOLATION, address};
}

/* What a partition can say of itself. */
static bool may_raise(uint64_t error)
{
    return error == HEALTH_DEADLINE_MISSED || error == HEALTH_APPLICATION ||
           error == HEALTH_VM_SHUTDOWN;
}

/* A VMM can end for what its guest did with memory. */
static bool may_end_with(uint64_t error)
{
    return may_raise(error) || error == HEALTH_MEMORY_VIOLATION;
}

uint64_t health_end_code(const struct task_report *report)
{
    uint64_t error = report->code >> 32;

    if (error == HEALTH_MEMORY_VIOLATION + 1) {
        return 1; /* what stands in the code is an address */
    }
    return error != 0 && may_raise(error - 1) ? (uint32_t)report->code : report->code;
}

bool health_of_end(const struct task_report *report, struct health_event *event)
{
    uint64_t error = report->code >> 32; /* HEALTH_END_CODE */

    switch (report->state) {
    case TASK_FAILED:
        *event = of_exception(report->code, report->detail);
        return true;
    case TASK_ENDED:
        *event = (struct health_event){HEALTH_PARTITION_ENDED, report->code};
        if (error != 0 && may_end_with(error - 1)) {
            *event = (struct health_event){(enum health_error)(error - 1), (uint32_t)report->code};
        }
        return true;
    default:
        return false;
    }
}

bool health_of_raise(const uint64_t words[4], struct health_event *event)
{
    if (words[0] != HEALTH_RAISE || !may_raise(words[1])) {
        return false;
    }
    *event = (struct health_event){(enum health_error)words[1], words[2]};
    return true;
}

/* ---- What is done ---------------------------------------------------------------------------- */

enum health_action health_action_for(const uint8_t *table, enum health_error error)
{
    uint8_t action = table[error];

    if (action >= HEALTH_ACTION_COUNT ||
        (error == HEALTH_CONFIGURATION &&
         (action == HEALTH_RESTART_COLD || action == HEALTH_RESTART_WARM))) {
        return HEALTH_STOP;
    }
    return (enum health_action)action;
}

/* The lowest priority on which a partition of τ0 computes there: a VM's guest runs one below its
 * first thread. So a restart costs such partitions no more than one of them costs
 * the others, and those in windows of their own nothing: theirs would be lower, or wins a tie. */
unsigned health_worker_priority(const struct system_config *config, unsigned processor)
{
    unsigned lowest = PRIORITY_MIN;
    bool any = false;

    for (uint32_t i = 0; i < config->partition_count; i++) {
        const struct partition_config *partition = &config->partition[i];
        unsigned priority = partition->priority;

        if (partition->time_partition != 0 || !(partition->processors >> processor & 1)) {
            continue;
        }
        if (partition->kind == PARTITION_VM && priority > PRIORITY_MIN) {
            priority--;
        }
        lowest = !any || priority < lowest ? priority : lowest;
        any = true;
    }
    return lowest < PRIORITY_MIN ? PRIORITY_MIN : lowest;
}

/* That of the highest VMM: above what guests compute with, no higher than those they serve; a
 * program in a window that has the same priority goes first. */
unsigned health_service_priority(const struct system_config *config)
{
    unsigned vm = 0, program = 0;

    for (uint32_t i = 0; i < config->partition_count; i++) {
        const struct partition_config *partition = &config->partition[i];
        unsigned *highest = partition->kind == PARTITION_VM ? &vm : &program;

        *highest = partition->priority > *highest ? partition->priority : *highest;
    }
    unsigned chosen = vm ? vm : program;

    return chosen < PRIORITY_MIN ? PRIORITY_MAX : chosen > PRIORITY_MAX ? PRIORITY_MAX : chosen;
}

/* ---- Words ----------------------------------------------------------------------------------- */

static const char *const error_name[HEALTH_ERROR_COUNT] = {
    [HEALTH_EXCEPTION] = "exception",
    [HEALTH_MEMORY_VIOLATION] = "memory violation",
    [HEALTH_STACK_OVERFLOW] = "stack overflow",
    [HEALTH_DEADLINE_MISSED] = "deadline missed",
    [HEALTH_APPLICATION] = "application error",
    [HEALTH_VM_SHUTDOWN] = "VM shutdown",
    [HEALTH_PARTITION_ENDED] = "partition ended",
    [HEALTH_CONFIGURATION] = "configuration error",
};

static const char *const action_name[HEALTH_ACTION_COUNT] = {
    [HEALTH_IGNORE] = "ignored",
    [HEALTH_LOG] = "logged",
    [HEALTH_STOP] = "partition stopped",
    [HEALTH_RESTART_COLD] = "cold restart",
    [HEALTH_RESTART_WARM] = "warm restart",
    [HEALTH_SWITCH_SCHEDULE] = "partition stopped, schedule switched",
    [HEALTH_STOP_MODULE] = "module stopped",
};

const char *health_error_name(uint32_t error)
{
    return error < HEALTH_ERROR_COUNT ? error_name[error] : "?";
}

const char *health_action_name(uint32_t action)
{
    return action < HEALTH_ACTION_COUNT ? action_name[action] : "?";
}

bool health_detail_is_address(uint32_t error)
{
    return error == HEALTH_MEMORY_VIOLATION || error == HEALTH_STACK_OVERFLOW;
}

/* ---- Log ------------------------------------------------------------------------------------- */

void health_log_add(struct health_log *log, const struct health_record *record)
{
    log->record[log->count++ % HEALTH_LOG_SIZE] = *record;
}

unsigned health_log_held(const struct health_log *log)
{
    return log->count < HEALTH_LOG_SIZE ? (unsigned)log->count : HEALTH_LOG_SIZE;
}

const struct health_record *health_log_get(const struct health_log *log, unsigned n)
{
    return &log->record[(log->count - health_log_held(log) + n) % HEALTH_LOG_SIZE];
}
