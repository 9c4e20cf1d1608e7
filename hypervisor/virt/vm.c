/* SPDX-License-Identifier: Apache-2.0 */
#include "virt/vm.h"

#include "abi/layout.h"
#include "kernel/calls.h"
#include "kernel/map.h"
#include "kernel/remote.h"
#include "kernel/task.h"
#include "kernel/virtualization.h"
#include "virt/vcpu.h"
#include "virt/virt.h"

/* Guest-physical addresses end here: four levels of tables. */
#define GPA_LIMIT (1UL << 46)

/*
 * After the tables were changed: no entry that begins from here on uses what was taken away. For
 * those that have begun there is virt_vm_loaded, which looks after the new generation is written:
 * the other half of take_processor's fence (vcpu.c).
 */
static void vm_flush(struct vm *vm)
{
    __atomic_fetch_add(&vm->generation, 1, __ATOMIC_SEQ_CST);
}

uint32_t virt_vm_loaded(const struct task *task)
{
    uint32_t processors = 0;

    for (unsigned i = 0; i < CPU_MAX; i++) {
        const struct vcpu *vcpu = __atomic_load_n(&cpus[i].vcpu, __ATOMIC_SEQ_CST);

        /* It is there as long as we hold the kernel's lock: virt_thread_destroy does as well. */
        if (vcpu && vcpu->vm == task->vm) {
            processors |= 1u << i;
        }
    }
    return processors;
}

void virt_vm_revoke(struct task *task, uint64_t gpa, phys_addr physical, uint64_t size,
                    uint64_t *next, bool *changed)
{
    struct vm *vm = task->vm;

    arch_space_revoke(&vm->gpa, gpa, physical, size, vm->quota, next, changed);
    if (*changed) {
        vm_flush(vm);
    }
}

bool virt_vm_destroy(struct task *task)
{
    struct vm *vm = task->vm;

    if (!arch_space_destroy(&vm->gpa, vm->quota)) {
        return false;
    }
    task->vm = NULL;
    frame_free(&task->quota, vm);
    return true;
}

/* ---- The VMM's calls ---------------------------------------------------------------------- */

struct thread *call_vm_create(struct thread *self)
{
    struct task *task = self->task;
    uint64_t paging = self->arch.frame.arg[0];
    struct vm *vm;

    if (task->vm) {
        return call_return(self, STATUS_EXISTS);
    }
    if (paging > VM_PAGING_VTLB) {
        return call_return(self, STATUS_BAD_ARGUMENT);
    }
    if (paging == VM_PAGING_NESTED && !virt_nested) {
        return call_return(self, STATUS_UNSUPPORTED);
    }
    vm = frame_alloc(&task->quota);
    if (!vm) {
        return call_return(self, STATUS_NO_MEMORY);
    }
    vm->quota = &task->quota;
    vm->generation = 1;
    vm->vtlb = paging == VM_PAGING_VTLB || !virt_nested;
    enum status status = arch_space_init(&vm->gpa, virt->gpa_format, vm->quota);

    if (status == STATUS_OK) {
        task->vm = vm;
    } else {
        frame_free(&task->quota, vm);
    }
    return call_return(self, status);
}

/*
 * Only what was absent becomes present: no processor holds a translation that is wrong now
 * (SDM vol 3, 28.4.3.3; APM vol 2, 15.25.8: not-present entries are not cached).
 */
struct thread *call_vm_map(struct thread *self)
{
    uint64_t *arg = self->arch.frame.arg;
    uint64_t gpa = arg[0], from = arg[1], size = arg[2], rights = arg[3], done = 0;
    struct vm *vm = self->task->vm;

    if (!vm) {
        return call_return(self, STATUS_BAD_ID);
    }
    if (!range_valid(gpa, size, GPA_LIMIT) || !range_valid(from, size, USER_TOP) ||
        rights == 0 || rights > MEM_ALL || (rights & MEM_READ) == 0) {
        return call_return(self, STATUS_BAD_ARGUMENT);
    }
    enum status status = map_pass(self->task, from, &vm->gpa, gpa, size, (unsigned)rights,
                                  vm->quota, &done);

    arg[0] += done;
    arg[1] += done;
    arg[2] -= done;
    return status == STATUS_OK && done < size ? call_again(self) : call_return(self, status);
}

struct thread *call_vm_unmap(struct thread *self)
{
    uint64_t *arg = self->arch.frame.arg;
    uint64_t size = arg[1], done = 0;
    struct vm *vm = self->task->vm;
    bool changed = false;

    if (!vm) {
        return call_return(self, STATUS_BAD_ID);
    }
    if (!range_valid(arg[0], size, GPA_LIMIT)) {
        return call_return(self, STATUS_BAD_ARGUMENT);
    }
    enum status status = arch_space_unmap(&vm->gpa, arg[0], size, vm->quota, &done, &changed);

    if (changed) {
        vm_flush(vm);
        /* This processor has left the guest, and looks before it goes there again. */
        remote_sync(virt_vm_loaded(self->task) & ~(1u << self->cpu->id));
    }
    arg[0] += done;
    arg[1] -= done;
    return status == STATUS_OK && done < size ? call_again(self) : call_return(self, status);
}
