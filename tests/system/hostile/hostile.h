/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What the hostile programs share: a voice on the console. Each is the first task of a partition
 * of its own and tries one thing that it may not do. */
#include "abi/console.h"
#include "abi/info.h"
#include "abi/layout.h"
#include "lib/string.h"
#include "lib/user/syscall.h"

_Noreturn void user_main(uint64_t argument);

/* One line to the console; the ring is large enough for all that these programs say. */
static inline void say(const char *text)
{
    struct console_channel *channel = (struct console_channel *)USER_CONSOLE;
    const struct partition_info *info = (const struct partition_info *)USER_PARTITION_INFO;
    uint32_t head = channel->output_head;

    for (size_t i = 0; text[i]; i++) {
        channel->output[head++ % CONSOLE_OUTPUT_SIZE] = (uint8_t)text[i];
    }
    __atomic_store_n(&channel->output_head, head, __ATOMIC_RELEASE);
    sys_event_signal(info->console, 1UL << info->console_event);
}
