/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/map.h"

#include "abi/layout.h"
#include "kernel/calls.h"

bool range_valid(uint64_t address, uint64_t size, uint64_t limit)
{
    return ((address | size) & (PAGE_SIZE - 1)) == 0 && size > 0 && size <= limit &&
           address <= limit - size;
}

/* The longest part of [from, from + size) that lies in one page of the source. */
static enum status held_part(const struct task *source, uint64_t from, uint64_t size,
                             unsigned rights, phys_addr *physical, uint64_t *length)
{
    struct mapping held;

    if (!arch_space_lookup(&source->space, from, &held)) {
        return STATUS_NOT_MAPPED;
    }
    /* What the kernel shares with a task (state pages, information) is not the task's to give. */
    if ((rights & ~held.rights) != 0 || memory_owns(arch_pool_pointer(held.physical))) {
        return STATUS_DENIED;
    }
    uint64_t rest = held.size - (from & (held.size - 1));

    *physical = held.physical;
    *length = rest < size ? rest : size;
    return STATUS_OK;
}

enum status map_pass(const struct task *source, uint64_t from, struct arch_space *space,
                     uint64_t to, uint64_t size, unsigned rights, struct quota *quota)
{
    enum status status = STATUS_OK;
    phys_addr physical;
    uint64_t done, length;

    for (done = 0; done < size && status == STATUS_OK; done += length) {
        status = held_part(source, from + done, size - done, rights, &physical, &length);
        if (status != STATUS_OK) {
            return status;
        }
    }
    for (done = 0; done < size; done += length) {
        held_part(source, from + done, size - done, rights, &physical, &length);
        status = arch_space_map(space, to + done, physical, length, rights, quota);
        if (status != STATUS_OK) {
            if (done > 0) {
                arch_space_unmap(space, to, done, quota);
            }
            return status;
        }
    }
    return STATUS_OK;
}

struct thread *call_mem_map(struct thread *self)
{
    const uint64_t *arg = self->arch.frame.arg;
    struct task *child = task_find((task_id)arg[0]);
    uint64_t from = arg[1], to = arg[2], size = arg[3], rights = arg[4];

    if (!child || child->parent != self->task || child->state != TASK_RUNS) {
        return call_return(self, STATUS_BAD_ID);
    }
    if (!range_valid(from, size, USER_TOP) || !range_valid(to, size, USER_TOP) || rights == 0 ||
        rights > MEM_ALL || (rights & MEM_READ) == 0) {
        return call_return(self, STATUS_BAD_ARGUMENT);
    }
    return call_return(self, map_pass(self->task, from, &child->space, to, size,
                                      (unsigned)rights, &child->quota));
}

struct thread *call_mem_unmap(struct thread *self)
{
    const uint64_t *arg = self->arch.frame.arg;
    struct task *task = task_find((task_id)arg[0]);

    if (!task || !task_controls(self->task, task) || task->state != TASK_RUNS) {
        return call_return(self, STATUS_BAD_ID);
    }
    if (!range_valid(arg[1], arg[2], USER_TOP)) {
        return call_return(self, STATUS_BAD_ARGUMENT);
    }
    return call_return(self, arch_space_unmap(&task->space, arg[1], arg[2], &task->quota));
}
