/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Threads of the program's own task. */
#include "native.h"

/* A stack with its guard page below takes as much of the heap, and is aligned to it. */
#define THREAD_STACK_SIZE 0x10000UL

struct thread_setup {
    void (*run)(uint64_t argument); /* when it returns, the thread ends */
    uint64_t argument;
    unsigned priority;  /* 0: the partition's */
    unsigned processor; /* one of the partition's */
    thread_id handler;  /* of its exceptions; 0: they end the task */
};

/* What the library keeps of a thread: on top of its stack. */
struct thread_block {
    thread_id id;
    uint64_t events; /* events.c */
    struct thread_setup setup;
};

/* Makes a thread that runs at once. */
int64_t thread_start(const struct thread_setup *setup, thread_id *out);
/* A stack of THREAD_STACK_SIZE less a guard page, from the heap → its top. */
uint64_t thread_stack(void);
struct thread_block *thread_block(void);
/* The caller's own name. */
thread_id thread_self(void);
/* Is it the one that runs native_main? */
bool thread_is_first(void);
/* The lowest processor of the partition: that of its first thread. */
static inline unsigned thread_first_processor(void)
{
    return (unsigned)__builtin_ctz(PARTITION_INFO->processors);
}

/* The highest; the same one if the partition has no other. */
static inline unsigned thread_last_processor(void)
{
    return 31u - (unsigned)__builtin_clz(PARTITION_INFO->processors);
}
