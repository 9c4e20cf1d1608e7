/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What the kernel proper asks of virtualization: virt/ answers, or without_virt.c where the image
 * has none. Only threads with `vcpu` set and tasks with `vm` set are asked about.
 */
#include "kernel/arch.h"

struct cpu;
struct quota;
struct task;
struct thread;

/* Chooses the backend and turns it on for the boot processor; returns enum virt_cap. */
uint32_t virt_init(struct cpu *cpu, struct quota *quota);
/* Turns it on for another processor; that runs on it. Refuses to start if it cannot. The kernel's
 * lock is held. */
void virt_start(struct cpu *cpu, struct quota *quota);
/* Turns it off, before the machine stops. */
void virt_end(struct cpu *cpu);

/* On the vCPU's own processor: it exits with EXIT_RECALL soon, unless it waits for its handler. */
void virt_recall(struct thread *thread);
/* On the vCPU's own processor: nothing of it is left in the processor's registers. It will not
 * run again. */
void virt_thread_end(struct thread *thread);

/* The calls below hold the kernel's lock. */

/* Frees some of the context of a vCPU that has ended, on any processor; thread->vcpu is NULL when
 * all is. */
void virt_thread_destroy(struct thread *thread);
/* Gives back a part of the VM of a task whose vCPUs are gone; true when task->vm is NULL. */
bool virt_vm_destroy(struct task *task);
/* arch_space_revoke in the guest-physical space. */
void virt_vm_revoke(struct task *task, uint64_t gpa, phys_addr physical, uint64_t size,
                    uint64_t *next, bool *changed);
/* The processors that may hold translations of the VM: those that have a vCPU of it loaded. The
 * others flush by themselves before they enter it. */
uint32_t virt_vm_loaded(const struct task *task);
