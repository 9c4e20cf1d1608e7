/* sources: vmm/run.c vmm/vm.c vmm/exits.c vmm/report.c vmm/cr.c vmm/msr.c vmm/cpuid.c vmm/io.c vmm/machine.c vmm/console.c vmm/bus.c vmm/timer.c vmm/boot.c hypervisor/lib/string.c vmm/linux.c vmm/mini.c vmm/dev/exit.c vmm/dev/kbd.c vmm/dev/pci.c vmm/dev/pic.c vmm/dev/pit.c vmm/dev/reset.c vmm/dev/rtc.c vmm/dev/uart.c hypervisor/lib/format.c */
/* cflags: -iquote tests/unit/fake/vmm */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The run loop against a kernel that plays a script: the protocol of exits, interrupts, recalls
 * and waiting, and the ways in which a VM ends.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "abi/health.h"
#include "code.h"
#include "exits.h"
#include "lib/user/syscall.h"
#include "vm.h"

#define RAM_SIZE (4u << 20)
#define VCPU 0x10007u
#define ENTRY 0x100000u

/* ---- The kernel --------------------------------------------------------------------------- */

enum call { VCPU_RUN, IPC_WAIT };

static struct vm vm;
static struct vcpu *const vcpu = &vm.vcpu[0];
static struct vcpu_state page;
static struct console_channel channel;
static const struct vm_config *config;
static char output[32768];
static size_t output_length;

static tsc_time fake_tsc;
static unsigned recalls;
static uint32_t got; /* groups asked for by state_get */
static jmp_buf finish;
static uint64_t end_code;
static unsigned step;
/* What a test's kernel does at each call; it ends the test with done(). */
static struct message (*script)(enum call call, tsc_time deadline);

enum { SCRIPT_DONE = 1, TASK_END = 2 };

static _Noreturn void done(void)
{
    longjmp(finish, SCRIPT_DONE);
}

static struct message exit_message(enum exit_reason reason, uint32_t length)
{
    page.exit = (struct vcpu_exit){ .reason = reason, .insn_length = length };
    page.valid = STATE_IP;
    page.dirty = 0;
    page.injection = (struct vcpu_injection){ .valid = 0 };
    return (struct message){ .from = VCPU, .kind = MESSAGE_EXIT };
}

static struct message timeout(tsc_time deadline)
{
    assert_true(deadline != TSC_NEVER);
    if (fake_tsc < deadline) {
        fake_tsc = deadline;
    }
    return (struct message){ .kind = MESSAGE_TIMEOUT };
}

static struct message events(void)
{
    return (struct message){ .kind = MESSAGE_EVENTS, .word = { EVENT_CONSOLE_INPUT } };
}

struct message sys_vcpu_run(thread_id thread, tsc_time deadline)
{
    assert_int_equal(thread, VCPU);
    step++;
    return script(VCPU_RUN, deadline);
}

struct message sys_ipc_wait(tsc_time deadline)
{
    step++;
    return script(IPC_WAIT, deadline);
}

int64_t sys_vcpu_state_get(thread_id thread, uint32_t groups)
{
    assert_int_equal(thread, VCPU);
    got |= groups;
    page.valid |= groups;
    return STATUS_OK;
}

int64_t sys_vcpu_recall(thread_id thread)
{
    assert_int_equal(thread, VCPU);
    recalls++;
    return STATUS_OK;
}

int64_t sys_event_signal(thread_id to, uint64_t bits)
{
    (void)to;
    (void)bits;
    return STATUS_OK;
}

_Noreturn void sys_task_end(uint64_t code)
{
    end_code = code;
    longjmp(finish, TASK_END);
}

/* ---- What the loop calls beside the kernel ------------------------------------------------- */

static struct cpuid_leaf read_cpuid(void *context, uint32_t leaf, uint32_t subleaf)
{
    (void)context;
    (void)subleaf;
    return leaf == 0            ? (struct cpuid_leaf){ 0xd, 0x68747541, 0x444d4163, 0x69746e65 }
           : leaf == 0x80000000 ? (struct cpuid_leaf){ 0x80000008, 0, 0, 0 }
                                : (struct cpuid_leaf){ 7, ~0u, ~0u, ~0u };
}
const struct cpuid_host cpuid_processor = { .read = read_cpuid };

uint32_t code_length(struct vcpu *unused)
{
    (void)unused;
    return 2;
}

void code_fetch(struct vcpu *unused, struct code *code)
{
    (void)unused;
    *code = (struct code){ .length = 0 };
}

void exit_memory(struct vcpu *unused)
{
    (void)unused;
}

void exit_string_io(struct vcpu *unused)
{
    (void)unused;
}

static tsc_time read_tsc(void)
{
    return fake_tsc;
}

static void collect(void *owner)
{
    (void)owner;
    while (channel.output_tail != channel.output_head) {
        assert_true(output_length + 1 < sizeof(output));
        output[output_length++] = (char)channel.output[channel.output_tail++ % CONSOLE_OUTPUT_SIZE];
    }
}

static const uint8_t image[64] = { 0x0f, 0xa2, 0xf4 };

/* Runs a VM against the script; how it ended. */
static int play(struct message (*with)(enum call call, tsc_time deadline))
{
    static const struct vm_config usual = { .name = "vm0", .boot = VM_BOOT_MINI, .cmdline = "",
                                            .pic = true, .pit = true, .uart = true,
                                            .keyboard_controller = true };
    config = config ? config : &usual;
    const struct machine_setup setup = {
        .config = config,
        .ram = { .size = RAM_SIZE, .host = calloc(1, RAM_SIZE) },
        .kernel = { image, sizeof(image) },
        .read_tsc = read_tsc,
        .tsc_khz = 1000000,
    };

    memset(&vm, 0, sizeof(vm));
    memset(&channel, 0, sizeof(channel));
    memset(output, 0, sizeof(output));
    output_length = 0;
    fake_tsc = 1000;
    recalls = got = step = 0;
    script = with;
    vm.vcpus = 1;
    vm.stopper = vcpu;
    vcpu->vm = &vm;
    vcpu->state = &page;
    vcpu->thread = VCPU;
    vm.machine.console.channel = &channel;
    vm.machine.console.notify = collect;
    vm.machine.console.wait = collect;
    assert_true(machine_init(&vm.machine, &setup));
    cpuid_build(&vcpu->cpuid, &cpuid_processor, &(struct cpuid_vcpu){ .tsc_khz = 1000000, .count = 1 });
    int how = setjmp(finish);
    if (how == 0) {
        vcpu_run(vcpu);
    }
    collect(NULL);
    free(setup.ram.host);
    config = NULL;
    return how;
}

static void out(uint64_t port, uint64_t value)
{
    struct access access = { .offset = port, .value = value, .size = 1, .write = true };
    bus_access(&vm.machine.ports, &access);
}

/* PIT at 1 ms, then both PICs at vectors 0x30 and 0x38, all unmasked. */
static void set_up_timer(void)
{
    static const struct { uint16_t port; uint8_t value; } writes[] = {
        { 0x43, 0x34 }, { 0x40, 0xa9 }, { 0x40, 0x04 }, { 0x20, 0x11 }, { 0x21, 0x30 },
        { 0x21, 0x04 }, { 0x21, 0x01 }, { 0xa0, 0x11 }, { 0xa1, 0x38 }, { 0xa1, 0x02 },
        { 0xa1, 0x01 }, { 0x21, 0x00 }, { 0xa1, 0x00 },
    };
    for (size_t i = 0; i < sizeof(writes) / sizeof(writes[0]); i++) {
        out(writes[i].port, writes[i].value);
    }
}

/* ---- Tests -------------------------------------------------------------------------------- */

static struct message cpuid_script(enum call call, tsc_time deadline)
{
    (void)deadline;
    assert_int_equal(call, VCPU_RUN);
    switch (step) {
    case 1:
        assert_int_equal(page.rip, ENTRY);
        assert_int_equal(page.dirty, BOOT_STATE | STATE_RESET);
        page.gpr[GPR_RAX] = 0xffffffff00000000;
        page.gpr[GPR_RBX] = page.gpr[GPR_RCX] = page.gpr[GPR_RDX] = UINT64_MAX;
        page.rflags = 1 << 16 | 2;
        page.interruptibility = BLOCKED_BY_STI_OR_MOV_SS;
        return exit_message(EXIT_CPUID, 2);
    case 2:
        assert_int_equal(page.gpr[GPR_RAX], 0xd);
        assert_int_equal(page.gpr[GPR_RBX], 0x68747541);
        assert_int_equal(page.rip, ENTRY + 2);
        assert_int_equal(page.rflags, 2);
        assert_int_equal(page.interruptibility, 0);
        assert_int_equal(page.dirty, STATE_IP);
        assert_int_equal(got, 0);
        page.gpr[GPR_RAX] = 1; /* OSXSAVE needs CR4 */
        page.cr4 = 1 << 18;
        return exit_message(EXIT_CPUID, 0);
    default:
        assert_int_equal(got, STATE_CONTROL);
        assert_true(page.gpr[GPR_RCX] & 1u << 27);
        assert_int_equal(page.rip, ENTRY + 4);
        done();
    }
}

static void answers_cpuid(void **state)
{
    (void)state;
    assert_int_equal(play(cpuid_script), SCRIPT_DONE);
    assert_non_null(strstr(output, "vmm: vm0 starts, entry tsc 0x00000000000003e8, vTLB\r\n"));
    assert_int_equal(vcpu->exits[EXIT_CPUID], 2);
}

static struct message timer_script(enum call call, tsc_time deadline)
{
    switch (step) {
    case 1:
        set_up_timer();
        return exit_message(EXIT_RECALL, 0); /* so that the deadline is taken up */
    case 2:
        assert_int_equal(call, VCPU_RUN);
        assert_int_equal(page.irq, 0);
        return timeout(deadline); /* the guest runs on ... */
    case 3:
        assert_int_equal(call, IPC_WAIT);
        assert_int_equal(recalls, 1);
        assert_int_equal(deadline, TSC_NEVER);
        return events(); /* ... still does, and a second recall would be one too many ... */
    case 4:
        assert_int_equal(call, IPC_WAIT);
        assert_int_equal(recalls, 1);
        return exit_message(EXIT_RECALL, 0);
    case 5:
        assert_int_equal(call, VCPU_RUN);
        assert_int_equal(page.irq, IRQ_VALID | 0x30);
        assert_int_equal(vm.machine.pic.master.isr, 0);
        return exit_message(EXIT_CPUID, 2); /* not taken yet */
    case 6:
        assert_int_equal(page.irq, IRQ_VALID | 0x30);
        assert_int_equal(vm.machine.pic.master.isr, 0);
        page.irq = 0; /* taken */
        return exit_message(EXIT_CPUID, 2);
    default:
        assert_int_equal(page.irq, 0);
        assert_int_equal(vm.machine.pic.master.isr, 1);
        done();
    }
}

static void timers_interrupt_a_running_guest(void **state)
{
    (void)state;
    assert_int_equal(play(timer_script), SCRIPT_DONE);
}

/* While an interrupt is on offer, nothing may reach the PIC before the guest has stopped: what
 * it acknowledges has to be what the guest took. */
static struct message offer_script(enum call call, tsc_time deadline)
{
    switch (step) {
    case 1:
        set_up_timer();
        pic_set_irq(&vm.machine.pic, 4, true);
        return exit_message(EXIT_RECALL, 0);
    case 2:
        assert_int_equal(page.irq, IRQ_VALID | 0x34);
        return timeout(deadline); /* the PIT's, of higher priority */
    case 3:
        assert_int_equal(call, IPC_WAIT);
        assert_int_equal(recalls, 1);
        assert_int_equal(pic_peek(&vm.machine.pic), 0x34);
        page.irq = 0;
        return exit_message(EXIT_CPUID, 2); /* not by the recall */
    default:
        assert_int_equal(vm.machine.pic.master.isr, 1 << 4);
        assert_int_equal(page.irq, IRQ_VALID | 0x30);
        done();
    }
}

static void offers_hold_still(void **state)
{
    (void)state;
    assert_int_equal(play(offer_script), SCRIPT_DONE);
}

static struct message quiet_script(enum call call, tsc_time deadline)
{
    switch (step) {
    case 1:
        set_up_timer();
        out(0x21, 0xff);
        return exit_message(EXIT_RECALL, 0);
    case 2:
        return timeout(deadline);
    case 3:
    case 4:
        assert_int_equal(call, IPC_WAIT); /* masked: the guest is left alone */
        assert_int_equal(recalls, 0);
        return timeout(deadline);
    default:
        done();
    }
}

static void masked_timers_disturb_nobody(void **state)
{
    (void)state;
    assert_int_equal(play(quiet_script), SCRIPT_DONE);
}

static struct message halt_script(enum call call, tsc_time deadline)
{
    switch (step) {
    case 1:
        set_up_timer();
        page.rflags |= RFLAGS_IF;
        page.interruptibility = BLOCKED_BY_STI_OR_MOV_SS;
        return exit_message(EXIT_HLT, 1);
    case 2:
        assert_int_equal(call, IPC_WAIT);
        return events();
    case 3:
        assert_int_equal(call, IPC_WAIT);
        return timeout(deadline);
    case 4:
        assert_int_equal(call, VCPU_RUN);
        assert_int_equal(page.rip, ENTRY + 1);
        assert_int_equal(page.interruptibility, 0);
        assert_int_equal(page.irq, IRQ_VALID | 0x30);
        assert_int_equal(recalls, 0);
        return exit_message(EXIT_HLT, 1); /* STI; HLT with one pending does not wait */
    default:
        assert_int_equal(call, VCPU_RUN);
        done();
    }
}

static void hlt_waits_for_an_interrupt(void **state)
{
    (void)state;
    assert_int_equal(play(halt_script), SCRIPT_DONE);
}

static struct message input_script(enum call call, tsc_time deadline)
{
    (void)call;
    (void)deadline;
    switch (step) {
    case 1:
        set_up_timer();
        out(0x43, 0x30); /* the PIT stops */
        out(0x3fc, 0x08);
        out(0x3f9, 0x01);
        return exit_message(EXIT_RECALL, 0);
    case 2:
        channel.input[channel.input_head++] = 'x';
        return events();
    case 3:
        assert_int_equal(recalls, 1);
        return exit_message(EXIT_RECALL, 0);
    default:
        assert_int_equal(page.irq, IRQ_VALID | 0x34);
        done();
    }
}

static void input_interrupts_a_running_guest(void **state)
{
    (void)state;
    assert_int_equal(play(input_script), SCRIPT_DONE);
}

static struct message halted_script(enum call call, tsc_time deadline)
{
    (void)call;
    (void)deadline;
    page.rflags &= ~(uint64_t)RFLAGS_IF;
    return exit_message(EXIT_HLT, 1);
}

static void hlt_without_if_ends_the_vm(void **state)
{
    (void)state;
    assert_int_equal(play(halted_script), TASK_END);
    assert_int_equal(end_code, 0);
    assert_non_null(strstr(output, "vmm: vm0 halted\r\n"));
}

static struct message shutdown_script(enum call call, tsc_time deadline)
{
    (void)call;
    (void)deadline;
    page.gpr[GPR_R15] = 0xdeadbeef;
    return exit_message(EXIT_SHUTDOWN, 0);
}

static void a_triple_fault_is_a_death(void **state)
{
    static const struct vm_config traced = { .name = "vm1", .boot = VM_BOOT_MINI, .cmdline = "",
                                             .trace = true };
    (void)state;
    config = &traced;
    assert_int_equal(play(shutdown_script), TASK_END);
    assert_int_equal(end_code, HEALTH_END_CODE(HEALTH_VM_SHUTDOWN, 1));
    assert_non_null(strstr(output, "vmm: vm1 dies: triple fault\r\n"));
    assert_non_null(strstr(output, "r15 00000000deadbeef"));
    assert_non_null(strstr(output, "vmm:            1  shutdown\r\n"));
    assert_non_null(strstr(output, "vmm:            1  exits in all\r\n"));
    assert_int_equal(got, BOOT_STATE & ~(uint32_t)STATE_IP);
}

static struct message violation_script(enum call call, tsc_time deadline)
{
    (void)call;
    (void)deadline;
    vm.machine.request = VM_VIOLATION;
    vm.machine.end_code = 0xc0001234;
    return exit_message(EXIT_MEMORY, 0);
}

static void a_write_to_what_it_may_only_read_is_told(void **state)
{
    (void)state;
    assert_int_equal(play(violation_script), TASK_END);
    assert_int_equal(end_code, HEALTH_END_CODE(HEALTH_MEMORY_VIOLATION, 0xc0001234));
    assert_non_null(strstr(output, "vmm: vm0 dies: it writes to 0xc0001234, shared memory that it "
                                   "may only read\r\nvmm: rip"));
}

static struct message restart_script(enum call call, tsc_time deadline)
{
    struct message message;

    (void)call;
    (void)deadline;
    switch (step) {
    case 1:
        vm.machine.setup.ram.host[ENTRY] = 0xff;
        vm.machine.setup.ram.host[0x200000] = 0xff;
        page.rip = 0x123456;
        page.gpr[GPR_RAX] = 0xfe;
        message = exit_message(EXIT_IO, 1);
        page.exit.io.port = 0x64;
        page.exit.io.size = 1;
        return message;
    default:
        assert_int_equal(page.rip, ENTRY);
        assert_int_equal(page.dirty, BOOT_STATE | STATE_RESET);
        assert_int_equal(vm.machine.setup.ram.host[ENTRY], 0x0f);
        assert_int_equal(vm.machine.setup.ram.host[0x200000], 0);
        done();
    }
}

static void a_reset_restarts_the_vm(void **state)
{
    (void)state;
    assert_int_equal(play(restart_script), SCRIPT_DONE);
    assert_non_null(strstr(output, "vmm: vm0 restarts\r\n"));
}

static struct message exit_script(enum call call, tsc_time deadline)
{
    (void)call;
    (void)deadline;
    page.gpr[GPR_RAX] = 0xffff0007;
    struct message message = exit_message(EXIT_IO, 1);
    page.exit.io.port = 0xf4;
    page.exit.io.size = 1;
    return message;
}

static void the_exit_port_ends_the_vm(void **state)
{
    (void)state;
    assert_int_equal(play(exit_script), TASK_END);
    assert_int_equal(end_code, 7);
}

static struct message refused_script(enum call call, tsc_time deadline)
{
    (void)call;
    (void)deadline;
    return (struct message){ .status = STATUS_BAD_ARGUMENT };
}

static void a_refused_state_is_a_death(void **state)
{
    (void)state;
    assert_int_equal(play(refused_script), TASK_END);
    assert_true(end_code != 0);
    assert_non_null(strstr(output, "refused"));
}

static struct message fault_script(enum call call, tsc_time deadline)
{
    (void)call;
    (void)deadline;
    page.rip = 0x1000;
    switch (step) {
    case 1:
        page.gpr[GPR_RCX] = 0xdead;
        return exit_message(EXIT_MSR_READ, 2);
    case 2:
        assert_int_equal(page.injection.vector, VECTOR_GP);
        assert_int_equal(page.injection.has_error, 1);
        assert_int_equal(page.dirty, 0);
        return exit_message(EXIT_VIRTUALIZATION, 3);
    case 3:
        assert_int_equal(page.injection.vector, VECTOR_UD);
        assert_int_equal(page.injection.has_error, 0);
        page.gpr[GPR_RCX] = 0;
        page.gpr[GPR_RDX] = 0;
        page.gpr[GPR_RAX] = 3;
        return exit_message(EXIT_XSETBV, 3);
    case 4:
        assert_int_equal(page.injection.valid, 0);
        assert_int_equal(page.xcr0, 3);
        assert_int_equal(page.dirty, STATE_IP | STATE_XCR0);
        page.gpr[GPR_RAX] = 4;
        return exit_message(EXIT_XSETBV, 3);
    case 5:
        assert_int_equal(page.injection.vector, VECTOR_GP);
        return exit_message(EXIT_MSR_READ, 2); /* of MSR 0 */
    default:
        done();
    }
}

static void faults_are_the_guests(void **state)
{
    (void)state;
    assert_int_equal(play(fault_script), SCRIPT_DONE);
    assert_non_null(strstr(output, "vmm: no MSR 0xdead to read, at rip 0x1000: #GP\r\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_cpuid),
        cmocka_unit_test(timers_interrupt_a_running_guest),
        cmocka_unit_test(offers_hold_still),
        cmocka_unit_test(masked_timers_disturb_nobody),
        cmocka_unit_test(hlt_waits_for_an_interrupt),
        cmocka_unit_test(input_interrupts_a_running_guest),
        cmocka_unit_test(hlt_without_if_ends_the_vm),
        cmocka_unit_test(a_triple_fault_is_a_death),
        cmocka_unit_test(a_write_to_what_it_may_only_read_is_told),
        cmocka_unit_test(a_reset_restarts_the_vm),
        cmocka_unit_test(the_exit_port_ends_the_vm),
        cmocka_unit_test(a_refused_state_is_a_death),
        cmocka_unit_test(faults_are_the_guests),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
