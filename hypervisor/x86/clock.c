/* SPDX-License-Identifier: Apache-2.0 */
#include "x86/clock.h"

#include "x86/instr.h"
#include "x86/lapic.h"

/* The PIT (8254 datasheet) and port 0x61, which gates its channel 2. */
enum { PIT_CHANNEL2 = 0x42, PIT_CONTROL = 0x43, PIT_GATE = 0x61 };
enum { CHANNEL2_ONE_SHOT = 0xb0, CHANNEL2_LATCH = 0x80 };
enum { GATE_ON = 0x01, SPEAKER_ON = 0x02 };
#define PIT_HZ 1193182UL
#define PIT_TICKS (PIT_HZ / 40) /* 25 ms; the counter holds 55 */

enum { SAMPLES = 16 };
/* Between two looks at the PIT, which are slow: below 55 ms from 20 MHz on. */
#define TSC_STEP 1000000UL
enum { STEPS_MAX = 1000 };

/* The three clocks at one moment; PIT and APIC count downwards. */
struct moment {
    uint64_t tsc;
    uint32_t lapic;
    uint16_t pit;
};

static uint16_t pit_read(void)
{
    out8(PIT_CONTROL, CHANNEL2_LATCH);
    uint8_t low = in8(PIT_CHANNEL2);

    return (uint16_t)(low | in8(PIT_CHANNEL2) << 8);
}

/* Whatever comes between two readings (SMM, an emulator's host) makes a sample worse, so the
 * quickest of several is the best. */
static struct moment take_moment(void)
{
    struct moment best = {0};
    uint64_t best_span = UINT64_MAX;

    for (unsigned i = 0; i < SAMPLES; i++) {
        uint64_t start = rdtsc();
        uint32_t lapic = lapic_timer_left();
        uint16_t pit = pit_read();
        uint64_t span = rdtsc() - start;

        if (span < best_span) {
            best_span = span;
            best = (struct moment){start + span / 2, lapic, pit};
        }
    }
    return best;
}

static void wait_ticks(uint64_t ticks)
{
    for (uint64_t start = rdtsc(); rdtsc() - start < ticks;) {
        cpu_pause();
    }
}

/* SDM vol 2, CPUID leaf 15H: exact, where it is there and true. */
static uint64_t cpuid_tsc_hz(void)
{
    struct cpuid leaf = cpuid_if_present(0x15, 0);

    return leaf.eax && leaf.ebx && leaf.ecx ? (uint64_t)leaf.ecx * leaf.ebx / leaf.eax : 0;
}

static uint64_t choose(uint64_t measured, uint64_t told)
{
    uint64_t difference = measured > told ? measured - told : told - measured;

    /* An emulator may tell the rate of the CPU that it imitates. */
    return measured == 0 || (told && difference < measured / 200) ? told : measured;
}

struct clock_rates clock_measure(void)
{
    lapic_timer_start(UINT32_MAX);
    out8(PIT_GATE, (uint8_t)((in8(PIT_GATE) & ~SPEAKER_ON) | GATE_ON));
    out8(PIT_CONTROL, CHANNEL2_ONE_SHOT);
    out8(PIT_CHANNEL2, 0xff);
    out8(PIT_CHANNEL2, 0xff);

    struct moment start = take_moment(), end = start;

    for (unsigned i = 0; i < STEPS_MAX && start.pit - end.pit < (int)PIT_TICKS; i++) {
        wait_ticks(TSC_STEP);
        end.pit = pit_read();
    }
    end = take_moment();
    lapic_timer_start(0);

    uint64_t tsc = end.tsc - start.tsc, pit = (uint16_t)(start.pit - end.pit);
    uint64_t lapic = start.lapic - end.lapic;

    return (struct clock_rates){
        .tsc_hz = choose(pit >= PIT_TICKS ? tsc * PIT_HZ / pit : 0, cpuid_tsc_hz()),
        .lapic_per_tsc = (lapic << 32) / tsc,
    };
}
