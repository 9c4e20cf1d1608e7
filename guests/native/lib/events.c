/* SPDX-License-Identifier: Apache-2.0 */
#include "events.h"

#include "thread.h"

static uint64_t take(struct thread_block *self, uint64_t bits)
{
    uint64_t taken = self->events & bits;

    self->events &= ~bits;
    return taken;
}

uint64_t events_wait(uint64_t bits, tsc_time deadline)
{
    struct thread_block *self = thread_block();

    if (!(self->events & bits)) {
        struct message message = sys_ipc_wait(deadline);

        if (message.status == STATUS_OK && message.kind == MESSAGE_EVENTS) {
            self->events |= message.word[0];
        }
    }
    return take(self, bits);
}
