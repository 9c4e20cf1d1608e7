/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The system calls' handlers, one per line of enum syscall. Each reads its arguments from the
 * caller's frame, writes status and results there, and returns the thread to run next.
 */
#include "kernel/thread.h"

typedef struct thread *call_handler(struct thread *self);

call_handler call_console_write, call_console_read, call_console_listen, call_machine_end;
call_handler call_task_create, call_task_end, call_task_status, call_thread_create;
call_handler call_mem_map, call_mem_unmap;
call_handler call_ipc_send, call_ipc_wait, call_ipc_call, call_ipc_reply_wait, call_event_signal;

/* virt/, or without_virt.c where the image has no virtualization. */
call_handler call_vm_create, call_vm_map, call_vm_unmap;
call_handler call_vcpu_create, call_vcpu_state_get, call_vcpu_state_set, call_vcpu_recall;
call_handler call_vcpu_run;
/* Chooses the backend and turns it on for this processor; returns enum virt_cap. */
uint32_t virt_init(struct cpu *cpu, struct quota *quota);
/* Turns it off, before the machine stops. */
void virt_end(struct cpu *cpu);

/* A handler's usual end: the caller runs on with this status. */
static inline struct thread *call_return(struct thread *self, enum status status)
{
    self->arch.frame.status = (uint64_t)(int64_t)status;
    return self;
}
