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

/* Would so many frame_allocs succeed now? */
bool quota_allows(const struct quota *quota, uint64_t frames);
/* A frame, all zero, or NULL when the quota (or the pool) is used up. Frames are zeroed when they
 * come back, so this takes no time. */
void *frame_alloc(struct quota *quota);
/* Gives back a frame that frame_alloc gave to the same quota. */
void frame_free(struct quota *quota, void *frame);
/* The same for one that is known to be all zero again. */
void frame_free_zero(struct quota *quota, void *frame);
/* Carves `frames` out of the parent's quota. NO_MEMORY. */
enum status quota_split(struct quota *parent, struct quota *child, uint64_t frames);
/* Gives the child's, of which nothing is used, back to the parent it was carved out of. */
void quota_return(struct quota *parent, const struct quota *child);
