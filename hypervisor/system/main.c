/* SPDX-License-Identifier: Apache-2.0 */
/*
 * σ0: makes the partitions that the generated table names, carries their consoles, reports what
 * ends or fails, and turns the machine off after the last one.
 */
#include "abi/layout.h"
#include "console.h"
#include "lib/user/syscall.h"
#include "partition.h"
#include "memory.h"

#define PARTITIONS_MAX 32
#define EVENT_TYPED (1UL << 40) /* below it: bit n = partition n wrote to its console */

static struct partition partitions[PARTITIONS_MAX];
static thread_id self;

_Noreturn void user_main(uint64_t argument);

static uint32_t partition_count(void)
{
    return system_config.partition_count;
}

/* Ends the machine; the line is what `make run` and the tests wait for. */
static _Noreturn void end_machine(bool well)
{
    console_line("hecht: end status=%u\n", well ? 0u : 1u);
    for (;;) {
        sys_machine_end(MACHINE_OFF);
    }
}

static void start_partitions(const struct boot_info *boot)
{
    for (uint32_t i = 0; i < partition_count(); i++) {
        struct partition *partition = &partitions[i];

        partition->config = &system_config.partition[i];
        const char *error = partition_start(partition, boot, self, i);

        if (error) {
            console_line("σ0: %s cannot start: %s\n", partition->config->name, error);
        }
    }
}

static void report_end(struct partition *partition)
{
    const char *name = partition->config->name;
    uint64_t state, code, detail;

    if (sys_task_status(partition->task, &state, &code, &detail) != STATUS_OK ||
        state == TASK_RUNS) {
        return;
    }
    console_drain(partition->console);
    partition->runs = false;
    if (state == TASK_ENDED) {
        partition->well = code == 0;
        console_line("σ0: %s ended: code %lu\n", name, code);
    } else {
        console_line("σ0: %s failed: exception %lu, address 0x%lx\n", name, code, detail);
    }
}

static void look_after_children(void)
{
    bool any = false, well = true;

    for (uint32_t i = 0; i < partition_count(); i++) {
        if (partitions[i].runs) {
            report_end(&partitions[i]);
        }
        any |= partitions[i].runs;
        well &= partitions[i].well;
    }
    if (!any) {
        end_machine(well);
    }
}

static void carry_output(uint64_t events)
{
    for (uint32_t i = 0; i < partition_count(); i++) {
        struct partition *partition = &partitions[i];

        if ((events >> i & 1) && partition->runs && console_drain(partition->console)) {
            sys_event_signal(partition->main, EVENT_CONSOLE_INPUT);
        }
    }
}

/* The partition that gets what is typed: the first that wants it and runs. */
static struct partition *typed_for(void)
{
    for (uint32_t i = 0; i < partition_count(); i++) {
        if (partitions[i].runs && partitions[i].config->console_input) {
            return &partitions[i];
        }
    }
    return NULL;
}

static void carry_input(void)
{
    struct partition *partition = typed_for();
    uint8_t byte;

    while (sys_console_read(&byte) == STATUS_OK) {
        if (partition) {
            console_type(partition->console, byte);
        }
    }
    if (partition) {
        sys_event_signal(partition->main, EVENT_CONSOLE_INPUT);
    }
}

void user_main(uint64_t argument)
{
    const struct boot_info *boot = (const struct boot_info *)USER_BOOT_INFO;

    self = (thread_id)argument;
    memory_setup(boot);
    sys_console_listen(EVENT_TYPED);
    start_partitions(boot);
    look_after_children();
    for (;;) {
        struct message message = sys_ipc_wait(TSC_NEVER);

        if (message.status != STATUS_OK || message.kind != MESSAGE_EVENTS) {
            continue; /* σ0 serves no calls: a caller runs into its deadline */
        }
        uint64_t events = message.word[0];

        carry_output(events);
        if (events & EVENT_TYPED) {
            carry_input();
        }
        if (events & EVENT_CHILD) {
            look_after_children();
        }
    }
}
