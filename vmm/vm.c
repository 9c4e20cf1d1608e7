/* SPDX-License-Identifier: Apache-2.0 */
#include "vm.h"

#include "abi/status.h"
#include "lib/user/syscall.h"
#include "report.h"

/* How long who waits for the lock sleeps, in nanoseconds of the VM's clock. */
#define LOCK_SLEEP_NS 100000u

/* The handler's vCPU does not run, so what comes while it sleeps here is nothing but events; what
 * they stand for is looked at before the guest goes on. */
void vm_lock_contended(struct vcpu *vcpu)
{
    struct machine *machine = &vcpu->vm->machine;
    uint32_t ticket = lock_draw(&vcpu->vm->lock);

    while (!lock_await(&vcpu->vm->lock, ticket)) {
        sys_ipc_wait(machine_tsc(machine) + clock_ticks(&machine->clock, LOCK_SLEEP_NS));
        vcpu->attention = true;
    }
    vcpu->locked = true;
    machine->console.owner = vcpu; /* who waits for its reader */
}

void vcpu_load_groups(struct vcpu *vcpu, uint32_t groups)
{
    int64_t status = sys_vcpu_state_get(vcpu->thread, groups);

    if (status != STATUS_OK) {
        report_refused(vcpu, status);
    }
}

void vcpu_inject(struct vcpu *vcpu, uint8_t vector)
{
    vcpu->state->injection =
        (struct vcpu_injection){ .valid = 1, .type = INJECT_EXCEPTION, .vector = vector };
}

void vcpu_inject_error(struct vcpu *vcpu, uint8_t vector, uint32_t error)
{
    vcpu->state->injection = (struct vcpu_injection){
        .valid = 1, .type = INJECT_EXCEPTION, .vector = vector, .has_error = 1, .error = error
    };
}
