/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Paging without mercy: random tables in all modes, changed under way, with and without being told,
 * and accesses to them with all rights. What each access has to come to is computed beforehand
 * (paging/model.c). A line for each mode that the processor has; the lines are the same on all
 * processors, with nested paging and with the vTLB. Wants 16 MiB. The exit code is the number of
 * modes that went wrong.
 */
#include "guest.h"
#include "paging/play.h"

#define LONG .is_long = true, .paging = true
#define LEGACY .paging = true

static const struct mode modes[] = {
    {"off", 0, 0, .seed = 1},
    {"32-bit", 0, 0, LEGACY, .seed = 2},
    {"32-bit, large", CR4_PSE, 0, LEGACY, .seed = 3},
    {"PAE", CR4_PAE, 0, LEGACY, .seed = 4},
    {"PAE, NX", CR4_PAE, EFER_NXE, LEGACY, .seed = 5},
    {"4-level", CR4_PAE, 0, LONG, .seed = 6},
    {"4-level, NX", CR4_PAE, EFER_NXE, LONG, .seed = 7},
    {"4-level, 1 GiB", CR4_PAE, EFER_NXE, LONG, .gigabyte_pages = true, .seed = 8},
    {"32-bit, SMEP", CR4_PSE | CR4_SMEP, 0, LEGACY, .seed = 9},
    {"4-level, SMEP", CR4_PAE | CR4_SMEP, EFER_NXE, LONG, .seed = 10},
    {"4-level, SMAP", CR4_PAE | CR4_SMEP | CR4_SMAP, EFER_NXE, LONG, .seed = 11},
};

static bool has(const struct mode *mode)
{
    uint32_t structured = cpuid(0, 0).eax >= 7 ? cpuid(7, 0).ebx : 0;
    uint32_t extended = cpuid(0x80000001, 0).edx;

    return (!(mode->efer & EFER_NXE) || (extended >> 20 & 1)) &&
           (!mode->gigabyte_pages || (extended >> 26 & 1)) &&
           (!(mode->cr4 & CR4_SMEP) || (structured >> 7 & 1)) &&
           (!(mode->cr4 & CR4_SMAP) || (structured >> 20 & 1));
}

int main(const char *cmdline)
{
    int bad = 0;

    (void)cmdline;
    run_setup();
    for (unsigned i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
        if (!has(&modes[i])) {
            continue;
        }
        struct tally tally = play(&modes[i]);

        print("paging: %s: %lu accesses, %lu entries filled, %lu faults: %lu absent,\n",
              modes[i].name, tally.accesses, tally.fills, tally.faults, tally.absent);
        print("paging: %s: %lu write, %lu user, %lu reserved, %lu fetch; memory %016lx, %lu wrong\n",
              modes[i].name, tally.write, tally.user, tally.reserved, tally.fetch, tally.hash,
              tally.wrong);
        bad += tally.wrong > 0;
    }
    print("paging: %d modes went wrong\n", bad);
    return bad;
}
