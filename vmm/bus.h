/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A bus: which device answers at which port or guest-physical address. A VM has one for ports
 * and one for memory.
 *
 * An access that no device claims reads all-ones. An access that runs over the edge of a range
 * is made byte by byte, as narrower devices on a wider bus see it; each byte goes to whoever
 * claims it. Addresses wrap at 2^64.
 */
#include "dev.h"

enum {
    BUS_RANGES = 32,   /* devices' ranges on one bus */
    BUS_REPORTED = 64, /* unclaimed addresses that are told apart */
};

struct bus {
    struct bus_range range[BUS_RANGES]; /* sorted by base, none overlapping */
    unsigned ranges;
    unsigned last; /* index of the range that was hit last */

    /* Called once for each address that no device claims, until BUS_REPORTED were reported; may
     * be NULL. `access` is the first such access, its offset being the address. */
    void (*unclaimed)(void *owner, const struct access *access);
    void *owner;
    uint64_t unclaimed_count; /* every unclaimed access, reported or not */
    uint64_t reported[BUS_REPORTED];
    unsigned reports;
};

/* Adds a range, which is copied. Refuses, and returns false, when it is empty, ends beyond
 * 2^64 - 1, has no access function, overlaps a range or is one too many. */
bool bus_attach(struct bus *bus, struct bus_range range);

/* Makes the access whose offset holds the absolute address. True when all of it was claimed. A
 * read's answer is zero-extended; nothing but the value changes in `access`. */
bool bus_access(struct bus *bus, struct access *access);

/* An access_fn for addresses that the guest may touch in vain: writes are dropped, reads are
 * all-ones, and nothing is reported. Its device may be NULL. */
void bus_ignore(void *device, struct access *access);
