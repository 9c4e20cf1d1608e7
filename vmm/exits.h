/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What becomes of each kind of exit. All are called while the vCPU waits, with the groups of its
 * reason valid; on return the state page holds what the guest goes on with. */
#include "vm.h"

/* The instruction has no effect but on RIP, or it has had its effect. */
__attribute__((always_inline)) static inline void exit_complete(struct vcpu *vcpu)
{
    uint32_t length = vcpu->state->exit.insn_length;

    vcpu_advance(vcpu, length != 0 ? length : code_length(vcpu));
}

void exit_cpuid(struct vcpu *vcpu);
void exit_msr_read(struct vcpu *vcpu);
void exit_msr_write(struct vcpu *vcpu);
void exit_hypercall(struct vcpu *vcpu);
void exit_xsetbv(struct vcpu *vcpu);
void exit_exception(struct vcpu *vcpu);
void exit_cr_access(struct vcpu *vcpu);
void exit_io(struct vcpu *vcpu);        /* io.c */
void exit_string_io(struct vcpu *vcpu); /* instruction.c */
void exit_memory(struct vcpu *vcpu);
