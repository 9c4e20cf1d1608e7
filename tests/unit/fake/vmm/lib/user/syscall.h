/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The system calls that the VMM makes, as functions that a host test defines: found before the
 * real header by -iquote. */
#include "abi/status.h"
#include "abi/syscall.h"
#include "abi/types.h"

struct message {
    int64_t status;
    thread_id from;
    uint64_t kind;
    uint64_t word[4];
};

struct message sys_ipc_wait(tsc_time deadline);
struct message sys_vcpu_run(thread_id vcpu, tsc_time deadline);
int64_t sys_vcpu_state_get(thread_id vcpu, uint32_t groups);
int64_t sys_vcpu_recall(thread_id vcpu);
_Noreturn void sys_task_end(uint64_t code);
int64_t sys_event_signal(thread_id to, uint64_t bits);
