/* SPDX-License-Identifier: Apache-2.0 */
#include "x86/timer.h"

#include "kernel/cpu.h"
#include "kernel/log.h"
#include "x86/clock.h"
#include "x86/instr.h"
#include "x86/lapic.h"
#include "x86/sections.h"

static RO_AFTER_INIT struct {
    struct clock_rates rates;
    bool deadline_mode; /* SDM vol 3, 10.5.4.1 */
    uint64_t far;       /* TSC ticks that the APIC's counter cannot hold any more */
} timer;

#define TSC_HZ_MIN 1000000UL
enum { MEASUREMENTS = 8 };

#define CPUID_1_ECX_TSC_DEADLINE (1u << 24)

void timer_init(void)
{
    lapic_timer_init(LAPIC_TIMER_COUNTER);
    /* Whoever takes the processor away for long (SMM, an emulator's host) spoils a measurement. */
    for (unsigned i = 0; i < MEASUREMENTS && timer.rates.tsc_hz < TSC_HZ_MIN; i++) {
        timer.rates = clock_measure();
    }
    if (timer.rates.tsc_hz < TSC_HZ_MIN) {
        refuse("no clock to measure the processor's against (PIT, CPUID leaf 15H)");
    }
    timer.deadline_mode = (cpuid(1, 0).ecx & CPUID_1_ECX_TSC_DEADLINE) != 0;
    if (!timer.deadline_mode) {
        if (timer.rates.lapic_per_tsc == 0) {
            refuse("the local APIC's timer does not run");
        }
        timer.far = (UINT64_MAX - (1UL << 33)) / timer.rates.lapic_per_tsc;
    }
    timer_init_cpu();
}

void timer_init_cpu(void)
{
    arch_this_cpu()->arch.armed = TSC_NEVER;
    lapic_timer_init(timer.deadline_mode ? LAPIC_TIMER_TSC_DEADLINE : LAPIC_TIMER_COUNTER);
}

uint64_t timer_tsc_hz(void)
{
    return timer.rates.tsc_hz;
}

tsc_time arch_time(void)
{
    return rdtsc();
}

/* A counter that cannot reach the deadline is set as far as it goes; timer_interrupt goes on. */
static void start_counter(tsc_time deadline)
{
    tsc_time now = rdtsc();
    uint64_t ticks = deadline > now ? deadline - now : 0;

    if (deadline == TSC_NEVER) {
        lapic_timer_start(0);
    } else if (ticks >= timer.far) {
        lapic_timer_start(UINT32_MAX);
    } else {
        lapic_timer_start((uint32_t)(ticks * timer.rates.lapic_per_tsc >> 32) + 1);
    }
}

void arch_timer_set(struct cpu *cpu, tsc_time deadline)
{
    cpu->arch.armed = deadline;
    if (timer.deadline_mode) {
        /* A time that has passed fires at once; 0 disarms. */
        wrmsr(MSR_TSC_DEADLINE, deadline == TSC_NEVER ? 0 : deadline > 0 ? deadline : 1);
    } else {
        start_counter(deadline);
    }
}

void timer_interrupt(struct cpu *cpu)
{
    tsc_time deadline = cpu->arch.armed;

    if (deadline == TSC_NEVER) {
        return; /* disarmed while it was on its way */
    }
    if (rdtsc() < deadline) {
        arch_timer_set(cpu, deadline);
        return;
    }
    cpu->arch.armed = TSC_NEVER;
    kernel_timer(cpu);
}
