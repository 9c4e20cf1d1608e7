/* SPDX-License-Identifier: Apache-2.0 */
#include "life.h"

#include "arguments.h"
#include "child.h"
#include "events.h"
#include "print.h"
#include "thread.h"

#define STACK_SIZE 0x4000u
#define IMAGE_PAGES 40u /* of kernel memory, for tables of the image and the like */
#define PORTS 4u
#define SIGMA0_SLOT 1u /* of the names: it is the first task */

static uint8_t stack[STACK_SIZE] __attribute__((aligned(PAGE_SIZE)));

uint64_t life_pages(void)
{
    struct task_report report;

    native_must("its own state", sys_task_status(0, &report));
    return report.quota_used;
}

static void give(task_id task, enum right right, const char *argument, uint32_t count)
{
    if (argument_given(argument)) {
        native_must(argument, sys_right_give(task, right, (uint32_t)argument_number(argument, 0),
                                             count));
    }
}

static void furnish(task_id task, const struct life *life)
{
    native_must("the partition's page", sys_mem_map(task, USER_PARTITION_INFO,
                                                    USER_PARTITION_INFO, PAGE_SIZE, MEM_READ));
    if (life->size > 0) {
        native_must("memory", sys_mem_map(task, life->memory, life->memory, life->size,
                                          MEM_READ | MEM_WRITE));
    }
    give(task, RIGHT_PORT, "port", PORTS);
    give(task, RIGHT_IRQ, "irq", 1);
    give(task, RIGHT_IRQ, "line", 1);
    native_must("talking to the console",
                sys_right_give(task, RIGHT_PEER, SIGMA0_SLOT, 1));
}

static void start(task_id task, const struct life *life)
{
    const struct thread_parameters parameters = {
        .entry = (uint64_t)life->run,
        .stack = (uint64_t)stack + STACK_SIZE - 8,
        .priority = PARTITION_INFO->priority,
        .processor = thread_first_processor(),
        .argument = life->argument,
    };
    thread_id id;

    native_must("a life's thread", sys_thread_create(task, &parameters, &id));
}

static void wait_for_end(task_id task, struct task_report *report)
{
    do {
        events_wait(EVENT_CHILD, TSC_NEVER);
        native_must("a life's state", sys_task_status(task, report));
    } while (report->state == TASK_RUNS);
}

uint64_t life_run(const struct life *life)
{
    uint64_t before = life_pages();
    struct task_report report;
    task_id task;

    native_must("a life", child_make(life->quota + IMAGE_PAGES, &task));
    furnish(task, life);
    start(task, life);
    wait_for_end(task, &report);
    native_must("the end of a life", child_remove(task));
    if (report.state != TASK_ENDED) {
        print("%s: a life failed: exception %lu, address 0x%lx\n", PARTITION_INFO->name,
              report.code, report.detail);
        native_end(1);
    }
    if (life_pages() != before) {
        print("%s: kernel memory is missing: %lu pages in use, %lu before\n",
              PARTITION_INFO->name, life_pages(), before);
        native_end(1);
    }
    return report.code;
}
