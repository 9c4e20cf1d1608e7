/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What the VMM says on the VM's console, each line starting with "vmm: ", and how a VM ends:
 * with the code that the VMM's task gives its parent, 0 for an end that the guest wanted. */
#include <stdint.h>

struct vcpu;

enum vm_end {
    VM_ENDS_WELL = 0,
    VM_DIES = 1,       /* the guest did what cannot be gone on from */
    VM_CANNOT_RUN = 2, /* configuration, images or kernel: the guest has not done it */
};

/* "vmm: NAME starts, entry tsc 0x0123456789abcdef, nested paging" */
void report_start(struct vcpu *vcpu);
void report_restart(struct vcpu *vcpu);

/* "vmm: NAME halted": HLT that nothing can end. */
_Noreturn void report_halted(struct vcpu *vcpu);
/* A device ends the VM with a code of the guest's choice. */
_Noreturn void report_end(struct vcpu *vcpu, uint64_t code);
/* The exit that the vCPU waits at cannot be handled: says why, and all registers. */
_Noreturn void report_fatal_exit(struct vcpu *vcpu);
/* The same with a reason of the caller's. */
_Noreturn void report_fatal(struct vcpu *vcpu, const char *reason);
/* The guest wrote to that guest-physical address of shared memory, which it may only read. */
_Noreturn void report_violation(struct vcpu *vcpu, uint64_t gpa);
/* The images cannot be loaded. */
_Noreturn void report_unloadable(struct vcpu *vcpu, const char *error);
/* The kernel refused a call that should work. */
_Noreturn void report_refused(struct vcpu *vcpu, int64_t status);
