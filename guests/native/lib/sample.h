/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Measured values, and what is told of them. */
#include "abi/types.h"

struct samples {
    uint32_t *value; /* room for `size` */
    uint32_t count, size;
};

/* Room for that many, from the heap. */
void samples_init(struct samples *samples, uint32_t size);
/* Values from 2^32 on count as 2^32 - 1; those beyond `size` are left out. */
void samples_add(struct samples *samples, uint64_t value);
/* Brings them into ascending order. */
void samples_sort(struct samples *samples);
/* Sorted, and at least one: the n-th of 1,000 parts; 500 is the median. */
uint32_t samples_part(const struct samples *samples, unsigned thousandth);
/* Sorts, and prints "WHAT: N samples, min A, median B, max C". */
void samples_report(struct samples *samples, const char *what);
/* Sorted: how many in each `bucket` that has any, one line each, "WHAT: A..B: N". */
void samples_histogram(const struct samples *samples, const char *what, uint32_t bucket);
