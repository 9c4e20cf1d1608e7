/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The health monitor's errors and what may be done about each (ARINC 653, 2.4). */
#include "abi/types.h"

enum health_error {
    HEALTH_EXCEPTION,        /* of a thread that has no handler; detail = vector */
    HEALTH_MEMORY_VIOLATION, /* a page fault; detail = address */
    HEALTH_STACK_OVERFLOW,   /* a page fault below a stack; detail = address */
    HEALTH_DEADLINE_MISSED,  /* raised by the partition; detail = how late, nanoseconds */
    HEALTH_APPLICATION,      /* raised by the partition; detail is its own */
    HEALTH_VM_SHUTDOWN,      /* the guest triple-faulted or the like */
    HEALTH_PARTITION_ENDED,  /* it ended by itself; detail = code */
    HEALTH_CONFIGURATION,    /* it cannot be made as the tables say */
    HEALTH_ERROR_COUNT
};

enum health_action {
    HEALTH_IGNORE,
    HEALTH_LOG,             /* as every other action does too */
    HEALTH_STOP,            /* the partition */
    HEALTH_RESTART_COLD,    /* all its memory zeroed and loaded anew */
    HEALTH_RESTART_WARM,    /* as cold, but the contents of its RAM stay */
    HEALTH_SWITCH_SCHEDULE, /* and stop it */
    HEALTH_STOP_MODULE,     /* the machine */
    HEALTH_ACTION_COUNT
};

/* A partition raises an error by a call to σ0's thread (partition_info.console): a2 = HEALTH_RAISE,
 * a3 = enum health_error (DEADLINE_MISSED, APPLICATION or VM_SHUTDOWN), a4 = detail. */
#define HEALTH_RAISE 1u
/* The answer's a2: STATUS_OK, BAD_ARGUMENT (no such error), DENIED (not a partition's first
 * thread), BUSY (the one before has not been looked at yet). */

/* A partition that ends because of one of these errors, or of MEMORY_VIOLATION, says so in the code
 * of SYS_TASK_END: the code proper, or the address, stands in the low 32 bits. Without, it is
 * HEALTH_PARTITION_ENDED. */
#define HEALTH_END_CODE(error, code) (((uint64_t)(error) + 1) << 32 | (uint32_t)(code))

/* One entry of the log. */
struct health_record {
    tsc_time time;
    uint32_t partition; /* index in the table; UINT32_MAX: none */
    uint16_t error;     /* enum health_error */
    uint16_t action;    /* enum health_action that was taken */
    uint64_t detail;
};
_Static_assert(sizeof(struct health_record) == 24, "abi");
