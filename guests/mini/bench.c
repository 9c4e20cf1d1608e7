/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Measures round trips out of the guest and back, in TSC ticks: with the emulators set as in
 * docs/measuring.md one tick is one instruction. What doing nothing costs is taken off.
 */
#include "guest.h"
#include "operations.h"

enum { ROUNDS = 1000 };

static uint32_t sample[ROUNDS];

static void sort(uint32_t *values, unsigned count)
{
    for (unsigned gap = count / 2; gap > 0; gap /= 2) {
        for (unsigned i = gap; i < count; i++) {
            uint32_t value = values[i];
            unsigned j = i;

            for (; j >= gap && values[j - gap] > value; j -= gap) {
                values[j] = values[j - gap];
            }
            values[j] = value;
        }
    }
}

/* Returns the median. */
static uint32_t measure(const struct operation *operation, uint32_t overhead)
{
    for (unsigned i = 0; i < ROUNDS; i++) {
        if (operation->prepare) {
            operation->prepare();
        }
        uint64_t start = ticks();

        operation->run();
        sample[i] = (uint32_t)(ticks() - start) - overhead;
    }
    sort(sample, ROUNDS);
    print("bench: %s median %u min %u max %u\n", operation->name, sample[ROUNDS / 2], sample[0],
          sample[ROUNDS - 1]);
    return sample[ROUNDS / 2];
}

int main(const char *cmdline)
{
    (void)cmdline;
    operations_setup();
    uint32_t overhead = measure(&operations[0], 0);

    for (const struct operation *operation = &operations[1]; operation->name; operation++) {
        measure(operation, overhead);
    }
    return 0;
}
