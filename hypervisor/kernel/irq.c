/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/irq.h"

#include "kernel/calls.h"
#include "kernel/ipc.h"
#include "kernel/task.h"

/* Written with the kernel's lock, or by the listener's processor when it dies; read by the
 * processor that the line is routed to, which is the listener's. */
static struct {
    struct thread *thread; /* NULL: nobody */
    uint64_t bits;
} listeners[IRQ_LINES];

static struct thread *listener_of(unsigned line)
{
    return __atomic_load_n(&listeners[line].thread, __ATOMIC_ACQUIRE);
}

/* Unless another thread has taken its place meanwhile. */
static void stop(unsigned line, struct thread *thread)
{
    if (__atomic_compare_exchange_n(&listeners[line].thread, &thread, NULL, false,
                                    __ATOMIC_SEQ_CST, __ATOMIC_RELAXED)) {
        arch_irq_mask(line, true);
    }
}

void kernel_irq(struct cpu *cpu, unsigned line)
{
    struct thread *thread = listener_of(line);

    (void)cpu;
    if (thread) {
        ipc_signal(thread, listeners[line].bits);
    }
}

void irq_forget(struct thread *thread)
{
    for (unsigned line = 0; thread->listens && line < IRQ_LINES; line++) {
        if (listener_of(line) == thread) {
            stop(line, thread);
        }
    }
}

void irq_revoke(const struct task *task, unsigned line)
{
    struct thread *thread = listener_of(line);

    if (thread && thread->task == task) {
        stop(line, thread);
    }
}

/* The line of the call, if the caller's task holds it: true. */
static bool find_line(struct thread *self)
{
    uint64_t line = self->arch.frame.arg[0];

    if (line >= IRQ_LINES) {
        call_return(self, STATUS_BAD_ARGUMENT);
        return false;
    }
    if (!rights_hold_irq(self->task, line)) {
        call_return(self, STATUS_DENIED);
        return false;
    }
    return true;
}

struct thread *call_irq_listen(struct thread *self)
{
    const uint64_t *arg = self->arch.frame.arg;
    unsigned line = (unsigned)arg[0];

    if (!find_line(self)) {
        return self;
    }
    if (listener_of(line) && listener_of(line) != self) {
        return call_return(self, STATUS_EXISTS);
    }
    if (!arch_irq_route(line, self->cpu)) {
        return call_return(self, STATUS_UNSUPPORTED);
    }
    self->listens = true;
    listeners[line].bits = arg[1] & ~EVENT_CHILD;
    __atomic_store_n(&listeners[line].thread, self, __ATOMIC_RELEASE);
    arch_irq_mask(line, false);
    return call_return(self, STATUS_OK);
}

struct thread *call_irq_done(struct thread *self)
{
    unsigned line = (unsigned)self->arch.frame.arg[0];

    if (!find_line(self)) {
        return self;
    }
    if (listener_of(line) != self) {
        return call_return(self, STATUS_DENIED);
    }
    arch_irq_mask(line, false);
    return call_return(self, STATUS_OK);
}
