/* SPDX-License-Identifier: Apache-2.0 */
#include "x86/processors.h"

#include "abi/config.h"
#include "kernel/cpu.h"
#include "kernel/log.h"
#include "lib/string.h"
#include "x86/acpi.h"
#include "x86/instr.h"
#include "x86/kernel_space.h"
#include "x86/lapic.h"
#include "x86/protection.h"
#include "x86/sections.h"
#include "x86/segments.h"
#include "x86/speculation.h"
#include "x86/timer.h"
#include "x86/trap.h"

/* boot.S: what is copied below 1 MiB; where it goes on, on which tables and stack. */
extern const char trampoline[], trampoline_end[];
uint64_t processor_root, processor_stack;
_Noreturn void processor_main(void);

/* SDM vol 3, 8.4.4.1: between INIT and the first startup, after a startup. */
#define INIT_US 10000UL
#define STARTUP_US 200UL
#define PATIENCE_US 1000000UL

/* What the clocks of two processors may differ by. */
#define CLOCK_TOLERANCE_US 2UL
enum { CLOCK_ROUNDS = 64 };

static RO_AFTER_INIT phys_addr trampoline_page;
static uint32_t running = 1; /* processors 0..running - 1 take interrupts */
static uint32_t stopper;     /* who stops the machine, its id + 1; 0: nobody */

/* The first processor and the one that starts take turns: even is the first one's move. */
static struct {
    _Alignas(64) uint32_t turn;
    tsc_time time;
} meeting;

static void set_turn(uint32_t turn)
{
    __atomic_store_n(&meeting.turn, turn, __ATOMIC_RELEASE);
}

static bool is_turn(uint32_t turn)
{
    return __atomic_load_n(&meeting.turn, __ATOMIC_ACQUIRE) == turn;
}

static uint64_t ticks_of(uint64_t microseconds)
{
    return timer_tsc_hz() / 1000000 * microseconds;
}

static bool wait_for_turn(uint32_t turn, uint64_t microseconds)
{
    tsc_time start = rdtsc();

    while (!is_turn(turn)) {
        if (rdtsc() - start > ticks_of(microseconds)) {
            return is_turn(turn);
        }
        cpu_pause();
    }
    return true;
}

/* Not before what stands before it, and before what follows (SDM vol 2, RDTSC). */
static tsc_time tsc_now(void)
{
    __asm__ volatile("lfence" : : : "memory");
    tsc_time now = rdtsc();

    __asm__ volatile("lfence" : : : "memory");
    return now;
}

/* ---- The processor that starts --------------------------------------------------------------- */

void processor_main(void)
{
    struct cpu *cpu = arch_this_cpu();

    segments_load(cpu);
    protection_enable();
    syscall_init(cpu);
    speculation_enable(cpu);
    lapic_init();
    timer_init_cpu();
    set_turn(1);
    for (uint32_t round = 0; round < CLOCK_ROUNDS; round++) {
        while (!is_turn(2 * round + 2)) {
            cpu_pause();
        }
        meeting.time = tsc_now();
        set_turn(2 * round + 3);
    }
    kernel_start_processor(cpu);
}

/* ---- The one that starts it ------------------------------------------------------------------ */

void processors_prepare(phys_addr page)
{
    unsigned found = 1;

    trampoline_page = page;
    cpus[0].arch.apic_id = lapic_id();
    for (uint32_t i = 0; i < acpi_info.cpu_count && found < kernel_config.processors; i++) {
        uint32_t apic_id = acpi_info.apic_id[i];

        if (apic_id != cpus[0].arch.apic_id && lapic_reaches(apic_id)) {
            struct cpu *cpu = &cpus[found];

            cpu->id = found++;
            cpu->arch.apic_id = apic_id;
            cpu->arch.root = kernel_space_root();
            segments_make(cpu);
        }
    }
    if (found < kernel_config.processors) {
        refuse("this machine has %u processors, the configuration uses %u (CONFIG_PROCESSORS)",
               found, kernel_config.processors);
    }
    if (found > 1 && page == 0) {
        refuse("no memory below %lu KiB to start other processors in", TRAMPOLINE_LIMIT / 1024);
    }
}

/* Each round's time of the other processor must lie between two of this one: how far is it out? */
static void compare_clocks(const struct cpu *cpu)
{
    uint64_t difference = 0;

    for (uint32_t round = 0; round < CLOCK_ROUNDS; round++) {
        tsc_time before = tsc_now();

        set_turn(2 * round + 2);
        if (!wait_for_turn(2 * round + 3, PATIENCE_US)) {
            refuse("processor %u (APIC ID %u) hangs", cpu->id, cpu->arch.apic_id);
        }
        tsc_time after = tsc_now();
        uint64_t out = meeting.time < before ? before - meeting.time
                       : meeting.time > after ? meeting.time - after : 0;

        difference = out > difference ? out : difference;
    }
    if (difference > ticks_of(CLOCK_TOLERANCE_US)) {
        refuse("the clock (TSC) of processor %u is %lu ticks off the first one's", cpu->id,
               difference);
    }
}

/* SDM vol 3, 8.4.4.1: INIT, and the startup twice, as the first one may be lost. */
static void start(struct cpu *cpu)
{
    uint32_t apic_id = cpu->arch.apic_id, page = (uint32_t)(trampoline_page >> PAGE_SHIFT);

    processor_stack = cpu->arch.kernel_stack;
    set_turn(0);
    lapic_send(apic_id, LAPIC_INIT);
    wait_for_turn(1, INIT_US);
    lapic_send(apic_id, LAPIC_STARTUP | page);
    if (!wait_for_turn(1, STARTUP_US)) {
        lapic_send(apic_id, LAPIC_STARTUP | page);
    }
    if (!wait_for_turn(1, PATIENCE_US)) {
        refuse("processor %u (APIC ID %u) does not start", cpu->id, apic_id);
    }
    __atomic_store_n(&running, cpu->id + 1, __ATOMIC_RELEASE);
    compare_clocks(cpu);
}

void arch_start_processors(unsigned count)
{
    if (count > 1) {
        memory_copy(arch_window(trampoline_page), trampoline,
                    (size_t)(trampoline_end - trampoline));
        processor_root = kernel_space_root();
    }
    for (unsigned id = 1; id < count; id++) {
        start(&cpus[id]);
    }
}

/* ---- All of them ----------------------------------------------------------------------------- */

void processors_send_others(uint32_t command)
{
    unsigned self = arch_this_cpu()->id, count = __atomic_load_n(&running, __ATOMIC_ACQUIRE);

    /* One that is just starting has no local APIC yet. */
    for (unsigned id = 0; self < count && id < count; id++) {
        if (id != self) {
            lapic_send(cpus[id].arch.apic_id, command);
        }
    }
}

void arch_notify(struct cpu *cpu)
{
    lapic_send(cpu->arch.apic_id, VECTOR_NOTIFY);
}

void processors_stop_others(void)
{
    uint32_t self = arch_this_cpu()->id + 1, first = 0;

    if (__atomic_compare_exchange_n(&stopper, &first, self, false, __ATOMIC_ACQ_REL,
                                    __ATOMIC_ACQUIRE)) {
        processors_send_others(LAPIC_NMI);
    } else if (first != self) {
        processor_halt();
    }
}

bool processors_stopping(void)
{
    return __atomic_load_n(&stopper, __ATOMIC_ACQUIRE) != 0;
}

void processor_halt(void)
{
    for (;;) {
        __asm__ volatile("cli\n\thlt");
    }
}
