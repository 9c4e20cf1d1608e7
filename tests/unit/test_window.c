/* SPDX-License-Identifier: Apache-2.0 */
/* sources: hypervisor/kernel/memory.c hypervisor/kernel/log.c hypervisor/kernel/thread.c hypervisor/kernel/task.c hypervisor/kernel/ending.c hypervisor/kernel/ipc.c hypervisor/kernel/sched.c hypervisor/kernel/timeout.c hypervisor/kernel/window.c hypervisor/kernel/remote.c hypervisor/kernel/map.c hypervisor/kernel/rights.c hypervisor/kernel/irq.c hypervisor/kernel/reclaim.c hypervisor/kernel/syscall.c hypervisor/kernel/console.c hypervisor/kernel/without_virt.c hypervisor/lib/string.c hypervisor/lib/format.c tests/unit/fake/arch.c */
/* cflags: -Itests/unit/fake */
/* Time partitions, schedules and several processors, on the fake machine. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fake.h"
#include "kernel/ipc.h"
#include "kernel/remote.h"

#define MS 1000000UL /* ticks, as a tick is a nanosecond here */

/* Schedule 0 on processor 0: τ1 from 0 to 2, τ2 from 2 to 5, nothing to 10 ms; on processor 1
 * nothing. Schedule 1: frame of 4 ms, τ2 from 1 to 2 on processor 0. */
static const struct window first[] = {
    {.start_ns = 0, .length_ns = 2 * MS, .time_partition = 1},
    {.start_ns = 2 * MS, .length_ns = 3 * MS, .time_partition = 2},
};
static const struct window second[] = {
    {.start_ns = MS, .length_ns = MS, .time_partition = 2},
};
static const struct processor_schedule first_of[] = {{2, first}, {0, NULL}};
static const struct processor_schedule second_of[] = {{1, second}, {0, NULL}};
static const struct schedule schedules[] = {{10 * MS, first_of}, {4 * MS, second_of}};

static struct cpu *cpu;
static struct task *root, *one, *two;
static tsc_time start;

static int setup(void **state)
{
    (void)state;
    fake_config.processors = 2;
    fake_config.time_partitions = 3;
    fake_config.schedule_count = 2;
    fake_config.schedule = schedules;
    cpu = fake_machine();
    start = fake_now;
    root = fake_task(NULL, 200);
    one = fake_task_in(root, 40, 1);
    two = fake_task_in(root, 40, 2);
    sched_set_timer(cpu);
    return 0;
}

/* The timer fires when it is due, nothing else happens meanwhile; who runs then? */
static struct thread *next_interrupt(void)
{
    return fake_timer_fires(cpu);
}

static void test_windows_follow_the_table(void **state)
{
    (void)state;
    struct thread *a = fake_thread(one, 50), *b = fake_thread(two, 90);
    struct thread *low = fake_thread(root, 10);

    assert_ptr_equal(fake_run(cpu), low); /* before the first frame */
    for (unsigned frame = 0; frame < 3; frame++) {
        assert_int_equal(fake_timer, start + frame * 10 * MS);
        assert_ptr_equal(next_interrupt(), a);
        assert_int_equal(fake_timer, start + (frame * 10 + 2) * MS);
        assert_ptr_equal(next_interrupt(), b);
        assert_int_equal(fake_timer, start + (frame * 10 + 5) * MS);
        assert_ptr_equal(next_interrupt(), low);
    }
}

static void test_the_background_runs_by_priority_and_in_unused_time(void **state)
{
    (void)state;
    struct thread *a = fake_thread(one, 50), *low = fake_thread(root, 10);
    struct thread *high = fake_thread(root, 60);

    assert_ptr_equal(fake_run(cpu), high);
    assert_ptr_equal(next_interrupt(), high); /* above the window's own */
    assert_ptr_equal(fake_call(high, SYS_IPC_WAIT, 0, start + MS, 0, 0, 0, 0), a);
    assert_ptr_equal(next_interrupt(), high);
    assert_ptr_equal(fake_call(high, SYS_IPC_WAIT, 0, TSC_NEVER, 0, 0, 0, 0), a);
    assert_ptr_equal(fake_call(a, SYS_IPC_WAIT, 0, TSC_NEVER, 0, 0, 0, 0), low); /* it has done */
}

static void test_equal_priorities_the_windows_own_first(void **state)
{
    (void)state;
    struct thread *background = fake_thread(root, 50), *own = fake_thread(one, 50);

    assert_ptr_equal(fake_run(cpu), background);
    assert_ptr_equal(next_interrupt(), own); /* its window begins */
    assert_ptr_equal(fake_call(own, SYS_IPC_WAIT, 0, start + MS, 0, 0, 0, 0), background);
    assert_ptr_equal(next_interrupt(), own); /* its deadline, in its window */
    assert_ptr_equal(fake_call(own, SYS_IPC_WAIT, 0, TSC_NEVER, 0, 0, 0, 0), background);
    fake_call(background, SYS_EVENT_SIGNAL, own->id, 1, 0, 0, 0, 0);
    assert_ptr_equal(cpu->current, own); /* an event */
}

static void test_deadlines_of_others_wait_for_their_window(void **state)
{
    (void)state;
    struct thread *b = fake_thread(two, 90), *a = fake_thread(one, 50);

    next_interrupt();
    next_interrupt();
    assert_ptr_equal(cpu->current, b);
    fake_call(b, SYS_IPC_WAIT, 0, start + 11 * MS, 0, 0, 0, 0); /* in τ1's next window */
    next_interrupt();
    assert_ptr_equal(next_interrupt(), a);
    assert_int_equal(fake_timer, start + 12 * MS);
    assert_int_equal(b->state, THREAD_WAITING);
    assert_ptr_equal(next_interrupt(), b);
    assert_int_equal(b->arch.frame.arg[1], MESSAGE_TIMEOUT);
}

static void test_schedules_change_at_the_end_of_a_frame(void **state)
{
    (void)state;
    struct thread *sigma0 = fake_thread(root, 255), *b = fake_thread(two, 90);

    fake_run(cpu);
    next_interrupt();
    fake_call(sigma0, SYS_SCHEDULE_SET, 2, 0, 0, 0, 0, 0);
    assert_int_equal(fake_status(sigma0), STATUS_BAD_ARGUMENT);
    fake_call(sigma0, SYS_SCHEDULE_SET, 1, 0, 0, 0, 0, 0);
    assert_int_equal(fake_status(sigma0), STATUS_OK);
    assert_int_equal(sigma0->arch.frame.arg[0], start + 10 * MS);
    fake_call(sigma0, SYS_SCHEDULE_SET, 0, 0, 0, 0, 0, 0);
    assert_int_equal(fake_status(sigma0), STATUS_BUSY);
    fake_call(sigma0, SYS_IPC_WAIT, 0, TSC_NEVER, 0, 0, 0, 0);
    assert_ptr_equal(next_interrupt(), b);
    assert_ptr_equal(next_interrupt(), cpu->idle);
    assert_ptr_equal(next_interrupt(), cpu->idle); /* the new frame's gap */
    assert_int_equal(fake_timer, start + 11 * MS);
    assert_ptr_equal(next_interrupt(), b);
    assert_int_equal(fake_timer, start + 12 * MS);
    next_interrupt();
    assert_int_equal(fake_timer, start + 14 * MS);
}

static void test_frames_missed_are_skipped(void **state)
{
    (void)state;
    struct thread *a = fake_thread(one, 50);

    next_interrupt();
    fake_now = start + 1000001 * 10 * MS + MS;
    kernel_timer(cpu);
    assert_ptr_equal(kernel_preempted(cpu->current), a);
    assert_int_equal(fake_timer, start + 1000001 * 10 * MS + 2 * MS);
}

static void test_time_is_given_along_calls_of_one_partition_only(void **state)
{
    (void)state;
    struct thread *server = fake_thread(root, 20), *client = fake_thread(one, 90);
    struct thread *low = fake_thread(one, 10);

    assert_ptr_equal(fake_run(cpu), server);
    fake_call(server, SYS_IPC_WAIT, 0, TSC_NEVER, 0, 0, 0, 0);
    assert_ptr_equal(next_interrupt(), client);
    assert_ptr_equal(fake_call(client, SYS_IPC_CALL, server->id, TSC_NEVER, 0, 0, 0, 0), server);
    assert_int_equal(server->priority, 20);
    assert_ptr_equal(fake_call(server, SYS_IPC_REPLY_WAIT, client->id, TSC_NEVER, 0, 0, 0, 0),
                     client);
    assert_int_equal(low->state, THREAD_READY);
}

/* ---- Several processors ------------------------------------------------------------------------ */

/* A thread of `task` on the other processor, which runs there. */
static struct thread *remote_thread(struct task *task, uint8_t priority)
{
    struct thread *thread;

    assert_int_equal(thread_create(task, &cpus[1], priority, &thread), STATUS_OK);
    thread_start(thread);
    assert_ptr_equal(cpus[1].current, thread);
    return thread;
}

static void test_events_reach_other_processors_and_messages_do_not(void **state)
{
    (void)state;
    struct thread *self = fake_thread(root, 100), *far = remote_thread(root, 50);

    fake_run(cpu);
    fake_become(&cpus[1]);
    assert_ptr_equal(fake_call(far, SYS_IPC_WAIT, 0, TSC_NEVER, 0, 0, 0, 0), cpus[1].idle);
    fake_become(cpu);
    fake_call(self, SYS_IPC_CALL, far->id, TSC_NEVER, 0, 0, 0, 0);
    assert_int_equal(fake_status(self), STATUS_ELSEWHERE);
    fake_call(self, SYS_EVENT_SIGNAL, far->id, 6, 0, 0, 0, 0);
    assert_int_equal(fake_status(self), STATUS_OK);
    assert_ptr_equal(cpus[1].current, far);
    assert_int_equal(far->arch.frame.arg[2], 6);
}

static void test_the_end_of_a_task_reaches_other_processors(void **state)
{
    (void)state;
    struct task *child = fake_task(root, 20);
    struct thread *parent = fake_thread(root, 100), *near = fake_thread(child, 50);
    struct thread *far = remote_thread(child, 50), *farther = remote_thread(child, 60);

    fake_run(cpu);
    fake_call(parent, SYS_TASK_STOP, child->id, 0, 0, 0, 0, 0);
    assert_int_equal(fake_status(parent), STATUS_OK);
    assert_int_equal(near->state, THREAD_DEAD);
    assert_int_equal(far->state, THREAD_DEAD);
    assert_int_equal(farther->state, THREAD_DEAD);
    assert_ptr_equal(cpus[1].current, cpus[1].idle);
    assert_int_equal(cpus[1].arch.root, 0);
    assert_true(cpus[1].arch.flushes >= 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_windows_follow_the_table, setup),
        cmocka_unit_test_setup(test_the_background_runs_by_priority_and_in_unused_time, setup),
        cmocka_unit_test_setup(test_equal_priorities_the_windows_own_first, setup),
        cmocka_unit_test_setup(test_deadlines_of_others_wait_for_their_window, setup),
        cmocka_unit_test_setup(test_schedules_change_at_the_end_of_a_frame, setup),
        cmocka_unit_test_setup(test_frames_missed_are_skipped, setup),
        cmocka_unit_test_setup(test_time_is_given_along_calls_of_one_partition_only, setup),
        cmocka_unit_test_setup(test_events_reach_other_processors_and_messages_do_not, setup),
        cmocka_unit_test_setup(test_the_end_of_a_task_reaches_other_processors, setup),
    };
    return cmocka_run_group_tests_name("window", tests, NULL, NULL);
}
