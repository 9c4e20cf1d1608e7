/* SPDX-License-Identifier: Apache-2.0 */
#include "abi/config.h"
#include "kernel/calls.h"
#include "kernel/log.h"
#include "kernel/sigma0.h"
#include "kernel/task.h"

/* The kernel's own quota: idle threads and what virtualization needs per processor. */
static struct quota kernel_quota = {.limit = 64};

/*
 * The boot order, after the machine is up (x86/main.c):
 *   1. the pool becomes the kernel's memory;
 *   2. the processor gets its idle thread and, where it can, virtualization;
 *   3. what boot has filled in becomes read-only;
 *   4. σ0 is made from its boot module and owns everything else;
 *   5. σ0 runs.
 */
void kernel_main(struct cpu *cpu, const struct platform *platform)
{
    memory_init(platform->pool, platform->pool_size);
    thread_make_idle(cpu, &kernel_quota);
    platform->kernel->virt_caps = virt_init(cpu, &kernel_quota);
    task_set_info(platform->kernel);
    arch_seal();

    struct thread *sigma0 = sigma0_create(cpu, platform);

    sigma0->state = THREAD_READY;
    arch_activate(cpu, sigma0);
    arch_restart(cpu, sigma0);
}
