/* SPDX-License-Identifier: Apache-2.0 */
#include "abi/layout.h"
#include "kernel/calls.h"
#include "kernel/ipc.h"
#include "kernel/log.h"
#include "kernel/task.h"

static call_handler *const handlers[SYSCALL_COUNT] = {
    [SYS_CONSOLE_WRITE] = call_console_write,
    [SYS_CONSOLE_READ] = call_console_read,
    [SYS_CONSOLE_LISTEN] = call_console_listen,
    [SYS_MACHINE_END] = call_machine_end,
    [SYS_TASK_CREATE] = call_task_create,
    [SYS_TASK_END] = call_task_end,
    [SYS_TASK_STATUS] = call_task_status,
    [SYS_THREAD_CREATE] = call_thread_create,
    [SYS_MEM_MAP] = call_mem_map,
    [SYS_MEM_UNMAP] = call_mem_unmap,
    [SYS_IPC_SEND] = call_ipc_send,
    [SYS_IPC_WAIT] = call_ipc_wait,
    [SYS_IPC_CALL] = call_ipc_call,
    [SYS_IPC_REPLY_WAIT] = call_ipc_reply_wait,
    [SYS_EVENT_SIGNAL] = call_event_signal,
    [SYS_VM_CREATE] = call_vm_create,
    [SYS_VM_MAP] = call_vm_map,
    [SYS_VM_UNMAP] = call_vm_unmap,
    [SYS_VCPU_CREATE] = call_vcpu_create,
    [SYS_VCPU_STATE_GET] = call_vcpu_state_get,
    [SYS_VCPU_STATE_SET] = call_vcpu_state_set,
    [SYS_VCPU_RECALL] = call_vcpu_recall,
    [SYS_VCPU_RUN] = call_vcpu_run,
};

struct thread *kernel_syscall(struct thread *self)
{
    uint64_t number = self->arch.frame.status;

    if (number >= SYSCALL_COUNT) {
        return call_return(self, STATUS_BAD_CALL);
    }
    return handlers[number](self);
}

struct thread *kernel_preempted(struct thread *self)
{
    return thread_yield(self);
}

struct thread *kernel_exception(struct thread *self, unsigned vector, uint64_t error,
                                uint64_t address)
{
    struct task *task = self->task;

    log_line("hecht: task %u: exception %u at 0x%lx, error 0x%lx, address 0x%lx\n",
             task->id & 0xffff, vector, self->arch.frame.rip, error, address);
    if (task_is_sigma0(task)) {
        panic("sigma0 failed");
    }
    task_end(task, TASK_FAILED, vector, vector == 14 ? address : 0);
    return thread_next(self->cpu);
}

void kernel_timer(struct cpu *cpu)
{
    tsc_time now = arch_time();

    for (struct thread *thread; (thread = timeout_expired(&cpu->timeouts, now));) {
        ipc_timeout(thread);
    }
    cpu->timer = timeout_next(&cpu->timeouts);
    arch_timer_set(cpu, cpu->timer);
}

struct thread *call_task_create(struct thread *self)
{
    struct task *task;
    enum status status = task_create(self->task, self->arch.frame.arg[0], &task);

    if (status == STATUS_OK) {
        self->arch.frame.arg[0] = task->id;
    }
    return call_return(self, status);
}

struct thread *call_task_end(struct thread *self)
{
    struct cpu *cpu = self->cpu;

    if (task_is_sigma0(self->task)) {
        panic("sigma0 ended with code %lu", self->arch.frame.arg[0]);
    }
    task_end(self->task, TASK_ENDED, self->arch.frame.arg[0], 0);
    return thread_next(cpu);
}

struct thread *call_task_status(struct thread *self)
{
    struct arch_frame *frame = &self->arch.frame;
    const struct task *task = task_find((task_id)frame->arg[0]);

    if (!task || task->parent != self->task) {
        return call_return(self, STATUS_BAD_ID);
    }
    frame->arg[0] = task->state;
    frame->arg[1] = task->code;
    frame->arg[2] = task->detail;
    return call_return(self, STATUS_OK);
}

struct thread *call_thread_create(struct thread *self)
{
    struct arch_frame *frame = &self->arch.frame;
    struct task *task = task_find((task_id)frame->arg[0]);
    uint64_t entry = frame->arg[1], stack = frame->arg[2], priority = frame->arg[3];
    struct thread *thread;

    if (!task || !task_controls(self->task, task) || task->state != TASK_RUNS) {
        return call_return(self, STATUS_BAD_ID);
    }
    if (entry >= USER_TOP || stack > USER_TOP || priority < PRIORITY_MIN ||
        priority > self->priority) {
        return call_return(self, STATUS_BAD_ARGUMENT);
    }
    enum status status = thread_create(task, self->cpu, (uint8_t)priority, &thread);

    if (status == STATUS_OK) {
        arch_thread_init(&thread->arch, thread->cpu, entry, stack, frame->arg[4]);
        frame->arg[0] = thread->id;
        thread_wake(thread);
    }
    return call_return(self, status);
}
