/* SPDX-License-Identifier: Apache-2.0 */
#include "vm.h"

#include "abi/status.h"
#include "lib/user/syscall.h"
#include "report.h"

void vm_need(struct vm *vm, uint32_t groups)
{
    uint32_t missing = groups & ~(vm->state->valid | vm->state->dirty);

    if (missing) {
        int64_t status = sys_vcpu_state_get(vm->vcpu, missing);
        if (status != STATUS_OK) {
            report_refused(vm, status);
        }
    }
}

void vm_inject(struct vm *vm, uint8_t vector)
{
    vm->state->injection =
        (struct vcpu_injection){ .valid = 1, .type = INJECT_EXCEPTION, .vector = vector };
}

void vm_inject_error(struct vm *vm, uint8_t vector, uint32_t error)
{
    vm->state->injection = (struct vcpu_injection){
        .valid = 1, .type = INJECT_EXCEPTION, .vector = vector, .has_error = 1, .error = error
    };
}
