/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The system calls as C functions, for σ0, VMMs and native programs. What each does, and its
 * errors, stands in abi/syscall.h; statuses are enum status.
 */
#include "abi/info.h"
#include "abi/status.h"
#include "abi/syscall.h"
#include "abi/types.h"

/* The argument registers of one call, before and after. */
struct syscall_frame {
    uint64_t arg[6];
};

/* All six arguments both ways. A call in steps executes SYSCALL again with advanced registers;
 * all of them are in-out here, so that nothing is assumed of what it leaves. */
static inline int64_t syscall_full(uint64_t number, struct syscall_frame *frame)
{
    int64_t status = (int64_t)number;
    register uint64_t a0 __asm__("rdi") = frame->arg[0];
    register uint64_t a1 __asm__("rsi") = frame->arg[1];
    register uint64_t a2 __asm__("rdx") = frame->arg[2];
    register uint64_t a3 __asm__("r10") = frame->arg[3];
    register uint64_t a4 __asm__("r8") = frame->arg[4];
    register uint64_t a5 __asm__("r9") = frame->arg[5];

    __asm__ volatile("syscall"
                     : "+a"(status), "+r"(a0), "+r"(a1), "+r"(a2), "+r"(a3), "+r"(a4), "+r"(a5)
                     :
                     : "rcx", "r11", "memory", "cc");
    *frame = (struct syscall_frame){{a0, a1, a2, a3, a4, a5}};
    return status;
}

/* Arguments in, first result out. */
static inline int64_t syscall5(enum syscall number, uint64_t arg0, uint64_t arg1, uint64_t arg2,
                               uint64_t arg3, uint64_t arg4, uint64_t *result)
{
    struct syscall_frame frame = {{arg0, arg1, arg2, arg3, arg4, 0}};
    int64_t status = syscall_full(number, &frame);

    if (result) {
        *result = frame.arg[0];
    }
    return status;
}

/* ---- Messages ---------------------------------------------------------------------------- */

struct message {
    int64_t status;   /* enum status; the rest is valid when STATUS_OK */
    thread_id from;   /* 0: the kernel */
    uint64_t kind;    /* enum message_kind */
    uint64_t word[4];
};

static inline struct message syscall_message(enum syscall number, uint64_t partner,
                                             tsc_time deadline, const uint64_t words[4])
{
    struct syscall_frame frame = {
        {partner, deadline, words[0], words[1], words[2], words[3]}};
    int64_t status = syscall_full(number, &frame);

    return (struct message){
        .status = status,
        .from = (thread_id)frame.arg[0],
        .kind = frame.arg[1],
        .word = {frame.arg[2], frame.arg[3], frame.arg[4], frame.arg[5]},
    };
}

static inline struct message sys_ipc_wait(tsc_time deadline)
{
    return syscall_message(SYS_IPC_WAIT, 0, deadline, (const uint64_t[4]){0});
}

static inline int64_t sys_ipc_send(thread_id to, tsc_time deadline, const uint64_t words[4])
{
    return syscall_message(SYS_IPC_SEND, to, deadline, words).status;
}

static inline struct message sys_ipc_call(thread_id to, tsc_time deadline,
                                          const uint64_t words[4])
{
    return syscall_message(SYS_IPC_CALL, to, deadline, words);
}

static inline struct message sys_ipc_reply_wait(thread_id caller, tsc_time deadline,
                                                const uint64_t words[4])
{
    return syscall_message(SYS_IPC_REPLY_WAIT, caller, deadline, words);
}

/* The reply to a vCPU's exit, and the wait for the next message. */
static inline struct message sys_vcpu_run(thread_id vcpu, tsc_time deadline)
{
    return syscall_message(SYS_VCPU_RUN, vcpu, deadline, (const uint64_t[4]){0});
}

static inline int64_t sys_event_signal(thread_id to, uint64_t bits)
{
    return syscall5(SYS_EVENT_SIGNAL, to, bits, 0, 0, 0, NULL);
}

/* ---- Ports and interrupts ------------------------------------------------------------------- */

/* `bytes`: 1, 2 or 4. */
static inline int64_t sys_port_read(uint16_t port, unsigned bytes, uint32_t *value)
{
    uint64_t result = 0;
    int64_t status = syscall5(SYS_PORT_READ, port, bytes, 0, 0, 0, &result);

    *value = (uint32_t)result;
    return status;
}

static inline int64_t sys_port_write(uint16_t port, unsigned bytes, uint32_t value)
{
    return syscall5(SYS_PORT_WRITE, port, bytes, value, 0, 0, NULL);
}

static inline int64_t sys_irq_listen(uint32_t line, uint64_t bits)
{
    return syscall5(SYS_IRQ_LISTEN, line, bits, 0, 0, 0, NULL);
}

static inline int64_t sys_irq_done(uint32_t line)
{
    return syscall5(SYS_IRQ_DONE, line, 0, 0, 0, 0, NULL);
}

/* ---- Tasks, threads, memory --------------------------------------------------------------- */

/* What a task is made with, and what a thread is made with. */
struct task_parameters {
    uint64_t quota;          /* pages of kernel memory */
    uint32_t processors;     /* bitmap */
    uint32_t time_partition;
    unsigned priority;       /* highest of its threads */
};

struct thread_parameters {
    uint64_t entry, stack;
    unsigned priority;
    unsigned processor;
    uint64_t argument;       /* in RDI */
    thread_id handler;       /* of its exceptions, or 0 */
};

/* *out is 0 unless the answer is STATUS_OK, here and below. */
static inline int64_t sys_task_create(const struct task_parameters *task, task_id *out)
{
    uint64_t id = 0;
    int64_t status = syscall5(SYS_TASK_CREATE, task->quota, task->processors,
                              task->time_partition, task->priority, 0, &id);

    *out = status == STATUS_OK ? (task_id)id : 0;
    return status;
}

static inline _Noreturn void sys_task_end(uint64_t code)
{
    for (;;) {
        syscall5(SYS_TASK_END, code, 0, 0, 0, 0, NULL);
    }
}

static inline int64_t sys_task_stop(task_id child)
{
    return syscall5(SYS_TASK_STOP, child, 0, 0, 0, 0, NULL);
}

static inline int64_t sys_task_destroy(task_id child)
{
    return syscall5(SYS_TASK_DESTROY, child, 0, 0, 0, 0, NULL);
}

/* `state` is an enum task_state. */
struct task_report {
    uint64_t state, code, detail;
    uint64_t quota_used;     /* pages */
};

/* `task` 0: the caller's own. */
static inline int64_t sys_task_status(task_id task, struct task_report *report)
{
    struct syscall_frame frame = {{task}};
    int64_t status = syscall_full(SYS_TASK_STATUS, &frame);

    *report = (struct task_report){frame.arg[0], frame.arg[1], frame.arg[2], frame.arg[3]};
    return status;
}

/* `task` 0: the caller's own. *self: the caller's own name, when the answer is STATUS_OK. */
static inline int64_t sys_thread_create_from(task_id task, const struct thread_parameters *thread,
                                             thread_id *out, thread_id *self)
{
    struct syscall_frame frame = {{task, thread->entry, thread->stack,
                                   (uint64_t)thread->priority | (uint64_t)thread->processor << 8,
                                   thread->argument, thread->handler}};
    int64_t status = syscall_full(SYS_THREAD_CREATE, &frame);

    *out = status == STATUS_OK ? (thread_id)frame.arg[0] : 0;
    *self = status == STATUS_OK ? (thread_id)frame.arg[1] : 0;
    return status;
}

static inline int64_t sys_thread_create(task_id task, const struct thread_parameters *thread,
                                        thread_id *out)
{
    thread_id self;

    return sys_thread_create_from(task, thread, out, &self);
}

static inline _Noreturn void sys_thread_end(void)
{
    for (;;) {
        syscall5(SYS_THREAD_END, 0, 0, 0, 0, 0, NULL);
    }
}

static inline int64_t sys_mem_map(task_id child, uint64_t from, uint64_t to, uint64_t size,
                                  unsigned rights)
{
    return syscall5(SYS_MEM_MAP, child, from, to, size, rights, NULL);
}

static inline int64_t sys_mem_unmap(task_id task, uint64_t address, uint64_t size)
{
    return syscall5(SYS_MEM_UNMAP, task, address, size, 0, 0, NULL);
}

/* `task`: a child, or 0 for the caller's own VM and all its children. */
static inline int64_t sys_mem_revoke(task_id task, uint64_t address, uint64_t size)
{
    return syscall5(SYS_MEM_REVOKE, task, address, size, 0, 0, NULL);
}

static inline int64_t sys_right_give(task_id child, enum right right, uint32_t first,
                                     uint32_t count)
{
    return syscall5(SYS_RIGHT_GIVE, child, right, first, count, 0, NULL);
}

static inline int64_t sys_right_take(task_id child, enum right right, uint32_t first,
                                     uint32_t count)
{
    return syscall5(SYS_RIGHT_TAKE, child, right, first, count, 0, NULL);
}

/* ---- Virtual machines ----------------------------------------------------------------------- */

static inline int64_t sys_vm_create(enum vm_paging paging)
{
    return syscall5(SYS_VM_CREATE, paging, 0, 0, 0, 0, NULL);
}

static inline int64_t sys_vm_map(uint64_t gpa, uint64_t from, uint64_t size, unsigned rights)
{
    return syscall5(SYS_VM_MAP, gpa, from, size, rights, 0, NULL);
}

static inline int64_t sys_vm_unmap(uint64_t gpa, uint64_t size)
{
    return syscall5(SYS_VM_UNMAP, gpa, size, 0, 0, 0, NULL);
}

static inline int64_t sys_vcpu_create(uint64_t state_address, unsigned priority, thread_id *out)
{
    uint64_t id = 0;
    int64_t status = syscall5(SYS_VCPU_CREATE, state_address, priority, 0, 0, 0, &id);

    *out = (thread_id)id;
    return status;
}

static inline int64_t sys_vcpu_state_get(thread_id vcpu, uint32_t groups)
{
    return syscall5(SYS_VCPU_STATE_GET, vcpu, groups, 0, 0, 0, NULL);
}

static inline int64_t sys_vcpu_state_set(thread_id vcpu, uint32_t groups)
{
    return syscall5(SYS_VCPU_STATE_SET, vcpu, groups, 0, 0, 0, NULL);
}

static inline int64_t sys_vcpu_recall(thread_id vcpu)
{
    return syscall5(SYS_VCPU_RECALL, vcpu, 0, 0, 0, 0, NULL);
}

/* ---- σ0 only --------------------------------------------------------------------------------- */

static inline int64_t sys_console_write(const uint64_t bytes[5], size_t length)
{
    struct syscall_frame frame = {
        {length, bytes[0], bytes[1], bytes[2], bytes[3], bytes[4]}};

    return syscall_full(SYS_CONSOLE_WRITE, &frame);
}

static inline int64_t sys_console_read(uint8_t *byte)
{
    uint64_t value = 0;
    int64_t status = syscall5(SYS_CONSOLE_READ, 0, 0, 0, 0, 0, &value);

    *byte = (uint8_t)value;
    return status;
}

static inline int64_t sys_console_listen(uint64_t bits)
{
    return syscall5(SYS_CONSOLE_LISTEN, bits, 0, 0, 0, 0, NULL);
}

static inline int64_t sys_machine_end(enum machine_end how)
{
    return syscall5(SYS_MACHINE_END, how, 0, 0, 0, 0, NULL);
}

/* *when: the end of the frame at which all processors go over, TSC. */
static inline int64_t sys_schedule_set(uint32_t schedule, tsc_time *when)
{
    return syscall5(SYS_SCHEDULE_SET, schedule, 0, 0, 0, 0, when);
}
