/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/map.h"

#include "abi/layout.h"
#include "kernel/calls.h"
#include "kernel/remote.h"
#include "kernel/virtualization.h"

/* Small pages of the source in one step, about 1,500 instructions; a larger one has its own. */
enum { PAGES_IN_STEP = 2 };

/* The longest part of [from, from + size) that lies in one page of the source. */
static enum status held_part(const struct task *source, uint64_t from, uint64_t size,
                             unsigned rights, phys_addr *physical, uint64_t *length)
{
    struct mapping held;

    if (!arch_space_lookup(&source->space, from, &held)) {
        return STATUS_NOT_MAPPED;
    }
    /* What the kernel takes back by itself (state pages) is not the task's to give. */
    if ((rights & ~held.rights) != 0 || memory_owns(arch_pool_pointer(held.physical))) {
        return STATUS_DENIED;
    }
    uint64_t rest = held.size - (from & (held.size - 1));

    *physical = held.physical;
    *length = rest < size ? rest : size;
    return STATUS_OK;
}

enum status map_pass(const struct task *source, uint64_t from, struct arch_space *space,
                     uint64_t to, uint64_t size, unsigned rights, struct quota *quota,
                     uint64_t *done)
{
    phys_addr physical;
    uint64_t length, part;

    *done = 0;
    for (unsigned i = 0; i < PAGES_IN_STEP && *done < size; i++) {
        enum status status =
            held_part(source, from + *done, size - *done, rights, &physical, &length);

        if (status != STATUS_OK) {
            return status;
        }
        if (length > PAGE_SIZE && i > 0) {
            return STATUS_OK;
        }
        status = arch_space_map(space, to + *done, physical, length, rights, quota, &part);
        *done += part;
        if (status != STATUS_OK || length > PAGE_SIZE) {
            return status;
        }
    }
    return STATUS_OK;
}

struct thread *call_mem_map(struct thread *self)
{
    uint64_t *arg = self->arch.frame.arg;
    struct task *child = task_find((task_id)arg[0]);
    uint64_t from = arg[1], to = arg[2], size = arg[3], rights = arg[4], done;

    if (!child || child->parent != self->task || child->state != TASK_RUNS) {
        return call_return(self, STATUS_BAD_ID);
    }
    if (!range_valid(from, size, USER_TOP) || !range_valid(to, size, USER_TOP) || rights == 0 ||
        rights > MEM_ALL || (rights & MEM_READ) == 0) {
        return call_return(self, STATUS_BAD_ARGUMENT);
    }
    enum status status = map_pass(self->task, from, &child->space, to, size, (unsigned)rights,
                                  &child->quota, &done);

    arg[1] += done;
    arg[2] += done;
    arg[3] -= done;
    return status == STATUS_OK && done < size ? call_again(self) : call_return(self, status);
}

/* The caller's task or its child of that name, while it runs; or NULL. */
static struct task *find_own_or_child(const struct thread *self, uint64_t id)
{
    struct task *task = id ? task_find((task_id)id) : self->task;

    return task && task_controls(self->task, task) && task->state == TASK_RUNS ? task : NULL;
}

struct thread *call_mem_unmap(struct thread *self)
{
    uint64_t *arg = self->arch.frame.arg;
    struct task *task = find_own_or_child(self, arg[0]);
    uint64_t size = arg[2], done;
    bool changed;

    if (!task) {
        return call_return(self, STATUS_BAD_ID);
    }
    if (!range_valid(arg[1], size, USER_TOP)) {
        return call_return(self, STATUS_BAD_ARGUMENT);
    }
    enum status status =
        arch_space_unmap(&task->space, arg[1], size, &task->quota, &done, &changed);

    if (changed) {
        remote_sync(remote_loaded(&task->space));
    }
    arg[1] += done;
    arg[2] -= done;
    return status == STATUS_OK && done < size ? call_again(self) : call_return(self, status);
}

/* ---- Revoking -------------------------------------------------------------------------------- */

/*
 * Where a revocation stands between two steps: the task that it looks at, and where in there, in
 * the caller's registers. Whoever changes them harms the revocation that it wanted itself.
 */
enum { ARG_TASK = 3, ARG_PLACE = 4 };
#define PLACE_IN_VM 1UL /* of an address of a page: it is a guest-physical one */

/* Goes over to the next task below `top`; false at the end. */
static bool next_task(uint64_t *arg, struct task *at, const struct task *top)
{
    struct task *next = task_after(at, top);

    arg[ARG_TASK] = next ? next->id : 0;
    arg[ARG_PLACE] = 0;
    return next != NULL;
}

struct task *map_cursor(struct task *top, uint64_t id)
{
    struct task *at = id ? task_find((task_id)id) : NULL;

    for (const struct task *above = at; above; above = above->parent) {
        if (above == top) {
            return at;
        }
    }
    return NULL;
}

/* One step for the physical range; false: nobody from `top` on holds any of it now. The caller
 * keeps its own mapping of it. */
static bool revoke_step(const struct thread *self, struct task *top, uint64_t *arg,
                        phys_addr physical, uint64_t size)
{
    struct task *at = map_cursor(top, arg[ARG_TASK]);

    if (!at) { /* it has ended, or this is the beginning */
        at = top;
        arg[ARG_PLACE] = 0;
    }
    uint64_t place = arg[ARG_PLACE] & ~(PAGE_SIZE - 1), next = 0;
    bool changed = false;

    if (!(arg[ARG_PLACE] & PLACE_IN_VM) && at != self->task) {
        arch_space_revoke(&at->space, place, physical, size, &at->quota, &next, &changed);
        if (changed) {
            remote_sync(remote_loaded(&at->space));
        }
        arg[ARG_TASK] = at->id;
        arg[ARG_PLACE] = next ? next & ~(PAGE_SIZE - 1) : PLACE_IN_VM;
        return true;
    }
    if (at->vm) {
        place = arg[ARG_PLACE] & PLACE_IN_VM ? place : 0;
        virt_vm_revoke(at, place, physical, size, &next, &changed);
        if (changed) {
            remote_sync(virt_vm_loaded(at));
        }
        if (next) {
            arg[ARG_TASK] = at->id;
            arg[ARG_PLACE] = next | PLACE_IN_VM;
            return true;
        }
    }
    return next_task(arg, at, top);
}

struct thread *call_mem_revoke(struct thread *self)
{
    uint64_t *arg = self->arch.frame.arg;
    struct task *top = find_own_or_child(self, arg[0]);
    phys_addr physical;
    uint64_t length = PAGE_SIZE;

    if (!top) {
        return call_return(self, STATUS_BAD_ID);
    }
    if (!range_valid(arg[1], arg[2], USER_TOP)) {
        return call_return(self, STATUS_BAD_ARGUMENT);
    }
    enum status status = held_part(self->task, arg[1], arg[2], 0, &physical, &length);

    if (status == STATUS_DENIED) {
        return call_return(self, status);
    }
    if (status == STATUS_OK && revoke_step(self, top, arg, physical, length)) {
        return call_again(self);
    }
    arg[1] += length;
    arg[2] -= length;
    arg[ARG_TASK] = 0;
    arg[ARG_PLACE] = 0;
    return arg[2] > 0 ? call_again(self) : call_return(self, STATUS_OK);
}
