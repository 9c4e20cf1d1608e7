/* SPDX-License-Identifier: Apache-2.0 */
/* sources: hypervisor/x86/acpi.c */
/* cflags: -Itests/unit/fake */
/* The firmware's tables, good and damaged. Each mapping is a block of exactly the size asked for,
 * gone at the next one, so the sanitizers see every byte read beyond or too late. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "x86/acpi.h"
#include "x86/boot_map.h"

/* ---- The machine's memory -------------------------------------------------------------------- */

#define MEMORY_SIZE 0x110000u
static uint8_t memory[MEMORY_SIZE];
static void *mapped;

const void *x86_map_boot(uint64_t physical, size_t size)
{
    free(mapped);
    mapped = NULL;
    if (size == 0 || size > BOOT_MAP_SIZE || physical >= 1UL << 40) {
        return NULL;
    }
    mapped = malloc(size);
    assert_non_null(mapped);
    for (size_t i = 0; i < size; i++) {
        ((uint8_t *)mapped)[i] = physical + i < MEMORY_SIZE ? memory[physical + i] : 0xff;
    }
    return mapped;
}

/* ---- Tables, as a PC's firmware writes them -------------------------------------------------- */

#define RSDP 0xf5a40u
#define RSDT 0x1000u
#define XSDT 0x2000u
#define MADT 0x3003u /* tables need no alignment */
#define FADT 0x4000u
#define DSDT 0x5000u
#define ODD 0x6000u

static void put(uint64_t at, uint64_t value, unsigned size)
{
    for (unsigned i = 0; i < size; i++) {
        memory[at + i] = (uint8_t)(value >> 8 * i);
    }
}

static void set_sum(uint64_t at, size_t size, size_t where)
{
    uint8_t sum = 0;

    memory[at + where] = 0;
    for (size_t i = 0; i < size; i++) {
        sum = (uint8_t)(sum + memory[at + i]);
    }
    memory[at + where] = (uint8_t)-sum;
}

/* Header around what stands behind it already. */
static void put_header(uint64_t at, const char *signature, uint32_t size)
{
    memcpy(memory + at, signature, 4);
    put(at + 4, size, 4);
    set_sum(at, size, 9);
}

static uint32_t madt_end;

static void put_entry(const uint8_t *bytes, uint8_t size)
{
    memcpy(memory + MADT + madt_end, bytes, size);
    madt_end += size;
}

static void put_madt(void)
{
    madt_end = 44;
    put(MADT + 36, 0xfee00000, 4);
    put_entry((uint8_t[]){0, 8, 0, 0, 1, 0, 0, 0}, 8);
    put_entry((uint8_t[]){0, 8, 1, 2, 1, 0, 0, 0}, 8);
    put_entry((uint8_t[]){0, 8, 2, 4, 0, 0, 0, 0}, 8); /* cannot be used */
    put_entry((uint8_t[]){1, 12, 0, 0, 0, 0, 0xc0, 0xfe, 0, 0, 0, 0}, 12);
    put_entry((uint8_t[]){1, 12, 1, 0, 0, 0, 0xc1, 0xfe, 24, 0, 0, 0}, 12);
    put_entry((uint8_t[]){2, 10, 0, 0, 2, 0, 0, 0, 0, 0}, 10);
    put_entry((uint8_t[]){2, 10, 0, 9, 20, 0, 0, 0, 0x0f, 0}, 10);
    put_entry((uint8_t[]){2, 10, 0, 5, 5, 0, 0, 0, 0x05, 0}, 10); /* edge, high, said aloud */
    put_entry((uint8_t[]){4, 6, 0xff, 0, 0, 1}, 6); /* not of interest */
    put_entry((uint8_t[]){9, 16, 0, 0, 0x00, 0x01, 0, 0, 1, 0, 0, 0, 3, 0, 0, 0}, 16);
    put_entry((uint8_t[]){9, 16, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0}, 16); /* once more */
    put_header(MADT, "APIC", madt_end);
}

static const uint8_t s5[] = {0x08, '_', 'S', '5', '_', 0x12, 0x06, 0x04, 0x0a, 0x05, 0x0a, 0x07, 0, 0};

static void put_dsdt(const uint8_t *aml, size_t size)
{
    memset(memory + DSDT, 0, 0x1000);
    memcpy(memory + DSDT + 36 + 40, aml, size);
    put_header(DSDT, "DSDT", (uint32_t)(36 + 40 + size));
}

static void put_fadt(void)
{
    put(FADT + 40, DSDT, 4);
    put(FADT + 64, 0x604, 4);
    put(FADT + 68, 0x608, 4);
    put(FADT + 112, 1 << 10, 4);
    put(FADT + 116, 0x01000801, 4);
    put(FADT + 120, 0xcf9, 8);
    put(FADT + 128, 0x0f, 1);
    put(FADT + 140, 0, 8);
    put_header(FADT, "FACP", 244);
}

static void put_root(void)
{
    put(RSDT + 36, ODD, 4);
    put(RSDT + 40, MADT, 4);
    put(RSDT + 44, FADT, 4);
    put_header(RSDT, "RSDT", 48);
    put(XSDT + 36, FADT, 8);
    put(XSDT + 44, MADT, 8);
    put_header(XSDT, "XSDT", 52);
}

static void put_rsdp(uint8_t revision)
{
    memcpy(memory + RSDP, "RSD PTR ", 8);
    put(RSDP + 15, revision, 1);
    put(RSDP + 16, RSDT, 4);
    put(RSDP + 20, 36, 4);
    put(RSDP + 24, XSDT, 8);
    set_sum(RSDP, 20, 8);
    set_sum(RSDP, 36, 32);
}

/* All but the root pointer stand in the first 64 KiB. */
static void put_tables(void)
{
    memset(memory, 0, 0x10000);
    memcpy(memory + ODD, "HPET", 4);
    put_madt();
    put_dsdt(s5, sizeof(s5));
    put_fadt();
    put_root();
    put_rsdp(2);
    memset(&acpi_info, 0, sizeof(acpi_info));
    acpi_info.cpu_count = 1;
}

static int set_up(void **state)
{
    (void)state;
    memset(memory, 0, sizeof(memory));
    put_tables();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    free(mapped);
    mapped = NULL;
    return 0;
}

static void check_all(void)
{
    assert_int_equal(acpi_info.cpu_count, 3);
    assert_int_equal(acpi_info.apic_id[0], 0);
    assert_int_equal(acpi_info.apic_id[1], 2);
    assert_int_equal(acpi_info.apic_id[2], 0x100);
    assert_int_equal(acpi_info.ioapic_count, 2);
    assert_int_equal(acpi_info.ioapic[1].address, 0xfec10000);
    assert_int_equal(acpi_info.ioapic[1].gsi_base, 24);
    assert_int_equal(acpi_info.pm1a_control, 0x604);
    assert_int_equal(acpi_info.pm1b_control, 0x608);
    assert_true(acpi_info.can_power_off);
    assert_int_equal(acpi_info.s5_type_a, 5);
    assert_int_equal(acpi_info.s5_type_b, 7);
    assert_int_equal(acpi_info.reset_port, 0xcf9);
    assert_int_equal(acpi_info.reset_value, 0x0f);
}

/* ---- Good tables ----------------------------------------------------------------------------- */

static void test_by_xsdt(void **state)
{
    (void)state;
    assert_true(acpi_init(RSDP));
    check_all();
}

static void test_by_rsdt(void **state)
{
    (void)state;
    put_rsdp(0);
    memset(memory + XSDT, 0, 36);
    assert_true(acpi_init(RSDP));
    check_all();
}

static void test_by_rsdt_when_the_xsdt_is_damaged(void **state)
{
    (void)state;
    memory[XSDT + 40]++;
    assert_true(acpi_init(RSDP));
    check_all();
}

static void test_search_in_rom(void **state)
{
    (void)state;
    assert_true(acpi_init(0));
    check_all();
}

static void test_search_in_ebda(void **state)
{
    (void)state;
    memmove(memory + 0x9fc10, memory + RSDP, 36);
    memset(memory + RSDP, 0, 36);
    assert_false(acpi_init(0));
    put(0x40e, 0x9fc0, 2);
    assert_true(acpi_init(0));
    check_all();
    put(0x40e, 0x10, 2); /* no such area */
    assert_false(acpi_init(0));
}

static void test_isa_interrupts(void **state)
{
    (void)state;
    assert_true(acpi_init(RSDP));
    struct acpi_irq timer = acpi_isa_irq(0), sci = acpi_isa_irq(9), serial = acpi_isa_irq(4);
    struct acpi_irq card = acpi_isa_irq(5);

    assert_int_equal(timer.gsi, 2);
    assert_false(timer.level || timer.active_low);
    assert_int_equal(sci.gsi, 20);
    assert_true(sci.level && sci.active_low);
    assert_int_equal(card.gsi, 5);
    assert_false(card.level || card.active_low);
    assert_int_equal(serial.gsi, 4);
    assert_false(serial.level || serial.active_low);
}

/* As an override says, else as the bus does. */
static void test_lines(void **state)
{
    (void)state;
    assert_true(acpi_init(RSDP));
    for (uint32_t gsi = 0; gsi < 40; gsi++) {
        struct acpi_irq irq = acpi_line(gsi);

        assert_int_equal(irq.gsi, gsi);
        assert_int_equal(irq.level, gsi >= 16);
        assert_int_equal(irq.active_low, gsi >= 16);
    }
    acpi_info.override[1].irq.gsi = 9; /* the SCI, where it often stays */
    assert_true(acpi_line(9).level && acpi_line(9).active_low);
}

static void test_wide_dsdt_address(void **state)
{
    (void)state;
    put(FADT + 40, 0xdead0000, 4);
    put(FADT + 140, DSDT, 8);
    put_header(FADT, "FACP", 244);
    assert_true(acpi_init(RSDP));
    assert_true(acpi_info.can_power_off);
}

/* ---- \_S5 as compilers write it -------------------------------------------------------------- */

static void test_s5_forms(void **state)
{
    (void)state;
    static const struct {
        uint8_t aml[16];
        bool good;
        uint8_t a, b;
    } cases[] = {
        {{0x08, '\\', '_', 'S', '5', '_', 0x12, 0x08, 0x04, 0x0a, 0x07, 0x0a, 0x07}, true, 7, 7},
        {{0x08, '_', 'S', '5', '_', 0x12, 0x06, 0x04, 0x00, 0x00, 0x00, 0x00}, true, 0, 0},
        {{0x08, '_', 'S', '5', '_', 0x12, 0x06, 0x04, 0x01, 0x00, 0x00, 0x00}, true, 1, 0},
        {{0x08, '_', 'S', '5', '_', 0x12, 0x40, 0x01, 0x04, 0x0a, 0x05, 0x01}, true, 5, 1},
        {{0x14, '_', 'S', '5', '_', 0x12, 0x06, 0x04, 0x0a, 0x05, 0x0a, 0x05}, false, 0, 0},
        {{0x08, '_', 'S', '5', '_', 0x13, 0x06, 0x04, 0x0a, 0x05, 0x0a, 0x05}, false, 0, 0},
        {{0x08, '_', 'S', '5', '_', 0x12, 0x06, 0x04, 0x0c, 0x05, 0x00, 0x00}, false, 0, 0},
        {{0x08, '_', 'S', '4', '_', 0x12, 0x06, 0x04, 0x0a, 0x05, 0x0a, 0x05}, false, 0, 0},
    };

    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        set_up(state);
        put_dsdt(cases[i].aml, sizeof(cases[i].aml));
        assert_true(acpi_init(RSDP));
        assert_int_equal(acpi_info.can_power_off, cases[i].good);
        if (cases[i].good) {
            assert_int_equal(acpi_info.s5_type_a, cases[i].a);
            assert_int_equal(acpi_info.s5_type_b, cases[i].b);
        }
    }
}

/* Ends anywhere: no byte behind it is read, and half a package is none. */
static void test_s5_cut_off(void **state)
{
    (void)state;
    for (size_t size = 0; size < sizeof(s5); size++) {
        set_up(state);
        put_dsdt(s5, size);
        assert_true(acpi_init(RSDP));
        assert_int_equal(acpi_info.can_power_off, size >= 12);
    }
    /* A PkgLength of four bytes that reaches over the end. */
    static const uint8_t wide[] = {0x08, '_', 'S', '5', '_', 0x12, 0xc6, 0, 0, 0, 4, 0, 0};

    for (size_t size = 0; size <= sizeof(wide); size++) {
        set_up(state);
        put_dsdt(wide, size);
        assert_true(acpi_init(RSDP));
        assert_int_equal(acpi_info.can_power_off, size == sizeof(wide));
    }
}

/* ---- Damage ---------------------------------------------------------------------------------- */

static void test_no_tables(void **state)
{
    (void)state;
    memset(memory, 0, sizeof(memory));
    assert_false(acpi_init(0));
    assert_int_equal(acpi_info.cpu_count, 1);
    assert_false(acpi_info.can_power_off);
    assert_int_equal(acpi_isa_irq(1).gsi, 1);
}

static void test_bad_sums(void **state)
{
    (void)state;
    memory[MADT + 20]++;
    memory[DSDT + 20]++;
    assert_true(acpi_init(RSDP));
    assert_int_equal(acpi_info.cpu_count, 1);
    assert_int_equal(acpi_info.ioapic_count, 0);
    assert_false(acpi_info.can_power_off);
    assert_int_equal(acpi_info.reset_port, 0xcf9);
    set_up(state);
    memory[RSDP + 10]++;
    assert_false(acpi_init(RSDP));
    assert_false(acpi_init(0));
    set_up(state);
    memory[RSDP + 30]++; /* behind what the first checksum covers: the RSDT will do */
    assert_true(acpi_init(RSDP));
    check_all();
    set_up(state);
    memory[XSDT + 36]++;
    memory[RSDT + 36]++;
    assert_false(acpi_init(RSDP));
}

static void test_lengths(void **state)
{
    (void)state;
    static const uint32_t lengths[] = {0, 1, 35, 36, 43, 0x100001, UINT32_MAX};

    for (unsigned i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        set_up(state);
        put(MADT + 4, lengths[i], 4);
        if (lengths[i] >= 36 && lengths[i] < 0x1000) {
            set_sum(MADT, lengths[i], 9);
        }
        assert_true(acpi_init(RSDP));
        assert_int_equal(acpi_info.cpu_count, 1);
    }
}

/* Entries of length 0 and 1 and such that reach over the end stop the walk. */
static void test_entry_lengths(void **state)
{
    (void)state;
    for (unsigned length = 0; length < 256; length++) {
        put_tables();
        memory[MADT + 44 + 1] = (uint8_t)length;
        set_sum(MADT, madt_end, 9);
        assert_true(acpi_init(RSDP));
        assert_in_range(acpi_info.cpu_count, 1, 3);
    }
    for (uint32_t end = 44; end < madt_end; end++) {
        set_up(state);
        put_header(MADT, "APIC", end);
        assert_true(acpi_init(RSDP));
        assert_in_range(acpi_info.cpu_count, 1, 3);
    }
}

static void test_more_than_fits(void **state)
{
    (void)state;
    uint8_t table[44 + 200 * 30] = {0};
    size_t at = 44;

    for (unsigned i = 0; i < 200; i++) {
        memcpy(table + at, (uint8_t[]){0, 8, 0, (uint8_t)i, 1, 0, 0, 0}, 8);
        memcpy(table + at + 8, (uint8_t[]){1, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, 12);
        memcpy(table + at + 20, (uint8_t[]){2, 10, 0, 1, 1, 0, 0, 0, 0, 0}, 10);
        at += 30;
    }
    struct acpi_info info = {0};

    acpi_read_madt(&info, table, at);
    assert_int_equal(info.cpu_count, ACPI_CPU_MAX);
    assert_int_equal(info.ioapic_count, ACPI_IOAPIC_MAX);
    assert_int_equal(info.override_count, ACPI_OVERRIDE_MAX);
}

static void test_old_fadt(void **state)
{
    (void)state;
    put_header(FADT, "FACP", 116); /* of ACPI 1.0: no reset register */
    assert_true(acpi_init(RSDP));
    assert_true(acpi_info.can_power_off);
    assert_int_equal(acpi_info.reset_port, 0);
    set_up(state);
    put(FADT + 116, 0, 1); /* in memory, not a port */
    put_header(FADT, "FACP", 244);
    assert_true(acpi_init(RSDP));
    assert_int_equal(acpi_info.reset_port, 0);
    set_up(state);
    put_header(FADT, "FACP", 71);
    assert_true(acpi_init(RSDP));
    assert_false(acpi_info.can_power_off);
}

/* Damage anywhere, with checksums that say all is well. Nothing is read beyond a table and no
 * array is overrun: the sanitizers watch. */
static void test_random_damage(void **state)
{
    (void)state;
    static const uint32_t tables[] = {RSDT, XSDT, MADT, FADT, DSDT};

    srand(3);
    for (unsigned round = 0; round < 5000; round++) {
        put_tables();
        for (unsigned n = (unsigned)rand() % 6; n > 0; n--) {
            uint32_t table = tables[rand() % 5];
            uint32_t at = rand() % 4 ? 36 + (unsigned)rand() % 110 : 4 + (unsigned)rand() % 2;

            memory[table + at] = (uint8_t)(at == 5 ? rand() % 4 : rand());
        }
        for (unsigned i = 0; i < 5; i++) {
            uint32_t size = memory[tables[i] + 4] | (uint32_t)memory[tables[i] + 5] << 8;

            if (size >= 36) {
                set_sum(tables[i], size, 9);
            }
        }
        acpi_init(RSDP);
        assert_in_range(acpi_info.cpu_count, 1, ACPI_CPU_MAX);
        assert_in_range(acpi_info.ioapic_count, 0, ACPI_IOAPIC_MAX);
        assert_in_range(acpi_info.override_count, 0, ACPI_OVERRIDE_MAX);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_by_xsdt),
        TEST(test_by_rsdt),
        TEST(test_by_rsdt_when_the_xsdt_is_damaged),
        TEST(test_search_in_rom),
        TEST(test_search_in_ebda),
        TEST(test_isa_interrupts),
        TEST(test_lines),
        TEST(test_wide_dsdt_address),
        TEST(test_s5_forms),
        TEST(test_s5_cut_off),
        TEST(test_no_tables),
        TEST(test_bad_sums),
        TEST(test_lengths),
        TEST(test_entry_lengths),
        TEST(test_more_than_fits),
        TEST(test_old_fadt),
        TEST(test_random_damage),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
