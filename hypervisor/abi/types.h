/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Words that kernel and user code share. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PAGE_SIZE 4096UL
#define PAGE_SHIFT 12
#define LARGE_PAGE_SIZE (2UL << 20)

/* A TaskID or ThreadID: index in the low 16 bits, generation above, so that an identifier whose
 * object has ended is told from its successor's. 0 names nothing. */
typedef uint32_t task_id;
typedef uint32_t thread_id;

/* An absolute time on the processor's time-stamp counter. */
typedef uint64_t tsc_time;
#define TSC_NEVER UINT64_MAX
#define TSC_NOW 0UL /* as a deadline: do not wait */

#define PROCESSORS_MAX 32u
#define TIME_PARTITIONS_MAX 32u /* τ0 included */

/*
 * What a task may do with a page, and give away. In a task's own address space a page that may
 * be written is never executable (W^X); a page held with all three rights is mapped without
 * execution, but may be passed on with it to a guest-physical space or, without write, to a child.
 */
enum memory_rights {
    MEM_READ = 1,
    MEM_WRITE = 2,
    MEM_EXECUTE = 4,
    MEM_ALL = 7,
};
