/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The system calls as C functions, for σ0, VMMs and native programs. What each does, and its
 * errors, stands in abi/syscall.h; statuses are enum status.
 */
#include "abi/status.h"
#include "abi/syscall.h"
#include "abi/types.h"

/* The argument registers of one call, before and after. */
struct syscall_frame {
    uint64_t arg[6];
};

/* All six arguments both ways. */
static inline int64_t syscall_full(enum syscall number, struct syscall_frame *frame)
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

/* ---- Tasks, threads, memory --------------------------------------------------------------- */

static inline int64_t sys_task_create(uint64_t quota, task_id *out)
{
    uint64_t id = 0;
    int64_t status = syscall5(SYS_TASK_CREATE, quota, 0, 0, 0, 0, &id);

    *out = (task_id)id;
    return status;
}

static inline _Noreturn void sys_task_end(uint64_t code)
{
    syscall5(SYS_TASK_END, code, 0, 0, 0, 0, NULL);
    __builtin_unreachable();
}

static inline int64_t sys_task_status(task_id task, uint64_t *state, uint64_t *code,
                                      uint64_t *detail)
{
    struct syscall_frame frame = {{task}};
    int64_t status = syscall_full(SYS_TASK_STATUS, &frame);

    *state = frame.arg[0];
    *code = frame.arg[1];
    *detail = frame.arg[2];
    return status;
}

static inline int64_t sys_thread_create(task_id task, uint64_t entry, uint64_t stack,
                                        unsigned priority, uint64_t argument, thread_id *out)
{
    uint64_t id = 0;
    int64_t status =
        syscall5(SYS_THREAD_CREATE, task, entry, stack, priority, argument, &id);

    *out = (thread_id)id;
    return status;
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

/* ---- Virtual machines ----------------------------------------------------------------------- */

static inline int64_t sys_vm_create(void)
{
    return syscall5(SYS_VM_CREATE, 0, 0, 0, 0, 0, NULL);
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
