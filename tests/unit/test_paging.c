/* SPDX-License-Identifier: Apache-2.0 */
/* sources: hypervisor/x86/paging.c hypervisor/x86/paging_format.c hypervisor/x86/memory_type.c hypervisor/kernel/memory.c hypervisor/lib/string.c */
/* cflags: -Ihypervisor/x86 -Ihypervisor/x86/plain */
/* Page tables of all three formats: what the entries say, and the walker against a plain list. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernel/log.h"
#include "kernel/memory.h"
#include "x86/kernel_space.h"
#include "x86/paging_format.h"

#define POOL_PAGES 4096UL
#define POOL_PHYSICAL 0x10000000UL
#define MARK 0x1234567000UL

/* ---- What paging.c needs of the machine ---------------------------------------------------- */

static uint8_t *pool;

phys_addr arch_pool_physical(const void *pointer)
{
    uint64_t offset = (uint64_t)((const uint8_t *)pointer - pool);

    assert_true(offset < POOL_PAGES * PAGE_SIZE);
    return POOL_PHYSICAL + offset;
}

void *arch_pool_pointer(phys_addr physical)
{
    assert_true(physical >= POOL_PHYSICAL && physical < POOL_PHYSICAL + POOL_PAGES * PAGE_SIZE);
    return pool + (physical - POOL_PHYSICAL);
}

void kernel_space_share(uint64_t *root)
{
    for (unsigned i = 256; i < 512; i++) {
        root[i] = MARK;
    }
}

void panic(const char *format, ...)
{
    fail_msg("panic: %s", format);
    abort();
}

/* ---- Helpers ------------------------------------------------------------------------------- */

static struct quota quota;

static void reset(uint64_t frames)
{
    memory_init(pool, POOL_PAGES * PAGE_SIZE);
    quota = (struct quota){.limit = frames};
    page_largest_ept = 2;
    paging_format_init(true);
}

static int set_up(void **state)
{
    (void)state;
    pool = aligned_alloc(PAGE_SIZE, POOL_PAGES * PAGE_SIZE);
    return pool ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    free(pool);
    return 0;
}

static struct arch_space make(const struct page_format *format)
{
    struct arch_space space;

    assert_int_equal(arch_space_init(&space, format, &quota), STATUS_OK);
    return space;
}

/* The bounded functions, again and again. Each must come on, or say why not. */
static enum status unmap_all(struct arch_space *space, uint64_t address, uint64_t size)
{
    enum status status = STATUS_OK;
    bool changed;

    for (uint64_t done; size > 0 && status == STATUS_OK; address += done, size -= done) {
        status = arch_space_unmap(space, address, size, &quota, &done, &changed);
        assert_true(done <= size && (done > 0 || changed || status != STATUS_OK));
    }
    return status;
}

/* With what was mapped before an error taken back. */
static enum status map_all(struct arch_space *space, uint64_t address, uint64_t physical,
                           uint64_t size, unsigned rights)
{
    enum status status = STATUS_OK;
    uint64_t at = 0;

    for (uint64_t done; at < size && status == STATUS_OK; at += done) {
        status = arch_space_map(space, address + at, physical + at, size - at, rights, &quota,
                                &done);
        assert_true(done <= size - at && (done > 0 || status != STATUS_OK));
    }
    if (status != STATUS_OK && at > 0) {
        assert_int_equal(unmap_all(space, address, at), STATUS_OK); /* whole pages: no split */
    }
    return status;
}

static void revoke_all(struct arch_space *space, uint64_t physical, uint64_t size)
{
    uint64_t address = 0, steps = 0;
    bool changed;

    do {
        arch_space_revoke(space, address, physical, size, &quota, &address, &changed);
        assert_true(++steps < 1000000);
    } while (address != 0);
}

static void destroy(struct arch_space *space)
{
    while (!arch_space_destroy(space, &quota)) {
    }
}

static void expect(const struct arch_space *space, uint64_t address, uint64_t physical,
                   uint64_t size, unsigned rights)
{
    struct mapping mapping;

    assert_true(arch_space_lookup(space, address, &mapping));
    assert_int_equal(mapping.physical, physical);
    assert_int_equal(mapping.size, size);
    assert_int_equal(mapping.rights, rights);
}

static void expect_nothing(const struct arch_space *space, uint64_t address)
{
    struct mapping mapping;

    assert_false(arch_space_lookup(space, address, &mapping));
}

#define GIB (1UL << 30)
#define MIB (1UL << 20)

/* ---- Entries ------------------------------------------------------------------------------- */

static void test_host_entries(void **state)
{
    (void)state;
    const struct page_format *host = &page_format_host;
    uint64_t nx = 1UL << 63;

    /* SDM vol 3, table 4-20: P, W, U, A, D, large in bits 0, 1, 2, 5, 6, 7; rights in 9..11. */
    assert_int_equal(host->leaf(0x5000, MEM_READ, 0), nx | 0x5025 | 1 << 9);
    assert_int_equal(host->leaf(0x5000, MEM_READ | MEM_WRITE, 0), nx | 0x5067 | 3 << 9);
    assert_int_equal(host->leaf(0x5000, MEM_READ | MEM_EXECUTE, 0), 0x5025 | 5 << 9);
    assert_int_equal(host->leaf(0x200000, MEM_ALL, 1), nx | 0x2000e7 | 7 << 9);
    assert_int_equal(host->table(0x5000), 0x5027);
    for (unsigned rights = 0; rights <= MEM_ALL; rights++) {
        uint64_t entry = host->leaf(0x5000, rights, 0);

        assert_int_equal(host->rights(entry), rights);
        assert_true(!(entry & 2) || (entry & nx)); /* W^X */
    }
}

static void test_nested_entries(void **state)
{
    (void)state;
    uint64_t nx = 1UL << 63;

    assert_int_equal(page_format_npt.leaf(0x5000, MEM_ALL, 0), 0x5067 | 7 << 9);
    assert_int_equal(page_format_npt.leaf(0x5000, MEM_READ, 0), nx | 0x5025 | 1 << 9);
    /* SDM vol 3, table 28-6: R, W, X in bits 0..2, write-back in 3..5; 28-4: large in 7. */
    assert_int_equal(page_format_ept.leaf(0x5000, MEM_ALL, 0), 0x5037);
    assert_int_equal(page_format_ept.leaf(0x200000, MEM_READ | MEM_WRITE, 1), 0x2000b3);
    assert_int_equal(page_format_ept.leaf(0x5000, MEM_WRITE, 0) & 7, 3);
    assert_int_equal(page_format_ept.table(0x5000), 0x5007);
    assert_int_equal(page_format_ept.rights(0x5035), MEM_READ | MEM_EXECUTE);
}

/* ---- The walker by example ------------------------------------------------------------------ */

static void test_largest_pages(void **state)
{
    (void)state;
    reset(64);
    struct arch_space space = make(&page_format_host);

    assert_int_equal(map_all(&space, GIB - 2 * MIB - PAGE_SIZE, 3 * GIB - 2 * MIB - PAGE_SIZE,
                                    GIB + 2 * MIB + 2 * PAGE_SIZE, MEM_READ),
                     STATUS_OK);
    expect_nothing(&space, GIB - 2 * MIB - 2 * PAGE_SIZE);
    expect(&space, GIB - 2 * MIB - PAGE_SIZE, 3 * GIB - 2 * MIB - PAGE_SIZE, PAGE_SIZE, MEM_READ);
    expect(&space, GIB - 2 * MIB + 5, 3 * GIB - 2 * MIB + 5, LARGE_PAGE_SIZE, MEM_READ);
    expect(&space, GIB + 0x123456, 3 * GIB + 0x123456, GIB, MEM_READ);
    expect(&space, 2 * GIB, 4 * GIB, PAGE_SIZE, MEM_READ);
    expect_nothing(&space, 2 * GIB + PAGE_SIZE);
    destroy(&space);
    assert_int_equal(quota.used, 0);
}

static void test_no_gigabyte_pages(void **state)
{
    (void)state;
    reset(64);
    paging_format_init(false);
    struct arch_space space = make(&page_format_npt);

    assert_int_equal(map_all(&space, 0, 0, GIB, MEM_ALL), STATUS_OK);
    expect(&space, 0, 0, LARGE_PAGE_SIZE, MEM_ALL);
    assert_int_equal(quota.used, 3);
    destroy(&space);
}

static void test_physical_alignment_counts(void **state)
{
    (void)state;
    reset(64);
    struct arch_space space = make(&page_format_ept);

    assert_int_equal(map_all(&space, 0, PAGE_SIZE, 2 * MIB, MEM_ALL), STATUS_OK);
    expect(&space, 2 * MIB - 1, 2 * MIB + PAGE_SIZE - 1, PAGE_SIZE, MEM_ALL);
    destroy(&space);
}

static void test_split(void **state)
{
    (void)state;
    reset(64);
    struct arch_space space = make(&page_format_ept);

    assert_int_equal(map_all(&space, 0, 5 * GIB, GIB, MEM_READ | MEM_EXECUTE),
                     STATUS_OK);
    assert_int_equal(unmap_all(&space, 3 * MIB, PAGE_SIZE), STATUS_OK);
    expect_nothing(&space, 3 * MIB);
    expect(&space, 3 * MIB - 1, 5 * GIB + 3 * MIB - 1, PAGE_SIZE, MEM_READ | MEM_EXECUTE);
    expect(&space, 3 * MIB + PAGE_SIZE, 5 * GIB + 3 * MIB + PAGE_SIZE, PAGE_SIZE,
           MEM_READ | MEM_EXECUTE);
    expect(&space, 4 * MIB, 5 * GIB + 4 * MIB, LARGE_PAGE_SIZE, MEM_READ | MEM_EXECUTE);
    assert_int_equal(unmap_all(&space, 0, GIB), STATUS_OK);
    assert_int_equal(quota.used, 1);
    destroy(&space);
}

static void test_exists_changes_nothing(void **state)
{
    (void)state;
    reset(64);
    struct arch_space space = make(&page_format_host);

    assert_int_equal(map_all(&space, 8 * MIB, 0, PAGE_SIZE, MEM_READ), STATUS_OK);
    uint64_t used = quota.used;

    assert_int_equal(map_all(&space, 2 * MIB, 0, 8 * MIB, MEM_READ), STATUS_EXISTS);
    assert_int_equal(quota.used, used);
    expect_nothing(&space, 2 * MIB);
    expect_nothing(&space, 8 * MIB - 1);
    expect(&space, 8 * MIB, 0, PAGE_SIZE, MEM_READ);
    destroy(&space);
}

/* Whatever the quota, a call that does not fit leaves nothing behind. */
static void test_no_memory_changes_nothing(void **state)
{
    (void)state;
    for (uint64_t frames = 1; frames < 12; frames++) {
        reset(frames);
        struct arch_space space = make(&page_format_npt);
        enum status status = map_all(&space, 511 * GIB + 1022 * MIB, PAGE_SIZE, 8 * MIB,
                                            MEM_ALL);

        if (status != STATUS_OK) {
            assert_int_equal(status, STATUS_NO_MEMORY);
            assert_int_equal(quota.used, 1);
            expect_nothing(&space, 511 * GIB + 1022 * MIB);
        } else {
            assert_int_equal(frames, 9); /* root, 2 + 2 on the way down, 4 last ones */
            break;
        }
        destroy(&space);
        assert_int_equal(quota.used, 0);
    }
    assert_int_equal(quota.limit, 9);
}

static void test_revoke_takes_all_aliases_and_nothing_else(void **state)
{
    (void)state;
    reset(64);
    struct arch_space space = make(&page_format_host);

    map_all(&space, GIB, 5 * GIB, GIB, MEM_READ);
    map_all(&space, 3 * MIB, 5 * GIB + 3 * MIB, PAGE_SIZE, MEM_ALL);
    map_all(&space, 10 * GIB, 6 * GIB, 4 * MIB, MEM_ALL);
    revoke_all(&space, 5 * GIB + 3 * MIB, PAGE_SIZE);
    expect_nothing(&space, 3 * MIB);
    expect_nothing(&space, GIB + 3 * MIB);
    expect(&space, GIB + 3 * MIB - 1, 5 * GIB + 3 * MIB - 1, PAGE_SIZE, MEM_READ);
    expect(&space, GIB + 4 * MIB, 5 * GIB + 4 * MIB, LARGE_PAGE_SIZE, MEM_READ);
    expect(&space, 10 * GIB, 6 * GIB, LARGE_PAGE_SIZE, MEM_ALL);
    destroy(&space);
    assert_int_equal(quota.used, 0);
}

static void test_revoke_without_memory_takes_the_whole_page(void **state)
{
    (void)state;
    reset(3); /* root and two tables */
    struct arch_space space = make(&page_format_npt);

    assert_int_equal(map_all(&space, 0, 4 * MIB, 4 * MIB, MEM_ALL), STATUS_OK);
    revoke_all(&space, 5 * MIB, PAGE_SIZE);
    expect_nothing(&space, 0);
    expect(&space, 2 * MIB, 6 * MIB, LARGE_PAGE_SIZE, MEM_ALL);
    destroy(&space);
}

/* The place where it goes on is 0 again, and that is not the end. */
static void test_revoke_goes_on_behind_a_split_at_0(void **state)
{
    (void)state;
    reset(64);
    struct arch_space space = make(&page_format_ept);

    assert_int_equal(map_all(&space, 0, 4 * GIB, GIB, MEM_ALL), STATUS_OK);
    revoke_all(&space, 4 * GIB, PAGE_SIZE);
    revoke_all(&space, 4 * GIB + 5 * MIB, PAGE_SIZE);
    expect_nothing(&space, 0);
    expect(&space, PAGE_SIZE, 4 * GIB + PAGE_SIZE, PAGE_SIZE, MEM_ALL);
    expect_nothing(&space, 5 * MIB);
    destroy(&space);
    assert_int_equal(quota.used, 0);
}

static void test_kernel_half(void **state)
{
    (void)state;
    reset(64);
    struct arch_space space = make(&page_format_host);
    uint64_t *root = arch_pool_pointer(space.root);

    assert_int_equal(root[256], MARK);
    assert_int_equal(root[255], 0);
    expect_nothing(&space, 0xffff800000000000);
    expect_nothing(&space, 1UL << 47);
    assert_int_equal(map_all(&space, 0x7ffffffff000, 0, PAGE_SIZE, MEM_READ),
                     STATUS_OK);
    assert_int_equal(unmap_all(&space, 0, 1UL << 47), STATUS_OK);
    assert_int_equal(quota.used, 1);
    destroy(&space); /* leaves the kernel's tables alone */
    assert_int_equal(quota.used, 0);
}

/* ---- The walker against a list ---------------------------------------------------------------- */

#define MODEL_PAGES (3UL * 262144) /* 3 GiB */
#define MODEL_BASE (511UL * GIB - GIB)

static struct {
    uint64_t physical[MODEL_PAGES]; /* + 1; 0: nothing */
    uint8_t rights[MODEL_PAGES];
} model;

static void check_page(const struct arch_space *space, uint64_t page)
{
    struct mapping mapping;
    bool mapped = arch_space_lookup(space, MODEL_BASE + page * PAGE_SIZE, &mapping);

    assert_int_equal(mapped, model.physical[page] != 0);
    if (mapped) {
        assert_int_equal(mapping.physical + 1, model.physical[page]);
        assert_int_equal(mapping.rights, model.rights[page]);
    }
}

static void check_around(const struct arch_space *space, uint64_t first, uint64_t count)
{
    for (uint64_t at = first > 2 ? first - 2 : 0; at < first + 3 && at < MODEL_PAGES; at++) {
        check_page(space, at);
    }
    for (uint64_t at = first + count - 1; at < first + count + 3 && at < MODEL_PAGES; at++) {
        check_page(space, at);
    }
    for (unsigned i = 0; i < 50; i++) {
        check_page(space, (uint64_t)rand() % MODEL_PAGES);
    }
}

/* A range whose edges like the places where pages of all sizes begin and end. */
static void pick(uint64_t *first, uint64_t *count)
{
    static const uint64_t grain[] = {1, 1, 1, 7, 512, 512, 512, 262144};
    uint64_t g = grain[rand() % 8];

    *first = (uint64_t)rand() % (MODEL_PAGES / g) * g;
    *count = ((uint64_t)rand() % (g == 262144 ? 2 : 5) + 1) * g;
    if (rand() % 4 == 0) {
        *count += (uint64_t)rand() % 3;
    }
    if (*count > MODEL_PAGES - *first) {
        *count = MODEL_PAGES - *first;
    }
}

static void random_map(struct arch_space *space, uint64_t first, uint64_t count)
{
    static const unsigned rights[] = {MEM_READ, MEM_READ | MEM_WRITE, MEM_READ | MEM_EXECUTE,
                                      MEM_ALL};
    unsigned r = rights[rand() % 4];
    uint64_t physical = 4 * GIB + first * PAGE_SIZE; /* as aligned as the address */
    uint64_t before = quota.used;
    bool taken = false;

    if (rand() % 3 == 0) {
        physical += (uint64_t)(rand() % 3) * PAGE_SIZE;
    }
    for (uint64_t i = 0; i < count && !taken; i++) {
        taken = model.physical[first + i] != 0;
    }
    enum status status = map_all(space, MODEL_BASE + first * PAGE_SIZE, physical,
                                        count * PAGE_SIZE, r);

    if (status == STATUS_OK) {
        assert_false(taken);
        for (uint64_t i = 0; i < count; i++) {
            model.physical[first + i] = physical + i * PAGE_SIZE + 1;
            model.rights[first + i] = (uint8_t)r;
        }
    } else {
        assert_true(status == STATUS_NO_MEMORY || (status == STATUS_EXISTS && taken));
        assert_int_equal(quota.used, before);
    }
}

static void random_unmap(struct arch_space *space, uint64_t first, uint64_t count)
{
    enum status status =
        unmap_all(space, MODEL_BASE + first * PAGE_SIZE, count * PAGE_SIZE);
    uint64_t done = 0;

    if (status == STATUS_NO_MEMORY) {
        /* It came as far as some page that is still there, and touched nothing behind it. */
        struct mapping mapping;

        while (done < count &&
               !arch_space_lookup(space, MODEL_BASE + (first + done) * PAGE_SIZE, &mapping)) {
            done++;
        }
        assert_true(done < count);
    } else {
        assert_int_equal(status, STATUS_OK);
        done = count;
    }
    memset(&model.physical[first], 0, done * sizeof(model.physical[0]));
    for (uint64_t i = done; i < count; i += 1 + count / 64) {
        check_page(space, first + i);
    }
}

/* Takes physical memory out wherever it is mapped. What else of a large page has gone, because
 * the quota could not pay for splitting it, is forgotten too. */
static void random_revoke(struct arch_space *space, uint64_t first, uint64_t count)
{
    uint64_t physical = 4 * GIB + first * PAGE_SIZE, size = count * PAGE_SIZE;
    bool is_short = quota.limit < 100;

    revoke_all(space, physical, size);
    for (uint64_t page = 0; page < MODEL_PAGES; page++) {
        struct mapping mapping;

        if (model.physical[page] == 0) {
            continue;
        }
        if (model.physical[page] - 1 >= physical && model.physical[page] - 1 < physical + size) {
            model.physical[page] = 0;
            check_page(space, page);
        } else if (is_short &&
                   !arch_space_lookup(space, MODEL_BASE + page * PAGE_SIZE, &mapping)) {
            model.physical[page] = 0;
        }
    }
}

static void run_model(const struct page_format *format, uint64_t frames, unsigned seed)
{
    reset(frames);
    srand(seed);
    memset(&model, 0, sizeof(model));
    struct arch_space space = make(format);

    for (unsigned i = 0; i < 2000; i++) {
        uint64_t first, count;

        pick(&first, &count);
        if (rand() % 2) {
            random_map(&space, first, count);
        } else if (i % 100 == 0) {
            random_revoke(&space, first, count);
        } else {
            random_unmap(&space, first, count);
        }
        check_around(&space, first, count);
    }
    for (uint64_t page = 0; page < MODEL_PAGES; page++) {
        check_page(&space, page);
    }
    quota.limit = POOL_PAGES;
    assert_int_equal(unmap_all(&space, MODEL_BASE, MODEL_PAGES * PAGE_SIZE),
                     STATUS_OK);
    assert_int_equal(quota.used, 1);
    destroy(&space);
    assert_int_equal(quota.used, 0);
}

static void test_random(void **state)
{
    (void)state;
    run_model(&page_format_host, 3000, 1);
    run_model(&page_format_npt, 3000, 2);
    run_model(&page_format_ept, 3000, 3);
    run_model(&page_format_host, 12, 4); /* always short of memory */
    run_model(&page_format_ept, 20, 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_host_entries),
        cmocka_unit_test(test_nested_entries),
        cmocka_unit_test(test_largest_pages),
        cmocka_unit_test(test_no_gigabyte_pages),
        cmocka_unit_test(test_physical_alignment_counts),
        cmocka_unit_test(test_split),
        cmocka_unit_test(test_exists_changes_nothing),
        cmocka_unit_test(test_no_memory_changes_nothing),
        cmocka_unit_test(test_revoke_takes_all_aliases_and_nothing_else),
        cmocka_unit_test(test_revoke_without_memory_takes_the_whole_page),
        cmocka_unit_test(test_revoke_goes_on_behind_a_split_at_0),
        cmocka_unit_test(test_kernel_half),
        cmocka_unit_test(test_random),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
