/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A partition: made from its line in the generated table, with exactly what that grants. */
#include "abi/config.h"
#include "abi/console.h"
#include "abi/info.h"

struct partition {
    const struct partition_config *config;
    task_id task;
    thread_id main;
    struct console_channel *console; /* σ0's view */
    bool runs;
    bool well;                       /* ended by itself with code 0 */
};

/* Makes and starts it. `console_thread` and `console_event` are told to the partition: where it
 * signals output. Returns NULL, or what is missing or too small. */
const char *partition_start(struct partition *partition, const struct boot_info *boot,
                            thread_id console_thread, uint32_t console_event);
