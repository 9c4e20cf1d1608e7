/* sources: vmm/guest.c vmm/instruction.c vmm/code.c vmm/emulate.c vmm/emulate_string.c vmm/arithmetic.c vmm/bus.c vmm/cpuid.c hypervisor/lib/walk.c hypervisor/lib/insn.c */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whole instructions of a guest on devices and ports: fetched, decoded and executed through its
 * page tables.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "exits.h"
#include "guest.h"
#include "report.h"

#define RAM_SIZE (4u << 20)
#define DEVICE 0xd0000000u
#define CODE 0x10000u
#define DATA 0x20000u /* linear and physical; the page behind it is at 0x30000 */
#define PF_WRITE 2u

static struct vm vm;
static struct vcpu *const vcpu = &vm.vcpu[0];
static struct vcpu_state state;
static jmp_buf died;
static const char *reason;

/* What the device saw. */
static struct access seen[64];
static unsigned seen_count;

void vcpu_load_groups(struct vcpu *unused, uint32_t groups)
{
    (void)unused;
    (void)groups;
}

void vcpu_inject_error(struct vcpu *unused, uint8_t vector, uint32_t error)
{
    (void)unused;
    state.injection = (struct vcpu_injection){
        .valid = 1, .type = INJECT_EXCEPTION, .vector = vector, .has_error = 1, .error = error
    };
}

_Noreturn void report_fatal(struct vcpu *unused, const char *why)
{
    (void)unused;
    reason = why;
    longjmp(died, 1);
}

void console_line(struct console *console, const char *format, ...)
{
    (void)console;
    (void)format;
}

/* The machine has shared memory that may not be written there. */
static uint64_t refused;

bool machine_refuses_write(struct machine *machine, uint64_t gpa)
{
    (void)machine;
    return gpa == refused;
}

static void device(void *unused, struct access *access)
{
    (void)unused;
    if (!access->write) {
        access->value = 0x1122334455667788u >> (8 * (access->offset & 7));
    }
    assert_true(seen_count < 64);
    seen[seen_count++] = *access;
}

static void put(uint64_t gpa, uint64_t value)
{
    memcpy(vm.machine.setup.ram.host + gpa, &value, sizeof(value));
}

static uint64_t get(uint64_t gpa)
{
    uint64_t value;
    memcpy(&value, vm.machine.setup.ram.host + gpa, sizeof(value));
    return value;
}

/* Identity in the first 2 MiB by pages of 4 KiB but for the page behind DATA, the device at its
 * own address. */
static int setup(void **unused)
{
    (void)unused;
    memset(&vm, 0, sizeof(vm));
    memset(&state, 0, sizeof(state));
    seen_count = 0;
    reason = NULL;
    vcpu->vm = &vm;
    vcpu->state = &state;
    vm.machine.setup.ram = (struct guest_ram){ .size = RAM_SIZE, .host = calloc(1, RAM_SIZE) };
    const struct bus_range range = { "device", DEVICE, 0x1000, device, NULL };
    assert_true(bus_attach(&vm.machine.memory, range));
    assert_true(bus_attach(&vm.machine.ports, (struct bus_range){ "port", 0x300, 8, device, NULL }));

    put(0x1000, 0x2007);
    put(0x2000, 0x3007);
    put(0x2000 + 3 * 8, 0x5007);
    put(0x3000, 0x4007);
    for (uint64_t page = 0; page < 512; page++) {
        put(0x4000 + page * 8, page << 12 | 7);
    }
    put(0x4000 + 8 * (DATA / 4096 + 1), 0x30007);
    put(0x5000 + (DEVICE >> 21 & 511) * 8, DEVICE | 0x87);
    state.cr0 = 0x80010001;
    state.cr3 = 0x1000;
    state.cr4 = 0x20;
    state.efer = 0x500;
    state.segment[SEG_CS] = (struct vcpu_segment){ .selector = 8, .attributes = 0xa9b };
    state.rip = CODE;
    state.rflags = 2;
    return 0;
}

static int teardown(void **unused)
{
    (void)unused;
    free(vm.machine.setup.ram.host);
    return 0;
}

static void run(const char *code, size_t length, uint64_t gpa, uint32_t access)
{
    memcpy(vm.machine.setup.ram.host + CODE, code, length);
    state.exit = (struct vcpu_exit){ .reason = EXIT_MEMORY };
    state.exit.memory.gpa = gpa;
    state.exit.memory.access = access;
    if (setjmp(died) == 0) {
        exit_memory(vcpu);
    }
}

static void a_refused_write_is_not_emulated(void **unused)
{
    (void)unused;
    refused = DEVICE;
    run("\x0f\xae\x00", 3, DEVICE, MEM_READ | MEM_WRITE); /* fxsave [rax]: unknown here */
    assert_null(reason);
    assert_int_equal(state.rip, CODE);
    refused = 0;
    run("\x0f\xae\x00", 3, DEVICE, MEM_READ | MEM_WRITE);
    assert_non_null(reason);
}

static void writes_and_reads_a_register(void **unused)
{
    (void)unused;
    state.gpr[GPR_RDI] = DEVICE + 4;
    state.gpr[GPR_RAX] = 0xa5a5a5a5deadbeef;
    run("\x89\x07", 2, DEVICE + 4, MEM_WRITE); /* mov %eax, (%rdi) */
    assert_int_equal(seen_count, 1);
    assert_true(seen[0].write);
    assert_int_equal(seen[0].offset, 4);
    assert_int_equal(seen[0].size, 4);
    assert_int_equal(seen[0].value, 0xdeadbeef);
    assert_int_equal(state.rip, CODE + 2);

    state.rip = CODE;
    run("\x8b\x07", 2, DEVICE + 4, MEM_READ); /* mov (%rdi), %eax */
    assert_int_equal(state.gpr[GPR_RAX], 0x11223344);
    assert_int_equal(state.dirty & STATE_IP, STATE_IP);
}

static void unclaimed_reads_ones(void **unused)
{
    (void)unused;
    put(0x5000 + (0xd0200000 >> 21 & 511) * 8, 0xd0200087);
    state.gpr[GPR_RDI] = 0xd0200000;
    run("\x8b\x07", 2, 0xd0200000, MEM_READ);
    assert_int_equal(state.gpr[GPR_RAX], 0xffffffff);
    assert_int_equal(vm.machine.memory.unclaimed_count, 1);
}

/* movsb from the device to memory that crosses into a page that lies elsewhere. */
static void copies_across_pages(void **unused)
{
    (void)unused;
    state.gpr[GPR_RSI] = DEVICE;
    state.gpr[GPR_RDI] = DATA + 0xffc;
    run("\x48\xa5", 2, DEVICE, MEM_READ); /* movsq */
    assert_null(reason);
    assert_int_equal(get(DATA + 0xffc) & 0xffffffff, 0x55667788);
    assert_int_equal(get(0x30000) & 0xffffffff, 0x11223344);
    assert_int_equal(get(DATA + 0x1000), 0);
    assert_int_equal(state.gpr[GPR_RDI], DATA + 0x1004);
}

/* The second page cannot be written: nothing is, and the guest gets the page fault. */
static void faults_before_it_moves(void **unused)
{
    (void)unused;
    put(0x4000 + 8 * (DATA / 4096 + 1), 0x30005);
    state.gpr[GPR_RSI] = DEVICE;
    state.gpr[GPR_RDI] = DATA + 0xffc;
    run("\x48\xa5", 2, DEVICE, MEM_READ);
    assert_int_equal(state.injection.vector, VECTOR_PF);
    assert_int_equal(state.injection.error, 1 | PF_WRITE);
    assert_int_equal(state.cr2, DATA + 0x1000);
    assert_true(state.dirty & STATE_CONTROL);
    assert_int_equal(get(DATA + 0xffc) & 0xffffffff, 0);
    assert_int_equal(state.rip, CODE);
}

/* The same rights as the guest's: privilege 3 does not reach the supervisor's pages. */
static void keeps_to_the_guests_rights(void **unused)
{
    (void)unused;
    put(0x4000 + 8 * (DATA / 4096), DATA | 3);
    state.gpr[GPR_RSI] = DEVICE;
    state.gpr[GPR_RDI] = DATA;
    state.segment[SEG_CS].selector = 0x33;
    run("\xa4", 1, DEVICE, MEM_READ);
    assert_int_equal(state.injection.vector, VECTOR_PF);
    assert_int_equal(state.injection.error, 1 | PF_WRITE | 4);

    state.injection = (struct vcpu_injection){ .valid = 0 };
    state.segment[SEG_CS].selector = 8;
    run("\xa4", 1, DEVICE, MEM_READ);
    assert_int_equal(state.injection.valid, 0);
    assert_int_equal(get(DATA), 0x88);
}

static void moves_strings_to_ports(void **unused)
{
    (void)unused;
    put(DATA, 0x0807060504030201);
    memcpy(vm.machine.setup.ram.host + CODE, "\xf3\x6e", 2); /* rep outsb */
    state.gpr[GPR_RSI] = DATA;
    state.gpr[GPR_RDX] = 0x303;
    state.gpr[GPR_RCX] = 5;
    state.exit = (struct vcpu_exit){ .reason = EXIT_IO };
    for (unsigned i = 0; i < 10 && state.rip == CODE; i++) {
        exit_string_io(vcpu);
    }
    assert_int_equal(seen_count, 5);
    for (unsigned i = 0; i < 5; i++) {
        assert_int_equal(seen[i].value, i + 1);
        assert_int_equal(seen[i].offset, 3);
    }
    assert_int_equal(state.gpr[GPR_RCX], 0);
    assert_int_equal(state.gpr[GPR_RSI], DATA + 5);
    assert_int_equal(state.rip, CODE + 2);
}

static void gives_up_on_the_rest(void **unused)
{
    (void)unused;
    state.gpr[GPR_RDI] = DEVICE;
    run("\x0f\xae\x07", 3, DEVICE, MEM_WRITE); /* fxsave */
    assert_non_null(reason);
    reason = NULL;
    run("\x90", 1, DEVICE, MEM_EXECUTE);
    assert_non_null(reason);
    reason = NULL;
    put(0x4000 + 8 * (CODE / 4096), 0); /* no code there any more */
    run("\x90", 1, DEVICE, MEM_READ);
    assert_non_null(reason);
    reason = NULL;
    teardown(NULL);
    setup(NULL);
    state.gpr[GPR_RSI] = DEVICE;
    state.gpr[GPR_RDI] = 1UL << 39; /* its tables are not in RAM */
    put(0x1008, 0xf00000007);
    run("\xa4", 1, DEVICE, MEM_READ);
    assert_non_null(reason);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_refused_write_is_not_emulated),
        TEST(writes_and_reads_a_register), TEST(unclaimed_reads_ones),
        TEST(copies_across_pages),         TEST(faults_before_it_moves),
        TEST(keeps_to_the_guests_rights),  TEST(moves_strings_to_ports),
        TEST(gives_up_on_the_rest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
