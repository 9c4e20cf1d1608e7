/* SPDX-License-Identifier: Apache-2.0 */
#include "thread.h"

#include "heap.h"

/* Tells a new thread that its block is complete. */
#define EVENT_START (1UL << 47)

static struct thread_block first;

struct thread_block *thread_block(void)
{
    uint64_t here = (uint64_t)__builtin_frame_address(0);

    if (thread_is_first()) {
        return &first;
    }
    return (struct thread_block *)((here & ~(THREAD_STACK_SIZE - 1)) + THREAD_STACK_SIZE -
                                   sizeof(struct thread_block));
}

bool thread_is_first(void)
{
    uint64_t here = (uint64_t)__builtin_frame_address(0);

    return here >= USER_STACK_TOP - USER_STACK_SIZE && here < USER_STACK_TOP;
}

uint64_t thread_stack(void)
{
    uint64_t base = (uint64_t)heap_aligned(THREAD_STACK_SIZE, THREAD_STACK_SIZE);

    native_must("guard page of a stack", sys_mem_unmap(0, base, PAGE_SIZE));
    return base + THREAD_STACK_SIZE;
}

static _Noreturn void thread_entry(struct thread_block *self)
{
    struct message message;

    do {
        message = sys_ipc_wait(TSC_NEVER);
    } while (message.kind != MESSAGE_EVENTS || !(message.word[0] & EVENT_START));
    self->events = message.word[0] & ~EVENT_START;
    self->setup.run(self->setup.argument);
    sys_thread_end();
}

int64_t thread_start(const struct thread_setup *setup, thread_id *out)
{
    struct thread_block *block =
        (struct thread_block *)(thread_stack() - sizeof(struct thread_block));

    *block = (struct thread_block){.setup = *setup};
    const struct thread_parameters parameters = {
        .entry = (uint64_t)thread_entry,
        /* As after a call: 8 below a multiple of 16. */
        .stack = ((uint64_t)block & ~15UL) - 8,
        .priority = setup->priority ? setup->priority : PARTITION_INFO->priority,
        .processor = setup->processor,
        .argument = (uint64_t)block,
        .handler = setup->handler,
    };
    thread_id self;
    int64_t status = sys_thread_create_from(0, &parameters, &block->id, &self);

    *out = block->id;
    if (status != STATUS_OK) {
        return status;
    }
    thread_block()->id = self;
    return sys_event_signal(block->id, EVENT_START);
}

static void run_nothing(uint64_t argument)
{
    (void)argument;
}

thread_id thread_self(void)
{
    struct thread_block *self = thread_block();

    if (self->id == 0) {
        /* Only the first thread does not know: who makes a thread is told. */
        const struct thread_setup nobody = {.run = run_nothing,
                                            .processor = thread_first_processor()};
        thread_id id;

        native_must("a thread", thread_start(&nobody, &id));
    }
    return self->id;
}
