/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor.h"

#include "abi/layout.h"
#include "console.h"
#include "lib/format.h"
#include "ports.h"
#include "service.h"
#include "worker.h"

#define KERNEL_INFO ((const struct kernel_info *)USER_KERNEL_INFO)

static struct {
    struct health_log log;
    bool change_waits; /* a switch of schedules that the kernel was not ready for */
    uint32_t schedule;
} monitor;

static tsc_time now(void)
{
    return __builtin_ia32_rdtsc();
}

/* The line is what `make run` and the tests wait for. */
static _Noreturn void end_machine(bool well, enum machine_end how)
{
    console_line("hecht: end status=%u\n", well ? 0u : 1u);
    for (;;) {
        sys_machine_end(how);
    }
}

/* ---- Log ------------------------------------------------------------------------------------- */

static const char *name_of(uint32_t partition)
{
    return partition < partition_count() ? system_config.partition[partition].name : "module";
}

/* "NAME: memory violation (0x1000): cold restart" */
static void print_record(const char *start, const struct health_record *record)
{
    char detail[24];

    format_line(detail, sizeof(detail), health_detail_is_address(record->error) ? "0x%lx" : "%lu",
                record->detail);
    console_line("%s%s: %s (%s): %s\n", start, name_of(record->partition),
                 health_error_name(record->error), detail, health_action_name(record->action));
}

static void note(uint32_t partition, const struct health_event *event, enum health_action action,
                 bool aloud)
{
    const struct health_record record = {
        .time = now(),
        .partition = partition,
        .error = (uint16_t)event->error,
        .action = (uint16_t)action,
        .detail = event->detail,
    };

    if (action == HEALTH_IGNORE) {
        return;
    }
    health_log_add(&monitor.log, &record);
    if (aloud) {
        print_record("σ0: ", &record);
    }
}

void monitor_print_log(void)
{
    const struct health_log *log = &monitor.log;

    console_line("σ0: health log, %lu errors since boot, the last %u:\n", log->count,
                 health_log_held(log));
    for (unsigned i = 0; i < health_log_held(log); i++) {
        const struct health_record *record = health_log_get(log, i);
        char start[32];

        format_line(start, sizeof(start), "%12lu ms  ",
                    (record->time - KERNEL_INFO->boot_tsc) / KERNEL_INFO->tsc_khz);
        print_record(start, record);
    }
}

void monitor_print_state(void)
{
    static const char *const word[] = {
        [PARTITION_DOWN] = "down",
        [PARTITION_RUNS] = "runs",
        [PARTITION_WITH_WORKER] = "is being restarted",
    };

    for (uint32_t i = 0; i < partition_count(); i++) {
        const struct partition *partition = &partitions[i];
        struct task_report report = {0};

        if (partition_runs(partition)) {
            sys_task_status(partition->task, &report);
        }
        console_line("σ0: %s: %s, restarts %u, kernel memory %lu of %u pages\n",
                     partition->config->name, word[partition_state(partition)],
                     partition->restarts, report.quota_used, partition->config->kernel_quota);
    }
}

/* ---- What is done ---------------------------------------------------------------------------- */

/* Nothing of the partition runs any more. */
static void take_down(struct partition *partition)
{
    if (partition->task != 0) {
        sys_task_stop(partition->task);
        console_drain(partition->console);
        ports_withdraw(partition);
    }
    partition_set_state(partition, PARTITION_DOWN);
}

static _Noreturn void stop_module(enum machine_end how)
{
    for (uint32_t i = 0; i < partition_count(); i++) {
        if (partition_runs(&partitions[i])) {
            take_down(&partitions[i]);
        }
    }
    monitor_print_log();
    end_machine(false, how);
}

static void act(struct partition *partition, enum health_action action, bool alive)
{
    if (action == HEALTH_IGNORE || action == HEALTH_LOG) {
        if (!alive) {
            take_down(partition);
        }
        return;
    }
    if (action == HEALTH_STOP_MODULE) {
        stop_module(MACHINE_OFF);
    }
    take_down(partition);
    partition->ended_badly |= alive; /* of any other end monitor_look has made up its mind */
    if (action == HEALTH_RESTART_COLD || action == HEALTH_RESTART_WARM) {
        partition->ended_badly = false;
        partition->ended_well = false;
        worker_order(partition, action == HEALTH_RESTART_WARM ? START_WARM : START_COLD);
    } else if (action == HEALTH_SWITCH_SCHEDULE) {
        monitor_switch_schedule(partition->config->action_schedule);
    }
}

void monitor_error(struct partition *partition, const struct health_event *event, bool alive)
{
    enum health_action action = health_action_for(partition->config->action, event->error);
    /* That a partition has ended with code 0 is told in a line of its own already. */
    bool news = event->error != HEALTH_PARTITION_ENDED || event->detail != 0 ||
                action != HEALTH_LOG;

    note((uint32_t)(partition - partitions), event, action, news);
    act(partition, action, alive);
}

void monitor_module_error(enum health_error error, uint64_t detail)
{
    const struct health_event event = {error, detail};
    uint8_t action = system_config.module_action[error];

    note(HEALTH_NO_PARTITION, &event, action, true);
    switch (action) {
    case HEALTH_IGNORE:
    case HEALTH_LOG:
        return;
    case HEALTH_RESTART_COLD:
    case HEALTH_RESTART_WARM:
        stop_module(MACHINE_RESET);
    default:
        stop_module(MACHINE_OFF);
    }
}

/* ---- Ends ------------------------------------------------------------------------------------ */

static void look_at(struct partition *partition)
{
    const char *name = partition->config->name;
    struct health_event event;
    struct task_report report;

    if (sys_task_status(partition->task, &report) != STATUS_OK ||
        !health_of_end(&report, &event)) {
        return;
    }
    console_drain(partition->console);
    partition->ended_well = report.state == TASK_ENDED && report.code == 0;
    partition->ended_badly = !partition->ended_well;
    if (report.state == TASK_ENDED) {
        console_line("σ0: %s ended: code %lu\n", name, health_end_code(&report));
    } else {
        console_line("σ0: %s failed: exception %lu, address 0x%lx\n", name, report.code,
                     report.detail);
    }
    monitor_error(partition, &event, false);
}

/* The worker could not make it again. */
static void look_at_restart(struct partition *partition)
{
    const struct health_event event = {HEALTH_CONFIGURATION, partition->restarts};

    if (!partition->error) {
        return;
    }
    console_line("σ0: %s cannot start again: %s\n", partition->config->name, partition->error);
    partition->error = NULL;
    partition->ended_badly = true;
    monitor_error(partition, &event, false);
}

/* The machine ends with the last of the partitions that count for it; where none counts, with the
 * last of all. Well, if no partition has ended badly. */
static void look_at_machine(void)
{
    bool any_counts = false, runs = false, counting_runs = false, well = true;

    for (uint32_t i = 0; i < partition_count(); i++) {
        bool up = partition_state(&partitions[i]) != PARTITION_DOWN;

        any_counts |= partitions[i].config->counts_for_end;
        counting_runs |= up && partitions[i].config->counts_for_end;
        runs |= up;
        well &= !partitions[i].ended_badly;
    }
    if (any_counts ? !counting_runs : !runs) {
        end_machine(well, MACHINE_OFF);
    }
}

void monitor_look(void)
{
    for (uint32_t i = 0; i < partition_count(); i++) {
        switch (partition_state(&partitions[i])) {
        case PARTITION_RUNS:
            if (partitions[i].fresh) {
                partitions[i].fresh = false;
                ports_connect(&partitions[i]);
                service_carry(&partitions[i]); /* what it wrote before it counted as running */
            }
            look_at(&partitions[i]);
            break;
        case PARTITION_DOWN:
            look_at_restart(&partitions[i]);
            break;
        case PARTITION_WITH_WORKER:
            break;
        }
    }
    look_at_machine();
}

/* ---- What partitions say --------------------------------------------------------------------- */

int64_t monitor_raise(thread_id from, const uint64_t words[4])
{
    struct health_event event;

    for (uint32_t i = 0; i < partition_count(); i++) {
        if (partition_runs(&partitions[i]) && partitions[i].main == from) {
            if (!health_of_raise(words, &event)) {
                return STATUS_BAD_ARGUMENT;
            }
            monitor_error(&partitions[i], &event, true);
            return STATUS_OK;
        }
    }
    return STATUS_DENIED;
}

void monitor_take_raised(void)
{
    for (uint32_t i = 0; i < partition_count(); i++) {
        struct raised *raised = &partitions[i].raised;
        thread_id from = __atomic_load_n(&raised->from, __ATOMIC_ACQUIRE);

        if (from != 0) {
            monitor_raise(from, raised->words); /* of one that is gone: nothing */
            __atomic_store_n(&raised->from, 0, __ATOMIC_RELEASE);
        }
    }
}

/* ---- Schedules ------------------------------------------------------------------------------- */

void monitor_switch_schedule(uint32_t number)
{
    tsc_time when;
    int64_t status = sys_schedule_set(number, &when);

    monitor.change_waits = status == STATUS_BUSY;
    monitor.schedule = number;
    if (status == STATUS_OK) {
        console_line("σ0: schedule %u from %lu ms on\n", number,
                     (when - KERNEL_INFO->boot_tsc) / KERNEL_INFO->tsc_khz);
    } else if (status != STATUS_BUSY) {
        console_line("σ0: there is no schedule %u\n", number);
    }
}

tsc_time monitor_deadline(void)
{
    return monitor.change_waits ? now() + KERNEL_INFO->tsc_khz : TSC_NEVER;
}

void monitor_retry(void)
{
    if (monitor.change_waits) {
        monitor_switch_schedule(monitor.schedule);
    }
}
