/* SPDX-License-Identifier: Apache-2.0 */
/* In the place of virt/ where the image has no virtualization (CONFIG_VIRT=n). */
#include "kernel/calls.h"

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

void virt_end(struct cpu *cpu)
{
    (void)cpu;
}
