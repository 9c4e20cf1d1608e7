/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/task.h"

#include "abi/layout.h"
#include "kernel/ipc.h"
#include "kernel/log.h"
#include "kernel/remote.h"
#include "kernel/slots.h"

static struct task *tasks[TASK_MAX];
static uint16_t generations[TASK_MAX];
static uint64_t taken[TASK_MAX / 64];
static const struct kernel_info *kernel_info;

void task_set_info(const struct kernel_info *info)
{
    kernel_info = info;
}

void task_forget(const struct task *task)
{
    uint32_t slot = task->id & 0xffff;

    tasks[slot] = NULL;
    slot_give_back(taken, slot);
    for (uint32_t i = 1; i < TASK_MAX; i++) {
        if (tasks[i]) {
            tasks[i]->rights.peers[slot / 64] &= ~(1UL << slot % 64);
        }
    }
}

/* A task may talk to itself, its parent and its children from the beginning. */
static void set_natural_peers(struct task *task)
{
    rights_set_peer(task, task, true);
    if (task->parent) {
        rights_set_peer(task, task->parent, true);
        rights_set_peer(task->parent, task, true);
    }
}

/* What every task holds from the beginning: itself, its tables and the kernel's page in them. */
#define TASK_FRAMES (1 + ARCH_SPACE_FRAMES)

/* Everything that can be missing is looked at first: nothing but the name has to be undone. */
enum status task_create(struct task *parent, const struct task_setup *setup, struct task **out)
{
    struct quota quota = {.limit = setup->frames};
    uint32_t slot = slot_take(taken, TASK_MAX);
    uint64_t done;

    if (slot == 0) {
        return STATUS_NO_SLOT;
    }
    if (setup->frames < TASK_FRAMES ||
        (parent && quota_split(&parent->quota, &quota, setup->frames) != STATUS_OK)) {
        slot_give_back(taken, slot);
        return STATUS_NO_MEMORY;
    }
    struct task *task = frame_alloc(&quota);

    KASSERT(task);
    generations[slot] = (uint16_t)(generations[slot] % UINT16_MAX + 1); /* never 0 */
    *task = (struct task){
        .id = (task_id)generations[slot] << 16 | slot,
        .parent = parent,
        .quota = quota,
        .processors = setup->processors,
        .time_partition = setup->time_partition,
        .priority = setup->priority,
    };
    bool made = arch_space_init(&task->space, arch_user_format, &task->quota) == STATUS_OK &&
                arch_space_map(&task->space, USER_KERNEL_INFO, arch_pool_physical(kernel_info),
                               PAGE_SIZE, MEM_READ, &task->quota, &done) == STATUS_OK;

    KASSERT(made);
    if (parent) {
        task->sibling = parent->children;
        task->link = &parent->children;
        if (task->sibling) {
            task->sibling->link = &task->sibling;
        }
        parent->children = task;
    }
    tasks[slot] = task;
    set_natural_peers(task);
    *out = task;
    return STATUS_OK;
}

struct task *task_find(task_id id)
{
    struct task *task = tasks[id % TASK_MAX];

    return task && task->id == id ? task : NULL;
}

struct task *task_in_slot(uint64_t slot)
{
    return tasks[slot];
}

bool task_controls(const struct task *task, const struct task *other)
{
    return other == task || other->parent == task;
}

struct task *task_after(struct task *task, const struct task *top)
{
    if (task->children) {
        return task->children;
    }
    while (task != top && !task->sibling) {
        task = task->parent;
    }
    return task == top ? NULL : task->sibling;
}

/* Kills up to `budget` threads of the task, but not the running one; returns what is left of it. */
static unsigned end_threads(struct task *task, unsigned budget)
{
    struct cpu *cpu = arch_this_cpu();
    struct thread **link = &task->threads;

    for (struct thread *thread; (thread = *link) && budget > 0;) {
        if (thread == cpu->current) {
            link = &thread->task_next;
            continue;
        }
        *link = thread->task_next;
        thread->task_next = task->dead;
        task->dead = thread;
        if (thread->cpu == cpu) {
            thread_kill(thread);
        } else {
            remote_poke(thread, POKE_END);
        }
        budget--;
    }
    return budget;
}

void task_mark_ended(struct task *task, enum task_state how, uint64_t code, uint64_t detail)
{
    if (task->state == TASK_RUNS) {
        task->code = code;
        task->detail = detail;
        task->state = how;
    }
}

enum { THREADS_IN_STEP = 4, TASKS_IN_STEP = 16 };

/* A step goes on at the task where the one before ended: its parents are marked, so nothing comes
 * into being before it. If that one is gone, it begins anew. */
bool task_end_step(struct task *task)
{
    struct task *each = task_find(task->ending);
    unsigned budget = THREADS_IN_STEP;

    each = each ? each : task;
    for (unsigned i = 0; each && i < TASKS_IN_STEP; i++, each = task_after(each, task)) {
        task_mark_ended(each, TASK_STOPPED, 0, 0);
        budget = end_threads(each, budget);
        if (budget == 0) {
            break;
        }
    }
    task->ending = each ? each->id : 0;
    if (!each && !task->told && task->parent && task->parent->main) {
        task->told = true;
        ipc_signal(task->parent->main, EVENT_CHILD);
    }
    return !each;
}
