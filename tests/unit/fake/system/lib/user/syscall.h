/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The system calls that σ0 makes, as functions that a host test defines: found before the real
 * header by -iquote. */
#include "abi/status.h"
#include "abi/syscall.h"
#include "abi/types.h"

struct message {
    int64_t status;
    thread_id from;
    uint64_t kind;
    uint64_t word[4];
};

struct task_parameters {
    uint64_t quota;
    uint32_t processors;
    uint32_t time_partition;
    unsigned priority;
};

struct thread_parameters {
    uint64_t entry, stack;
    unsigned priority;
    unsigned processor;
    uint64_t argument;
    thread_id handler;
};

struct task_report {
    uint64_t state, code, detail;
    uint64_t quota_used;
};

struct message sys_ipc_wait(tsc_time deadline);
struct message sys_ipc_reply_wait(thread_id caller, tsc_time deadline, const uint64_t words[4]);
int64_t sys_event_signal(thread_id to, uint64_t bits);
int64_t sys_task_create(const struct task_parameters *task, task_id *out);
int64_t sys_task_stop(task_id child);
int64_t sys_task_destroy(task_id child);
int64_t sys_task_status(task_id child, struct task_report *report);
int64_t sys_thread_create(task_id task, const struct thread_parameters *thread, thread_id *out);
int64_t sys_mem_map(task_id child, uint64_t from, uint64_t to, uint64_t size, unsigned rights);
int64_t sys_mem_unmap(task_id task, uint64_t address, uint64_t size);
int64_t sys_right_give(task_id child, enum right right, uint32_t first, uint32_t count);
int64_t sys_console_write(const uint64_t bytes[5], size_t length);
int64_t sys_console_read(uint8_t *byte);
int64_t sys_console_listen(uint64_t bits);
int64_t sys_machine_end(enum machine_end how);
int64_t sys_schedule_set(uint32_t schedule, tsc_time *when);
