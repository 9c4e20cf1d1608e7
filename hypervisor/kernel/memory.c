/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/memory.h"

#include "kernel/log.h"
#include "lib/string.h"

/* A free frame is zero but for its first word. */
struct free_frame {
    struct free_frame *next;
};

/*
 * Frames that were never held stand in one piece at the end, frames that came back in a list: no
 * allocation searches. One bit per frame, set while it is held, catches what is given back twice;
 * the bits stand in the pool's first frames.
 */
static struct {
    uint8_t *base;
    uint64_t frames;
    uint64_t free;
    uint64_t fresh; /* first frame of the piece */
    struct free_frame *list;
    uint64_t *held;
} pool;

static uint64_t index_of(const void *frame)
{
    return (uint64_t)((const uint8_t *)frame - pool.base) / PAGE_SIZE;
}

static void *frame_at(uint64_t index)
{
    return pool.base + index * PAGE_SIZE;
}

static void set_held(uint64_t index, bool held)
{
    uint64_t bit = 1UL << (index % 64);

    KASSERT(((pool.held[index / 64] & bit) != 0) != held);
    pool.held[index / 64] ^= bit;
}

static void push(void *frame)
{
    struct free_frame *free = frame;

    free->next = pool.list;
    pool.list = free;
}

void memory_init(void *base, size_t size)
{
    uint64_t frames = size / PAGE_SIZE;
    uint64_t bitmap_frames = (frames / 8 + 8 + PAGE_SIZE - 1) / PAGE_SIZE;

    KASSERT(frames > bitmap_frames);
    pool.base = base;
    pool.frames = frames;
    pool.free = frames - bitmap_frames;
    pool.fresh = bitmap_frames;
    pool.list = NULL;
    pool.held = base;
    memory_set(base, 0, frames * PAGE_SIZE);
}

uint64_t memory_free(void)
{
    return pool.free;
}

bool memory_owns(const void *pointer)
{
    uintptr_t address = (uintptr_t)pointer, base = (uintptr_t)pool.base;

    return address >= base && address - base < pool.frames * PAGE_SIZE;
}

bool quota_allows(const struct quota *quota, uint64_t frames)
{
    return quota->limit - quota->used >= frames && pool.free >= frames;
}

static bool charge(struct quota *quota, uint64_t count)
{
    if (!quota_allows(quota, count)) {
        return false;
    }
    quota->used += count;
    pool.free -= count;
    return true;
}

void *frame_alloc(struct quota *quota)
{
    void *frame;

    if (!charge(quota, 1)) {
        return NULL;
    }
    if (pool.list) {
        frame = pool.list;
        pool.list = pool.list->next;
        *(struct free_frame *)frame = (struct free_frame){NULL};
    } else {
        frame = frame_at(pool.fresh++);
    }
    set_held(index_of(frame), true);
    return frame;
}

void frame_free_zero(struct quota *quota, void *frame)
{
    KASSERT(memory_owns(frame) && quota->used > 0);
    set_held(index_of(frame), false);
    push(frame);
    pool.free++;
    quota->used--;
}

void frame_free(struct quota *quota, void *frame)
{
    memory_set(frame, 0, PAGE_SIZE);
    frame_free_zero(quota, frame);
}

enum status quota_split(struct quota *parent, struct quota *child, uint64_t frames)
{
    if (frames > parent->limit - parent->used) {
        return STATUS_NO_MEMORY;
    }
    parent->used += frames;
    *child = (struct quota){.limit = frames};
    return STATUS_OK;
}

void quota_return(struct quota *parent, const struct quota *child)
{
    KASSERT(child->used == 0 && parent->used >= child->limit);
    parent->used -= child->limit;
}
