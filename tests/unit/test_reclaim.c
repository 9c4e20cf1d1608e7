/* SPDX-License-Identifier: Apache-2.0 */
/* sources: hypervisor/kernel/memory.c hypervisor/kernel/log.c hypervisor/kernel/thread.c hypervisor/kernel/task.c hypervisor/kernel/ending.c hypervisor/kernel/ipc.c hypervisor/kernel/sched.c hypervisor/kernel/timeout.c hypervisor/kernel/window.c hypervisor/kernel/remote.c hypervisor/kernel/map.c hypervisor/kernel/rights.c hypervisor/kernel/irq.c hypervisor/kernel/reclaim.c hypervisor/kernel/syscall.c hypervisor/kernel/console.c hypervisor/kernel/without_virt.c hypervisor/lib/string.c hypervisor/lib/format.c tests/unit/fake/arch.c */
/* cflags: -Itests/unit/fake */
/* Random trees with random rights against plain arrays: what is taken is gone from all below, what
 * is destroyed gives all back, on one processor and on several. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fake.h"

#define TASKS 24 /* more than a step looks at */
#define NUMBERS 0x300u /* of ports, around the end of the first frame */
#define FIRST_PORT (0x8000u - NUMBERS / 2)

static struct cpu *cpu;
static struct task *root;
static struct thread *self;

/* task[0] is the child of `root` through which everything goes. */
static struct task *task[TASKS];
static unsigned parent_of[TASKS];
static bool holds[TASKS][NUMBERS];
static unsigned count;

static unsigned below(unsigned end)
{
    return (unsigned)rand() % end;
}

static void start(unsigned processors)
{
    fake_config.processors = processors;
    cpu = fake_machine();
    root = fake_task(NULL, 230);
    assert_int_equal(rights_all(root), STATUS_OK);
    self = fake_thread(root, 100);
    fake_run(cpu);
}

static int stop(void **state)
{
    (void)state;
    fake_config.processors = 1;
    return 0;
}

#define ASSERT_CALL(expected, ...)                                                                 \
    do {                                                                                           \
        fake_call(self, __VA_ARGS__);                                                              \
        assert_int_equal(fake_status(self), expected);                                             \
    } while (0)

static bool is_below(unsigned index, unsigned top)
{
    while (index != top && index != 0) {
        index = parent_of[index];
    }
    return index == top;
}

/* The call, as a thread of that task would do it. */
static int64_t call_as(struct task *caller, enum syscall number, uint64_t a0, uint64_t a1,
                       uint64_t a2, uint64_t a3)
{
    struct task *mine = self->task;

    self->task = caller;
    fake_call(self, number, a0, a1, a2, a3, 0, 0);
    self->task = mine;
    return fake_status(self);
}

static void grow(void)
{
    memset(holds, 0, sizeof(holds));
    task[0] = fake_task(root, 200);
    count = 1;
    for (unsigned tries = 0; tries < 60 && count < TASKS; tries++) {
        unsigned parent = below(count);
        const struct task_setup setup = {
            .frames = 4 + below(25), .processors = root->processors, .priority = 10};

        if (task_create(task[parent], &setup, &task[count]) == STATUS_OK) {
            parent_of[count++] = parent;
        }
    }
}

static bool really_holds(const struct task *who, unsigned number)
{
    uint32_t port = FIRST_PORT + number;
    const uint64_t *bits = who->rights.ports[port / (PAGE_SIZE * 8)];

    return bits && (bits[port % (PAGE_SIZE * 8) / 64] >> port % 64 & 1) != 0;
}

static void check_rights(void)
{
    for (unsigned i = 0; i < count; i++) {
        for (unsigned number = 0; number < NUMBERS; number++) {
            assert_int_equal(really_holds(task[i], number), holds[i][number]);
        }
    }
}

static void pick(unsigned *first, unsigned *length)
{
    *first = below(NUMBERS);
    *length = 1 + below(below(3) ? 100 : NUMBERS - *first);
    *length = *length < NUMBERS - *first ? *length : NUMBERS - *first;
}

static void give(unsigned to)
{
    struct task *from = to == 0 ? root : task[parent_of[to]];
    unsigned first, length, given = 0;

    pick(&first, &length);
    while (given < length && (to == 0 || holds[parent_of[to]][first + given])) {
        given++;
    }
    int64_t status =
        call_as(from, SYS_RIGHT_GIVE, task[to]->id, RIGHT_PORT, FIRST_PORT + first, length);

    if (status == STATUS_NO_MEMORY) { /* as far as its registers say */
        given = (unsigned)(self->arch.frame.arg[2] - FIRST_PORT - first);
    } else {
        assert_int_equal(status, given == length ? STATUS_OK : STATUS_DENIED);
        assert_int_equal(self->arch.frame.arg[2], FIRST_PORT + first + given);
        assert_int_equal(self->arch.frame.arg[3], length - given);
    }
    for (unsigned i = 0; i < given; i++) {
        holds[to][first + i] = true;
    }
}

static void take(unsigned top)
{
    struct task *from = top == 0 ? root : task[parent_of[top]];
    unsigned first, length;

    pick(&first, &length);
    assert_int_equal(
        call_as(from, SYS_RIGHT_TAKE, task[top]->id, RIGHT_PORT, FIRST_PORT + first, length),
        STATUS_OK);
    for (unsigned i = 0; i < count; i++) {
        if (is_below(i, top)) {
            memset(&holds[i][first], 0, length);
        }
    }
}

static void test_random_rights(void **state)
{
    (void)state;
    start(1);
    srand(11);
    for (unsigned round = 0; round < 60; round++) {
        uint64_t used = root->quota.used, free = memory_free();

        grow();
        for (unsigned i = 0; i < 60; i++) {
            unsigned to = below(count);

            if (below(4)) {
                give(to);
            } else {
                take(to);
            }
        }
        check_rights();
        ASSERT_CALL(STATUS_OK, SYS_TASK_STOP, task[0]->id, 0, 0, 0, 0, 0);
        ASSERT_CALL(STATUS_OK, SYS_TASK_DESTROY, task[0]->id, 0, 0, 0, 0, 0);
        assert_int_equal(root->quota.used, used);
        assert_int_equal(memory_free(), free);
    }
}

/* Whatever stands in a4, nobody else loses anything. */
static void test_a_forged_cursor_takes_from_nobody_else(void **state)
{
    (void)state;
    start(1);
    struct task *child = fake_task(root, 20), *other = fake_task(root, 20);
    struct task *lower = fake_task(child, 10);

    ASSERT_CALL(STATUS_OK, SYS_RIGHT_GIVE, child->id, RIGHT_PORT, 64, 64, 0, 0);
    ASSERT_CALL(STATUS_OK, SYS_RIGHT_GIVE, other->id, RIGHT_PORT, 64, 64, 0, 0);
    assert_int_equal(call_as(child, SYS_RIGHT_GIVE, lower->id, RIGHT_PORT, 64, 64), STATUS_OK);
    ASSERT_CALL(STATUS_OK, SYS_RIGHT_TAKE, child->id, RIGHT_PORT, 64, 32, other->id, 0);
    ASSERT_CALL(STATUS_OK, SYS_RIGHT_TAKE, child->id, RIGHT_PORT, 96, 32, root->id, 0);
    assert_int_equal(child->rights.ports[0][1], 0);
    assert_int_equal(lower->rights.ports[0][1], 0);
    assert_int_equal(other->rights.ports[0][1], UINT64_MAX);
    assert_int_equal(root->rights.ports[0][1], UINT64_MAX);
}

/* Partners by nature stay, in the whole tree; those that were given go. */
static void test_taking_all_partners(void **state)
{
    (void)state;
    start(1);
    srand(12);
    grow();
    for (unsigned i = 0; i < count; i++) {
        struct task *from = i == 0 ? root : task[parent_of[i]];

        for (unsigned to = 0; to < count; to++) {
            call_as(from, SYS_RIGHT_GIVE, task[i]->id, RIGHT_PEER, task[to]->id & 0xffff, 1);
        }
    }
    ASSERT_CALL(STATUS_OK, SYS_RIGHT_TAKE, task[0]->id, RIGHT_PEER, 0, TASK_MAX, 0, 0);
    for (unsigned i = 0; i < count; i++) {
        for (unsigned to = 0; to < count; to++) {
            bool natural = i == to || task[i]->parent == task[to] || task[to]->parent == task[i];

            assert_int_equal(task_may_talk(task[i], task[to]), natural);
        }
    }
}

/* Threads on all processors, some of which run when their task is stopped. */
static void test_random_ends_on_several_processors(void **state)
{
    (void)state;
    start(3);
    srand(13);
    for (unsigned round = 0; round < 100; round++) {
        uint64_t used = root->quota.used, free = memory_free();
        thread_id thread[20];
        unsigned threads = 0;

        grow();
        task_id id = task[count - 1]->id;

        for (unsigned i = 0; i < 20; i++) {
            struct thread *made;

            if (thread_create(task[below(count)], &cpus[below(3)], 10, &made) == STATUS_OK) {
                thread[threads++] = made->id;
                thread_start(made);
            }
        }
        ASSERT_CALL(STATUS_BUSY, SYS_TASK_DESTROY, task[0]->id, 0, 0, 0, 0, 0);
        ASSERT_CALL(STATUS_OK, SYS_TASK_STOP, task[0]->id, 0, 0, 0, 0, 0);
        ASSERT_CALL(STATUS_OK, SYS_TASK_DESTROY, task[0]->id, 0, 0, 0, 0, 0);
        assert_int_equal(root->quota.used, used);
        assert_int_equal(memory_free(), free);
        assert_null(task_find(id));
        assert_null(root->children);
        for (unsigned i = 0; i < threads; i++) {
            assert_null(thread_find(thread[i]));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_random_rights, stop),
        cmocka_unit_test_teardown(test_a_forged_cursor_takes_from_nobody_else, stop),
        cmocka_unit_test_teardown(test_taking_all_partners, stop),
        cmocka_unit_test_teardown(test_random_ends_on_several_processors, stop),
    };
    return cmocka_run_group_tests_name("reclaim", tests, NULL, NULL);
}
