/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Messages between threads: synchronous, with deadline, switched to directly; and events. */
#include "kernel/thread.h"

/* Writes a message into the frame of a thread that is about to leave a wait. */
void ipc_deliver(struct thread *to, thread_id from, enum message_kind kind,
                 const uint64_t words[4]);
/* `self` waits for the next message: returns self when one was there already. */
struct thread *ipc_wait(struct thread *self, tsc_time deadline);
/* The same, with `to` (in no queue) ready to run as soon as `self` blocks. */
struct thread *ipc_wait_and_run(struct thread *self, tsc_time deadline, struct thread *to);
/* A vCPU has exited: stops it and hands the exit to its handler. */
struct thread *ipc_exit(struct thread *vcpu, struct thread *handler);
/* Sets event bits and wakes the thread if it waits. */
void ipc_signal(struct thread *to, uint64_t bits);
/* The thread's deadline passed (it is out of the timeout queue). */
void ipc_timeout(struct thread *thread);
