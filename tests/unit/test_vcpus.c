/* sources: vmm/run.c vmm/vm.c vmm/exits.c vmm/report.c vmm/cr.c vmm/msr.c vmm/cpuid.c vmm/io.c vmm/machine.c vmm/console.c vmm/bus.c vmm/timer.c vmm/boot.c hypervisor/lib/string.c vmm/linux.c vmm/mini.c vmm/dev/exit.c vmm/dev/kbd.c vmm/dev/pci.c vmm/dev/pic.c vmm/dev/pit.c vmm/dev/reset.c vmm/dev/rtc.c vmm/dev/uart.c hypervisor/lib/format.c */
/* cflags: -iquote tests/unit/fake/vmm -pthread */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Run loops of several vCPUs on threads of the host, against a kernel that keeps to the contract
 * of events, waits and recalls and otherwise does whatever the dice say: the vCPUs use devices,
 * halt, and reset the VM, also two at a time.
 */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "code.h"
#include "exits.h"
#include "lib/user/syscall.h"
#include "vm.h"

enum { VCPUS = 3, LIVES = 100, RAM_SIZE = 0x102000, ENTRY = 0x100000 };
#define HANDLER(number) (0x10010u + (number))
#define THREAD(number) (0x10020u + (number))

static struct vm vm;
static struct vcpu_state page[VCPUS];
static struct console_channel channel;

/* One per handler; its lock guards `events`, all else is its own. */
static struct side {
    pthread_mutex_t lock;
    pthread_cond_t told;
    uint64_t events;
    bool runs, recalled;
    unsigned lives, dice;
    uint32_t irq; /* what is on offer to the guest */
} side[VCPUS];
static _Thread_local unsigned me;

static atomic_bool ended;
static atomic_uint mistakes, restarts, interrupts;
static uint64_t end_code;

static void check(bool good)
{
    if (!good) {
        mistakes++;
    }
}

static unsigned roll(unsigned sides)
{
    side[me].dice = side[me].dice * 1103515245u + 12345u;
    return (side[me].dice >> 16) % sides;
}

/* ---- The guest ---------------------------------------------------------------------------- */

static void port(uint16_t number, bool in, uint8_t value)
{
    struct vcpu_state *state = &page[me];

    state->exit.reason = EXIT_IO;
    state->exit.io.port = number;
    state->exit.io.size = 1;
    state->exit.io.in = in;
    state->gpr[GPR_RAX] = value;
}

static void halt(void)
{
    page[me].exit.reason = EXIT_HLT;
}

static void next_exit(void)
{
    unsigned what = roll(40);

    if (me == 0 && side[0].lives == LIVES) {
        port(0xf4, false, 42);
    } else if (what < 10) {
        port(0x3ff, what & 1, 0x50);
    } else if (what < 14) {
        static const uint8_t enable[] = { 0x00, 0x02 };
        port(0x3f9, false, enable[what & 1]); /* the UART's interrupt comes and goes */
    } else if (what < 16) {
        port(0x20, false, 0x20); /* end of interrupt */
    } else if (what < 18) {
        port(0x40, false, 0x10); /* PIT: another period */
    } else if (what == 18 && me != 0) {
        halt();
    } else if (what == 19 && roll(4) == 0) {
        port(0x64, false, 0xfe);
    } else {
        page[me].exit.reason = EXIT_CPUID;
        page[me].gpr[GPR_RAX] = 1;
    }
}

/* The guest takes the interrupt on offer, or not yet, and exits. */
static struct message exit_message(enum exit_reason reason)
{
    struct vcpu_state *state = &page[me];

    if (side[me].irq && roll(2)) {
        side[me].irq = 0;
        interrupts++;
    }
    state->irq = side[me].irq;
    state->exit = (struct vcpu_exit){ .reason = reason, .insn_length = 2 };
    if (reason == EXIT_NONE) {
        next_exit();
    }
    state->valid = STATE_IP;
    side[me].runs = side[me].recalled = false;
    return (struct message){ .from = THREAD(me), .kind = MESSAGE_EXIT };
}

/* What the guest starts with in each life. */
static void enter(void)
{
    struct vcpu_state *state = &page[me];

    if (state->dirty & STATE_TABLES) {
        check(state->rip == ENTRY && state->gpr[GPR_RDI] == me);
        check(state->irq == 0 || me == 0);
        side[me].lives++;
        restarts += me == 0;
        if (me == 0) { /* as after the guest's set-up */
            struct access writes[] = {
                { 0x20, 0x11, 1, true }, { 0x21, 0x30, 1, true }, { 0x21, 0x04, 1, true },
                { 0x21, 0x01, 1, true }, { 0x21, 0x00, 1, true }, { 0x3fc, 0x08, 1, true },
                { 0x43, 0x34, 1, true }, { 0x40, 0x00, 1, true }, { 0x40, 0x04, 1, true },
            };
            vm_lock(&vm.vcpu[0]);
            for (size_t i = 0; i < sizeof(writes) / sizeof(writes[0]); i++) {
                bus_access(&vm.machine.ports, &writes[i]);
            }
            vm_unlock(&vm.vcpu[0]);
        }
    }
    check(me == 0 || state->irq == 0); /* interrupts are the first one's */
    side[me].irq = state->irq;
    state->dirty = 0;
    state->injection = (struct vcpu_injection){ .valid = 0 };
}

/* ---- The kernel --------------------------------------------------------------------------- */

static bool take_events(uint64_t *bits)
{
    pthread_mutex_lock(&side[me].lock);
    *bits = side[me].events;
    side[me].events = 0;
    pthread_mutex_unlock(&side[me].lock);
    return *bits != 0;
}

static void leave_if_ended(void)
{
    if (ended) {
        pthread_exit(NULL);
    }
}

/* With an upper limit, so that one that nobody wakes is found, not hung. */
static bool await_event(void)
{
    struct timespec until;
    bool waited_well = true;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 20;
    pthread_mutex_lock(&side[me].lock);
    while (side[me].events == 0 && waited_well && !ended) {
        waited_well = pthread_cond_timedwait(&side[me].told, &side[me].lock, &until) == 0;
    }
    pthread_mutex_unlock(&side[me].lock);
    return waited_well;
}

static struct message wait(tsc_time deadline)
{
    uint64_t bits;

    leave_if_ended();
    for (;;) {
        if (take_events(&bits)) {
            return (struct message){ .kind = MESSAGE_EVENTS, .word = { bits } };
        }
        if (side[me].recalled) {
            return exit_message(EXIT_RECALL);
        }
        if (side[me].runs) {
            return exit_message(EXIT_NONE);
        }
        if (deadline != TSC_NEVER) {
            sched_yield();
            return (struct message){ .kind = MESSAGE_TIMEOUT };
        }
        check(await_event());
        leave_if_ended();
    }
}

struct message sys_vcpu_run(thread_id thread, tsc_time deadline)
{
    check(thread == THREAD(me) && !side[me].runs && !vm.vcpu[me].locked);
    enter();
    side[me].runs = true;
    return wait(deadline);
}

struct message sys_ipc_wait(tsc_time deadline)
{
    return wait(deadline);
}

int64_t sys_vcpu_state_get(thread_id thread, uint32_t groups)
{
    check(thread == THREAD(me) && !side[me].runs);
    page[me].valid |= groups;
    return STATUS_OK;
}

int64_t sys_vcpu_recall(thread_id thread)
{
    check(thread == THREAD(me));
    side[me].recalled = side[me].runs;
    return STATUS_OK;
}

int64_t sys_event_signal(thread_id to, uint64_t bits)
{
    struct side *other = &side[to - HANDLER(0)];

    check(vm.vcpu[me].locked); /* what is told of has been changed */
    pthread_mutex_lock(&other->lock);
    other->events |= bits;
    pthread_cond_signal(&other->told);
    pthread_mutex_unlock(&other->lock);
    return STATUS_OK;
}

_Noreturn void sys_task_end(uint64_t code)
{
    end_code = code;
    ended = true;
    for (unsigned i = 0; i < VCPUS; i++) {
        sys_event_signal(HANDLER(i), 1);
    }
    pthread_exit(NULL);
}

/* ---- What the loop calls beside the kernel ------------------------------------------------- */

static struct cpuid_leaf read_cpuid(void *context, uint32_t leaf, uint32_t subleaf)
{
    (void)context;
    (void)subleaf;
    return leaf & 0x7fffffff ? (struct cpuid_leaf){ 7, ~0u, 0, ~0u }
                             : (struct cpuid_leaf){ leaf | 8, 0, 0, 0 };
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
    static atomic_ullong tsc = 1000;
    return tsc += 100;
}

static void discard(void *owner)
{
    (void)owner;
    channel.output_tail = channel.output_head;
}

static void *handler_main(void *argument)
{
    me = (unsigned)(uintptr_t)argument;
    vcpu_run(&vm.vcpu[me]);
}

/* ---- Tests -------------------------------------------------------------------------------- */

static void lives_begin_and_end_together(void **unused)
{
    static const struct vm_config config = { .name = "vm0", .boot = VM_BOOT_MINI, .cmdline = "",
                                             .vcpus = VCPUS, .pic = true, .pit = true,
                                             .uart = true, .keyboard_controller = true };
    static const uint8_t image[16] = { 0xf4 };
    const struct machine_setup setup = {
        .config = &config,
        .ram = { .size = RAM_SIZE, .host = calloc(1, RAM_SIZE) },
        .kernel = { image, sizeof(image) },
        .read_tsc = read_tsc,
        .tsc_khz = 1000000,
    };
    pthread_t threads[VCPUS];

    (void)unused;
    vm.vcpus = VCPUS;
    vm.stopper = &vm.vcpu[0];
    vm.machine.console.channel = &channel;
    vm.machine.console.notify = discard;
    vm.machine.console.wait = discard;
    assert_true(machine_init(&vm.machine, &setup));
    for (unsigned i = 0; i < VCPUS; i++) {
        vm.vcpu[i] = (struct vcpu){ .vm = &vm, .state = &page[i], .thread = THREAD(i),
                                    .handler = HANDLER(i), .number = i, .deadline = TSC_NEVER,
                                    .deadline_ns = TIME_NEVER };
        cpuid_build(&vm.vcpu[i].cpuid, &cpuid_processor,
                    &(struct cpuid_vcpu){ .tsc_khz = 1000000, .number = (uint8_t)i,
                                           .count = VCPUS });
        side[i].dice = i;
        pthread_mutex_init(&side[i].lock, NULL);
        pthread_cond_init(&side[i].told, NULL);
    }
    for (unsigned i = 0; i < VCPUS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, handler_main, (void *)(uintptr_t)i), 0);
    }
    for (unsigned i = 0; i < VCPUS; i++) {
        pthread_join(threads[i], NULL);
    }
    assert_int_equal(mistakes, 0);
    assert_int_equal(end_code, 42);
    assert_int_equal(restarts, LIVES);
    for (unsigned i = 0; i < VCPUS; i++) {
        /* A life can be over before the host has run this thread at all. */
        assert_in_range(side[i].lives, 1, LIVES * 4);
    }
    assert_true(interrupts > LIVES);
    free(setup.ram.host);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lives_begin_and_end_together),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
