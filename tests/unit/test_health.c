/* SPDX-License-Identifier: Apache-2.0 */
/* sources: hypervisor/system/health.c hypervisor/system/operator.c */
/* cflags: -Ihypervisor/system */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "abi/layout.h"
#include "health.h"
#include "operator.h"

#define STACK_END (USER_STACK_TOP - USER_STACK_SIZE)

/* ---- What an end means ----------------------------------------------------------------------- */

static void check_end(struct task_report report, enum health_error error, uint64_t detail)
{
    struct health_event event = {HEALTH_ERROR_COUNT, 0};

    assert_true(health_of_end(&report, &event));
    assert_int_equal(event.error, error);
    assert_int_equal(event.detail, detail);
}

static void test_exceptions_are_told_apart(void **state)
{
    (void)state;
    check_end((struct task_report){.state = TASK_FAILED, .code = 13}, HEALTH_EXCEPTION, 13);
    check_end((struct task_report){.state = TASK_FAILED, .code = 6, .detail = STACK_END - 8},
              HEALTH_EXCEPTION, 6);
    check_end((struct task_report){.state = TASK_FAILED, .code = 14, .detail = 0x1000},
              HEALTH_MEMORY_VIOLATION, 0x1000);
}

static void test_the_stack_has_a_guard_below_it(void **state)
{
    const struct {
        uint64_t address;
        enum health_error error;
    } faults[] = {
        {STACK_END - 1, HEALTH_STACK_OVERFLOW},
        {STACK_END - HEALTH_GUARD_SIZE, HEALTH_STACK_OVERFLOW},
        {STACK_END - HEALTH_GUARD_SIZE - 1, HEALTH_MEMORY_VIOLATION},
        {STACK_END, HEALTH_MEMORY_VIOLATION}, /* executed, say */
        {USER_STACK_TOP, HEALTH_MEMORY_VIOLATION},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
        check_end((struct task_report){TASK_FAILED, 14, faults[i].address, 0}, faults[i].error,
                  faults[i].address);
    }
}

static void test_an_end_by_itself(void **state)
{
    struct health_event event;

    (void)state;
    check_end((struct task_report){.state = TASK_ENDED}, HEALTH_PARTITION_ENDED, 0);
    check_end((struct task_report){.state = TASK_ENDED, .code = 7}, HEALTH_PARTITION_ENDED, 7);
    assert_false(health_of_end(&(struct task_report){.state = TASK_RUNS}, &event));
    assert_false(health_of_end(&(struct task_report){.state = TASK_STOPPED}, &event));
}

static void test_an_end_can_say_why(void **state)
{
    struct task_report report = {.state = TASK_ENDED,
                                 .code = HEALTH_END_CODE(HEALTH_VM_SHUTDOWN, 1)};

    (void)state;
    check_end(report, HEALTH_VM_SHUTDOWN, 1);
    assert_int_equal(health_end_code(&report), 1);
}

static void test_an_end_for_a_write_names_the_address(void **state)
{
    struct task_report report = {.state = TASK_ENDED,
                                 .code = HEALTH_END_CODE(HEALTH_MEMORY_VIOLATION, 0xc0001000)};

    (void)state;
    check_end(report, HEALTH_MEMORY_VIOLATION, 0xc0001000);
    assert_int_equal(health_end_code(&report), 1);
}

static void test_what_is_not_a_partitions_to_say_is_a_code(void **state)
{
    const uint64_t codes[] = {HEALTH_END_CODE(HEALTH_EXCEPTION, 1),
                              HEALTH_END_CODE(HEALTH_CONFIGURATION, 1),
                              HEALTH_END_CODE(HEALTH_ERROR_COUNT, 1), UINT64_MAX};

    (void)state;
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        struct task_report report = {.state = TASK_ENDED, .code = codes[i]};

        check_end(report, HEALTH_PARTITION_ENDED, codes[i]);
        assert_int_equal(health_end_code(&report), codes[i]);
    }
}

static void test_raises(void **state)
{
    struct health_event event;

    (void)state;
    for (uint64_t error = 0; error < HEALTH_ERROR_COUNT + 2; error++) {
        bool allowed = error == HEALTH_DEADLINE_MISSED || error == HEALTH_APPLICATION ||
                       error == HEALTH_VM_SHUTDOWN;

        assert_int_equal(health_of_raise((const uint64_t[4]){HEALTH_RAISE, error, 99}, &event),
                         allowed);
        if (allowed) {
            assert_int_equal(event.error, error);
            assert_int_equal(event.detail, 99);
        }
        assert_false(health_of_raise((const uint64_t[4]){HEALTH_RAISE + 1, error, 99}, &event));
    }
    assert_false(health_of_raise(
        (const uint64_t[4]){HEALTH_RAISE, UINT64_C(1) << 32 | HEALTH_APPLICATION, 0}, &event));
}

/* ---- What is done ---------------------------------------------------------------------------- */

static void test_the_table_says_what_is_done(void **state)
{
    uint8_t table[HEALTH_ERROR_COUNT] = {0};

    (void)state;
    for (unsigned error = 0; error < HEALTH_ERROR_COUNT; error++) {
        for (unsigned action = 0; action < HEALTH_ACTION_COUNT; action++) {
            bool hopeless = error == HEALTH_CONFIGURATION &&
                            (action == HEALTH_RESTART_COLD || action == HEALTH_RESTART_WARM);

            table[error] = (uint8_t)action;
            assert_int_equal(health_action_for(table, error), hopeless ? HEALTH_STOP : action);
        }
        table[error] = HEALTH_ACTION_COUNT;
        assert_int_equal(health_action_for(table, error), HEALTH_STOP);
        table[error] = 0xff;
        assert_int_equal(health_action_for(table, error), HEALTH_STOP);
    }
}

static void test_every_word_is_there(void **state)
{
    (void)state;
    for (unsigned i = 0; i < HEALTH_ERROR_COUNT; i++) {
        assert_true(strlen(health_error_name(i)) > 1);
    }
    for (unsigned i = 0; i < HEALTH_ACTION_COUNT; i++) {
        assert_true(strlen(health_action_name(i)) > 1);
    }
    assert_string_equal(health_error_name(HEALTH_ERROR_COUNT), "?");
    assert_string_equal(health_action_name(HEALTH_ACTION_COUNT), "?");
}

/* ---- Priorities ------------------------------------------------------------------------------ */

#define SYSTEM(...)                                                                               \
    (&(const struct system_config){                                                               \
        .partition_count =                                                                        \
            sizeof((struct partition_config[]){__VA_ARGS__}) / sizeof(struct partition_config),   \
        .partition = (struct partition_config[]){__VA_ARGS__},                                    \
    })
#define VM(p, t, c)                                                                               \
    {                                                                                             \
        .kind = PARTITION_VM, .priority = (p), .time_partition = (t), .processors = (c)           \
    }
#define PROGRAM(p, t, c)                                                                          \
    {                                                                                             \
        .kind = PARTITION_PROGRAM, .priority = (p), .time_partition = (t), .processors = (c)      \
    }

static void test_restarts_are_below_every_window(void **state)
{
    (void)state;
    assert_int_equal(health_worker_priority(SYSTEM(VM(100, 1, 1), PROGRAM(200, 2, 1)), 0), 1);
    assert_int_equal(health_worker_priority(&(const struct system_config){0}, 0), 1);
}

static void test_restarts_take_turns_with_the_lowest_of_tau_0(void **state)
{
    const struct system_config *config =
        SYSTEM(VM(100, 0, 1), PROGRAM(50, 0, 3), PROGRAM(20, 0, 2), VM(10, 1, 1));

    (void)state;
    assert_int_equal(health_worker_priority(config, 0), 50);
    assert_int_equal(health_worker_priority(config, 1), 20);
    assert_int_equal(health_worker_priority(config, 2), 1);
    assert_int_equal(health_worker_priority(SYSTEM(VM(100, 0, 1)), 0), 99);
    assert_int_equal(health_worker_priority(SYSTEM(VM(1, 0, 1)), 0), 1);
}

static void test_service_is_as_high_as_the_highest_vmm(void **state)
{
    (void)state;
    assert_int_equal(health_service_priority(SYSTEM(VM(100, 1, 1), PROGRAM(200, 2, 1))), 100);
    assert_int_equal(health_service_priority(SYSTEM(VM(90, 0, 1), VM(100, 1, 1))), 100);
    assert_int_equal(health_service_priority(SYSTEM(PROGRAM(20, 2, 1), PROGRAM(30, 0, 1))), 30);
    assert_int_equal(health_service_priority(&(const struct system_config){0}), PRIORITY_MAX);
}

/* ---- Log ------------------------------------------------------------------------------------- */

static void test_the_log_keeps_the_newest(void **state)
{
    static struct health_log log;

    (void)state;
    assert_int_equal(health_log_held(&log), 0);
    for (uint64_t i = 0; i < 3 * HEALTH_LOG_SIZE + 5; i++) {
        health_log_add(&log, &(const struct health_record){.time = i});

        uint64_t held = i < HEALTH_LOG_SIZE ? i + 1 : HEALTH_LOG_SIZE;

        assert_int_equal(health_log_held(&log), held);
        assert_int_equal(health_log_get(&log, 0)->time, i + 1 - held);
        assert_int_equal(health_log_get(&log, (unsigned)held - 1)->time, i);
    }
    assert_int_equal(log.count, 3 * HEALTH_LOG_SIZE + 5);
}

/* ---- Operator -------------------------------------------------------------------------------- */

static void test_what_is_typed_is_passed_on(void **state)
{
    struct operator operator = {0};

    (void)state;
    for (unsigned byte = 0; byte < 256; byte++) {
        if (byte != OPERATOR_KEY) {
            assert_int_equal(operator_type(&operator, (uint8_t)byte), OPERATOR_PASS);
        }
    }
}

static void check_key(uint8_t key, enum operator_command command)
{
    struct operator operator = {0};

    assert_int_equal(operator_type(&operator, OPERATOR_KEY), OPERATOR_NOTHING);
    assert_int_equal(operator_type(&operator, key), command);
    assert_int_equal(operator_type(&operator, 'h'), OPERATOR_PASS); /* only one key */
}

static void test_one_key_is_for_sigma0(void **state)
{
    (void)state;
    check_key('h', OPERATOR_LOG);
    check_key('p', OPERATOR_STATE);
    check_key('0', OPERATOR_SCHEDULE);
    check_key('9', OPERATOR_SCHEDULE);
    check_key('/', OPERATOR_HELP);
    check_key(':', OPERATOR_HELP);
    check_key('\r', OPERATOR_HELP);
    check_key(OPERATOR_KEY, OPERATOR_PASS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exceptions_are_told_apart),
        cmocka_unit_test(test_the_stack_has_a_guard_below_it),
        cmocka_unit_test(test_an_end_by_itself),
        cmocka_unit_test(test_an_end_can_say_why),
        cmocka_unit_test(test_an_end_for_a_write_names_the_address),
        cmocka_unit_test(test_what_is_not_a_partitions_to_say_is_a_code),
        cmocka_unit_test(test_raises),
        cmocka_unit_test(test_the_table_says_what_is_done),
        cmocka_unit_test(test_every_word_is_there),
        cmocka_unit_test(test_restarts_are_below_every_window),
        cmocka_unit_test(test_restarts_take_turns_with_the_lowest_of_tau_0),
        cmocka_unit_test(test_service_is_as_high_as_the_highest_vmm),
        cmocka_unit_test(test_the_log_keeps_the_newest),
        cmocka_unit_test(test_what_is_typed_is_passed_on),
        cmocka_unit_test(test_one_key_is_for_sigma0),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
