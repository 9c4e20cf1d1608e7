/* SPDX-License-Identifier: Apache-2.0 */
#include "corners.h"

#include "arguments.h"
#include "child.h"
#include "clock.h"
#include "tally.h"
#include "thread.h"

#define HOARD 64u
#define NAMES 256u
#define PLACE 0x0000500000000000UL /* in a child */
#define TRIES 50u
#define THREADS 40u                /* of the task that ends: several steps */

/* Waits for anything, and ends; needs no stack. */
__asm__(".pushsection .text\n"
        "wait_once: mov $1, %eax\n"
        "mov $-1, %rsi\n"
        "syscall\n"
        "mov $22, %eax\n"
        "syscall\n"
        ".popsection\n");
_Static_assert(SYS_IPC_WAIT == 1 && TSC_NEVER == UINT64_MAX && SYS_THREAD_END == 22, "wait_once");
void wait_once(uint64_t unused);

static int64_t make_task(uint64_t quota, task_id *out)
{
    const struct task_parameters parameters = {
        .quota = quota,
        .processors = PARTITION_INFO->processors,
        .time_partition = PARTITION_INFO->time_partition,
        .priority = PARTITION_INFO->priority,
    };
    int64_t status = sys_task_create(&parameters, out);

    tally(SYS_TASK_CREATE, status);
    return status;
}

static void remove_task(task_id task)
{
    tally(SYS_TASK_STOP, sys_task_stop(task));
    tally(SYS_TASK_DESTROY, sys_task_destroy(task));
}

static int64_t make_thread_on(unsigned processor, task_id task, void (*entry)(uint64_t),
                              const uint8_t *top, unsigned priority, thread_id *out)
{
    const struct thread_parameters parameters = {
        .entry = (uint64_t)entry,
        .stack = (uint64_t)top,
        .priority = priority,
        .processor = processor,
    };
    int64_t status = sys_thread_create(task, &parameters, out);

    tally(SYS_THREAD_CREATE, status);
    return status;
}

static int64_t make_thread(task_id task, void (*entry)(uint64_t), const uint8_t *top,
                           unsigned priority, thread_id *out)
{
    return make_thread_on(thread_first_processor(), task, entry, top, priority, out);
}

/* Threads of its own that wait, as many as there can be. */
static unsigned make_waiting(thread_id *out)
{
    unsigned number = 0;

    while (number < HOARD && make_thread(0, wait_once, NULL, PARTITION_INFO->priority,
                                         &out[number]) == STATUS_OK) {
        number++;
    }
    return number;
}

static void wake_all(const thread_id *thread, unsigned number)
{
    for (unsigned i = 0; i < number; i++) {
        tally(SYS_EVENT_SIGNAL, sys_event_signal(thread[i], 1));
    }
    sys_ipc_wait(clock_now() + clock_ticks(1000000));
}

/* ---- Kernel memory --------------------------------------------------------------------------- */

static struct {
    task_id task[HOARD];
    thread_id thread[HOARD];
    unsigned tasks, threads;
} hoard;

/* Takes all that the task has left: in tasks, and the rest in threads. */
static void exhaust(void)
{
    hoard.tasks = 0;
    for (uint64_t quota = 0x10000; quota > 0 && hoard.tasks < HOARD;) {
        if (make_task(quota, &hoard.task[hoard.tasks]) == STATUS_OK) {
            hoard.tasks++;
        } else {
            quota = quota > 16 ? quota / 2 : quota - 1;
        }
    }
    hoard.threads = make_waiting(hoard.thread);
}

static void release(void)
{
    for (unsigned i = 0; i < hoard.tasks; i++) {
        remove_task(hoard.task[i]);
    }
    wake_all(hoard.thread, hoard.threads);
}

static int64_t map(task_id task, uint64_t memory)
{
    int64_t status = sys_mem_map(task, memory, PLACE, CORNER_PIECE, MEM_READ);

    tally(SYS_MEM_MAP, status);
    return status;
}

/* A large page in a child that has not a page of kernel memory to split it with. */
static void corner_of_splitting(uint64_t memory)
{
    task_id task;

    for (uint64_t quota = 1; quota < HOARD; quota++) {
        if (make_task(quota, &task) != STATUS_OK) {
            continue;
        }
        bool mapped = map(task, memory) == STATUS_OK;

        if (mapped) {
            tally(SYS_MEM_UNMAP, sys_mem_unmap(task, PLACE + PAGE_SIZE, PAGE_SIZE));
        }
        remove_task(task);
        if (mapped) {
            return;
        }
    }
}

/* A child that has nothing left for the table of its ports. */
static void corner_of_giving(void)
{
    task_id task;

    for (uint64_t quota = 1; quota < HOARD; quota++) {
        if (make_task(quota, &task) == STATUS_OK) {
            tally(SYS_RIGHT_GIVE, sys_right_give(task, RIGHT_PORT,
                                                 (uint32_t)argument_number("port", 0), 1));
            remove_task(task);
            return;
        }
    }
}

void corners_of_memory(uint64_t memory)
{
    corner_of_splitting(memory);
    corner_of_giving();
}

void corners_of_vm(uint64_t memory)
{
    thread_id vcpu;

    tally(SYS_VM_MAP, sys_vm_map(0, memory, PAGE_SIZE, MEM_READ));
    tally(SYS_VM_UNMAP, sys_vm_unmap(0, PAGE_SIZE));
    tally(SYS_VCPU_CREATE, sys_vcpu_create(VMM_STATE_BASE, 1, &vcpu));
    exhaust();
    tally(SYS_VM_CREATE, sys_vm_create(VM_PAGING_VTLB + 1));
    tally(SYS_VM_CREATE, sys_vm_create(VM_PAGING_AUTOMATIC));
    release();
    tally(SYS_VM_CREATE, sys_vm_create(VM_PAGING_AUTOMATIC));
    tally(SYS_VM_MAP, sys_vm_map(0, memory, CORNER_PIECE, MEM_READ));
    exhaust();
    tally(SYS_VM_UNMAP, sys_vm_unmap(PAGE_SIZE, PAGE_SIZE));
    tally(SYS_VM_MAP, sys_vm_map(1UL << 40, memory, PAGE_SIZE, MEM_READ));
    tally(SYS_VCPU_CREATE, sys_vcpu_create(VMM_STATE_BASE, 1, &vcpu));
    release();
    tally(SYS_VM_UNMAP, sys_vm_unmap(0, CORNER_PIECE));
}

/* ---- Names ----------------------------------------------------------------------------------- */

void corner_of_threads(void)
{
    static thread_id thread[HOARD];
    unsigned number = make_waiting(thread);
    thread_id vcpu;

    tally(SYS_VCPU_CREATE, sys_vcpu_create(VMM_STATE_BASE, 1, &vcpu));
    wake_all(thread, number);
}

uint64_t corner_of_names(void)
{
    static task_id task[NAMES];
    uint64_t number = 0;

    while (number < NAMES && make_task(8, &task[number]) == STATUS_OK) {
        number++;
    }
    for (uint64_t i = 0; i < number; i++) {
        remove_task(task[i]);
    }
    return number;
}

/* ---- A task that ends ------------------------------------------------------------------------ */

/* Both threads run on these, in the child, which shares the image. */
static uint8_t stacks[2][0x400] __attribute__((aligned(16)));
static volatile uint64_t refused;
static bool one_processor;

/* It asks while the end goes on: on another processor, or else between the steps of the end, of
 * which its timer and its higher priority get it to hold. */
static void ask_again(uint64_t unused)
{
    (void)unused;
    for (;;) {
        int64_t status = syscall5(SYS_TASK_CREATE, 0, 0, 0, 0, 0, NULL);

        refused = refused + (status == STATUS_BUSY);
        if (one_processor) {
            sys_ipc_wait(clock_now() + 5000);
        }
    }
}

static void end(uint64_t unused)
{
    (void)unused;
    sys_task_end(0);
}

/* The oldest threads end last. */
static void begin_and_end(task_id task)
{
    unsigned priority = PARTITION_INFO->priority;
    struct task_report report;
    thread_id id;

    make_thread_on(thread_last_processor(), task, ask_again, stacks[0] + sizeof(stacks[0]) - 8,
                   priority, &id);
    make_thread(task, end, stacks[1] + sizeof(stacks[1]) - 8, priority - 1, &id);
    for (unsigned i = 0; i < THREADS; i++) {
        make_thread(task, wait_once, NULL, priority, &id);
    }
    do {
        sys_ipc_wait(clock_now() + clock_ticks(1000000));
        tally(SYS_TASK_STATUS, sys_task_status(task, &report));
    } while (report.state == TASK_RUNS);
}

void corner_of_ending(void)
{
    task_id task;

    refused = 0;
    one_processor = thread_last_processor() == thread_first_processor();
    for (unsigned i = 0; i < TRIES && refused == 0; i++) {
        if (child_make(THREADS + 60, &task) != STATUS_OK) {
            return;
        }
        begin_and_end(task);
        remove_task(task);
    }
    if (refused > 0) { /* however often: it asks as fast as it can */
        tally(SYS_TASK_CREATE, STATUS_BUSY);
    }
}
