/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/ipc.h"

#include "kernel/calls.h"
#include "kernel/list.h"
#include "kernel/remote.h"
#include "kernel/task.h"

/* Argument registers of the calls in syscall.h: a0 partner, a1 deadline or kind, a2.. words. */
enum { ARG_PARTNER = 0, ARG_DEADLINE = 1, ARG_KIND = 1, ARG_WORDS = 2 };

/* ---- Priorities ------------------------------------------------------------------------------ */

/* How far a priority is passed on, from one who waits to whom it waits for and so on. */
enum { CHAIN_MAX = 16 };

static bool waits(const struct thread *thread)
{
    return thread->state == THREAD_SENDING || thread->state == THREAD_CALLING;
}

static __attribute__((noinline)) void count_donor(struct thread *to, unsigned priority, int by)
{
    to->donors[priority] = (uint16_t)(to->donors[priority] + by);
    uint64_t bit = 1UL << priority % 64;

    to->donated[priority / 64] &= ~bit;
    to->donated[priority / 64] |= to->donors[priority] ? bit : 0;
}

/* Only inside one time partition is anything lent, and only what is higher than `to`'s own is
 * counted. */
static inline bool lends(const struct thread *from, const struct thread *to)
{
    return from->priority > to->own_priority && from->queue == to->queue;
}

/* `from` begins (1) or ceases (-1) to wait for `to`. */
static inline void donate(struct thread *to, const struct thread *from, int by)
{
    if (__builtin_expect(lends(from, to), 0)) {
        count_donor(to, from->priority, by);
    }
}

/* It runs on another priority, and lends that. Returns for whom it waits, or NULL. */
static struct thread *change_priority(struct thread *thread, unsigned priority)
{
    struct thread *partner = waits(thread) ? thread->partner : NULL;

    if (partner) {
        donate(partner, thread, -1);
    }
    thread_set_priority(thread, (uint8_t)priority);
    if (partner) {
        donate(partner, thread, 1);
    }
    return partner;
}

/* `thread` is waited for by one of that priority: it runs on it, and so do those for whom it
 * waits itself. Only inside one time partition. */
static void inherit(struct thread *thread, uint8_t priority)
{
    const struct ready_queue *queue = thread->queue;

    for (unsigned i = 0;
         i < CHAIN_MAX && thread && thread->queue == queue && thread->priority < priority; i++) {
        thread = change_priority(thread, priority);
    }
}

/* `from` lends `thread` nothing any more. gcc shall not look into it for registers that it leaves
 * alone: the way of a message is the same whatever else the image holds. */
#ifdef __clang__
#define CLOSED noinline
#else
#define CLOSED noipa
#endif
static __attribute__((CLOSED)) void take_back(struct thread *thread, const struct thread *from)
{
    count_donor(thread, from->priority, -1);
    for (unsigned i = 0; i < CHAIN_MAX && thread; i++) {
        unsigned top = level_top(thread->donated), priority = top ? top : thread->own_priority;

        if (priority == thread->priority) {
            return;
        }
        thread = change_priority(thread, priority);
    }
}

/* `from` does not wait for `to` any more. */
static inline void disinherit(struct thread *to, const struct thread *from)
{
    if (__builtin_expect(lends(from, to), 0)) {
        take_back(to, from);
    }
}

/* ---- Receiving ------------------------------------------------------------------------------- */

static const uint64_t no_words[4];

static void deliver_events(struct thread *self)
{
    uint64_t words[4] = {__atomic_exchange_n(&self->events, 0, __ATOMIC_SEQ_CST)};

    ipc_deliver(self, 0, MESSAGE_EVENTS, words);
}

static void deliver_exception(struct thread *to, const struct thread *from)
{
    uint64_t words[4] = {from->exception.vector | (uint64_t)from->exception.error << 32,
                         from->exception.address};

    arch_thread_place(&from->arch, &words[2], &words[3]);
    ipc_deliver(to, from->id, MESSAGE_EXCEPTION, words);
}

/* `from`, which calls or has an exception, is in no list: from here on it waits for the answer. */
static inline void go_on_waiting(struct thread *from, struct thread *to)
{
    from->partner = to;
    from->state = THREAD_CALLING;
    list_append(&to->callers, from);
}

static inline __attribute__((always_inline)) void await_answer(struct thread *from,
                                                               struct thread *to)
{
    go_on_waiting(from, to);
    donate(to, from, 1);
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
    case SEND_EXCEPTION:
        go_on_waiting(sender, self);
        deliver_exception(self, sender);
        return;
    case SEND_CALL:
        go_on_waiting(sender, self);
        break;
    case SEND_ONLY:
        sender->partner = NULL;
        sender->arch.frame.status = STATUS_OK;
        thread_clear_timeout(sender);
        thread_wake(sender);
        disinherit(self, sender);
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

static __attribute__((noinline)) struct thread *receive_and_wake(struct thread *self,
                                                                 struct thread *to)
{
    receive_now(self);
    thread_wake(to);
    return thread_yield(self);
}

static __attribute__((noinline)) struct thread *wait_until(struct thread *self, tsc_time deadline,
                                                           struct thread *to)
{
    thread_set_timeout(self, deadline);
    return thread_switch(to);
}

/* Not inlined, so that the way of a message is the same whether vCPUs take it too. */
__attribute__((noinline)) struct thread *ipc_wait_and_run(struct thread *self, tsc_time deadline,
                                                          struct thread *to)
{
    if (self->events || self->senders.first) {
        return receive_and_wake(self, to);
    }
    self->state = THREAD_WAITING;
    return deadline == TSC_NEVER ? thread_switch(to) : wait_until(self, deadline, to);
}

struct thread *ipc_wait(struct thread *self, tsc_time deadline)
{
    if (receive_now(self)) {
        return thread_yield(self);
    }
    if (deadline == TSC_NOW) {
        ipc_deliver(self, 0, MESSAGE_TIMEOUT, no_words);
        return thread_yield(self);
    }
    self->state = THREAD_WAITING;
    thread_set_timeout(self, deadline);
    return thread_next(self->cpu);
}

void ipc_take_events(struct thread *thread)
{
    if (thread->state == THREAD_WAITING && thread->events) {
        thread_clear_timeout(thread);
        deliver_events(thread);
        thread_wake(thread);
    }
}

void ipc_signal(struct thread *to, uint64_t bits)
{
    if ((__atomic_fetch_or(&to->events, bits, __ATOMIC_SEQ_CST) & bits) == bits) {
        return; /* whoever set them first has told it */
    }
    if (to->cpu == arch_this_cpu()) {
        ipc_take_events(to);
    } else {
        remote_poke(to, POKE_EVENTS);
    }
}

void ipc_withdraw(struct thread *thread)
{
    struct thread *partner = thread->partner;

    if (thread->state == THREAD_SENDING) {
        list_remove(&partner->senders, thread);
    } else if (thread->state == THREAD_CALLING) {
        list_remove(&partner->callers, thread);
    } else {
        return;
    }
    thread->partner = NULL;
    disinherit(partner, thread);
}

void ipc_timeout(struct thread *thread)
{
    if (thread->state == THREAD_WAITING) {
        ipc_deliver(thread, 0, MESSAGE_TIMEOUT, no_words);
    } else {
        ipc_withdraw(thread);
        thread->arch.frame.status = (uint64_t)STATUS_TIMEOUT;
    }
    thread_wake(thread);
}

/* ---- Sending --------------------------------------------------------------------------------- */

/* `self` waits until `to` takes its message. */
static struct thread *queue_up(struct thread *self, struct thread *to, enum send_kind kind)
{
    self->send_kind = kind;
    self->partner = to;
    self->state = THREAD_SENDING;
    list_append(&to->senders, self);
    if (kind != SEND_EXIT) { /* no vCPU's is higher than its handler's */
        donate(to, self, 1);
        inherit(to, self->priority);
    }
    return thread_next(self->cpu);
}

/* `to` has a message, `self` has blocked: in one time partition `to` runs at once, on the
 * caller's priority. */
static struct thread *hand_over(struct thread *self, struct thread *to)
{
    if (to->queue != self->queue) {
        thread_wake(to);
        return thread_next(self->cpu);
    }
    if (to->priority < self->priority) {
        to->priority = self->priority;
    }
    return thread_switch(to);
}

static __attribute__((noinline)) struct thread *exit_in_time(struct thread *vcpu,
                                                             struct thread *handler)
{
    timeout_remove(&handler->queue->timeouts, handler);
    return ipc_exit(vcpu, handler);
}

struct thread *ipc_exit(struct thread *vcpu, struct thread *handler)
{
    if (handler->state == THREAD_WAITING) {
        struct arch_frame *frame = &handler->arch.frame;

        if (handler->has_timeout) {
            return exit_in_time(vcpu, handler);
        }
        vcpu->state = THREAD_STOPPED;
        frame->status = STATUS_OK;
        frame->arg[ARG_PARTNER] = vcpu->id;
        frame->arg[ARG_KIND] = MESSAGE_EXIT; /* the state page says the rest */
        return thread_switch(handler);
    }
    return queue_up(vcpu, handler, SEND_EXIT);
}

struct thread *ipc_exception(struct thread *self, struct thread *handler)
{
    if (handler->state == THREAD_WAITING) {
        thread_clear_timeout(handler);
        self->send_kind = SEND_EXCEPTION;
        await_answer(self, handler);
        deliver_exception(handler, self);
        return hand_over(self, handler);
    }
    return queue_up(self, handler, SEND_EXCEPTION);
}

/* Whom the call names, if its caller may talk to it. Returns NULL after writing the status. */
static struct thread *find_partner(struct thread *self)
{
    struct thread *to = thread_find((thread_id)self->arch.frame.arg[ARG_PARTNER]);

    if (!to || to == self || to->vcpu) {
        call_return(self, STATUS_BAD_ID);
        return NULL;
    }
    if (to->task != self->task && !task_may_talk(self->task, to->task)) {
        call_return(self, STATUS_DENIED);
        return NULL;
    }
    return to;
}

/* ... with a message, which goes no further than this processor. */
static inline struct thread *find_near_partner(struct thread *self)
{
    struct thread *to = find_partner(self);

    if (to && to->cpu != self->cpu) {
        call_return(self, STATUS_ELSEWHERE);
        return NULL;
    }
    return to;
}

struct thread *call_ipc_send(struct thread *self)
{
    const struct arch_frame *frame = &self->arch.frame;
    struct thread *to = find_near_partner(self);

    if (!to) {
        return self;
    }
    if (to->state == THREAD_WAITING) {
        thread_clear_timeout(to);
        ipc_deliver(to, self->id, MESSAGE_IPC, &frame->arg[ARG_WORDS]);
        thread_wake(to);
        return thread_yield(call_return(self, STATUS_OK));
    }
    if (frame->arg[ARG_DEADLINE] == TSC_NOW) {
        return call_return(self, STATUS_TIMEOUT);
    }
    thread_set_timeout(self, frame->arg[ARG_DEADLINE]);
    return queue_up(self, to, SEND_ONLY);
}

struct thread *call_ipc_call(struct thread *self)
{
    const struct arch_frame *frame = &self->arch.frame;
    struct thread *to = find_near_partner(self);

    if (!to) {
        return self;
    }
    if (frame->arg[ARG_DEADLINE] != TSC_NEVER) {
        if (frame->arg[ARG_DEADLINE] == TSC_NOW) {
            return call_return(self, STATUS_TIMEOUT); /* nobody answers in no time */
        }
        thread_set_timeout(self, frame->arg[ARG_DEADLINE]);
    }
    if (to->state != THREAD_WAITING) {
        return queue_up(self, to, SEND_CALL);
    }
    thread_clear_timeout(to);
    self->send_kind = SEND_CALL;
    await_answer(self, to);
    ipc_deliver(to, self->id, MESSAGE_IPC, &frame->arg[ARG_WORDS]);
    return hand_over(self, to);
}

struct thread *call_ipc_wait(struct thread *self)
{
    return ipc_wait(self, self->arch.frame.arg[ARG_DEADLINE]);
}

/* The answer to an exception of `thread`, then the wait. */
static __attribute__((noinline)) struct thread *answer_exception(struct thread *self,
                                                                 struct thread *thread)
{
    const uint64_t *words = &self->arch.frame.arg[ARG_WORDS];

    if (words[0] == EXCEPTION_GO_TO) {
        arch_thread_go_to(&thread->arch, words[1], words[2]);
    }
    if (words[0] == EXCEPTION_GO_TO || words[0] == EXCEPTION_RETRY) {
        thread_wake(thread);
    } else {
        thread->state = THREAD_STOPPED;
        thread_kill(thread);
    }
    return ipc_wait(self, self->arch.frame.arg[ARG_DEADLINE]);
}

struct thread *call_ipc_reply_wait(struct thread *self)
{
    struct arch_frame *frame = &self->arch.frame;
    tsc_time deadline = frame->arg[ARG_DEADLINE];

    if (frame->arg[ARG_PARTNER] == 0) {
        return ipc_wait(self, deadline);
    }
    struct thread *caller = thread_named((thread_id)frame->arg[ARG_PARTNER]);

    if (!caller || caller->cpu != self->cpu || caller->state != THREAD_CALLING ||
        caller->partner != self) {
        return call_return(self, STATUS_BAD_ID); /* gave up, or never called */
    }
    list_remove(&self->callers, caller);
    caller->partner = NULL;
    disinherit(self, caller);
    if (caller->send_kind != SEND_CALL) {
        return answer_exception(self, caller);
    }
    thread_clear_timeout(caller);
    ipc_deliver(caller, self->id, MESSAGE_IPC, &frame->arg[ARG_WORDS]);
    if (deadline == TSC_NOW || caller->queue != self->queue) {
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
