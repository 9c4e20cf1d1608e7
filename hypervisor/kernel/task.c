/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/task.h"

#include "abi/layout.h"
#include "kernel/ipc.h"

static struct task *tasks[TASK_MAX];
static uint16_t generations[TASK_MAX];
static const struct kernel_info *kernel_info;

void task_set_info(const struct kernel_info *info)
{
    kernel_info = info;
}

static enum status task_name(struct task *task)
{
    for (uint32_t slot = 1; slot < TASK_MAX; slot++) {
        if (!tasks[slot]) {
            tasks[slot] = task;
            task->id = (task_id)++generations[slot] << 16 | slot;
            return STATUS_OK;
        }
    }
    return STATUS_NO_SLOT;
}

/* The address space that every task starts with. */
static enum status make_space(struct task *task)
{
    enum status status = arch_space_init(&task->space, arch_user_format, &task->quota);

    if (status == STATUS_OK) {
        status = arch_space_map(&task->space, USER_KERNEL_INFO,
                                arch_pool_physical(kernel_info), PAGE_SIZE, MEM_READ,
                                &task->quota);
        if (status != STATUS_OK) {
            arch_space_destroy(&task->space, &task->quota);
        }
    }
    return status;
}

enum status task_create(struct task *parent, uint64_t frames, struct task **out)
{
    struct quota quota = {.limit = frames};
    enum status status = parent ? quota_split(&parent->quota, &quota, frames) : STATUS_OK;

    if (status != STATUS_OK) {
        return status;
    }
    struct task *task = frame_alloc(&quota);

    status = STATUS_NO_MEMORY;
    if (task) {
        *task = (struct task){.parent = parent, .quota = quota};
        status = make_space(task);
        if (status == STATUS_OK) {
            status = task_name(task);
            if (status == STATUS_OK) {
                *out = task;
                return STATUS_OK;
            }
            arch_space_destroy(&task->space, &task->quota);
        }
        quota = task->quota;
        frame_free(&quota, task);
    }
    if (parent) {
        parent->quota.used -= frames;
    }
    return status;
}

struct task *task_find(task_id id)
{
    uint32_t slot = id & 0xffff;
    struct task *task = slot < TASK_MAX ? tasks[slot] : NULL;

    return task && task->id == id ? task : NULL;
}

bool task_controls(const struct task *task, const struct task *other)
{
    return other == task || other->parent == task;
}

/* This task alone. */
static void end_one(struct task *task, enum task_state how, uint64_t code, uint64_t detail)
{
    task->state = how;
    task->code = code;
    task->detail = detail;
    for (struct thread *thread = task->threads; thread; thread = thread->task_next) {
        thread_kill(thread);
    }
}

/* No recursion: how deep tasks stand under one another is theirs to say, the kernel's stack is
 * not. A child was made after its parent and stands in a higher slot, as no slot is used twice. */
void task_end(struct task *task, enum task_state how, uint64_t code, uint64_t detail)
{
    if (task->state != TASK_RUNS) {
        return;
    }
    end_one(task, how, code, detail);
    for (uint32_t slot = 1; slot < TASK_MAX; slot++) {
        struct task *other = tasks[slot];

        if (other && other->state == TASK_RUNS && other->parent &&
            other->parent->state != TASK_RUNS) {
            end_one(other, TASK_ENDED, 0, 0);
        }
    }
    if (task->parent && task->parent->state == TASK_RUNS) {
        ipc_signal(task->parent->main, EVENT_CHILD);
    }
}
