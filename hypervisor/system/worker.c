/* SPDX-License-Identifier: Apache-2.0 */
#include "worker.h"

#include "health.h"
#include "lib/string.h"
#include "lib/user/syscall.h"
#include "thread.h"

#define EVENT_ORDER (1UL << 0)

static struct {
    const struct boot_info *boot;
    thread_id service;
    uint64_t done; /* event bits for it */
} worker;
static thread_id workers[PROCESSORS_MAX];

static void make_again(struct partition *partition)
{
    partition_unmake(partition);
    partition_load(partition, worker.boot, partition->order);
    partition->restarts++;
    partition->error = partition_launch(partition, worker.boot, partition->order);
    if (partition->error) {
        partition_unmake(partition);
    }
    partition->fresh = !partition->error;
    partition_set_state(partition, partition->error ? PARTITION_DOWN : PARTITION_RUNS);
    sys_event_signal(worker.service, worker.done);
}

static _Noreturn void work(uint64_t argument)
{
    unsigned processor = (unsigned)argument;

    for (;;) {
        for (uint32_t i = 0; i < partition_count(); i++) {
            if (partition_state(&partitions[i]) == PARTITION_WITH_WORKER &&
                partition_processor(partitions[i].config) == processor) {
                make_again(&partitions[i]);
            }
        }
        system_wait(); /* an order that came meanwhile ends it at once */
    }
}

bool worker_start(const struct boot_info *boot, thread_id service, uint64_t done)
{
    memory_set(workers, 0, sizeof(workers));
    worker.boot = boot;
    worker.service = service;
    worker.done = done;
    for (uint32_t i = 0; i < partition_count(); i++) {
        unsigned processor = partition_processor(&system_config.partition[i]);
        thread_id *thread = &workers[processor];

        if (*thread == 0) {
            *thread = system_thread(work, processor,
                                    health_worker_priority(&system_config, processor), processor);
        }
        if (*thread == 0) {
            return false;
        }
    }
    return true;
}

void worker_order(struct partition *partition, enum start_condition condition)
{
    partition->order = condition;
    partition_set_state(partition, PARTITION_WITH_WORKER);
    sys_event_signal(workers[partition_processor(partition->config)], EVENT_ORDER);
}
