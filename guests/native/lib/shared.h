/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The memory that the partition shares with others, by name (abi/channel.h). They change it at any
 * time: read what is to be checked once, then check. */
#include "native.h"

struct shared {
    uint8_t *memory; /* whole pages */
    uint64_t size;   /* bytes */
    bool writable;   /* otherwise a write is a memory violation */
};

/* BAD_ID: the configuration has no shared memory of that name here. */
int64_t shared_find(const char *name, struct shared *out);
