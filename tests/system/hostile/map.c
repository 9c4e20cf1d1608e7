/* SPDX-License-Identifier: Apache-2.0 */
/* Gives a VM what it does not own, and asks for what only σ0 may: every call has its documented
 * status (abi/syscall.h). Ends with the number of calls that answered something else. */
#include "hostile.h"

static uint64_t wrong;

static void expect(const char *what, int64_t status, int64_t expected)
{
    if (status != expected) {
        say("hostile: wrong status for: ");
        say(what);
        say("\n");
        wrong++;
    }
}

void user_main(uint64_t argument)
{
    const uint64_t words[5] = {0};
    const struct task_parameters greedy = {.quota = 1UL << 40, .processors = 1, .priority = 1};
    const struct task_parameters elsewhere = {.quota = 8, .processors = 1u << 31, .priority = 1};
    const struct thread_parameters high = {.entry = USER_IMAGE_BASE, .priority = PRIORITY_MAX};
    const struct thread_parameters far = {
        .entry = USER_IMAGE_BASE, .priority = 1, .processor = PROCESSORS_MAX - 1};
    thread_id vcpu, thread;
    task_id task;
    tsc_time when;
    uint32_t value;
    uint8_t byte;

    (void)argument;
    expect("vCPU without a VM", sys_vcpu_create(VMM_STATE_BASE, 1, &vcpu), STATUS_BAD_ID);
    expect("VM", sys_vm_create(VM_PAGING_AUTOMATIC), STATUS_OK);
    expect("second VM", sys_vm_create(VM_PAGING_AUTOMATIC), STATUS_EXISTS);
    expect("page it does not hold", sys_vm_map(0, 0x7000000000UL, PAGE_SIZE, MEM_READ),
           STATUS_NOT_MAPPED);
    expect("kernel's address", sys_vm_map(0, 0xffffffff80200000UL, PAGE_SIZE, MEM_READ),
           STATUS_BAD_ARGUMENT);
    expect("read-only page with write", sys_vm_map(0, USER_PARTITION_INFO, PAGE_SIZE, MEM_READ | MEM_WRITE),
           STATUS_DENIED);
    expect("own data with execute", sys_vm_map(0, USER_CONSOLE, PAGE_SIZE, MEM_ALL), STATUS_DENIED);
    expect("range that wraps", sys_vm_map(0, USER_CONSOLE, 0UL - PAGE_SIZE, MEM_READ),
           STATUS_BAD_ARGUMENT);
    expect("vCPU", sys_vcpu_create(VMM_STATE_BASE, 1, &vcpu), STATUS_OK);
    expect("its state page", sys_vm_map(0, VMM_STATE_BASE, PAGE_SIZE, MEM_READ), STATUS_DENIED);
    expect("own page", sys_vm_map(0, USER_CONSOLE, PAGE_SIZE, MEM_READ), STATUS_OK);
    expect("the same again", sys_vm_map(0, USER_CONSOLE, PAGE_SIZE, MEM_READ), STATUS_EXISTS);
    expect("unknown task", sys_mem_map(77, USER_CONSOLE, USER_CONSOLE, PAGE_SIZE, MEM_READ),
           STATUS_BAD_ID);
    expect("more kernel memory than its quota", sys_task_create(&greedy, &task),
           STATUS_NO_MEMORY);
    expect("task on another processor", sys_task_create(&elsewhere, &task), STATUS_BAD_ARGUMENT);
    expect("higher priority", sys_thread_create(0, &high, &thread), STATUS_BAD_ARGUMENT);
    expect("another processor", sys_thread_create(0, &far, &thread), STATUS_BAD_ARGUMENT);
    expect("port", sys_port_read(0x3f8, 1, &value), STATUS_DENIED);
    expect("interrupt line", sys_irq_listen(4, 1), STATUS_DENIED);
    expect("schedule", sys_schedule_set(0, &when), STATUS_DENIED);
    expect("board's console", sys_console_write(words, 1), STATUS_DENIED);
    expect("typed bytes", sys_console_read(&byte), STATUS_DENIED);
    expect("machine off", sys_machine_end(MACHINE_OFF), STATUS_DENIED);
    expect("unknown call", syscall5(SYSCALL_COUNT, 0, 0, 0, 0, 0, NULL), STATUS_BAD_CALL);
    say(wrong ? "hostile: something went through\n"
              : "hostile: every call was answered as documented\n");
    sys_task_end(wrong);
}
