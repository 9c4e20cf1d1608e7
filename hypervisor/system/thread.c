/* SPDX-License-Identifier: Apache-2.0 */
#include "thread.h"

#include "lib/user/syscall.h"
#include "memory.h"

#define STACK_SIZE (4 * PAGE_SIZE)

/* A new stack's end, or 0. The page below is there no more, for a stack that runs over: else the
 * memory of a partition would be next, since σ0 sees all of it. */
static uint64_t make_stack(void)
{
    uint64_t physical = memory_place(PAGE_SIZE + STACK_SIZE, PAGE_SIZE);
    uint64_t guard = (uint64_t)memory_at(physical);

    return physical != 0 && sys_mem_unmap(0, guard, PAGE_SIZE) == STATUS_OK
               ? guard + PAGE_SIZE + STACK_SIZE : 0;
}

thread_id system_thread(void (*entry)(uint64_t argument), unsigned processor, unsigned priority,
                        uint64_t argument)
{
    uint64_t stack = make_stack();
    thread_id thread = 0;

    if (stack != 0) {
        const struct thread_parameters parameters = {
            .entry = (uint64_t)entry,
            .stack = stack - sizeof(uint64_t), /* as after the CALL that there was not */
            .priority = priority,
            .processor = processor,
            .argument = argument,
        };

        sys_thread_create(0, &parameters, &thread);
    }
    return thread;
}

uint64_t system_wait(void)
{
    const uint64_t refusal[4] = {(uint64_t)STATUS_DENIED};
    thread_id caller = 0;

    for (;;) {
        struct message message = sys_ipc_reply_wait(caller, TSC_NEVER, refusal);

        caller = 0;
        if (message.status == STATUS_OK && message.kind == MESSAGE_EVENTS) {
            return message.word[0];
        }
        if (message.status == STATUS_OK && message.kind == MESSAGE_IPC) {
            caller = message.from;
        }
    }
}
