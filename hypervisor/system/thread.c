/* SPDX-License-Identifier: Apache-2.0 */
#include "thread.h"

#include "lib/user/syscall.h"
#include "memory.h"

#define STACK_SIZE (4 * PAGE_SIZE)

thread_id system_thread(void (*entry)(uint64_t argument), unsigned processor, unsigned priority,
                        uint64_t argument)
{
    uint64_t stack = memory_place(STACK_SIZE, PAGE_SIZE);
    thread_id thread = 0;

    if (stack != 0) {
        const struct thread_parameters parameters = {
            .entry = (uint64_t)entry,
            /* As after the CALL that there was not. */
            .stack = (uint64_t)memory_at(stack) + STACK_SIZE - sizeof(uint64_t),
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
