/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/ipc.h"

#include "kernel/calls.h"
#include "kernel/list.h"
#include "kernel/task.h"

/* Argument registers of the calls in syscall.h: a0 partner, a1 deadline or kind, a2.. words. */
enum { ARG_PARTNER = 0, ARG_DEADLINE = 1, ARG_KIND = 1, ARG_WORDS = 2 };

void ipc_deliver(struct thread *to, thread_id from, enum message_kind kind,
                 const uint64_t words[4])
{
    struct arch_frame *frame = &to->arch.frame;

    frame->status = STATUS_OK;
    frame->arg[ARG_PARTNER] = from;
    frame->arg[ARG_KIND] = kind;
    for (unsigned i = 0; i < 4; i++) {
        frame->arg[ARG_WORDS + i] = words[i];
    }
}

static const uint64_t no_words[4];

static void deliver_events(struct thread *self)
{
    uint64_t words[4] = {self->events};

    self->events = 0;
    ipc_deliver(self, 0, MESSAGE_EVENTS, words);
}

/* The message of the first sender moves to `self`, and the sender on to what comes after. */
static void take_sender(struct thread *self)
{
    struct thread *sender = self->senders.first;

    list_remove(&self->senders, sender);
    switch (sender->send_kind) {
    case SEND_EXIT:
        sender->state = THREAD_STOPPED;
        ipc_deliver(self, sender->id, MESSAGE_EXIT, no_words);
        return;
    case SEND_CALL:
        sender->state = THREAD_CALLING;
        break;
    case SEND_ONLY:
        sender->partner = NULL;
        sender->arch.frame.status = STATUS_OK;
        thread_clear_timeout(sender);
        thread_wake(sender);
        break;
    }
    ipc_deliver(self, sender->id, MESSAGE_IPC, &sender->arch.frame.arg[ARG_WORDS]);
}

/* Is there something for `self` already? Then it has it now. */
static bool receive_now(struct thread *self)
{
    if (self->events) {
        deliver_events(self);
        return true;
    }
    if (self->senders.first) {
        take_sender(self);
        return true;
    }
    return false;
}

struct thread *ipc_wait_and_run(struct thread *self, tsc_time deadline, struct thread *to)
{
    if (receive_now(self)) {
        thread_wake(to);
        return thread_yield(self);
    }
    self->state = THREAD_WAITING;
    thread_set_timeout(self, deadline);
    return thread_switch(self->cpu, to);
}

struct thread *ipc_wait(struct thread *self, tsc_time deadline)
{
    if (receive_now(self)) {
        return thread_yield(self);
    }
    if (deadline == TSC_NOW) {
        ipc_deliver(self, 0, MESSAGE_TIMEOUT, no_words);
        return self;
    }
    self->state = THREAD_WAITING;
    thread_set_timeout(self, deadline);
    return thread_next(self->cpu);
}

struct thread *ipc_exit(struct thread *vcpu, struct thread *handler)
{
    if (handler->state == THREAD_WAITING) {
        thread_clear_timeout(handler);
        vcpu->state = THREAD_STOPPED;
        ipc_deliver(handler, vcpu->id, MESSAGE_EXIT, no_words);
        return thread_switch(vcpu->cpu, handler);
    }
    vcpu->send_kind = SEND_EXIT;
    vcpu->partner = handler;
    vcpu->state = THREAD_SENDING;
    list_append(&handler->senders, vcpu);
    return thread_next(vcpu->cpu);
}

void ipc_signal(struct thread *to, uint64_t bits)
{
    to->events |= bits;
    if (to->state == THREAD_WAITING && to->events) {
        thread_clear_timeout(to);
        deliver_events(to);
        thread_wake(to);
    }
}

void ipc_timeout(struct thread *thread)
{
    switch (thread->state) {
    case THREAD_WAITING:
        ipc_deliver(thread, 0, MESSAGE_TIMEOUT, no_words);
        break;
    case THREAD_SENDING:
        list_remove(&thread->partner->senders, thread);
        thread->arch.frame.status = (uint64_t)STATUS_TIMEOUT;
        break;
    case THREAD_CALLING:
        thread->arch.frame.status = (uint64_t)STATUS_TIMEOUT;
        break;
    default:
        return;
    }
    thread->partner = NULL;
    thread_wake(thread);
}

/* Communication follows the task tree: inside a task, and between parent and child. Returns
 * NULL after writing the status. */
static struct thread *find_partner(struct thread *self)
{
    struct thread *to = thread_find((thread_id)self->arch.frame.arg[ARG_PARTNER]);

    if (!to || to == self || to->vcpu) {
        call_return(self, STATUS_BAD_ID);
        return NULL;
    }
    if (!task_controls(self->task, to->task) && !task_controls(to->task, self->task)) {
        call_return(self, STATUS_DENIED);
        return NULL;
    }
    return to;
}

/* Both ways to send: at once when the receiver waits, otherwise in its list. */
static struct thread *send(struct thread *self, struct thread *to, enum send_kind kind)
{
    struct arch_frame *frame = &self->arch.frame;
    tsc_time deadline = frame->arg[ARG_DEADLINE];

    self->send_kind = kind;
    if (to->state == THREAD_WAITING) {
        thread_clear_timeout(to);
        ipc_deliver(to, self->id, MESSAGE_IPC, &frame->arg[ARG_WORDS]);
        if (kind == SEND_ONLY) {
            thread_wake(to);
            return thread_yield(call_return(self, STATUS_OK));
        }
        self->partner = to;
        self->state = THREAD_CALLING;
        thread_set_timeout(self, deadline);
        return thread_switch(self->cpu, to);
    }
    if (deadline == TSC_NOW) {
        return call_return(self, STATUS_TIMEOUT);
    }
    self->partner = to;
    self->state = THREAD_SENDING;
    list_append(&to->senders, self);
    thread_set_timeout(self, deadline);
    return thread_next(self->cpu);
}

struct thread *call_ipc_send(struct thread *self)
{
    struct thread *to = find_partner(self);

    return to ? send(self, to, SEND_ONLY) : self;
}

struct thread *call_ipc_call(struct thread *self)
{
    struct thread *to = find_partner(self);

    return to ? send(self, to, SEND_CALL) : self;
}

struct thread *call_ipc_wait(struct thread *self)
{
    return ipc_wait(self, self->arch.frame.arg[ARG_DEADLINE]);
}

struct thread *call_ipc_reply_wait(struct thread *self)
{
    struct arch_frame *frame = &self->arch.frame;
    tsc_time deadline = frame->arg[ARG_DEADLINE];

    if (frame->arg[ARG_PARTNER] == 0) {
        return ipc_wait(self, deadline);
    }
    struct thread *caller = thread_find((thread_id)frame->arg[ARG_PARTNER]);

    if (!caller || caller->state != THREAD_CALLING || caller->partner != self) {
        return call_return(self, STATUS_BAD_ID); /* gave up, or never called */
    }
    thread_clear_timeout(caller);
    caller->partner = NULL;
    ipc_deliver(caller, self->id, MESSAGE_IPC, &frame->arg[ARG_WORDS]);
    if (deadline == TSC_NOW) {
        thread_wake(caller);
        return ipc_wait(self, deadline);
    }
    return ipc_wait_and_run(self, deadline, caller);
}

struct thread *call_event_signal(struct thread *self)
{
    struct thread *to = find_partner(self);

    if (!to) {
        return self;
    }
    ipc_signal(to, self->arch.frame.arg[1] & ~EVENT_CHILD);
    return thread_yield(call_return(self, STATUS_OK));
}
