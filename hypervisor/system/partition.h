/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A partition: made from its line in the generated table, with exactly what that grants, as often
 * as it has to be. Its memory is placed once. */
#include "abi/config.h"
#include "abi/console.h"
#include "abi/info.h"
#include "lib/elf.h"

/* Who may touch the rest of the struct: the service thread, but while it is WITH_WORKER, when its
 * worker may. Changed by the one who has it, as the last thing. */
enum partition_state {
    PARTITION_DOWN,        /* never started, or for good */
    PARTITION_RUNS,
    PARTITION_WITH_WORKER, /* stopped, and to be made again */
};

/* Memory that was placed for a partition and is mapped into its first task. */
struct piece {
    uint64_t physical;
    uint64_t size;
    uint64_t address; /* in the task */
    unsigned rights;
};

/* The fixed ones; the program's segments follow. */
enum { PIECE_INFO, PIECE_CONSOLE, PIECE_STACK, PIECE_RAM, PIECE_SEGMENT };
enum { PIECES_MAX = PIECE_SEGMENT + ELF_SEGMENTS_MAX };

/* What a service thread on another processor took from a partition's first thread, for the one on
 * σ0's processor to look at. */
struct raised {
    thread_id from;    /* 0: nothing; written last by the one, cleared by the other */
    uint64_t words[4];
};

struct partition {
    const struct partition_config *config;
    enum partition_state state;
    enum start_condition order;      /* for the worker: how it starts again */
    const char *error;               /* by the worker: why it did not; NULL: it runs */
    bool fresh;                      /* its partners have not been told yet */
    task_id task;                    /* 0: none */
    thread_id main;                  /* its first thread */
    thread_id console_thread;        /* σ0's, that it signals and calls */
    struct partition_info *info;     /* σ0's view */
    struct console_channel *console; /* likewise */
    uint32_t restarts;
    bool ended_well;                 /* by itself with code 0 */
    bool ended_badly;                /* or never started */
    struct elf elf;
    struct piece piece[PIECES_MAX];  /* size 0: there is none */
    struct raised raised;
};

extern struct partition partitions[PARTITIONS_MAX];

static inline uint32_t partition_count(void)
{
    return system_config.partition_count < PARTITIONS_MAX ? system_config.partition_count
                                                          : PARTITIONS_MAX;
}

/* By whoever looks on while the other thread may change it. */
static inline enum partition_state partition_state(const struct partition *partition)
{
    return __atomic_load_n(&partition->state, __ATOMIC_ACQUIRE);
}

static inline void partition_set_state(struct partition *partition, enum partition_state state)
{
    __atomic_store_n(&partition->state, state, __ATOMIC_RELEASE);
}

static inline bool partition_runs(const struct partition *partition)
{
    return partition_state(partition) == PARTITION_RUNS;
}

/* The processor of its first thread. */
static inline unsigned partition_processor(const struct partition_config *config)
{
    return config->processors ? (unsigned)__builtin_ctz(config->processors) : 0;
}

/* Each returns NULL, or what is missing or too small. */

/* Once: finds its program and modules, and places its memory. */
const char *partition_place(struct partition *partition, const struct boot_info *boot);
/* All its memory as at first; START_WARM: but for its RAM. Long. No task of it exists. */
void partition_load(struct partition *partition, const struct boot_info *boot,
                    enum start_condition condition);
/* Makes its task and starts it. What is left of it after an error goes with partition_unmake. */
const char *partition_launch(struct partition *partition, const struct boot_info *boot,
                             enum start_condition condition);
/* Its task and all below it are gone, and the kernel memory they had is there for the next. */
void partition_unmake(struct partition *partition);
