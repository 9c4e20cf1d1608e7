/* SPDX-License-Identifier: Apache-2.0 */
#include "abi/layout.h"
#include "kernel/calls.h"
#include "kernel/ipc.h"
#include "kernel/log.h"
#include "kernel/remote.h"
#include "kernel/task.h"

#define QUICK_SLOTS 16 /* a power of two, so that an index can be masked */
#define SLOW_SLOTS 64

static call_handler *const quick[QUICK_SLOTS] = {
    [SYS_IPC_SEND] = call_ipc_send,
    [SYS_IPC_WAIT] = call_ipc_wait,
    [SYS_IPC_CALL] = call_ipc_call,
    [SYS_IPC_REPLY_WAIT] = call_ipc_reply_wait,
    [SYS_EVENT_SIGNAL] = call_event_signal,
    [SYS_VCPU_RUN] = call_vcpu_run,
    [SYS_VCPU_STATE_GET] = call_vcpu_state_get,
    [SYS_VCPU_STATE_SET] = call_vcpu_state_set,
    [SYS_VCPU_RECALL] = call_vcpu_recall,
    [SYS_PORT_READ] = call_port_read,
    [SYS_PORT_WRITE] = call_port_write,
};
_Static_assert(SYSCALL_QUICK <= QUICK_SLOTS, "quick calls");

static call_handler *const slow[SLOW_SLOTS] = {
    [SYS_CONSOLE_WRITE] = call_console_write,
    [SYS_CONSOLE_READ] = call_console_read,
    [SYS_CONSOLE_LISTEN] = call_console_listen,
    [SYS_MACHINE_END] = call_machine_end,
    [SYS_SCHEDULE_SET] = call_schedule_set,
    [SYS_TASK_CREATE] = call_task_create,
    [SYS_TASK_END] = call_task_end,
    [SYS_TASK_STOP] = call_task_stop,
    [SYS_TASK_DESTROY] = call_task_destroy,
    [SYS_TASK_STATUS] = call_task_status,
    [SYS_THREAD_CREATE] = call_thread_create,
    [SYS_THREAD_END] = call_thread_end,
    [SYS_MEM_MAP] = call_mem_map,
    [SYS_MEM_UNMAP] = call_mem_unmap,
    [SYS_MEM_REVOKE] = call_mem_revoke,
    [SYS_RIGHT_GIVE] = call_right_give,
    [SYS_RIGHT_TAKE] = call_right_take,
    [SYS_IRQ_LISTEN] = call_irq_listen,
    [SYS_IRQ_DONE] = call_irq_done,
    [SYS_VM_CREATE] = call_vm_create,
    [SYS_VM_MAP] = call_vm_map,
    [SYS_VM_UNMAP] = call_vm_unmap,
    [SYS_VCPU_CREATE] = call_vcpu_create,
};
_Static_assert(SYSCALL_COUNT <= SLOW_SLOTS, "calls");

static __attribute__((noinline)) struct thread *slow_call(struct thread *self, uint64_t number)
{
    struct cpu *cpu = self->cpu;

    if (number >= SYSCALL_COUNT) {
        return call_return(self, STATUS_BAD_CALL);
    }
    if (number <= SYSCALL_SIGMA0 && !task_is_sigma0(self->task)) {
        return call_return(self, STATUS_DENIED);
    }
    if (!kernel_lock(cpu)) {
        return thread_next(cpu);
    }
    struct thread *next = slow[number % SLOW_SLOTS](self);

    kernel_unlock();
    return next == self ? kernel_preempted(self) : next; /* it may have made a higher one ready */
}

/* The indices are masked behind the comparisons, which may be mispredicted. */
struct thread *kernel_syscall(struct thread *self)
{
    uint64_t number = self->arch.frame.status;

    if (number < SYSCALL_QUICK) {
        return quick[number % QUICK_SLOTS](self);
    }
    return slow_call(self, number);
}

struct thread *kernel_preempted(struct thread *self)
{
    struct cpu *cpu = arch_this_cpu();

    return cpu->current == self ? thread_yield(self) : thread_next(cpu); /* it was ended */
}

/* The thread that may deal with an exception of `self`, or NULL. */
static struct thread *find_handler(const struct thread *self)
{
    struct thread *handler = self->handler ? thread_find(self->handler) : NULL;

    return handler && handler->cpu == self->cpu && handler != self ? handler : NULL;
}

struct thread *kernel_exception(struct thread *self, unsigned vector, uint64_t error,
                                uint64_t address)
{
    struct task *task = self->task;
    struct cpu *cpu = self->cpu;
    struct thread *handler = find_handler(self);

    if (handler) {
        self->exception.vector = vector;
        self->exception.error = (uint32_t)error;
        self->exception.address = address;
        return ipc_exception(self, handler);
    }
    if (task_is_sigma0(task)) {
        panic("sigma0: exception %u at 0x%lx, error 0x%lx, address 0x%lx", vector,
              self->arch.frame.rip, error, address);
    }
    if (!kernel_lock(cpu)) {
        return thread_next(cpu);
    }
    task_mark_ended(task, TASK_FAILED, vector, address);
    kernel_unlock();
    return task_end_from_inside(self);
}

void kernel_timer(struct cpu *cpu)
{
    sched_expire(cpu, arch_time());
}

struct thread *call_schedule_set(struct thread *self)
{
    struct arch_frame *frame = &self->arch.frame;

    if (frame->arg[0] > UINT32_MAX) {
        return call_return(self, STATUS_BAD_ARGUMENT);
    }
    tsc_time when;
    enum status status = window_set_schedule((unsigned)frame->arg[0], arch_time(), &when);

    if (status == STATUS_OK) {
        frame->arg[0] = when;
    }
    return call_return(self, status);
}

/* What a task may give its child. */
static bool may_give(const struct task *task, uint64_t processors, uint64_t time_partition,
                     uint64_t priority)
{
    return processors != 0 && (processors & ~(uint64_t)task->processors) == 0 &&
           time_partition < kernel_config.time_partitions &&
           (time_partition == task->time_partition || task_is_sigma0(task)) &&
           priority >= PRIORITY_MIN && priority <= task->priority;
}

struct thread *call_task_create(struct thread *self)
{
    uint64_t *arg = self->arch.frame.arg;
    struct task *task;

    if (self->task->state != TASK_RUNS) {
        return call_return(self, STATUS_BUSY); /* it is ending */
    }
    if (!may_give(self->task, arg[1], arg[2], arg[3])) {
        return call_return(self, STATUS_BAD_ARGUMENT);
    }
    const struct task_setup setup = {
        .frames = arg[0],
        .processors = (uint32_t)arg[1],
        .time_partition = (uint8_t)arg[2],
        .priority = (uint8_t)arg[3],
    };
    enum status status = task_create(self->task, &setup, &task);

    if (status == STATUS_OK) {
        arg[0] = task->id;
    }
    return call_return(self, status);
}

struct thread *call_task_status(struct thread *self)
{
    struct arch_frame *frame = &self->arch.frame;
    const struct task *task = frame->arg[0] ? task_find((task_id)frame->arg[0]) : self->task;

    if (!task || !task_controls(self->task, task)) {
        return call_return(self, STATUS_BAD_ID);
    }
    frame->arg[0] = task->state;
    frame->arg[1] = task->code;
    frame->arg[2] = task->detail;
    frame->arg[3] = task->quota.used;
    return call_return(self, STATUS_OK);
}

/* May that thread deal with exceptions of a thread of `task` on that processor? */
static bool may_handle(const struct thread *self, const struct task *task, uint64_t processor,
                       uint64_t id)
{
    const struct thread *handler = thread_find((thread_id)id);

    return id == 0 || (id <= UINT32_MAX && handler && handler->cpu->id == processor &&
                       !handler->vcpu &&
                       (handler->task == task || handler->task == self->task));
}

struct thread *call_thread_create(struct thread *self)
{
    struct arch_frame *frame = &self->arch.frame;
    struct task *task = frame->arg[0] ? task_find((task_id)frame->arg[0]) : self->task;
    uint64_t entry = frame->arg[1], stack = frame->arg[2];
    uint64_t priority = frame->arg[3] & 0xff, processor = frame->arg[3] >> 8;
    struct thread *thread;

    if (!task || !task_controls(self->task, task) || task->state != TASK_RUNS) {
        return call_return(self, STATUS_BAD_ID);
    }
    if (entry >= USER_TOP || stack > USER_TOP || priority < PRIORITY_MIN ||
        priority > task->priority || processor >= PROCESSORS_MAX ||
        !(task->processors >> processor & 1) ||
        !may_handle(self, task, processor, frame->arg[5])) {
        return call_return(self, STATUS_BAD_ARGUMENT);
    }
    enum status status = thread_create(task, &cpus[processor], (uint8_t)priority, &thread);

    if (status == STATUS_OK) {
        arch_thread_init(&thread->arch, thread->cpu, entry, stack, frame->arg[4]);
        thread->handler = (thread_id)frame->arg[5];
        frame->arg[0] = thread->id;
        frame->arg[1] = self->id;
        thread_start(thread);
    }
    return call_return(self, status);
}

struct thread *call_thread_end(struct thread *self)
{
    struct cpu *cpu = self->cpu;

    thread_kill(self);
    return thread_next(cpu);
}
