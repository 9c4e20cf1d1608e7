/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a round trip and a switch cost, in ticks of the TSC (on an emulator that counts,
 * instructions): between two threads of this task, between this task and a child, and, where the
 * partition has a port named "echo", to the first thread at its other end (guests/native/echo.c).
 *
 *   rounds=N   1000
 */
#include "arguments.h"
#include "child.h"
#include "clock.h"
#include "port.h"
#include "print.h"
#include "sample.h"
#include "thread.h"

#define EVENT_TURN (1UL << 8)
#define CHILD_QUOTA 64 /* pages */
#define PATIENCE_NS 1000000000UL

/* A child task shares these. */
static thread_id pinger;
static volatile tsc_time arrived;

/* ---- The other side -------------------------------------------------------------------------- */

static void serve(uint64_t unused)
{
    struct message message = sys_ipc_wait(TSC_NEVER);

    (void)unused;
    for (;;) {
        message = sys_ipc_reply_wait(message.from, TSC_NEVER, message.word);
        if (message.status != STATUS_OK) {
            message.from = 0; /* the caller has given up */
        }
    }
}

static void take_turns(uint64_t unused)
{
    (void)unused;
    for (;;) {
        sys_ipc_wait(TSC_NEVER);
        arrived = clock_now();
        sys_event_signal(pinger, EVENT_TURN);
    }
}

/* ---- Measuring ------------------------------------------------------------------------------- */

static void measure_calls(const char *what, thread_id server, uint32_t rounds)
{
    struct samples samples;

    samples_init(&samples, rounds);
    for (uint64_t i = 0; i < rounds; i++) {
        const uint64_t words[4] = {i, 2, 3, 4};
        tsc_time start = clock_now();
        struct message answer = sys_ipc_call(server, TSC_NEVER, words);

        samples_add(&samples, clock_now() - start);
        native_must(what, answer.status);
        if (answer.word[0] != i || answer.word[3] != 4) {
            native_fail("a wrong answer", answer.status);
        }
    }
    samples_report(&samples, what);
}

/* The partner is ready behind us; our wait lets it run. */
static void measure_switches(const char *what, thread_id partner, uint32_t rounds)
{
    struct samples samples;

    samples_init(&samples, rounds);
    for (uint32_t i = 0; i < rounds; i++) {
        struct message message;
        tsc_time start;

        native_must(what, sys_event_signal(partner, EVENT_TURN));
        do { /* other events, of the console, come at once */
            start = clock_now();
            message = sys_ipc_wait(TSC_NEVER);
        } while (message.kind != MESSAGE_EVENTS || !(message.word[0] & EVENT_TURN));
        samples_add(&samples, arrived - start);
    }
    samples_report(&samples, what);
}

/* The kernel's way there and back, without anything to do. */
static void measure_empty_call(uint32_t rounds)
{
    struct samples samples;

    samples_init(&samples, rounds);
    for (uint32_t i = 0; i < rounds; i++) {
        tsc_time start = clock_now();

        sys_event_signal(0, 0);
        samples_add(&samples, clock_now() - start);
    }
    samples_report(&samples, "ping: refused call");
}

static void inside_one_task(uint32_t rounds)
{
    const struct thread_setup server = {.run = serve, .processor = thread_first_processor()};
    const struct thread_setup partner = {.run = take_turns, .processor = thread_first_processor()};
    thread_id id;

    native_must("a thread", thread_start(&server, &id));
    measure_calls("ping: call and reply, one task", id, rounds);
    pinger = thread_self();
    native_must("a thread", thread_start(&partner, &id));
    clock_sleep(clock_now() + clock_ticks(1000000)); /* it waits for its first turn then */
    measure_switches("ping: switch, one task", id, rounds);
}

static void between_tasks(uint32_t rounds)
{
    unsigned priority = PARTITION_INFO->priority;
    task_id child;
    thread_id id;

    native_must("a child", child_make(CHILD_QUOTA, &child));
    native_must("its thread", child_thread(child, serve, 0, priority, &id));
    clock_sleep(clock_now() + clock_ticks(1000000));
    measure_calls("ping: call and reply, two tasks", id, rounds);
    native_must("its thread", child_thread(child, take_turns, 0, priority, &id));
    clock_sleep(clock_now() + clock_ticks(1000000));
    measure_switches("ping: switch, two tasks", id, rounds);
    native_must("removing the child", child_remove(child));
}

/* Its partition may start after this one. */
static void to_other_partition(uint32_t rounds)
{
    tsc_time patience = clock_now() + clock_ticks(PATIENCE_NS);
    struct port port;
    thread_id partner = 0;

    if (port_find("echo", &port) != STATUS_OK) {
        return;
    }
    while (partner == 0 && clock_now() < patience) {
        clock_sleep(clock_now() + clock_ticks(1000000));
        partner = __atomic_load_n(&port.info->partner, __ATOMIC_RELAXED);
    }
    measure_calls("ping: call and reply, two partitions", partner, rounds);
    const uint64_t end[4] = {UINT64_MAX};

    sys_ipc_send(partner, clock_now() + clock_ticks(PATIENCE_NS), end);
}

void native_main(void)
{
    uint32_t rounds = (uint32_t)argument_number("rounds", 1000);

    measure_empty_call(rounds);
    inside_one_task(rounds);
    between_tasks(rounds);
    to_other_partition(rounds);
}
