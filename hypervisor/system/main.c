/* SPDX-License-Identifier: Apache-2.0 */
/*
 * σ0: makes the partitions that the generated table names, carries their consoles, watches their
 * health, and turns the machine off after the last one. Its threads: thread.h.
 */
#include "abi/layout.h"
#include "console.h"
#include "lib/user/syscall.h"
#include "memory.h"
#include "monitor.h"
#include "partition.h"
#include "ports.h"
#include "service.h"
#include "thread.h"
#include "worker.h"

#define KERNEL_INFO ((const struct kernel_info *)USER_KERNEL_INFO)

_Noreturn void user_main(uint64_t argument);

/* What this image and this machine must have in common. */
static void check_module(void)
{
    if (KERNEL_INFO->abi_version != ABI_VERSION) {
        console_line("σ0: made for ABI %u, the kernel has %u\n", ABI_VERSION,
                     KERNEL_INFO->abi_version);
        monitor_module_error(HEALTH_CONFIGURATION, KERNEL_INFO->abi_version);
    }
    const char *error = ports_place();

    if (error) {
        console_line("σ0: no memory for channels: %s\n", error);
        monitor_module_error(HEALTH_CONFIGURATION, memory_left());
    }
}

/* Before anything else is placed. */
static void take_fixed_memory(void)
{
    for (uint32_t i = 0; i < system_config.fixed_count; i++) {
        const struct fixed_range *range = &system_config.fixed[i];

        if (!memory_take(range->base, range->size)) {
            console_line("hecht: cannot start: %s: memory 0x%lx-0x%lx is not free on this "
                         "machine\n", range->owner, range->base, range->base + range->size - 1);
            sys_machine_end(MACHINE_OFF);
        }
    }
}

static void cannot_start(struct partition *partition, const char *error)
{
    const struct health_event event = {HEALTH_CONFIGURATION, 0};

    console_line("σ0: %s cannot start: %s\n", partition->config->name, error);
    partition_unmake(partition);
    partition->ended_badly = true;
    monitor_error(partition, &event, false);
}

/* Where it is that the build left to us. */
static void tell_place(const struct partition *partition)
{
    const struct piece *ram = &partition->piece[PIECE_RAM];

    if (ram->size > 0 && partition->config->ram_base == 0) {
        console_line("memory: %s at 0x%lx-0x%lx\n", partition->config->name, ram->physical,
                     ram->physical + ram->size - 1);
    }
}

/* All memory is placed and filled before the first partition runs. */
static void start_partitions(const struct boot_info *boot)
{
    bool placed[PARTITIONS_MAX];

    for (uint32_t i = 0; i < partition_count(); i++) {
        partitions[i].config = &system_config.partition[i];
    }
    for (uint32_t i = 0; i < partition_count(); i++) {
        const char *error = partition_place(&partitions[i], boot);

        placed[i] = !error;
        if (error) {
            cannot_start(&partitions[i], error);
        } else {
            tell_place(&partitions[i]);
            partition_load(&partitions[i], boot, START_NORMAL);
        }
    }
    for (uint32_t i = 0; i < partition_count(); i++) {
        const char *error =
            placed[i] ? partition_launch(&partitions[i], boot, START_NORMAL) : NULL;

        if (error) {
            cannot_start(&partitions[i], error);
        } else if (placed[i]) {
            partition_set_state(&partitions[i], PARTITION_RUNS);
            ports_connect(&partitions[i]);
        }
    }
}

void user_main(uint64_t argument)
{
    const struct boot_info *boot = (const struct boot_info *)USER_BOOT_INFO;

    (void)argument;
    memory_setup(boot);
    take_fixed_memory();
    check_module();
    if (!service_start() || !worker_start(boot, service_thread(), EVENT_REMADE)) {
        console_line("σ0: no memory for its own threads\n");
        sys_machine_end(MACHINE_OFF);
    }
    start_partitions(boot);
    for (;;) {
        if (system_wait() & EVENT_CHILD) { /* which the kernel alone can signal */
            sys_event_signal(service_thread(), EVENT_CHILD_ENDED);
        }
    }
}
