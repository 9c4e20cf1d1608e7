/* SPDX-License-Identifier: Apache-2.0 */
#include "virt/vm.h"

#include "abi/layout.h"
#include "kernel/calls.h"
#include "kernel/map.h"
#include "kernel/task.h"
#include "virt/virt.h"

/* Guest-physical addresses end here: four levels of tables. */
#define GPA_LIMIT (1UL << 46)

struct thread *call_vm_create(struct thread *self)
{
    struct task *task = self->task;
    struct vm *vm;

    if (!virt) {
        return call_return(self, STATUS_UNSUPPORTED);
    }
    if (task->vm) {
        return call_return(self, STATUS_EXISTS);
    }
    vm = frame_alloc(&task->quota);
    if (!vm) {
        return call_return(self, STATUS_NO_MEMORY);
    }
    *vm = (struct vm){.task = task, .quota = &task->quota, .generation = 1};
    enum status status = arch_space_init(&vm->gpa, virt->gpa_format, vm->quota);

    if (status == STATUS_OK) {
        status = virt->vm_init(vm);
        if (status == STATUS_OK) {
            task->vm = vm;
            return call_return(self, STATUS_OK);
        }
        arch_space_destroy(&vm->gpa, vm->quota);
    }
    frame_free(&task->quota, vm);
    return call_return(self, status);
}

struct thread *call_vm_map(struct thread *self)
{
    const uint64_t *arg = self->arch.frame.arg;
    uint64_t gpa = arg[0], from = arg[1], size = arg[2], rights = arg[3];
    struct vm *vm = self->task->vm;

    if (!vm) {
        return call_return(self, STATUS_BAD_ID);
    }
    if (!range_valid(gpa, size, GPA_LIMIT) || !range_valid(from, size, USER_TOP) ||
        rights == 0 || rights > MEM_ALL || (rights & MEM_READ) == 0) {
        return call_return(self, STATUS_BAD_ARGUMENT);
    }
    /* Only what was absent becomes present: no processor holds a translation that is wrong now
     * (SDM vol 3, 28.4.3.3; APM vol 2, 15.25.8 — not-present entries are not cached). */
    return call_return(self, map_pass(self->task, from, &vm->gpa, gpa, size, (unsigned)rights,
                                      vm->quota));
}

struct thread *call_vm_unmap(struct thread *self)
{
    const uint64_t *arg = self->arch.frame.arg;
    struct vm *vm = self->task->vm;

    if (!vm) {
        return call_return(self, STATUS_BAD_ID);
    }
    if (!range_valid(arg[0], arg[1], GPA_LIMIT)) {
        return call_return(self, STATUS_BAD_ARGUMENT);
    }
    enum status status = arch_space_unmap(&vm->gpa, arg[0], arg[1], vm->quota);

    vm->generation++;
    virt->vm_flush(vm);
    return call_return(self, status);
}
