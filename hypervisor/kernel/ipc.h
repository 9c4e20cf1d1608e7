/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Messages between the threads of a processor: synchronous, with deadline, switched to directly;
 * events, which may come from any processor; and exceptions, which are messages to a handler. */
#include "kernel/thread.h"

/* Writes a message into the frame of a thread that is about to leave a wait. */
static inline void ipc_deliver(struct thread *to, thread_id from, enum message_kind kind,
                               const uint64_t words[4])
{
    struct arch_frame *frame = &to->arch.frame;

    frame->status = STATUS_OK;
    frame->arg[0] = from;
    frame->arg[1] = kind;
    for (unsigned i = 0; i < 4; i++) {
        frame->arg[2 + i] = words[i];
    }
}
/* `self` waits for the next message: returns self when one was there already. */
struct thread *ipc_wait(struct thread *self, tsc_time deadline);
/* The same, with `to` (in no queue, of the same task) ready to run as soon as `self` blocks. */
struct thread *ipc_wait_and_run(struct thread *self, tsc_time deadline, struct thread *to);
/* A vCPU has exited: stops it and hands the exit to its handler. */
struct thread *ipc_exit(struct thread *vcpu, struct thread *handler);
/* `self` has had an exception, noted in it, and waits for what `handler` says. */
struct thread *ipc_exception(struct thread *self, struct thread *handler);
/* Sets event bits and wakes the thread if it waits; on any processor. */
void ipc_signal(struct thread *to, uint64_t bits);
/* The same when the bits are set already, on its own processor. */
void ipc_take_events(struct thread *thread);
/* Takes a thread that sends or calls out of its partner's lists; any other is left alone. */
void ipc_withdraw(struct thread *thread);
/* The thread's deadline passed (it is out of the timeout queue). */
void ipc_timeout(struct thread *thread);
