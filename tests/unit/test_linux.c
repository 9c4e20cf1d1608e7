/* sources: vmm/linux.c vmm/mini.c vmm/boot.c hypervisor/lib/string.c */
/* SPDX-License-Identifier: Apache-2.0 */
/* The boot loaders, on images made here: a good one, each field made wrong, and noise. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "linux.h"
#include "mini.h"

#define RAM_SIZE (64u << 20)
#define SETUP_SECTORS 7u
#define CODE_SIZE 40000u
#define KERNEL_SIZE ((SETUP_SECTORS + 1) * 512 + CODE_SIZE)

struct fixture {
    struct guest_ram ram;
    uint8_t *kernel;
    struct boot_image image;
    struct boot_image initrd;
    struct boot_entry entry;
};

static void put(uint8_t *to, unsigned offset, unsigned size, uint64_t value)
{
    memcpy(to + offset, &value, size);
}

static uint64_t get(const uint8_t *from, unsigned offset, unsigned size)
{
    uint64_t value = 0;
    memcpy(&value, from + offset, size);
    return value;
}

static void make_kernel(uint8_t *kernel)
{
    memset(kernel, 0x90, KERNEL_SIZE);
    memset(kernel, 0, (SETUP_SECTORS + 1) * 512);
    put(kernel, 0x1f1, 1, SETUP_SECTORS);
    put(kernel, 0x1f4, 4, CODE_SIZE / 16);
    put(kernel, 0x1fe, 2, 0xaa55);
    put(kernel, 0x200, 2, 0x6aeb);
    put(kernel, 0x202, 4, 0x53726448);
    put(kernel, 0x206, 2, 0x020f);
    put(kernel, 0x211, 1, 1);
    put(kernel, 0x22c, 4, 0x7fffffff);
    put(kernel, 0x230, 4, 0x200000);
    put(kernel, 0x234, 1, 1);
    put(kernel, 0x236, 2, 3);
    put(kernel, 0x238, 4, 2047);
    put(kernel, 0x258, 8, 0x1000000);
    put(kernel, 0x260, 4, 0x800000);
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    static uint8_t initrd[5000];

    f->ram = (struct guest_ram){ .size = RAM_SIZE, .host = calloc(1, RAM_SIZE) };
    f->kernel = malloc(KERNEL_SIZE);
    make_kernel(f->kernel);
    f->image = (struct boot_image){ f->kernel, KERNEL_SIZE };
    memset(initrd, 0x5a, sizeof(initrd));
    f->initrd = (struct boot_image){ initrd, sizeof(initrd) };
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    free(f->ram.host);
    free(f->kernel);
    free(f);
    return 0;
}

static const char *load(struct fixture *f)
{
    return linux_load(&f->ram, f->image, f->initrd, "console=ttyS0", &f->entry);
}

static void loads_a_kernel(void **state)
{
    struct fixture *f = *state;
    const uint8_t *ram = f->ram.host, *zero_page = ram + BOOT_ZERO_PAGE;

    assert_null(load(f));
    assert_int_equal(f->entry.rip, 0x1000200);
    assert_int_equal(f->entry.rsi, BOOT_ZERO_PAGE);
    assert_memory_equal(ram + 0x1000000, f->kernel + (SETUP_SECTORS + 1) * 512, CODE_SIZE);
    assert_string_equal((const char *)ram + BOOT_CMDLINE, "console=ttyS0");

    assert_int_equal(get(zero_page, 0x202, 4), 0x53726448);
    assert_int_equal(get(zero_page, 0x210, 1), 0xff);
    assert_int_equal(get(zero_page, 0x228, 4), BOOT_CMDLINE);
    uint64_t initrd = get(zero_page, 0x218, 4);
    assert_int_equal(initrd, RAM_SIZE - 8192);
    assert_int_equal(get(zero_page, 0x21c, 4), 5000);
    assert_memory_equal(ram + initrd, f->initrd.data, 5000);
}

static void describes_memory(void **state)
{
    struct fixture *f = *state;
    const uint8_t *zero_page = f->ram.host + BOOT_ZERO_PAGE;
    static const struct { uint64_t base, end; uint32_t type; } expected[] = {
        { 0, 0x9fc00, 1 }, { 0x9fc00, 0xa0000, 2 }, { 0xf0000, 0x100000, 2 },
        { 0x100000, RAM_SIZE, 1 },
    };

    assert_null(load(f));
    assert_int_equal(get(zero_page, 0x1e8, 1), 4);
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(get(zero_page, 0x2d0 + 20 * i, 8), expected[i].base);
        assert_int_equal(get(zero_page, 0x2d8 + 20 * i, 8), expected[i].end - expected[i].base);
        assert_int_equal(get(zero_page, 0x2e0 + 20 * i, 4), expected[i].type);
    }
}

static void maps_4_gib(void **state)
{
    struct fixture *f = *state;
    const uint8_t *ram = f->ram.host;

    assert_null(load(f));
    static const uint64_t probes[] = { 0, 0x1234567, 0x7fffffff, 0xfee00000, 0xffffffff };
    for (unsigned i = 0; i < sizeof(probes) / sizeof(probes[0]); i++) {
        uint64_t pdpt = get(ram, BOOT_PML4, 8);
        assert_int_equal(pdpt & 0xfff, 3);
        uint64_t directory = get(ram, (unsigned)((pdpt & ~0xfffUL) + (probes[i] >> 30) * 8), 8);
        assert_int_equal(directory & 0xfff, 3);
        uint64_t page =
            get(ram, (unsigned)((directory & ~0xfffUL) + (probes[i] >> 21 & 511) * 8), 8);
        assert_int_equal(page & 0xfff, 0x83);
        assert_int_equal(page & ~0xfffUL, probes[i] & ~0x1fffffUL);
    }
}

static void starts_in_long_mode(void **state)
{
    (void)state;
    struct vcpu_state vcpu;
    const struct boot_entry entry = { .rip = 0x1000200, .rsp = 0x6000, .rsi = 0x7000 };

    memset(&vcpu, 0xff, sizeof(vcpu));
    boot_start_state(&vcpu, &entry, 3);
    assert_int_equal(vcpu.dirty, BOOT_STATE);
    assert_int_equal(vcpu.rip, 0x1000200);
    assert_int_equal(vcpu.gpr[GPR_RSI], 0x7000);
    assert_int_equal(vcpu.gpr[GPR_RDI], 3);
    assert_int_equal(vcpu.rflags, 2);
    assert_int_equal(vcpu.cr0, 0x80010031);
    assert_int_equal(vcpu.efer, 0x500);
    assert_int_equal(vcpu.segment[SEG_CS].selector, 0x10);
    assert_int_equal(vcpu.segment[SEG_CS].attributes, 0xa9b);
    assert_int_equal(vcpu.segment[SEG_DS].selector, 0x18);
    assert_int_equal(vcpu.segment[SEG_TR].attributes, 0x8b);
    assert_int_equal(vcpu.segment[SEG_LDTR].attributes, SEGMENT_UNUSABLE);
    assert_int_equal(vcpu.irq, 0);
    assert_int_equal(vcpu.injection.valid, 0);
}

static void works_without_initrd(void **state)
{
    struct fixture *f = *state;

    f->initrd = (struct boot_image){ NULL, 0 };
    assert_null(load(f));
    assert_int_equal(get(f->ram.host + BOOT_ZERO_PAGE, 0x218, 8), 0);
}

static void heeds_initrd_addr_max(void **state)
{
    struct fixture *f = *state;

    put(f->kernel, 0x236, 2, 1);
    put(f->kernel, 0x22c, 4, 0x2ffffff);
    assert_null(load(f));
    assert_int_equal(get(f->ram.host + BOOT_ZERO_PAGE, 0x218, 4), 0x3000000 - 8192);
}

/* One wrong field each; every one has to be named. */
static void refuses_wrong_fields(void **state)
{
    struct fixture *f = *state;
    static const struct { unsigned offset, size; uint64_t value; const char *text; } wrong[] = {
        { 0x1fe, 2, 0, "bzImage" },
        { 0x202, 4, 0x12345678, "bzImage" },
        { 0x206, 2, 0x020b, "2.12" },
        { 0x211, 1, 0, "zImage" },
        { 0x236, 2, 2, "64-bit" },
        { 0x201, 1, 0x10, "length" },
        { 0x201, 1, 0xff, "length" },
        { 0x1f1, 1, 255, "shorter" },
        { 0x1f4, 4, 0xffffffff, "shorter" },
        { 0x1f4, 4, 0, "no code" },
        { 0x230, 4, 0, "alignment" },
        { 0x230, 4, 0x300000, "alignment" },
        { 0x230, 4, 0x10000000, "alignment" },
        { 0x258, 8, 0, "preferred" },
        { 0x258, 8, 0xffffffffffe00000, "preferred" },
        { 0x258, 8, 0xffe00000, "memory" },
        { 0x258, 8, 0x3e00000, "memory" },
        { 0x260, 4, 0, "init_size" },
        { 0x260, 4, 0xffffffff, "memory" },
        { 0x238, 4, 12, "command line" },
        { 0x260, 4, 0x2fff000, "initrd" },
    };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        make_kernel(f->kernel);
        put(f->kernel, wrong[i].offset, wrong[i].size, wrong[i].value);
        const char *error = load(f);
        assert_non_null(error);
        if (!strstr(error, wrong[i].text)) {
            fail_msg("field 0x%x: %s", wrong[i].offset, error);
        }
    }
}

/* Files cut at every length around the header, in buffers of exactly that size. */
static void refuses_short_files(void **state)
{
    struct fixture *f = *state;

    for (size_t size = 0; size < KERNEL_SIZE; size += size < 0x400 ? 1 : 509) {
        uint8_t *copy = malloc(size ? size : 1);
        memcpy(copy, f->kernel, size);
        f->image = (struct boot_image){ copy, size };
        assert_non_null(load(f));
        free(copy);
    }
}

/* Noise in the header: whatever the answer, no access leaves the buffers (AddressSanitizer). */
static void survives_noise(void **state)
{
    struct fixture *f = *state;
    uint32_t random = 1;
    unsigned loaded = 0;

    for (unsigned round = 0; round < 20000; round++) {
        make_kernel(f->kernel);
        for (unsigned flips = 0; flips < 1 + round % 3; flips++) {
            random = random * 1664525 + 1013904223;
            f->kernel[0x1f1 + (random >> 8) % 0x80] = (uint8_t)(random >> 24);
        }
        loaded += load(f) == NULL;
    }
    assert_true(loaded > 0);
}

static void refuses_long_command_lines(void **state)
{
    struct fixture *f = *state;
    char *text = calloc(1, 600000);

    memset(text, 'x', 2048);
    assert_non_null(linux_load(&f->ram, f->image, f->initrd, text, &f->entry));
    text[2047] = 0;
    assert_null(linux_load(&f->ram, f->image, f->initrd, text, &f->entry));
    put(f->kernel, 0x238, 4, 0xffffffff);
    memset(text, 'x', 0x9fc00 - BOOT_CMDLINE);
    assert_non_null(linux_load(&f->ram, f->image, f->initrd, text, &f->entry));
    free(text);
}

static void refuses_small_memory(void **state)
{
    struct fixture *f = *state;

    f->ram.size = 0x100000;
    assert_string_equal(load(f), "the VM's memory is too small");
    f->ram.size = 0x200000;
    assert_string_equal(load(f), "the kernel does not fit into the VM's memory");
}

static void loads_a_mini_guest(void **state)
{
    struct fixture *f = *state;
    static const uint8_t code[3000] = { 0xf4 };

    assert_null(mini_load(&f->ram, (struct boot_image){ code, sizeof(code) }, "x", &f->entry));
    assert_int_equal(f->entry.rip, 0x100000);
    assert_memory_equal(f->ram.host + 0x100000, code, sizeof(code));
    assert_non_null(mini_load(&f->ram, (struct boot_image){ NULL, 0 }, "", &f->entry));
    assert_non_null(
        mini_load(&f->ram, (struct boot_image){ code, UINT64_MAX - 10 }, "", &f->entry));
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(loads_a_kernel),        TEST(describes_memory),     TEST(maps_4_gib),
        TEST(starts_in_long_mode),   TEST(works_without_initrd), TEST(heeds_initrd_addr_max),
        TEST(refuses_wrong_fields),  TEST(refuses_short_files),  TEST(survives_noise),
        TEST(refuses_long_command_lines), TEST(refuses_small_memory), TEST(loads_a_mini_guest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
