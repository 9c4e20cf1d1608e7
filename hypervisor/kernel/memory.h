/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The kernel's memory: whole frames of one pool. Every frame is charged to a quota, and a quota
 * is carved out of its parent's, so that no task can use up another's.
 */
#include "abi/status.h"
#include "abi/types.h"

struct quota {
    uint64_t limit; /* frames this quota may hold, itself or through its children */
    uint64_t used;  /* frames held or passed to children */
};

/* Gives the allocator its pool, once. `pool` is page-aligned. */
void memory_init(void *pool, size_t size);
/* Frames that nobody holds. */
uint64_t memory_free(void);

/* Is this address in the kernel's pool? Nothing in it is ever a task's to give away. */
bool memory_owns(const void *pointer);

/* A zeroed frame, or NULL when the quota (or the pool) is used up. */
void *frame_alloc(struct quota *quota);
/* Gives back a frame that frame_alloc gave to the same quota. */
void frame_free(struct quota *quota, void *frame);
/* `count` zeroed frames in a row, 1..16, aligned to their size rounded up to a power of two
 * (intercept maps); NULL likewise. Freed one by one. */
void *frames_alloc(struct quota *quota, unsigned count);

/* Carves `frames` out of the parent's quota. NO_MEMORY. */
enum status quota_split(struct quota *parent, struct quota *child, uint64_t frames);
