/* SPDX-License-Identifier: Apache-2.0 */
#include "abi/config.h"
#include "kernel/calls.h"
#include "kernel/log.h"
#include "kernel/remote.h"
#include "kernel/sigma0.h"
#include "kernel/task.h"
#include "kernel/virtualization.h"

/* The kernel's own quota: idle threads, queues and what virtualization needs per processor. Taken
 * before σ0 gets the rest. */
static struct quota kernel_quota = {.limit = UINT64_MAX};
static unsigned processors_ready = 1;

static void init_processors(const struct kernel_info *info)
{
    for (unsigned i = 0; i < kernel_config.processors; i++) {
        cpus[i].id = i;
        thread_init_cpu(&cpus[i], &kernel_quota);
        window_start(&cpus[i], info->frame_start, info->tsc_khz);
    }
}

static _Noreturn void run(struct cpu *cpu, struct thread *first)
{
    sched_set_timer(cpu);
    arch_activate(cpu, first);
    arch_restart(cpu, first);
}

/*
 * The boot order, after the machine is up (x86/main.c):
 *   1. the pool becomes the kernel's memory;
 *   2. the processors get their idle threads, queues and windows, the frames begin;
 *   3. virtualization where there is any, here and on the other processors, which start;
 *   4. what boot has filled in becomes read-only;
 *   5. σ0 is made from its boot module and owns everything else;
 *   6. σ0 runs.
 */
void kernel_main(struct cpu *cpu, const struct platform *platform)
{
    memory_init(platform->pool, platform->pool_size);
    platform->kernel->frame_start = arch_time();
    init_processors(platform->kernel);
    platform->kernel->virt_caps = virt_init(cpu, &kernel_quota);
    task_set_info(platform->kernel);
    arch_start_processors(kernel_config.processors);
    while (__atomic_load_n(&processors_ready, __ATOMIC_ACQUIRE) < kernel_config.processors) {
        arch_pause();
    }
    arch_seal();

    struct thread *sigma0 = sigma0_create(cpu, platform);

    sigma0->state = THREAD_READY;
    run(cpu, sigma0);
}

void kernel_start_processor(struct cpu *cpu)
{
    kernel_lock(cpu);
    virt_start(cpu, &kernel_quota);
    kernel_unlock();
    __atomic_fetch_add(&processors_ready, 1, __ATOMIC_RELEASE);
    run(cpu, cpu->idle);
}
