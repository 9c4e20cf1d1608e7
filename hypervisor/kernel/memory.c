/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/memory.h"

#include "kernel/log.h"
#include "lib/string.h"

/* One bit per frame of the pool, set while the frame is held. The bitmap stands in the pool's
 * first frames. */
static struct {
    uint8_t *base;
    uint64_t frames;
    uint64_t free;
    uint64_t hint; /* no free frame below it */
    uint64_t *held;
} pool;

static bool is_held(uint64_t frame)
{
    return (pool.held[frame / 64] >> (frame % 64) & 1) != 0;
}

static void set_held(uint64_t frame, bool held)
{
    uint64_t bit = 1UL << (frame % 64);

    if (held) {
        pool.held[frame / 64] |= bit;
    } else {
        pool.held[frame / 64] &= ~bit;
    }
}

void memory_init(void *base, size_t size)
{
    uint64_t frames = size / PAGE_SIZE;
    uint64_t bitmap_frames = (frames / 8 + 8 + PAGE_SIZE - 1) / PAGE_SIZE;

    KASSERT(frames > bitmap_frames);
    pool.base = base;
    pool.frames = frames;
    pool.free = frames - bitmap_frames;
    pool.hint = bitmap_frames;
    pool.held = base;
    memory_set(pool.held, 0, bitmap_frames * PAGE_SIZE);
    for (uint64_t frame = 0; frame < bitmap_frames; frame++) {
        set_held(frame, true);
    }
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

static bool run_is_free(uint64_t first, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        if (is_held(first + i)) {
            return false;
        }
    }
    return true;
}

void *frames_alloc(struct quota *quota, unsigned count)
{
    uint64_t align = 1;

    KASSERT(count >= 1 && count <= 16);
    while (align < count) {
        align *= 2;
    }
    if (quota->limit - quota->used < count || pool.free < count) {
        return NULL;
    }
    for (uint64_t first = (pool.hint + align - 1) & ~(align - 1); first + count <= pool.frames;
         first += align) {
        if (!run_is_free(first, count)) {
            continue;
        }
        for (unsigned i = 0; i < count; i++) {
            set_held(first + i, true);
        }
        if (first == pool.hint) {
            pool.hint = first + count;
        }
        pool.free -= count;
        quota->used += count;
        memory_set(pool.base + first * PAGE_SIZE, 0, count * PAGE_SIZE);
        return pool.base + first * PAGE_SIZE;
    }
    return NULL;
}

void *frame_alloc(struct quota *quota)
{
    return frames_alloc(quota, 1);
}

void frame_free(struct quota *quota, void *pointer)
{
    uint64_t frame = (uint64_t)((uint8_t *)pointer - pool.base) / PAGE_SIZE;

    KASSERT(frame < pool.frames && is_held(frame) && quota->used > 0);
    set_held(frame, false);
    pool.free++;
    quota->used--;
    if (frame < pool.hint) {
        pool.hint = frame;
    }
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
