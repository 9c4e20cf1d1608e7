/* SPDX-License-Identifier: Apache-2.0 */
/* sources: hypervisor/virt/vtlb.c hypervisor/virt/shadow.c hypervisor/kernel/memory.c hypervisor/lib/walk.c hypervisor/lib/insn.c hypervisor/lib/string.c tests/unit/fake/pager.c */
/* cflags: -Itests/unit/fake */
/* The vTLB against a processor that remembers nothing, over random tables in all modes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "pager.h"

#define ROUNDS 3000
#define MANY 1000 /* frames: more than there can be tables */

/* xorshift64*, as good as any here. */
static uint32_t random_below(void *context, uint32_t limit)
{
    uint64_t *state = context;

    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return (uint32_t)((*state * 0x2545f4914f6cdd1dUL >> 32) * limit >> 32);
}

static void run(uint64_t seed, uint64_t frames)
{
    pager_start(random_below, &seed, frames);
    for (unsigned i = 0; i < ROUNDS; i++) {
        pager_round();
    }
    pager_end();
}

static void test_random_tables(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 24; seed++) {
        run(seed, MANY);
    }
    assert_true(pager_counts.hits > 10000 && pager_counts.fills > 10000);
    assert_true(pager_counts.faults > 1000 && pager_counts.violations > 100);
    assert_true(pager_counts.loads > 1000 && pager_counts.invlpgs > 1000);
    assert_true(pager_counts.visits > 100);
}

/* With the least memory the oldest process goes, or all do: slower, and right. */
static void test_little_memory(void **state)
{
    (void)state;
    for (uint64_t seed = 101; seed <= 108; seed++) {
        run(seed, seed % 4 * 3);
    }
}

static void test_processes_come_back(void **state)
{
    uint64_t seed = 1;

    (void)state;
    pager_start(random_below, &seed, MANY);
    assert_true(pager_switch(1) > 0);
    assert_int_equal(pager_switch(3), 0);
    pager_end();
}

static void test_pcids(void **state)
{
    static void (*const rest[])(void) = {pager_invlpg_for_all_pcids, pager_invlpg_without_a_way,
                                         pager_invlpg_on_another_way};
    uint64_t seed = 1;

    (void)state;
    pager_start(random_below, &seed, MANY);
    assert_int_equal(pager_pcids(), 0);
    pager_end();
    for (unsigned i = 0; i < sizeof(rest) / sizeof(rest[0]); i++) {
        pager_start(random_below, &seed, MANY);
        rest[i]();
        pager_end();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_tables),
        cmocka_unit_test(test_little_memory),
        cmocka_unit_test(test_processes_come_back),
        cmocka_unit_test(test_pcids),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
