/* SPDX-License-Identifier: Apache-2.0 */
/* sources: hypervisor/x86/multiboot.c hypervisor/x86/memory_map.c */
/* The loader's information, whole and damaged, and the memory map against a plain bitmap. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "x86/multiboot.h"

/* ---- Information to read ----------------------------------------------------------------------- */

static struct {
    _Alignas(8) uint8_t byte[4096];
    size_t size;
} info;

static void put(const void *data, size_t size)
{
    memcpy(info.byte + info.size, data, size);
    info.size += size;
}

static void put32(uint32_t value)
{
    put(&value, sizeof(value));
}

static void put64(uint64_t value)
{
    put(&value, sizeof(value));
}

static void begin(void)
{
    memset(&info, 0, sizeof(info));
    info.size = 8;
}

static void tag(uint32_t type, uint32_t size)
{
    info.size = (info.size + 7) & ~7UL;
    put32(type);
    put32(size);
}

static void end(void)
{
    tag(0, 8);
}

static void put_module(uint32_t start, uint32_t stop, const char *command)
{
    tag(3, (uint32_t)(16 + strlen(command) + 1));
    put32(start);
    put32(stop);
    put(command, strlen(command) + 1);
}

static void put_memory(const uint64_t entries[][3], unsigned count)
{
    tag(6, 16 + 24 * count);
    put32(24);
    put32(0);
    for (unsigned i = 0; i < count; i++) {
        put64(entries[i][0]);
        put64(entries[i][1]);
        put64(entries[i][2]);
    }
}

static void put_framebuffer(uint64_t address, uint32_t pitch, uint32_t width, uint32_t height,
                            uint8_t bits, uint8_t type)
{
    uint8_t tail[8] = {bits, type};

    tag(8, 38);
    put64(address);
    put32(pitch);
    put32(width);
    put32(height);
    put(tail, 8);
}

/* A copy of its exact size, so that AddressSanitizer sees a step beyond it. */
static const char *read_exactly(size_t size, struct multiboot *out)
{
    void *exact = malloc(size);

    assert_non_null(exact);
    memcpy(exact, info.byte, size);
    const char *error = multiboot_read(exact, size, out);

    free(exact);
    return error;
}

static void put_usual(void)
{
    static const uint64_t memory[][3] = {
        {0, 0x9fc00, 1},
        {0x9fc00, 0x400, 2},
        {0x100000, 0x7f00000, 1},
        {0x7f00000, 0x1000, 3}, /* inside the one before: kept by ACPI */
        {0x100000000, 0x40000000, 1},
    };

    begin();
    tag(1, 13);
    put("boot", 5);
    put_module(0x200000, 0x212345, "sigma0");
    put_module(0x300000, 0x300000, "vmm-linux and more words");
    put_memory(memory, 5);
    put_framebuffer(0xfd000000, 4096, 1024, 768, 32, 1);
    tag(14, 8 + 20);
    put("RSD PTR old.........", 20);
    tag(15, 8 + 36);
    put("RSD PTR new.........................", 36);
    tag(99, 8);
    end();
}

static void test_usual(void **state)
{
    (void)state;
    struct multiboot out;

    put_usual();
    assert_null(read_exactly(info.size, &out));
    assert_int_equal(out.module_count, 2);
    assert_string_equal(out.module[0].name, "sigma0");
    assert_int_equal(out.module[0].base, 0x200000);
    assert_int_equal(out.module[0].size, 0x12345);
    assert_string_equal(out.module[1].name, "vmm-linux");
    assert_int_equal(out.module[1].size, 0);
    assert_int_equal(out.memory.count, 4);
    assert_int_equal(out.memory.range[0].base, 0);
    assert_int_equal(out.memory.range[0].size, 0x9f000);
    assert_int_equal(out.memory.range[1].base, 0x100000);
    assert_int_equal(out.memory.range[1].size, 0x7e00000);
    assert_int_equal(out.memory.range[2].base, 0x7f01000);
    assert_int_equal(out.memory.range[3].base, 0x100000000);
    assert_int_equal(out.framebuffer.address, 0xfd000000);
    assert_int_equal(out.framebuffer.bytes_per_pixel, 4);
    assert_false(out.framebuffer.text);
    assert_memory_equal(info.byte + out.rsdp, "RSD PTR new", 11);
}

static void test_refused(void **state)
{
    (void)state;
    static const uint64_t memory[][3] = {{0x100000, 0x100000, 1}};
    struct multiboot out;

    begin();
    end();
    assert_string_equal(read_exactly(info.size, &out), "the loader gave no memory map");

    begin();
    put_memory(memory, 1);
    assert_string_equal(read_exactly(info.size, &out), "the loader's information has no end");

    begin();
    put_module(0x200800, 0x300000, "odd");
    end();
    assert_string_equal(read_exactly(info.size, &out), "a boot module is not aligned to a page");

    begin();
    put_module(0x200000, 0x1ff000, "backwards");
    end();
    assert_non_null(read_exactly(info.size, &out));

    begin();
    put_module(0x200000, 0x300000, "");
    end();
    assert_non_null(read_exactly(info.size, &out));

    char name[BOOT_NAME_MAX + 1];

    memset(name, 'x', sizeof(name));
    name[BOOT_NAME_MAX] = 0;
    begin();
    put_module(0x200000, 0x300000, name);
    put_memory(memory, 1);
    end();
    assert_non_null(read_exactly(info.size, &out));
    name[BOOT_NAME_MAX - 1] = 0;
    begin();
    put_module(0x200000, 0x300000, name);
    put_memory(memory, 1);
    end();
    assert_null(read_exactly(info.size, &out));
    assert_string_equal(out.module[0].name, name);

    begin();
    for (unsigned i = 0; i <= BOOT_MODULES_MAX; i++) {
        put_module(0x200000, 0x300000, "m");
    }
    end();
    assert_string_equal(read_exactly(info.size, &out), "there are too many boot modules");

    begin();
    tag(6, 7);
    end();
    assert_string_equal(read_exactly(info.size, &out), "the loader's information is damaged");
}

/* What a tag says ends with the tag, whatever follows. */
static void test_inside_the_tag(void **state)
{
    (void)state;
    struct multiboot out;

    begin();
    tag(3, 16 + 8);
    put32(0x200000);
    put32(0x300000);
    put("eight_ch", 8);
    tag(6, 16 + 24 + 8);
    put32(24);
    put32(0);
    for (unsigned i = 0; i < 2; i++) {
        put64(0x100000);
        put64(0x100000);
        put64(1);
    }
    info.size -= 16; /* the second entry is none */
    tag(15, 8 + 19);
    put("RSD PTR too short..", 19);
    end();
    assert_null(read_exactly(info.size, &out));
    assert_string_equal(out.module[0].name, "eight_ch");
    assert_int_equal(memory_map_total(&out.memory), 0x100000);
    assert_int_equal(out.rsdp, 0);
}

/* What cannot be drawn on is no screen, and no error. */
static void test_framebuffers(void **state)
{
    (void)state;
    static const struct {
        uint32_t pitch, width, height;
        uint8_t bits, type;
        bool taken;
    } cases[] = {
        {160, 80, 25, 16, 2, true},      {3072, 1024, 768, 24, 1, true},
        {4096, 1024, 768, 32, 0, false}, {4096, 1024, 768, 16, 1, false},
        {4095, 1024, 768, 32, 1, false}, {4096, 0, 768, 32, 1, false},
        {4096, 1024, 0, 32, 1, false},   {4096, 1024, 768, 64, 1, false},
        {400000, 100000, 10, 32, 1, false},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        static const uint64_t memory[][3] = {{0x100000, 0x100000, 1}};
        struct multiboot out;

        begin();
        put_framebuffer(0xb8000, cases[i].pitch, cases[i].width, cases[i].height, cases[i].bits,
                        cases[i].type);
        put_memory(memory, 1);
        end();
        assert_null(read_exactly(info.size, &out));
        assert_int_equal(out.framebuffer.address != 0, cases[i].taken);
    }
}

/* Cut off anywhere, or with any bytes changed: an answer, and no step outside. */
static void test_damage(void **state)
{
    (void)state;
    struct multiboot out;

    put_usual();
    for (size_t size = 0; size < info.size; size++) {
        assert_non_null(read_exactly(size, &out));
    }
    srand(1);
    for (unsigned i = 0; i < 20000; i++) {
        put_usual();
        for (int changes = rand() % 4 + 1; changes > 0; changes--) {
            info.byte[8 + (size_t)rand() % (info.size - 8)] = (uint8_t)rand();
        }
        if (!read_exactly(info.size, &out)) {
            assert_true(out.module_count <= BOOT_MODULES_MAX);
            assert_true(out.memory.count <= MEMORY_MAP_MAX);
            assert_true(out.rsdp == 0 || out.rsdp + 20 <= info.size);
        }
    }
}

/* ---- Memory map ---------------------------------------------------------------------------------- */

#define PAGES 64

static void check_map(const struct memory_map *map, const bool model[PAGES])
{
    bool shown[PAGES] = {false};

    for (uint32_t i = 0; i < map->count; i++) {
        const struct boot_region *range = &map->range[i];

        assert_int_equal(range->base % PAGE_SIZE, 0);
        assert_true(range->size > 0 && range->size % PAGE_SIZE == 0);
        assert_true(i == 0 || map->range[i - 1].base + map->range[i - 1].size < range->base);
        for (uint64_t page = 0; page < range->size / PAGE_SIZE; page++) {
            shown[range->base / PAGE_SIZE + page] = true;
        }
    }
    assert_memory_equal(shown, model, PAGES);
}

static void test_map_random(void **state)
{
    (void)state;
    srand(2);
    for (unsigned round = 0; round < 200; round++) {
        struct memory_map map = {0};
        bool model[PAGES] = {false};

        for (unsigned i = 0; i < 100; i++) {
            uint64_t base = (uint64_t)rand() % (PAGES * PAGE_SIZE / 16) * 16;
            uint64_t size = (uint64_t)rand() % (8 * PAGE_SIZE);
            bool add = rand() % 2 != 0;

            if (rand() % 2) {
                base &= ~(PAGE_SIZE - 1);
                size &= ~(PAGE_SIZE - 1);
            }
            if (base + size > PAGES * PAGE_SIZE) {
                continue;
            }
            (add ? memory_map_add : memory_map_remove)(&map, base, size);
            for (uint64_t page = 0; page < PAGES; page++) {
                uint64_t first = page * PAGE_SIZE, last = first + PAGE_SIZE;
                bool whole = first >= base && last <= base + size;
                bool touched = size > 0 && first < base + size && last > base;

                model[page] = add ? model[page] || whole : model[page] && !touched;
            }
            check_map(&map, model);
        }
    }
}

static void test_map_extremes(void **state)
{
    (void)state;
    struct memory_map map = {0};

    memory_map_add(&map, UINT64_MAX - 10, 100);
    assert_int_equal(map.count, 0);
    memory_map_add(&map, UINT64_MAX - 0x2000, UINT64_MAX);
    assert_int_equal(map.count, 1);
    assert_int_equal(memory_map_total(&map), 0x1000);
    memory_map_remove(&map, UINT64_MAX - 0x5000, UINT64_MAX);
    assert_int_equal(map.count, 0);
    memory_map_add(&map, 0, UINT64_MAX);
    memory_map_remove(&map, 0, UINT64_MAX);
    assert_int_equal(map.count, 0);
    /* A full list forgets memory, and invents none. */
    for (uint64_t i = 0; i < 2 * MEMORY_MAP_MAX; i++) {
        memory_map_add(&map, i * 4 * PAGE_SIZE, 3 * PAGE_SIZE);
    }
    assert_int_equal(map.count, MEMORY_MAP_MAX);
    memory_map_remove(&map, PAGE_SIZE, PAGE_SIZE);
    assert_int_equal(map.count, MEMORY_MAP_MAX);
    assert_int_equal(map.range[0].size, PAGE_SIZE);
    assert_int_equal(memory_map_find(&map, PAGE_SIZE, PAGE_SIZE, 3 * PAGE_SIZE), 0);
}

static void test_find(void **state)
{
    (void)state;
    struct memory_map map = {0};

    memory_map_add(&map, 0, 0x1000);
    memory_map_add(&map, 0x100000, 0x700000);
    memory_map_add(&map, 0xa00000, 0x400000);
    memory_map_add(&map, 0x100000000, 0x10000000);
    assert_int_equal(memory_map_find(&map, 0x400000, 0x200000, 1UL << 32), 0xa00000);
    assert_int_equal(memory_map_find(&map, 0x600000, 0x200000, 1UL << 32), 0x200000);
    assert_int_equal(memory_map_find(&map, 0x600000, 0x200000, 1UL << 40), 0x10fa00000);
    assert_int_equal(memory_map_find(&map, 0x800000, 0x200000, 1UL << 32), 0);
    assert_int_equal(memory_map_find(&map, 0x200000, 0x200000, 0xd00000), 0xa00000);
    assert_int_equal(memory_map_find(&map, 0x200000, 0x200000, 0xb00000), 0x600000);
}

static void test_export_keeps_the_largest(void **state)
{
    (void)state;
    static struct boot_info out;
    struct memory_map map = {0};

    for (uint64_t i = 0; i < BOOT_REGIONS_MAX + 10; i++) {
        memory_map_add(&map, i * 0x100000, (i % 7 == 3 ? 1 : 2 + i) * PAGE_SIZE);
    }
    memory_map_export(&map, &out);
    assert_int_equal(out.region_count, BOOT_REGIONS_MAX);
    for (uint32_t i = 1; i < out.region_count; i++) {
        assert_true(out.region[i - 1].base < out.region[i].base);
        assert_true(out.region[i].size > PAGE_SIZE || out.region[i].base > 66 * 0x100000);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_usual),        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_inside_the_tag), cmocka_unit_test(test_framebuffers),
        cmocka_unit_test(test_damage),
        cmocka_unit_test(test_map_random),   cmocka_unit_test(test_map_extremes),
        cmocka_unit_test(test_find),         cmocka_unit_test(test_export_keeps_the_largest),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
