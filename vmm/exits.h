/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What becomes of each kind of exit. All are called while the vCPU waits, with the groups of its
 * reason valid; on return the state page holds what the guest goes on with. */
struct vm;

/* The instruction has no effect but on RIP, or it has had its effect. */
void exit_complete(struct vm *vm);

void exit_cpuid(struct vm *vm);
void exit_msr_read(struct vm *vm);
void exit_msr_write(struct vm *vm);
void exit_hypercall(struct vm *vm);
void exit_xsetbv(struct vm *vm);
void exit_exception(struct vm *vm);
void exit_cr_access(struct vm *vm);
void exit_io(struct vm *vm);        /* io.c */
void exit_string_io(struct vm *vm); /* instruction.c */
void exit_memory(struct vm *vm);
