/* SPDX-License-Identifier: Apache-2.0 */
/* sources: hypervisor/kernel/memory.c hypervisor/kernel/log.c hypervisor/kernel/thread.c hypervisor/kernel/task.c hypervisor/kernel/ending.c hypervisor/kernel/ipc.c hypervisor/kernel/sched.c hypervisor/kernel/timeout.c hypervisor/kernel/window.c hypervisor/kernel/remote.c hypervisor/kernel/map.c hypervisor/kernel/rights.c hypervisor/kernel/irq.c hypervisor/kernel/reclaim.c hypervisor/kernel/syscall.c hypervisor/kernel/console.c hypervisor/kernel/without_virt.c hypervisor/lib/string.c hypervisor/lib/format.c tests/unit/fake/arch.c */
/* cflags: -Itests/unit/fake */
/* What goes down the task tree, and how it comes back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "abi/layout.h"
#include "fake.h"
#include "kernel/ipc.h"
#include "kernel/irq.h"

#define HERE 0x10000000UL
#define PHYSICAL 0x700000UL

static struct cpu *cpu;
static struct task *root, *child, *other;
static struct thread *self;

static int setup(void **state)
{
    (void)state;
    cpu = fake_machine();
    root = fake_task(NULL, 200);
    child = fake_task(root, 60);
    other = fake_task(root, 20);
    assert_int_equal(rights_all(root), STATUS_OK);
    self = fake_thread(root, 100);
    fake_run(cpu);
    return 0;
}

static void hold(struct task *task, uint64_t pages, unsigned rights)
{
    for (uint64_t i = 0; i < pages; i++) {
        uint64_t done;

        assert_int_equal(arch_space_map(&task->space, HERE + i * PAGE_SIZE,
                                        PHYSICAL + i * PAGE_SIZE, PAGE_SIZE, rights, &task->quota,
                                        &done),
                         STATUS_OK);
    }
}

static bool holds(const struct task *task, uint64_t page)
{
    struct mapping mapping;

    return arch_space_lookup(&task->space, HERE + page * PAGE_SIZE, &mapping);
}

#define ASSERT_CALL(expected, ...)                                                                 \
    do {                                                                                           \
        fake_call(self, __VA_ARGS__);                                                              \
        assert_int_equal(fake_status(self), expected);                                             \
    } while (0)

/* ---- Memory ------------------------------------------------------------------------------------ */

static void test_memory_is_passed_by_who_holds_it(void **state)
{
    struct mapping mapping;

    (void)state;
    hold(root, 8, MEM_READ | MEM_WRITE);
    ASSERT_CALL(STATUS_DENIED, SYS_MEM_MAP, child->id, HERE, HERE, PAGE_SIZE, MEM_ALL, 0);
    ASSERT_CALL(STATUS_BAD_ARGUMENT, SYS_MEM_MAP, child->id, HERE + 1, HERE, PAGE_SIZE, MEM_READ,
                0);
    ASSERT_CALL(STATUS_BAD_ARGUMENT, SYS_MEM_MAP, child->id, HERE, USER_TOP - PAGE_SIZE,
                2 * PAGE_SIZE, MEM_READ, 0);
    ASSERT_CALL(STATUS_BAD_ARGUMENT, SYS_MEM_MAP, child->id, HERE, HERE, PAGE_SIZE, MEM_WRITE, 0);
    ASSERT_CALL(STATUS_BAD_ID, SYS_MEM_MAP, root->id, HERE, HERE, PAGE_SIZE, MEM_READ, 0);
    ASSERT_CALL(STATUS_OK, SYS_MEM_MAP, child->id, HERE, HERE, 8 * PAGE_SIZE, MEM_READ, 0);
    assert_true(arch_space_lookup(&child->space, HERE + 7 * PAGE_SIZE, &mapping));
    assert_int_equal(mapping.physical, PHYSICAL + 7 * PAGE_SIZE);
    assert_int_equal(mapping.rights, MEM_READ);
    ASSERT_CALL(STATUS_EXISTS, SYS_MEM_MAP, child->id, HERE, HERE, PAGE_SIZE, MEM_READ, 0);
}

static void test_an_error_says_how_far_it_came(void **state)
{
    (void)state;
    hold(root, 5, MEM_ALL);
    ASSERT_CALL(STATUS_NOT_MAPPED, SYS_MEM_MAP, child->id, HERE, HERE, 6 * PAGE_SIZE, MEM_READ,
                0);
    assert_int_equal(self->arch.frame.arg[1], HERE + 5 * PAGE_SIZE);
    assert_int_equal(self->arch.frame.arg[3], PAGE_SIZE);
    assert_true(holds(child, 4));
}

static void test_what_the_kernel_shares_is_not_given_on(void **state)
{
    void *frame = frame_alloc(&root->quota);
    uint64_t done;

    (void)state;
    arch_space_map(&root->space, HERE, arch_pool_physical(frame), PAGE_SIZE, MEM_READ | MEM_WRITE,
                   &root->quota, &done);
    ASSERT_CALL(STATUS_DENIED, SYS_MEM_MAP, child->id, HERE, HERE, PAGE_SIZE, MEM_READ, 0);
    ASSERT_CALL(STATUS_DENIED, SYS_MEM_REVOKE, child->id, HERE, PAGE_SIZE, 0, 0, 0);
}

static void test_unmapping_reaches_one_task(void **state)
{
    (void)state;
    hold(root, 8, MEM_ALL);
    hold(child, 8, MEM_ALL);
    ASSERT_CALL(STATUS_OK, SYS_MEM_UNMAP, child->id, HERE + PAGE_SIZE, 6 * PAGE_SIZE, 0, 0, 0);
    assert_true(holds(child, 0) && !holds(child, 1) && !holds(child, 6) && holds(child, 7));
    assert_true(holds(root, 1));
    ASSERT_CALL(STATUS_OK, SYS_MEM_UNMAP, 0, HERE, PAGE_SIZE, 0, 0, 0);
    assert_false(holds(root, 0));
}

static void test_revoking_reaches_the_whole_subtree(void **state)
{
    struct task *grandchild = fake_task(child, 20), *deep = fake_task(grandchild, 10);

    (void)state;
    hold(root, 4, MEM_ALL);
    hold(child, 4, MEM_ALL);
    hold(grandchild, 4, MEM_READ);
    hold(deep, 4, MEM_READ);
    hold(other, 4, MEM_READ);
    ASSERT_CALL(STATUS_OK, SYS_MEM_REVOKE, child->id, HERE + PAGE_SIZE, 2 * PAGE_SIZE, 0, 0, 0);
    for (uint64_t page = 0; page < 4; page++) {
        bool kept = page == 0 || page == 3;

        assert_int_equal(holds(child, page), kept);
        assert_int_equal(holds(grandchild, page), kept);
        assert_int_equal(holds(deep, page), kept);
        assert_true(holds(root, page) && holds(other, page));
    }
    ASSERT_CALL(STATUS_OK, SYS_MEM_REVOKE, 0, HERE, 4 * PAGE_SIZE, 0, 0, 0); /* all children */
    assert_false(holds(child, 0) || holds(deep, 3) || holds(other, 1));
    assert_true(holds(root, 0));
}

static void test_a_forged_cursor_reaches_nobody_else(void **state)
{
    (void)state;
    hold(root, 1, MEM_ALL);
    hold(child, 1, MEM_ALL);
    hold(other, 1, MEM_ALL);
    ASSERT_CALL(STATUS_OK, SYS_MEM_REVOKE, child->id, HERE, PAGE_SIZE, other->id, PAGE_SIZE, 0);
    assert_true(holds(other, 0) && holds(root, 0));
    ASSERT_CALL(STATUS_OK, SYS_MEM_REVOKE, child->id, HERE, PAGE_SIZE, root->id, 1, 0);
    assert_true(holds(other, 0) && holds(root, 0));
}

/* ---- Numbers ----------------------------------------------------------------------------------- */

static void test_ports_go_down_and_come_back(void **state)
{
    (void)state;
    ASSERT_CALL(STATUS_OK, SYS_RIGHT_GIVE, child->id, RIGHT_PORT, 0x3f8, 1000, 0, 0);
    ASSERT_CALL(STATUS_DENIED, SYS_RIGHT_GIVE, child->id, RIGHT_PORT, 0x2f8, 1, 0, 0); /* kept */
    ASSERT_CALL(STATUS_BAD_ARGUMENT, SYS_RIGHT_GIVE, child->id, RIGHT_PORT, 0xffff, 2, 0, 0);
    ASSERT_CALL(STATUS_BAD_ARGUMENT, SYS_RIGHT_GIVE, child->id, RIGHT_COUNT, 0, 1, 0, 0);
    struct thread *parent = self, *thread = fake_thread(child, 200);

    self = fake_run(cpu);
    assert_ptr_equal(self, thread);
    struct task *grandchild = fake_task(child, 20);

    ASSERT_CALL(STATUS_OK, SYS_PORT_READ, 0x3f8, 4, 0, 0, 0, 0);
    assert_int_equal(self->arch.frame.arg[0], 0x3f8 * 16 + 4);
    ASSERT_CALL(STATUS_DENIED, SYS_PORT_READ, 0x3f7, 2, 0, 0, 0, 0);
    ASSERT_CALL(STATUS_DENIED, SYS_PORT_WRITE, 0x3f8 + 999, 2, 0, 0, 0, 0);
    ASSERT_CALL(STATUS_OK, SYS_PORT_WRITE, 0x3f8 + 998, 2, 0, 0, 0, 0);
    ASSERT_CALL(STATUS_BAD_ARGUMENT, SYS_PORT_READ, 0x3f8, 3, 0, 0, 0, 0);
    ASSERT_CALL(STATUS_BAD_ARGUMENT, SYS_PORT_READ, 0xffff, 2, 0, 0, 0, 0);
    ASSERT_CALL(STATUS_DENIED, SYS_RIGHT_GIVE, grandchild->id, RIGHT_PORT, 0x3f0, 16, 0, 0);
    ASSERT_CALL(STATUS_OK, SYS_RIGHT_GIVE, grandchild->id, RIGHT_PORT, 0x3f8, 8, 0, 0);
    thread->state = THREAD_STOPPED;
    arch_activate(cpu, parent);
    self = parent;
    ASSERT_CALL(STATUS_OK, SYS_RIGHT_TAKE, child->id, RIGHT_PORT, 0, 0x10000, 0, 0);
    for (unsigned frame = 0; frame < PORT_FRAMES; frame++) {
        for (unsigned i = 0; i < PAGE_SIZE / 8; i++) {
            assert_true(!child->rights.ports[frame] || !child->rights.ports[frame][i]);
            assert_true(!grandchild->rights.ports[frame] || !grandchild->rights.ports[frame][i]);
        }
    }
}

static void test_interrupts_go_to_who_holds_the_line(void **state)
{
    (void)state;
    ASSERT_CALL(STATUS_OK, SYS_RIGHT_GIVE, child->id, RIGHT_IRQ, 8, 1, 0, 0);
    ASSERT_CALL(STATUS_UNSUPPORTED, SYS_IRQ_LISTEN, 100, 1, 0, 0, 0, 0);
    ASSERT_CALL(STATUS_BAD_ARGUMENT, SYS_IRQ_LISTEN, IRQ_LINES, 1, 0, 0, 0, 0);
    struct thread *parent = self, *thread = fake_thread(child, 200);

    self = fake_run(cpu);
    ASSERT_CALL(STATUS_DENIED, SYS_IRQ_LISTEN, 7, 1, 0, 0, 0, 0);
    ASSERT_CALL(STATUS_DENIED, SYS_IRQ_DONE, 8, 0, 0, 0, 0, 0);
    ASSERT_CALL(STATUS_OK, SYS_IRQ_LISTEN, 8, 4, 0, 0, 0, 0);
    assert_false(fake_masked[8]);
    fake_call(self, SYS_IPC_WAIT, 0, TSC_NEVER, 0, 0, 0, 0);
    fake_masked[8] = true;
    kernel_irq(cpu, 8);
    assert_int_equal(thread->arch.frame.arg[2], 4);
    assert_ptr_equal(fake_run(cpu), thread);
    ASSERT_CALL(STATUS_OK, SYS_IRQ_DONE, 8, 0, 0, 0, 0, 0);
    assert_false(fake_masked[8]);
    thread->state = THREAD_STOPPED;
    arch_activate(cpu, parent);
    self = parent;
    ASSERT_CALL(STATUS_EXISTS, SYS_IRQ_LISTEN, 8, 1, 0, 0, 0, 0);
    ASSERT_CALL(STATUS_OK, SYS_RIGHT_TAKE, child->id, RIGHT_IRQ, 0, IRQ_LINES, 0, 0);
    assert_true(fake_masked[8]);
    kernel_irq(cpu, 8);
    assert_int_equal(thread->events, 0);
    ASSERT_CALL(STATUS_OK, SYS_IRQ_LISTEN, 8, 1, 0, 0, 0, 0);
    thread_kill(self);
    assert_true(fake_masked[8]);
}

static void test_partners_are_given_by_who_may_talk_to_both(void **state)
{
    struct thread *a = fake_thread(child, 100), *b = fake_thread(other, 90);

    (void)state;
    ASSERT_CALL(STATUS_OK, SYS_RIGHT_GIVE, child->id, RIGHT_PEER, other->id & 0xffff, 1, 0, 0);
    assert_true(task_may_talk(child, other));
    assert_false(task_may_talk(other, child));
    ASSERT_CALL(STATUS_DENIED, SYS_RIGHT_GIVE, child->id, RIGHT_PEER, 200, 1, 0, 0);
    ASSERT_CALL(STATUS_OK, SYS_RIGHT_TAKE, child->id, RIGHT_PEER, 0, TASK_MAX, 0, 0);
    assert_false(task_may_talk(child, other));
    assert_true(task_may_talk(child, root) && task_may_talk(root, child));
    (void)a;
    (void)b;
}

/* ---- Ending --------------------------------------------------------------------------------------- */

static void test_destroying_gives_everything_back(void **state)
{
    uint64_t used = root->quota.used, free = memory_free();
    struct task *task = fake_task(root, 50), *below = fake_task(task, 20);
    task_id id = task->id;

    (void)state;
    fake_thread(task, 50);
    thread_id thread = fake_thread(below, 50)->id;
    hold(root, 4, MEM_ALL);
    hold(task, 4, MEM_ALL);
    ASSERT_CALL(STATUS_OK, SYS_RIGHT_GIVE, task->id, RIGHT_PORT, 0, 100, 0, 0);
    ASSERT_CALL(STATUS_OK, SYS_RIGHT_GIVE, child->id, RIGHT_PEER, task->id & 0xffff, 1, 0, 0);
    ASSERT_CALL(STATUS_BUSY, SYS_TASK_DESTROY, task->id, 0, 0, 0, 0, 0);
    ASSERT_CALL(STATUS_BAD_ID, SYS_TASK_DESTROY, below->id, 0, 0, 0, 0, 0);
    ASSERT_CALL(STATUS_OK, SYS_TASK_STOP, task->id, 0, 0, 0, 0, 0);
    ASSERT_CALL(STATUS_OK, SYS_TASK_DESTROY, task->id, 0, 0, 0, 0, 0);
    assert_int_equal(root->quota.used, used);
    assert_int_equal(memory_free(), free);
    assert_null(task_find(id));
    assert_null(thread_find(thread));
    ASSERT_CALL(STATUS_BAD_ID, SYS_TASK_STATUS, id, 0, 0, 0, 0, 0);
    task = fake_task(root, 50); /* in the same slot: the right to talk to the old one is gone */
    assert_int_equal(task->id & 0xffff, id & 0xffff);
    assert_int_not_equal(task->id, id);
    assert_false(task_may_talk(child, task));
}

/* Random trees, in which memory and quotas are moved about: whatever happens, revoking leaves
 * nothing, and destroying gives all back. */
static void test_random_trees(void **state)
{
    (void)state;
    srand(5);
    hold(root, 16, MEM_ALL);
    for (unsigned round = 0; round < 200; round++) {
        uint64_t used = root->quota.used, free = memory_free();
        struct task *top = fake_task(root, 60), *task[8] = {top};
        unsigned count = 1;

        while (count < 8) {
            struct task *parent = task[(unsigned)rand() % count];
            const struct task_setup setup = {
                .frames = (uint64_t)rand() % 20, .processors = 1, .priority = 10};

            if (task_create(parent, &setup, &task[count]) != STATUS_OK) {
                break;
            }
            count++;
        }
        for (unsigned i = 0; i < count; i++) {
            for (uint64_t page = 0; page < 16; page++) {
                uint64_t done;

                if (rand() % 2) {
                    arch_space_map(&task[i]->space, HERE + page * PAGE_SIZE,
                                   PHYSICAL + (uint64_t)(rand() % 16) * PAGE_SIZE, PAGE_SIZE,
                                   MEM_READ, &task[i]->quota, &done);
                }
            }
        }
        uint64_t first = (uint64_t)rand() % 16, pages = (uint64_t)rand() % (16 - first) + 1;

        ASSERT_CALL(STATUS_OK, SYS_MEM_REVOKE, top->id, HERE + first * PAGE_SIZE,
                    pages * PAGE_SIZE, 0, 0, 0);
        for (unsigned i = 0; i < count; i++) {
            for (uint64_t page = 0; page < 16; page++) {
                struct mapping m;

                if (arch_space_lookup(&task[i]->space, HERE + page * PAGE_SIZE, &m)) {
                    uint64_t at = (m.physical - PHYSICAL) / PAGE_SIZE;

                    assert_true(at < first || at >= first + pages);
                }
            }
        }
        ASSERT_CALL(STATUS_OK, SYS_TASK_STOP, top->id, 0, 0, 0, 0, 0);
        ASSERT_CALL(STATUS_OK, SYS_TASK_DESTROY, top->id, 0, 0, 0, 0, 0);
        assert_int_equal(root->quota.used, used);
        assert_int_equal(memory_free(), free);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_memory_is_passed_by_who_holds_it, setup),
        cmocka_unit_test_setup(test_an_error_says_how_far_it_came, setup),
        cmocka_unit_test_setup(test_what_the_kernel_shares_is_not_given_on, setup),
        cmocka_unit_test_setup(test_unmapping_reaches_one_task, setup),
        cmocka_unit_test_setup(test_revoking_reaches_the_whole_subtree, setup),
        cmocka_unit_test_setup(test_a_forged_cursor_reaches_nobody_else, setup),
        cmocka_unit_test_setup(test_ports_go_down_and_come_back, setup),
        cmocka_unit_test_setup(test_interrupts_go_to_who_holds_the_line, setup),
        cmocka_unit_test_setup(test_partners_are_given_by_who_may_talk_to_both, setup),
        cmocka_unit_test_setup(test_destroying_gives_everything_back, setup),
        cmocka_unit_test_setup(test_random_trees, setup),
    };
    return cmocka_run_group_tests_name("grants", tests, NULL, NULL);
}
