/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The system calls' handlers, one per line of enum syscall. Each reads its arguments from the
 * caller's frame, writes status and results there, and returns the thread to run next.
 */
#include "kernel/thread.h"

typedef struct thread *call_handler(struct thread *self);

/* Quick ones, without lock. */
call_handler call_ipc_send, call_ipc_wait, call_ipc_call, call_ipc_reply_wait, call_event_signal;
call_handler call_vcpu_run, call_vcpu_state_get, call_vcpu_state_set, call_vcpu_recall;
call_handler call_port_read, call_port_write;

/* With the kernel's lock. */
call_handler call_console_write, call_console_read, call_console_listen, call_machine_end;
call_handler call_schedule_set;
call_handler call_task_create, call_task_end, call_task_stop, call_task_destroy, call_task_status;
call_handler call_thread_create, call_thread_end;
call_handler call_mem_map, call_mem_unmap, call_mem_revoke;
call_handler call_right_give, call_right_take, call_irq_listen, call_irq_done;
call_handler call_vm_create, call_vm_map, call_vm_unmap, call_vcpu_create;

/* A handler's usual end: the caller runs on with this status. */
static inline struct thread *call_return(struct thread *self, enum status status)
{
    self->arch.frame.status = (uint64_t)(int64_t)status;
    return self;
}

/* The end of a step: the caller's argument registers say what is left, and the call is executed
 * again; interrupts and higher threads come in between. */
static inline struct thread *call_again(struct thread *self)
{
    arch_call_again(&self->arch);
    return self;
}
