/* SPDX-License-Identifier: Apache-2.0 */
#include "tally.h"

#include "print.h"

#define STATUSES 14u
#define CALLS (SYSCALL_COUNT + 1u) /* the last row: numbers of no call */

static uint64_t counts[CALLS][STATUSES];
static uint64_t all, other;

enum {
    OK = 1 << -STATUS_OK,
    BAD_CALL = 1 << -STATUS_BAD_CALL,
    ARGUMENT = 1 << -STATUS_BAD_ARGUMENT,
    ID = 1 << -STATUS_BAD_ID,
    DENIED = 1 << -STATUS_DENIED,
    MEMORY = 1 << -STATUS_NO_MEMORY,
    SLOT = 1 << -STATUS_NO_SLOT,
    NOT_MAPPED = 1 << -STATUS_NOT_MAPPED,
    EXISTS = 1 << -STATUS_EXISTS,
    BUSY = 1 << -STATUS_BUSY,
    TIMEOUT = 1 << -STATUS_TIMEOUT,
    UNSUPPORTED = 1 << -STATUS_UNSUPPORTED,
    ELSEWHERE = 1 << -STATUS_ELSEWHERE,
};

/* docs/interface.md, for all tasks but σ0. */
static const struct {
    const char *name;
    uint16_t answers;
} documented[CALLS] = {
    [SYS_IPC_SEND] = {"IPC_SEND", OK | ID | DENIED | ELSEWHERE | TIMEOUT},
    [SYS_IPC_WAIT] = {"IPC_WAIT", OK},
    [SYS_IPC_CALL] = {"IPC_CALL", OK | ID | DENIED | ELSEWHERE | TIMEOUT},
    [SYS_IPC_REPLY_WAIT] = {"IPC_REPLY_WAIT", OK | ID},
    [SYS_EVENT_SIGNAL] = {"EVENT_SIGNAL", OK | ID | DENIED},
    [SYS_VCPU_RUN] = {"VCPU_RUN", OK | ID | BUSY | ARGUMENT},
    [SYS_VCPU_STATE_GET] = {"VCPU_STATE_GET", OK | ID | BUSY | ARGUMENT},
    [SYS_VCPU_STATE_SET] = {"VCPU_STATE_SET", OK | ID | BUSY | ARGUMENT},
    [SYS_VCPU_RECALL] = {"VCPU_RECALL", OK | ID},
    [SYS_PORT_READ] = {"PORT_READ", OK | ARGUMENT | DENIED},
    [SYS_PORT_WRITE] = {"PORT_WRITE", OK | ARGUMENT | DENIED},
    [SYS_CONSOLE_WRITE] = {"CONSOLE_WRITE", DENIED},
    [SYS_CONSOLE_READ] = {"CONSOLE_READ", DENIED},
    [SYS_CONSOLE_LISTEN] = {"CONSOLE_LISTEN", DENIED},
    [SYS_MACHINE_END] = {"MACHINE_END", DENIED},
    [SYS_SCHEDULE_SET] = {"SCHEDULE_SET", DENIED},
    [SYS_TASK_CREATE] = {"TASK_CREATE", OK | ARGUMENT | MEMORY | SLOT | BUSY},
    [SYS_TASK_END] = {"TASK_END", OK},
    [SYS_TASK_STOP] = {"TASK_STOP", OK | ID},
    [SYS_TASK_DESTROY] = {"TASK_DESTROY", OK | ID | BUSY},
    [SYS_TASK_STATUS] = {"TASK_STATUS", OK | ID},
    [SYS_THREAD_CREATE] = {"THREAD_CREATE", OK | ID | ARGUMENT | MEMORY | SLOT},
    [SYS_THREAD_END] = {"THREAD_END", OK},
    [SYS_MEM_MAP] = {"MEM_MAP", OK | ID | ARGUMENT | NOT_MAPPED | DENIED | EXISTS | MEMORY},
    [SYS_MEM_UNMAP] = {"MEM_UNMAP", OK | ID | ARGUMENT | MEMORY},
    [SYS_MEM_REVOKE] = {"MEM_REVOKE", OK | ID | ARGUMENT | DENIED},
    [SYS_RIGHT_GIVE] = {"RIGHT_GIVE", OK | ID | ARGUMENT | DENIED | MEMORY},
    [SYS_RIGHT_TAKE] = {"RIGHT_TAKE", OK | ID | ARGUMENT},
    [SYS_IRQ_LISTEN] = {"IRQ_LISTEN", OK | ARGUMENT | DENIED | EXISTS | UNSUPPORTED},
    [SYS_IRQ_DONE] = {"IRQ_DONE", OK | ARGUMENT | DENIED},
    [SYS_VM_CREATE] = {"VM_CREATE", OK | ARGUMENT | EXISTS | MEMORY},
    [SYS_VM_MAP] = {"VM_MAP", OK | ID | ARGUMENT | NOT_MAPPED | DENIED | EXISTS | MEMORY},
    [SYS_VM_UNMAP] = {"VM_UNMAP", OK | ID | ARGUMENT | MEMORY},
    [SYS_VCPU_CREATE] = {"VCPU_CREATE", OK | ID | ARGUMENT | EXISTS | MEMORY | SLOT},
    [SYSCALL_COUNT] = {"no call", BAD_CALL},
};

static bool is_of_virtualization(unsigned call)
{
    return (call >= SYS_VCPU_RUN && call <= SYS_VCPU_RECALL) ||
           (call >= SYS_VM_CREATE && call < SYSCALL_COUNT);
}

/* The documented ones, and among them those that could come. */
static unsigned possible(unsigned call, const struct tally_scope *scope)
{
    unsigned answers = documented[call].answers;

    if (scope->only_virt && !is_of_virtualization(call)) {
        return 0;
    }
    if (is_of_virtualization(call) && !scope->virt) {
        return UNSUPPORTED;
    }
    if (!scope->virt && call == SYS_MEM_REVOKE) { /* of a state page */
        answers &= ~(unsigned)DENIED;
    }
    if (!scope->elsewhere) {
        answers &= ~(unsigned)ELSEWHERE;
    }
    if (!scope->names && call == SYS_TASK_CREATE) {
        answers &= ~(unsigned)SLOT;
    }
    if (!scope->ports && (call == SYS_PORT_READ || call == SYS_PORT_WRITE)) {
        answers &= ~(unsigned)OK;
    }
    if (!scope->ports && call == SYS_RIGHT_GIVE) {
        answers &= ~(unsigned)MEMORY;
    }
    if (!scope->irqs && (call == SYS_IRQ_LISTEN || call == SYS_IRQ_DONE)) {
        answers &= ARGUMENT | DENIED;
    }
    return answers;
}

void tally(uint64_t number, int64_t status)
{
    uint64_t index = 0 - (uint64_t)status;

    all++;
    if (index < STATUSES) {
        counts[number < SYSCALL_COUNT ? number : SYSCALL_COUNT][index]++;
    } else {
        other++;
    }
}

uint64_t tally_calls(void)
{
    return all;
}

/* Counts → a set of statuses, printed. */
static unsigned report_call(unsigned call)
{
    unsigned seen = 0;

    print("%s: %s:", PARTITION_INFO->name, documented[call].name);
    for (unsigned j = 0; j < STATUSES; j++) {
        if (counts[call][j]) {
            print(" %s %lu", status_name(-(int64_t)j), counts[call][j]);
            seen |= 1u << j;
        }
    }
    print("\n");
    return seen;
}

static uint64_t report_set(unsigned call, unsigned set, const char *what)
{
    uint64_t number = 0;

    for (unsigned j = 0; j < STATUSES; j++) {
        if (set >> j & 1) {
            print("%s: %s %s: %s\n", PARTITION_INFO->name, documented[call].name,
                  status_name(-(int64_t)j), what);
            number++;
        }
    }
    return number;
}

uint64_t tally_report(const struct tally_scope *scope)
{
    uint64_t wrong = other, good = 0;

    for (unsigned i = 0; i < CALLS; i++) {
        unsigned seen = report_call(i), answers = possible(i, scope);
        unsigned allowed = scope->virt ? documented[i].answers : documented[i].answers | answers;

        wrong += report_set(i, answers & ~seen, "never came");
        wrong += report_set(i, seen & ~allowed, "is not documented");
        good += counts[i][0];
    }
    print("%s: %lu calls, %lu succeeded, %lu errors of the documentation\n", PARTITION_INFO->name,
          all, good, wrong);
    return wrong;
}
