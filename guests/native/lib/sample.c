/* SPDX-License-Identifier: Apache-2.0 */
#include "sample.h"

#include "heap.h"
#include "print.h"

void samples_init(struct samples *samples, uint32_t size)
{
    *samples = (struct samples){.value = heap_pages((uint64_t)size * 4), .size = size};
}

void samples_add(struct samples *samples, uint64_t value)
{
    if (samples->count < samples->size) {
        samples->value[samples->count++] = value < UINT32_MAX ? (uint32_t)value : UINT32_MAX;
    }
}

/* Shell's method: no recursion, no memory. */
void samples_sort(struct samples *samples)
{
    uint32_t *value = samples->value;

    for (uint32_t gap = samples->count / 2; gap > 0; gap = gap == 2 ? 1 : gap * 5 / 11) {
        for (uint32_t i = gap; i < samples->count; i++) {
            uint32_t moved = value[i], place = i;

            for (; place >= gap && value[place - gap] > moved; place -= gap) {
                value[place] = value[place - gap];
            }
            value[place] = moved;
        }
    }
}

uint32_t samples_part(const struct samples *samples, unsigned thousandth)
{
    return samples->value[(uint64_t)(samples->count - 1) * thousandth / 1000];
}

void samples_report(struct samples *samples, const char *what)
{
    if (samples->count == 0) {
        print("%s: 0 samples\n", what);
        return;
    }
    samples_sort(samples);
    print("%s: %u samples, min %u, median %u, max %u\n", what, samples->count,
          samples_part(samples, 0), samples_part(samples, 500), samples_part(samples, 1000));
}

void samples_histogram(const struct samples *samples, const char *what, uint32_t bucket)
{
    for (uint32_t i = 0; i < samples->count;) {
        uint32_t number = samples->value[i] / bucket, first = i;

        while (i < samples->count && samples->value[i] / bucket == number) {
            i++;
        }
        print("%s: %lu..%lu: %u\n", what, (uint64_t)number * bucket,
              (uint64_t)(number + 1UL) * bucket - 1, i - first);
    }
}
