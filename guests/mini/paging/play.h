/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Random tables, and accesses over them. What comes of them is the same on each processor. */
#include "model.h"

/* A kind of world. What it has depends on nothing but this. */
struct mode {
    const char *name;
    uint64_t cr4, efer;
    bool is_long, paging, gigabyte_pages;
    uint64_t seed;
};

struct tally {
    uint64_t accesses; /* those whose outcome is checked */
    uint64_t fills;    /* entries that became present, which nobody is told of */
    uint64_t faults, absent, write, user, reserved, fetch; /* by what the error code says */
    uint64_t wrong;
    uint64_t hash; /* of the ground in the end */
};

struct tally play(const struct mode *mode);
