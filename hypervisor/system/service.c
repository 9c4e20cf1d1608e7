/* SPDX-License-Identifier: Apache-2.0 */
#include "service.h"

#include "console.h"
#include "health.h"
#include "lib/user/syscall.h"
#include "monitor.h"
#include "operator.h"
#include "thread.h"

static thread_id service; /* written before any other thread is made */

thread_id service_thread(void)
{
    return service;
}

/* ---- Consoles -------------------------------------------------------------------------------- */

void service_carry(struct partition *partition)
{
    if (partition_runs(partition) && console_drain(partition->console)) {
        sys_event_signal(partition->main, EVENT_CONSOLE_INPUT);
    }
}

/* Bits of partitions that have written while another was in the middle of a line. */
static uint64_t waiting;

static void carry_output(uint64_t events)
{
    uint64_t before;

    waiting |= events & ((1UL << partition_count()) - 1);
    do {
        before = waiting;
        for (uint32_t i = 0; i < partition_count(); i++) {
            if (waiting >> i & 1 && console_is_free(partitions[i].console)) {
                waiting &= ~(1UL << i);
                service_carry(&partitions[i]);
            }
        }
    } while (waiting && waiting != before);
}

/* When something is to be done although nothing has happened. */
static tsc_time deadline(void)
{
    tsc_time monitor = monitor_deadline();
    tsc_time console = waiting ? console_deadline() : TSC_NEVER;

    return console < monitor ? console : monitor;
}

/* The partition that gets what is typed: the first that wants it and runs. */
static struct partition *typed_for(void)
{
    for (uint32_t i = 0; i < partition_count(); i++) {
        if (partition_runs(&partitions[i]) && partitions[i].config->console_input) {
            return &partitions[i];
        }
    }
    return NULL;
}

/* True: the byte went to the partition. */
static bool type(struct operator *operator, struct partition *partition, uint8_t byte)
{
    switch (operator_type(operator, byte)) {
    case OPERATOR_PASS:
        return partition && console_type(partition->console, byte);
    case OPERATOR_NOTHING:
        return false;
    case OPERATOR_LOG:
        monitor_print_log();
        return false;
    case OPERATOR_STATE:
        monitor_print_state();
        return false;
    case OPERATOR_SCHEDULE:
        monitor_switch_schedule(byte - '0');
        return false;
    case OPERATOR_HELP:
        break;
    }
    console_line("σ0: after Ctrl-\\: h health log, p partitions, 0..9 schedule, "
                 "Ctrl-\\ itself\n");
    return false;
}

static void carry_input(struct operator *operator)
{
    struct partition *partition = typed_for();
    bool typed = false;
    uint8_t byte;

    while (sys_console_read(&byte) == STATUS_OK) {
        typed |= type(operator, partition, byte);
    }
    if (typed) {
        sys_event_signal(partition->main, EVENT_CONSOLE_INPUT);
    }
}

/* ---- The thread ------------------------------------------------------------------------------ */

static void serve_events(struct operator *operator, uint64_t events)
{
    carry_output(events);
    if (events & EVENT_TYPED) {
        carry_input(operator);
    }
    if (events & EVENT_RAISED) {
        monitor_take_raised();
    }
    /* A stop by the monitor can be the last partition's end, too. */
    if (events & (EVENT_CHILD_ENDED | EVENT_REMADE | EVENT_RAISED)) {
        monitor_look();
    }
}

static _Noreturn void serve(uint64_t argument)
{
    struct operator operator = {0};
    thread_id caller = 0;
    uint64_t answer[4] = {0};

    (void)argument;
    sys_console_listen(EVENT_TYPED);
    monitor_look();
    for (;;) {
        struct message message = sys_ipc_reply_wait(caller, deadline(), answer);

        caller = 0; /* one that has gone meanwhile: the wait is made again */
        if (message.status != STATUS_OK) {
            continue;
        }
        switch (message.kind) {
        case MESSAGE_EVENTS:
            serve_events(&operator, message.word[0]);
            break;
        case MESSAGE_IPC:
            answer[0] = (uint64_t)monitor_raise(message.from, message.word);
            caller = message.from;
            monitor_look();
            break;
        default:
            carry_output(0);
            monitor_retry();
        }
    }
}

/* ---- On other processors --------------------------------------------------------------------- */

static int64_t pass_on(thread_id from, const uint64_t words[4])
{
    for (uint32_t i = 0; i < partition_count(); i++) {
        struct raised *raised = &partitions[i].raised;

        if (__atomic_load_n(&partitions[i].main, __ATOMIC_RELAXED) != from) {
            continue;
        }
        if (__atomic_load_n(&raised->from, __ATOMIC_ACQUIRE) != 0) {
            return STATUS_BUSY;
        }
        for (unsigned w = 0; w < 4; w++) {
            raised->words[w] = words[w];
        }
        __atomic_store_n(&raised->from, from, __ATOMIC_RELEASE);
        sys_event_signal(service, EVENT_RAISED);
        return STATUS_OK;
    }
    return STATUS_DENIED;
}

static _Noreturn void serve_elsewhere(uint64_t argument)
{
    thread_id caller = 0;
    uint64_t answer[4] = {0};

    (void)argument;
    for (;;) {
        struct message message = sys_ipc_reply_wait(caller, TSC_NEVER, answer);

        caller = 0;
        if (message.status != STATUS_OK) {
            continue;
        }
        if (message.kind == MESSAGE_EVENTS) {
            sys_event_signal(service, message.word[0]);
        } else if (message.kind == MESSAGE_IPC) {
            answer[0] = (uint64_t)pass_on(message.from, message.word);
            caller = message.from;
        }
    }
}

bool service_start(void)
{
    unsigned priority = health_service_priority(&system_config);
    thread_id threads[PROCESSORS_MAX] = {0};

    service = system_thread(serve, 0, priority, 0);
    threads[0] = service;
    for (uint32_t i = 0; i < partition_count(); i++) {
        unsigned processor = partition_processor(&system_config.partition[i]);

        if (!threads[processor]) {
            threads[processor] = system_thread(serve_elsewhere, processor, priority, 0);
        }
        if (!threads[processor]) {
            return false;
        }
        partitions[i].console_thread = threads[processor];
    }
    return service != 0;
}
