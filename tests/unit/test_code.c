/* sources: vmm/code.c vmm/guest.c vmm/cpuid.c vmm/bus.c vmm/emulate.c vmm/emulate_string.c vmm/arithmetic.c hypervisor/lib/walk.c hypervisor/lib/insn.c */
/* SPDX-License-Identifier: Apache-2.0 */
/* The length of intercepted instructions, through every kind of page table. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "code.h"
#include "report.h"
#include "vm.h"

#define RAM_SIZE (8u << 20)
#define PG 0x80000001u
#define PAE 0x20u
#define PSE 0x10u
#define LMA 0x500u
#define LINEAR 0x0000123456789ff0
#define PAGE 0x400000u /* where the code's page is */
#define NEXT 0x5000u   /* and the page that follows it in linear space */

static struct vm vm;
static struct vcpu *const vcpu = &vm.vcpu[0];
static struct vcpu_state state;

void vcpu_load_groups(struct vcpu *unused, uint32_t groups)
{
    (void)unused;
    (void)groups;
}

void vcpu_inject_error(struct vcpu *unused, uint8_t vector, uint32_t error)
{
    (void)unused;
    fail_msg("exception %u, error %u", vector, error);
}

_Noreturn void report_fatal(struct vcpu *unused, const char *reason)
{
    (void)unused;
    (void)reason;
    abort();
}

static int setup(void **unused)
{
    (void)unused;
    memset(&vm, 0, sizeof(vm));
    memset(&state, 0, sizeof(state));
    vcpu->vm = &vm;
    vcpu->state = &state;
    vm.machine.setup.ram = (struct guest_ram){ .size = RAM_SIZE, .host = calloc(1, RAM_SIZE) };
    return 0;
}

static int teardown(void **unused)
{
    (void)unused;
    free(vm.machine.setup.ram.host);
    return 0;
}

static void put(uint64_t gpa, unsigned size, uint64_t value)
{
    memcpy(vm.machine.setup.ram.host + gpa, &value, size);
}

static void code_at(uint64_t gpa, const char *bytes, size_t length)
{
    memcpy(vm.machine.setup.ram.host + gpa, bytes, length);
}

static void long_mode(uint64_t rip)
{
    state.cr0 = PG;
    state.cr3 = 0x1000;
    state.cr4 = PAE;
    state.efer = LMA;
    state.segment[SEG_CS].attributes = 0xa9b;
    state.rip = rip;
    put(0x1000 + (LINEAR >> 39 & 511) * 8, 8, 0x2003);
    put(0x2000 + (LINEAR >> 30 & 511) * 8, 8, 0x3003);
    put(0x3000 + (LINEAR >> 21 & 511) * 8, 8, 0x4003);
    put(0x4000 + (LINEAR >> 12 & 511) * 8, 8, 0x8000000000000000 | PAGE | 3);
    put(0x4000 + ((LINEAR >> 12 & 511) + 1) * 8, 8, NEXT | 1);
}

static uint32_t length(enum exit_reason reason)
{
    state.exit.reason = reason;
    return code_length(vcpu);
}

static void usual_instructions(void **unused)
{
    (void)unused;
    static const struct { enum exit_reason reason; const char *code; size_t size; } rows[] = {
        { EXIT_CPUID, "\x0f\xa2", 2 },          { EXIT_HLT, "\xf4", 1 },
        { EXIT_MSR_READ, "\x0f\x32", 2 },       { EXIT_MSR_WRITE, "\x0f\x30", 2 },
        { EXIT_HYPERCALL, "\x0f\x01\xd9", 3 },  { EXIT_HYPERCALL, "\x0f\x01\xc1", 3 },
        { EXIT_CACHE, "\x0f\x08", 2 },          { EXIT_CACHE, "\x0f\x09", 2 },
        { EXIT_XSETBV, "\x0f\x01\xd1", 3 },     { EXIT_CPUID, "\x66\x0f\xa2", 3 },
        { EXIT_CPUID, "\xf3\x48\x0f\xa2", 4 },  { EXIT_HLT, "\x2e\x67\xf2\xf4", 4 },
        { EXIT_CACHE, "\xf3\x0f\x09", 3 },
        { EXIT_CPUID, "\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x0f\xa2", 15 },
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        long_mode(LINEAR & ~0xfffUL);
        code_at(PAGE, rows[i].code, rows[i].size);
        assert_int_equal(length(rows[i].reason), rows[i].size);
    }
}

/* What is remembered of a place counts only as long as everything there is as it was. */
static void a_place_that_changes(void **unused)
{
    (void)unused;
    const uint64_t rip = LINEAR & ~0xfffUL;
    static const struct { uint64_t table, shift; } levels[] = {
        { 0x1000, 39 }, { 0x2000, 30 }, { 0x3000, 21 }, { 0x4000, 12 },
    };

    long_mode(rip);
    code_at(PAGE, "\x0f\xa2", 2);
    assert_int_equal(length(EXIT_CPUID), 2);
    assert_int_equal(length(EXIT_CPUID), 2);
    assert_int_equal(length(EXIT_HLT), 0); /* the same place, but no HLT */
    assert_int_equal(length(EXIT_CPUID), 2);
    code_at(PAGE, "\x66\x0f\xa2", 3);
    assert_int_equal(length(EXIT_CPUID), 3);
    code_at(PAGE, "\x66\x66\x66\x66\x66\x66\x66\x66\x0f\xa2", 10);
    assert_int_equal(length(EXIT_CPUID), 10);
    code_at(PAGE, "\x66\x66\x66\x66\x66\x66\x66\x66\x66\x0f\xa2", 11); /* behind 8 bytes */
    assert_int_equal(length(EXIT_CPUID), 11);

    /* Another path at each level, to a page with CPUID and four prefixes. */
    for (size_t i = 0; i < 4; i++) {
        long_mode(rip);
        code_at(PAGE, "\x0f\xa2\x90", 3);
        assert_int_equal(length(EXIT_CPUID), 2);
        for (size_t j = i + 1; j < 4; j++) {
            put(0x10000 + j * 0x1000 + (LINEAR >> levels[j].shift & 511) * 8, 8,
                j == 3 ? 0x500003 : 0x10003 + (j + 1) * 0x1000);
        }
        put(levels[i].table + (LINEAR >> levels[i].shift & 511) * 8, 8,
            i == 3 ? 0x500003 : 0x10003 + (i + 1) * 0x1000);
        code_at(0x500000, "\x66\x66\x66\x66\x0f\xa2", 6);
        assert_int_equal(length(EXIT_CPUID), 6);
    }

    /* Another CR3; other modes. */
    long_mode(rip);
    assert_int_equal(length(EXIT_CPUID), 2);
    put(0x20000 + (LINEAR >> 39 & 511) * 8, 8, 0x11003);
    state.cr3 = 0x20000;
    assert_int_equal(length(EXIT_CPUID), 6);
    state.segment[SEG_CS].attributes = 0xc9b; /* a 32-bit segment: RIP's upper half is not used */
    state.segment[SEG_CS].base = 0;
    assert_int_equal(length(EXIT_CPUID), 0);
}

static void another_instruction_now(void **unused)
{
    (void)unused;
    long_mode(LINEAR);
    code_at(PAGE + 0xff0, "\x90\x90\x90\x90", 4);
    assert_int_equal(length(EXIT_CPUID), 0);
    code_at(PAGE + 0xff0, "\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66", 15);
    assert_int_equal(length(EXIT_CPUID), 0);
    state.rip = 0x5000; /* not mapped */
    assert_int_equal(length(EXIT_CPUID), 0);
    assert_int_equal(length(EXIT_MEMORY), 0);
}

/* The two pages are neighbours for the guest, not in memory. */
static void across_pages(void **unused)
{
    (void)unused;
    static const char code[] = "\x66\x48\x0f\xa2";

    for (unsigned split = 1; split <= 4; split++) {
        long_mode((LINEAR | 0xfff) + 1 - split);
        code_at(PAGE + 0x1000 - split, code, split);
        code_at(NEXT, code + split, 4 - split);
        assert_int_equal(length(EXIT_CPUID), 4);
    }
    put(0x4000 + ((LINEAR >> 12 & 511) + 1) * 8, 8, 0); /* the next one is absent */
    assert_int_equal(length(EXIT_CPUID), 4);
    state.rip++;
    code_at(PAGE + 0xffe, "\x0f\xa2", 2);
    state.rip = (LINEAR | 0xfff) - 1;
    assert_int_equal(length(EXIT_CPUID), 2);
}

static void large_pages(void **unused)
{
    (void)unused;
    uint64_t offset = LINEAR & 0x1fffff;

    long_mode(LINEAR);
    put(0x3000 + (LINEAR >> 21 & 511) * 8, 8, 0x200000 | 0x83 | 0x1000 /* PAT */);
    code_at(0x200000 + offset, "\x0f\xa2", 2);
    assert_int_equal(length(EXIT_CPUID), 2);
    long_mode(LINEAR & ~0x3fffffffUL);
    put(0x2000 + (LINEAR >> 30 & 511) * 8, 8, 0x83); /* 1 GiB at 0 */
    code_at(0, "\x48\x0f\xa2", 3);
    assert_int_equal(length(EXIT_CPUID), 3);
}

static void tables_outside_ram(void **unused)
{
    (void)unused;
    long_mode(LINEAR);
    state.cr3 = 0xfffffffffff000;
    assert_int_equal(length(EXIT_CPUID), 0);
    long_mode(LINEAR);
    put(0x2000 + (LINEAR >> 30 & 511) * 8, 8, 0x000ffffffffff003);
    assert_int_equal(length(EXIT_CPUID), 0);
    long_mode(LINEAR);
    put(0x4000 + (LINEAR >> 12 & 511) * 8, 8, RAM_SIZE | 3);
    assert_int_equal(length(EXIT_CPUID), 0);
}

static void legacy_modes(void **unused)
{
    (void)unused;
    state.segment[SEG_CS] = (struct vcpu_segment){ .attributes = 0xc9b, .base = 0xfffff000 };
    state.rip = 0x403010; /* wraps to linear 0x402010 */

    code_at(0x402010, "\x0f\xa2", 2); /* no paging */
    assert_int_equal(length(EXIT_CPUID), 2);
    code_at(0x402010, "\x40\x0f\xa2", 3); /* no REX here: INC EAX */
    assert_int_equal(length(EXIT_CPUID), 0);
    code_at(0x402010, "\x00\x00\x00", 3);

    state.cr0 = PG; /* 32-bit tables, 4 KiB */
    state.cr3 = 0x1000;
    put(0x1004, 4, 0x2003);
    put(0x2008, 4, 0x6003);
    code_at(0x6010, "\x0f\xa2", 2);
    assert_int_equal(length(EXIT_CPUID), 2);
    put(0x1004, 4, 0x000083); /* 4 MiB at 0, once PSE is on */
    assert_int_equal(length(EXIT_CPUID), 0);
    state.cr4 = PSE;
    code_at(0x2010, "\x66\x0f\xa2", 3);
    assert_int_equal(length(EXIT_CPUID), 3);

    state.cr4 = PAE;
    state.cr3 = 0x1020;
    put(0x1020, 8, 0x3001);
    put(0x3010, 8, 0x200083);
    code_at(0x202010, "\xf4", 1);
    assert_int_equal(length(EXIT_HLT), 1);
    put(0x3010, 8, 0x4003);
    put(0x4010, 8, 0x7003);
    code_at(0x7010, "\x0f\x01\xc1", 3);
    assert_int_equal(length(EXIT_HYPERCALL), 3);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(usual_instructions), TEST(another_instruction_now), TEST(across_pages),
        TEST(large_pages),        TEST(tables_outside_ram),      TEST(legacy_modes),
        TEST(a_place_that_changes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
