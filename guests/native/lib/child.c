/* SPDX-License-Identifier: Apache-2.0 */
#include "child.h"

#include "thread.h"

/* A page of the image, with the most that can be given: it is one of the three. */
static int64_t map_page(task_id child, uint64_t address)
{
    static const unsigned rights[] = {MEM_READ | MEM_EXECUTE, MEM_READ | MEM_WRITE, MEM_READ};
    int64_t status = STATUS_DENIED;

    for (unsigned i = 0; i < 3 && status == STATUS_DENIED; i++) {
        status = sys_mem_map(child, address, address, PAGE_SIZE, rights[i]);
    }
    return status;
}

int64_t child_make(uint64_t quota, task_id *out)
{
    const struct task_parameters parameters = {
        .quota = quota,
        .processors = PARTITION_INFO->processors,
        .time_partition = PARTITION_INFO->time_partition,
        .priority = PARTITION_INFO->priority,
    };
    int64_t status = sys_task_create(&parameters, out);

    for (uint64_t page = USER_IMAGE_BASE; status == STATUS_OK; page += PAGE_SIZE) {
        status = map_page(*out, page);
    }
    return status == STATUS_NOT_MAPPED ? STATUS_OK : status; /* the end of the image */
}

int64_t child_thread(task_id child, void (*entry)(uint64_t argument), uint64_t argument,
                     unsigned priority, thread_id *out)
{
    uint64_t size = THREAD_STACK_SIZE - PAGE_SIZE, top = thread_stack();
    int64_t status =
        sys_mem_map(child, top - size, top - size, size, MEM_READ | MEM_WRITE);

    if (status != STATUS_OK) {
        return status;
    }
    const struct thread_parameters parameters = {
        .entry = (uint64_t)entry,
        .stack = top - 8,
        .priority = priority,
        .processor = thread_first_processor(),
        .argument = argument,
    };
    return sys_thread_create(child, &parameters, out);
}

int64_t child_remove(task_id child)
{
    int64_t status = sys_task_stop(child);

    return status == STATUS_OK || status == STATUS_BUSY ? sys_task_destroy(child) : status;
}
