/* SPDX-License-Identifier: Apache-2.0 */
/* In the place of virt/ where the image has no virtualization (CONFIG_VIRT=n). */
#include "kernel/calls.h"
#include "kernel/virtualization.h"

static struct thread *unsupported(struct thread *self)
{
    return call_return(self, STATUS_UNSUPPORTED);
}

struct thread *call_vm_create(struct thread *self) { return unsupported(self); }
struct thread *call_vm_map(struct thread *self) { return unsupported(self); }
struct thread *call_vm_unmap(struct thread *self) { return unsupported(self); }
struct thread *call_vcpu_create(struct thread *self) { return unsupported(self); }
struct thread *call_vcpu_state_get(struct thread *self) { return unsupported(self); }
struct thread *call_vcpu_state_set(struct thread *self) { return unsupported(self); }
struct thread *call_vcpu_recall(struct thread *self) { return unsupported(self); }
struct thread *call_vcpu_run(struct thread *self) { return unsupported(self); }

uint32_t virt_init(struct cpu *cpu, struct quota *quota)
{
    (void)cpu;
    (void)quota;
    return 0;
}

void virt_start(struct cpu *cpu, struct quota *quota)
{
    (void)cpu;
    (void)quota;
}

void virt_end(struct cpu *cpu)
{
    (void)cpu;
}

/* Nobody has a vCPU or a VM to be asked about. */

void virt_recall(struct thread *thread)
{
    (void)thread;
}

void virt_thread_end(struct thread *thread)
{
    (void)thread;
}

void virt_thread_destroy(struct thread *thread)
{
    (void)thread;
}

bool virt_vm_destroy(struct task *task)
{
    (void)task;
    return true;
}

void virt_vm_revoke(struct task *task, uint64_t gpa, phys_addr physical, uint64_t size,
                    uint64_t *next, bool *changed)
{
    (void)task;
    (void)gpa;
    (void)physical;
    (void)size;
    *next = 0;
    *changed = false;
}

uint32_t virt_vm_loaded(const struct task *task)
{
    (void)task;
    return 0;
}
