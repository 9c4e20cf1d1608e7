/* SPDX-License-Identifier: Apache-2.0 */
/* sources: hypervisor/kernel/memory.c hypervisor/kernel/log.c hypervisor/kernel/thread.c hypervisor/kernel/task.c hypervisor/kernel/ending.c hypervisor/kernel/ipc.c hypervisor/kernel/sched.c hypervisor/kernel/timeout.c hypervisor/kernel/window.c hypervisor/kernel/remote.c hypervisor/kernel/map.c hypervisor/kernel/rights.c hypervisor/kernel/irq.c hypervisor/kernel/reclaim.c hypervisor/kernel/syscall.c hypervisor/kernel/console.c hypervisor/kernel/without_virt.c hypervisor/lib/string.c hypervisor/lib/format.c tests/unit/fake/arch.c */
/* cflags: -Itests/unit/fake */
/* Scheduling, messages, events, deadlines and exceptions, on the fake machine. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "abi/layout.h"
#include "fake.h"
#include "kernel/ipc.h"

static struct cpu *cpu;
static struct task *root, *child, *other;

static int setup(void **state)
{
    (void)state;
    cpu = fake_machine();
    root = fake_task(NULL, 200);
    child = fake_task(root, 20);
    other = fake_task(root, 20);
    return 0;
}

/* ---- Scheduling ---------------------------------------------------------------------------- */

static void test_highest_priority_runs_first_come_first(void **state)
{
    (void)state;
    struct thread *low = fake_thread(root, 10);
    struct thread *first = fake_thread(root, 200);
    struct thread *second = fake_thread(root, 200);

    assert_ptr_equal(fake_run(cpu), first);
    assert_ptr_equal(fake_run(cpu), second);
    assert_ptr_equal(fake_run(cpu), low);
    assert_ptr_equal(fake_run(cpu), cpu->idle);
}

static void test_preempted_thread_keeps_its_turn(void **state)
{
    (void)state;
    struct thread *running = fake_thread(root, 50);
    struct thread *equal = fake_thread(root, 50);

    assert_ptr_equal(fake_run(cpu), running);
    assert_ptr_equal(kernel_preempted(running), running); /* no switch among equals */
    struct thread *high = fake_thread(root, 51);

    assert_ptr_equal(kernel_preempted(running), high);
    assert_ptr_equal(fake_run(cpu), running);
    assert_ptr_equal(fake_run(cpu), equal);
}

/* ---- Messages ------------------------------------------------------------------------------- */

static void test_call_switches_to_the_server_and_back(void **state)
{
    (void)state;
    struct thread *server = fake_thread(root, 100);
    struct thread *client = fake_thread(child, 100);

    assert_ptr_equal(fake_run(cpu), server);
    assert_ptr_equal(fake_call(server, SYS_IPC_WAIT, 0, TSC_NEVER, 0, 0, 0, 0), client);
    assert_ptr_equal(fake_call(client, SYS_IPC_CALL, server->id, TSC_NEVER, 1, 2, 3, 4), server);
    assert_int_equal(fake_status(server), STATUS_OK);
    assert_int_equal(server->arch.frame.arg[0], client->id);
    assert_int_equal(server->arch.frame.arg[1], MESSAGE_IPC);
    assert_int_equal(server->arch.frame.arg[5], 4);
    assert_ptr_equal(fake_call(server, SYS_IPC_REPLY_WAIT, client->id, TSC_NEVER, 5, 6, 7, 8),
                     client);
    assert_int_equal(client->arch.frame.arg[2], 5);
    assert_int_equal(client->arch.frame.arg[5], 8);
    assert_int_equal(server->state, THREAD_WAITING);
}

static void test_sender_waits_for_a_busy_receiver(void **state)
{
    (void)state;
    struct thread *client = fake_thread(child, 100);
    struct thread *server = fake_thread(root, 90);

    assert_ptr_equal(fake_run(cpu), client);
    assert_ptr_equal(fake_call(client, SYS_IPC_SEND, server->id, TSC_NEVER, 9, 0, 0, 0), server);
    assert_int_equal(client->state, THREAD_SENDING);
    /* The receiver gets it at once, and the higher sender preempts it. */
    assert_ptr_equal(fake_call(server, SYS_IPC_WAIT, 0, TSC_NEVER, 0, 0, 0, 0), client);
    assert_int_equal(fake_status(client), STATUS_OK);
    assert_int_equal(server->arch.frame.arg[2], 9);
}

static void test_strangers_may_not_talk(void **state)
{
    (void)state;
    struct thread *a = fake_thread(child, 100);
    struct thread *b = fake_thread(other, 90);

    assert_ptr_equal(fake_run(cpu), a);
    fake_call(a, SYS_IPC_SEND, b->id, TSC_NEVER, 0, 0, 0, 0);
    assert_int_equal(fake_status(a), STATUS_DENIED);
    fake_call(a, SYS_EVENT_SIGNAL, b->id, 1, 0, 0, 0, 0);
    assert_int_equal(fake_status(a), STATUS_DENIED);
    fake_call(a, SYS_IPC_SEND, a->id, TSC_NEVER, 0, 0, 0, 0);
    assert_int_equal(fake_status(a), STATUS_BAD_ID);
    fake_call(a, SYS_IPC_SEND, 12345, TSC_NEVER, 0, 0, 0, 0);
    assert_int_equal(fake_status(a), STATUS_BAD_ID);
}

static void test_only_the_called_may_answer(void **state)
{
    (void)state;
    struct thread *server = fake_thread(root, 100);
    struct thread *client = fake_thread(child, 100);
    struct thread *impostor = fake_thread(root, 50);

    fake_run(cpu);
    fake_call(server, SYS_IPC_WAIT, 0, TSC_NEVER, 0, 0, 0, 0);
    fake_call(client, SYS_IPC_CALL, server->id, TSC_NEVER, 0, 0, 0, 0);
    thread_wake(cpu->current);
    arch_activate(cpu, impostor);
    ready_remove(impostor);
    fake_call(impostor, SYS_IPC_REPLY_WAIT, client->id, TSC_NEVER, 0, 0, 0, 0);
    assert_int_equal(fake_status(impostor), STATUS_BAD_ID);
    assert_int_equal(client->state, THREAD_CALLING);
}

static void test_deadlines(void **state)
{
    (void)state;
    struct thread *client = fake_thread(child, 100);
    struct thread *server = fake_thread(root, 90);

    assert_ptr_equal(fake_run(cpu), client);
    fake_call(client, SYS_IPC_SEND, server->id, TSC_NOW, 0, 0, 0, 0);
    assert_int_equal(fake_status(client), STATUS_TIMEOUT);

    assert_ptr_equal(fake_call(client, SYS_IPC_CALL, server->id, 2000, 0, 0, 0, 0), server);
    assert_int_equal(fake_timer, 2000);
    fake_now = 1999;
    kernel_timer(cpu);
    assert_int_equal(client->state, THREAD_SENDING);
    fake_now = 2000;
    kernel_timer(cpu);
    assert_ptr_equal(kernel_preempted(server), client);
    assert_int_equal(fake_status(client), STATUS_TIMEOUT);
    assert_null(server->senders.first);
    assert_int_equal(fake_timer, TSC_NEVER);
}

static void test_wait_ends_at_its_deadline(void **state)
{
    (void)state;
    struct thread *self = fake_thread(root, 100);

    fake_run(cpu);
    assert_ptr_equal(fake_call(self, SYS_IPC_WAIT, 0, TSC_NOW, 0, 0, 0, 0), self);
    assert_int_equal(self->arch.frame.arg[1], MESSAGE_TIMEOUT);
    assert_ptr_equal(fake_call(self, SYS_IPC_WAIT, 0, 5000, 0, 0, 0, 0), cpu->idle);
    fake_now = 5001;
    kernel_timer(cpu);
    assert_ptr_equal(fake_run(cpu), self);
    assert_int_equal(self->arch.frame.arg[1], MESSAGE_TIMEOUT);
}

static void test_timeouts_stay_sorted(void **state)
{
    struct thread *thread[30];
    struct ready_queue *root_queue = cpu->queue[0];

    (void)state;
    srand(2);
    for (int i = 0; i < 30; i++) {
        thread[i] = fake_thread(root, 1);
        timeout_add(&root_queue->timeouts, thread[i], (tsc_time)(rand() % 50));
    }
    for (int i = 0; i < 30; i += 3) {
        timeout_remove(&root_queue->timeouts, thread[i]);
    }
    tsc_time last = 0;

    for (int i = 0; i < 20; i++) {
        struct thread *next = timeout_expired(&root_queue->timeouts, 100);

        assert_true(next->deadline >= last);
        last = next->deadline;
    }
    assert_null(timeout_expired(&root_queue->timeouts, TSC_NEVER));
}

static void test_events_are_collected_and_wake(void **state)
{
    (void)state;
    struct thread *self = fake_thread(root, 100);
    struct thread *peer = fake_thread(root, 100);

    fake_run(cpu);
    ipc_signal(self, 1);
    ipc_signal(self, 4);
    fake_call(self, SYS_IPC_WAIT, 0, TSC_NEVER, 0, 0, 0, 0);
    assert_int_equal(self->arch.frame.arg[1], MESSAGE_EVENTS);
    assert_int_equal(self->arch.frame.arg[2], 5);
    assert_ptr_equal(fake_call(self, SYS_IPC_WAIT, 0, TSC_NEVER, 0, 0, 0, 0), peer);
    /* Nobody but the kernel says that a child has ended. */
    fake_call(peer, SYS_EVENT_SIGNAL, self->id, EVENT_CHILD | 2, 0, 0, 0, 0);
    assert_int_equal(self->arch.frame.arg[2], 2);
    assert_int_equal(self->state, THREAD_READY);
}

/* ---- Tasks ----------------------------------------------------------------------------------- */

static void test_end_of_a_task_reaches_its_parent_and_partners(void **state)
{
    (void)state;
    struct thread *parent = fake_thread(root, 100);
    struct thread *server = fake_thread(child, 90);
    struct thread *second = fake_thread(child, 80);

    fake_run(cpu);
    fake_call(parent, SYS_IPC_CALL, server->id, TSC_NEVER, 0, 0, 0, 0);
    assert_ptr_equal(cpu->current, server);
    assert_ptr_equal(fake_go(cpu, kernel_exception(server, 13, 0, 0)), parent);
    assert_int_equal(fake_status(parent), STATUS_BAD_ID);
    assert_int_equal(parent->events, EVENT_CHILD);
    assert_int_equal(second->state, THREAD_DEAD);
    assert_null(thread_find(second->id));
    assert_int_equal(child->state, TASK_FAILED);
    fake_call(parent, SYS_TASK_STATUS, child->id, 0, 0, 0, 0, 0);
    assert_int_equal(parent->arch.frame.arg[0], TASK_FAILED);
    assert_int_equal(parent->arch.frame.arg[1], 13);
    fake_call(parent, SYS_TASK_STATUS, 0, 0, 0, 0, 0, 0); /* its own */
    assert_int_equal(parent->arch.frame.arg[0], TASK_RUNS);
    assert_int_equal(parent->arch.frame.arg[3], parent->task->quota.used);
    fake_call(parent, SYS_THREAD_CREATE, child->id, 0x400000, 0x500000, 1, 0, 0);
    assert_int_equal(fake_status(parent), STATUS_BAD_ID);
}

static void test_end_of_a_task_ends_all_below_it(void **state)
{
    (void)state;
    struct task *first = fake_task(root, 100), *second = fake_task(first, 60);
    struct task *third = fake_task(second, 30);
    struct thread *top = fake_thread(root, 100), *main = fake_thread(first, 90);
    struct thread *lowest = fake_thread(third, 80), *stranger = fake_thread(other, 70);

    assert_ptr_equal(fake_run(cpu), top);
    fake_call(top, SYS_TASK_STOP, first->id, 0, 0, 0, 0, 0);
    assert_int_equal(fake_status(top), STATUS_OK);
    assert_int_equal(first->state, TASK_STOPPED);
    assert_int_equal(second->state, TASK_STOPPED);
    assert_int_equal(third->state, TASK_STOPPED);
    assert_int_equal(main->state, THREAD_DEAD);
    assert_int_equal(lowest->state, THREAD_DEAD);
    assert_int_equal(top->events, EVENT_CHILD);
    assert_int_equal(child->state, TASK_RUNS);
    assert_int_equal(stranger->state, THREAD_READY);
}

static void test_thread_create_checks(void **state)
{
    (void)state;
    struct thread *self = fake_thread(child, 100);

    fake_run(cpu);
    child->priority = 100;
    fake_call(self, SYS_THREAD_CREATE, child->id, 0x400000, 0x500000, 101, 7, 0);
    assert_int_equal(fake_status(self), STATUS_BAD_ARGUMENT); /* above its task's */
    fake_call(self, SYS_THREAD_CREATE, child->id, 0x400000, 0x500000, 1 | 1 << 8, 7, 0);
    assert_int_equal(fake_status(self), STATUS_BAD_ARGUMENT); /* no such processor */
    fake_call(self, SYS_THREAD_CREATE, child->id, 0x400000, 0x500000, 1, 7, 99);
    assert_int_equal(fake_status(self), STATUS_BAD_ARGUMENT); /* no such handler */
    fake_call(self, SYS_THREAD_CREATE, child->id, USER_TOP, 0x500000, 1, 7, 0);
    assert_int_equal(fake_status(self), STATUS_BAD_ARGUMENT);
    fake_call(self, SYS_THREAD_CREATE, root->id, 0x400000, 0x500000, 1, 7, 0);
    assert_int_equal(fake_status(self), STATUS_BAD_ID);
    fake_call(self, SYS_THREAD_CREATE, child->id, 0x400000, 0x500000, 1, 7, 0);
    assert_int_equal(fake_status(self), STATUS_OK);
    assert_non_null(thread_find((thread_id)self->arch.frame.arg[0]));
    assert_int_equal(self->arch.frame.arg[1], self->id);
    fake_call(self, SYS_THREAD_CREATE, 0, 0x400000, 0x500000, 1, 7, 0); /* its own task */
    assert_int_equal(fake_status(self), STATUS_OK);
    while (fake_status(self) == STATUS_OK) {
        fake_call(self, SYS_THREAD_CREATE, child->id, 0x400000, 0x500000, 1, 7, 0);
    }
    assert_int_equal(fake_status(self), STATUS_NO_MEMORY); /* its quota, not the machine's */
    assert_true(memory_free() > 100);
}

static void test_a_higher_thread_that_a_call_makes_ready_runs(void **state)
{
    (void)state;
    struct thread *self = fake_thread(child, 100), *next;

    fake_run(cpu);
    next = fake_call(self, SYS_THREAD_CREATE, 0, 0x400000, 0x500000, 101, 7, 0);
    assert_int_equal(next->priority, 101);
    assert_int_equal(fake_status(self), STATUS_OK);
}

static void test_sigma0s_calls(void **state)
{
    (void)state;
    struct thread *self = fake_thread(root, 100);

    fake_run(cpu);
    fake_call(self, SYS_CONSOLE_WRITE, 0, 0, 0, 0, 0, 0);
    assert_int_equal(fake_status(self), STATUS_BAD_ARGUMENT);
    fake_call(self, SYS_CONSOLE_WRITE, 41, 0, 0, 0, 0, 0);
    assert_int_equal(fake_status(self), STATUS_BAD_ARGUMENT);
    fake_call(self, SYS_CONSOLE_LISTEN, 1, 0, 0, 0, 0, 0);
    assert_int_equal(fake_status(self), STATUS_OK);
    fake_call(self, SYS_CONSOLE_READ, 0, 0, 0, 0, 0, 0);
    assert_int_equal(fake_status(self), STATUS_EMPTY);
    fake_call(self, SYS_MACHINE_END, MACHINE_RESET + 1, 0, 0, 0, 0, 0);
    assert_int_equal(fake_status(self), STATUS_BAD_ARGUMENT);
}

static void test_bad_calls(void **state)
{
    (void)state;
    struct thread *self = fake_thread(child, 100);

    fake_run(cpu);
    fake_call(self, SYSCALL_COUNT, 0, 0, 0, 0, 0, 0);
    assert_int_equal(fake_status(self), STATUS_BAD_CALL);
    fake_call(self, SYS_CONSOLE_WRITE, 1, 'x', 0, 0, 0, 0);
    assert_int_equal(fake_status(self), STATUS_DENIED);
    fake_call(self, SYS_MACHINE_END, 0, 0, 0, 0, 0, 0);
    assert_int_equal(fake_status(self), STATUS_DENIED);
    fake_call(self, SYS_VM_CREATE, 0, 0, 0, 0, 0, 0);
    assert_int_equal(fake_status(self), STATUS_UNSUPPORTED);
    fake_call(self, SYS_TASK_CREATE, 1000, 1, 0, 1, 0, 0);
    assert_int_equal(fake_status(self), STATUS_NO_MEMORY);
    fake_call(self, SYS_TASK_CREATE, 10, 2, 0, 1, 0, 0);
    assert_int_equal(fake_status(self), STATUS_BAD_ARGUMENT); /* not its processor */
    fake_call(self, SYS_TASK_CREATE, 10, 1, 1, 1, 0, 0);
    assert_int_equal(fake_status(self), STATUS_BAD_ARGUMENT); /* no such time partition */
    fake_call(self, SYS_TASK_CREATE, 10, 1, 0, 0, 0, 0);
    assert_int_equal(fake_status(self), STATUS_BAD_ARGUMENT); /* no priority */
}

static void test_failed_task_create_gives_everything_back(void **state)
{
    (void)state;
    uint64_t before = memory_free(), used = root->quota.used;
    struct task *task;

    for (uint64_t frames = 0; frames < 2; frames++) {
        const struct task_setup small = {.frames = frames, .processors = 1, .priority = 1};

        assert_int_equal(task_create(root, &small, &task), STATUS_NO_MEMORY);
        assert_int_equal(memory_free(), before);
        assert_int_equal(root->quota.used, used);
    }
}

/* ---- Priorities ------------------------------------------------------------------------------ */

static void test_a_server_runs_on_its_callers_priority(void **state)
{
    (void)state;
    struct thread *server = fake_thread(root, 20);
    struct thread *client = fake_thread(child, 100);
    struct thread *middle;

    assert_ptr_equal(fake_run(cpu), client);
    assert_ptr_equal(fake_call(client, SYS_IPC_CALL, server->id, TSC_NEVER, 0, 0, 0, 0), server);
    assert_int_equal(server->priority, 100); /* it had not waited yet */
    fake_call(server, SYS_IPC_WAIT, 0, TSC_NEVER, 0, 0, 0, 0);
    middle = fake_thread(other, 60);
    assert_ptr_equal(kernel_preempted(server), server);
    assert_ptr_equal(fake_call(server, SYS_IPC_REPLY_WAIT, client->id, TSC_NEVER, 0, 0, 0, 0),
                     client);
    assert_int_equal(server->priority, 20);
    assert_ptr_equal(fake_call(client, SYS_IPC_CALL, server->id, TSC_NEVER, 0, 0, 0, 0), server);
    assert_int_equal(server->priority, 100);
    assert_int_equal(middle->state, THREAD_READY);
}

static void test_priority_goes_on_along_a_chain_and_back(void **state)
{
    (void)state;
    struct thread *low = fake_thread(root, 10), *middle = fake_thread(root, 20);
    struct thread *high;

    assert_ptr_equal(fake_run(cpu), middle);
    assert_ptr_equal(fake_call(middle, SYS_IPC_CALL, low->id, TSC_NEVER, 0, 0, 0, 0), low);
    high = fake_thread(root, 30);
    ready_add_front(low);
    arch_activate(cpu, thread_next(cpu));
    assert_ptr_equal(cpu->current, high);
    assert_ptr_equal(fake_call(high, SYS_IPC_CALL, middle->id, 5000, 0, 0, 0, 0), low);
    assert_int_equal(middle->priority, 30);
    assert_int_equal(low->priority, 30);
    fake_now = 5000;
    kernel_timer(cpu); /* the highest gives up */
    assert_int_equal(middle->priority, 20);
    assert_ptr_equal(kernel_preempted(low), high);
}

static void test_equals_take_turns(void **state)
{
    (void)state;
    struct thread *a = fake_thread(root, 50), *b = fake_thread(root, 50);
    struct thread *higher = fake_thread(root, 51);

    assert_ptr_equal(fake_run(cpu), higher);
    assert_ptr_equal(fake_call(higher, SYS_IPC_WAIT, 0, TSC_NEVER, 0, 0, 0, 0), a);
    assert_int_equal(fake_timer, fake_now + fake_config.time_slice_ns);
    fake_now = fake_timer;
    kernel_timer(cpu);
    assert_ptr_equal(kernel_preempted(a), b);
    arch_activate(cpu, b);
    /* The turn ends while its higher helper runs: it is b's that is over. */
    ipc_signal(higher, 1);
    assert_ptr_equal(kernel_preempted(b), higher);
    arch_activate(cpu, higher);
    assert_ptr_equal(fake_call(higher, SYS_IPC_WAIT, 0, TSC_NEVER, 0, 0, 0, 0), b);
    fake_now += fake_config.time_slice_ns;
    kernel_timer(cpu);
    assert_ptr_equal(kernel_preempted(b), a);
}

static void test_preemptions_do_not_lengthen_a_turn(void **state)
{
    (void)state;
    struct thread *a = fake_thread(root, 50), *b = fake_thread(root, 50), *running = a;
    struct thread *higher = fake_thread(root, 51);

    assert_ptr_equal(fake_run(cpu), higher);
    assert_ptr_equal(fake_call(higher, SYS_IPC_WAIT, 0, TSC_NEVER, 0, 0, 0, 0), a);
    for (unsigned i = 1; i <= 16; i++) {
        fake_now += fake_config.time_slice_ns / 4;
        kernel_timer(cpu);
        running = fake_go(cpu, kernel_preempted(running));
        assert_ptr_equal(running, i / 4 % 2 ? b : a);
        ipc_signal(higher, 1);
        assert_ptr_equal(fake_go(cpu, kernel_preempted(running)), higher);
        assert_ptr_equal(fake_call(higher, SYS_IPC_WAIT, 0, TSC_NEVER, 0, 0, 0, 0), running);
    }
}

/* ---- Exceptions ------------------------------------------------------------------------------ */

static void test_exceptions_are_messages_to_the_handler(void **state)
{
    (void)state;
    struct thread *handler = fake_thread(root, 100), *thread;

    assert_ptr_equal(fake_run(cpu), handler);
    fake_call(handler, SYS_THREAD_CREATE, child->id, 0x400000, 0x500000, 90, 7, handler->id);
    thread = thread_find((thread_id)handler->arch.frame.arg[0]);
    assert_ptr_equal(fake_call(handler, SYS_IPC_WAIT, 0, TSC_NEVER, 0, 0, 0, 0), thread);
    thread->arch.frame.status = 0x1234;
    assert_ptr_equal(fake_go(cpu, kernel_exception(thread, 14, 7, 0xbad)), handler);
    assert_int_equal(handler->arch.frame.arg[0], thread->id);
    assert_int_equal(handler->arch.frame.arg[1], MESSAGE_EXCEPTION);
    assert_int_equal(handler->arch.frame.arg[2], 14 | 7UL << 32);
    assert_int_equal(handler->arch.frame.arg[3], 0xbad);
    assert_int_equal(handler->arch.frame.arg[4], 0x400000);
    assert_ptr_equal(fake_call(handler, SYS_IPC_REPLY_WAIT, thread->id, TSC_NEVER,
                               EXCEPTION_GO_TO, 0x401000, 0x500000, 0),
                     thread);
    assert_int_equal(thread->arch.frame.rip, 0x401000);
    assert_int_equal(thread->arch.frame.status, 0x1234); /* its registers are its own */
    assert_ptr_equal(fake_go(cpu, kernel_exception(thread, 6, 0, 0)), handler);
    assert_ptr_equal(fake_call(handler, SYS_IPC_REPLY_WAIT, thread->id, TSC_NEVER, EXCEPTION_END,
                               0, 0, 0),
                     cpu->idle);
    assert_int_equal(thread->state, THREAD_DEAD);
    assert_int_equal(child->state, TASK_RUNS);
}

static void test_whose_handler_is_gone_stops(void **state)
{
    (void)state;
    struct thread *handler = fake_thread(other, 100), *thread = fake_thread(child, 90);
    struct thread *parent = fake_thread(root, 80);

    thread->handler = handler->id;
    fake_run(cpu);
    fake_call(handler, SYS_IPC_WAIT, 0, TSC_NEVER, 0, 0, 0, 0);
    assert_ptr_equal(fake_go(cpu, kernel_exception(thread, 14, 7, 0xbad)), handler);
    assert_ptr_equal(fake_call(handler, SYS_TASK_END, 0, 0, 0, 0, 0, 0), parent);
    assert_int_equal(thread->state, THREAD_STOPPED);
    fake_call(parent, SYS_TASK_STOP, child->id, 0, 0, 0, 0, 0);
    assert_int_equal(thread->state, THREAD_DEAD);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_highest_priority_runs_first_come_first, setup),
        cmocka_unit_test_setup(test_preempted_thread_keeps_its_turn, setup),
        cmocka_unit_test_setup(test_call_switches_to_the_server_and_back, setup),
        cmocka_unit_test_setup(test_sender_waits_for_a_busy_receiver, setup),
        cmocka_unit_test_setup(test_strangers_may_not_talk, setup),
        cmocka_unit_test_setup(test_only_the_called_may_answer, setup),
        cmocka_unit_test_setup(test_deadlines, setup),
        cmocka_unit_test_setup(test_wait_ends_at_its_deadline, setup),
        cmocka_unit_test_setup(test_timeouts_stay_sorted, setup),
        cmocka_unit_test_setup(test_events_are_collected_and_wake, setup),
        cmocka_unit_test_setup(test_end_of_a_task_reaches_its_parent_and_partners, setup),
        cmocka_unit_test_setup(test_end_of_a_task_ends_all_below_it, setup),
        cmocka_unit_test_setup(test_thread_create_checks, setup),
        cmocka_unit_test_setup(test_a_higher_thread_that_a_call_makes_ready_runs, setup),
        cmocka_unit_test_setup(test_sigma0s_calls, setup),
        cmocka_unit_test_setup(test_sigma0s_calls, setup),
        cmocka_unit_test_setup(test_bad_calls, setup),
        cmocka_unit_test_setup(test_failed_task_create_gives_everything_back, setup),
        cmocka_unit_test_setup(test_a_server_runs_on_its_callers_priority, setup),
        cmocka_unit_test_setup(test_priority_goes_on_along_a_chain_and_back, setup),
        cmocka_unit_test_setup(test_equals_take_turns, setup),
        cmocka_unit_test_setup(test_preemptions_do_not_lengthen_a_turn, setup),
        cmocka_unit_test_setup(test_exceptions_are_messages_to_the_handler, setup),
        cmocka_unit_test_setup(test_whose_handler_is_gone_stops, setup),
    };
    return cmocka_run_group_tests_name("kernel", tests, NULL, NULL);
}
