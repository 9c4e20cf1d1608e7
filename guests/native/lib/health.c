/* SPDX-License-Identifier: Apache-2.0 */
#include "health.h"

#include "clock.h"

enum { PATIENCE_NS = 100000000 };

int64_t health_raise(enum health_error error, uint64_t detail)
{
    const uint64_t words[4] = {HEALTH_RAISE, error, detail, 0};
    struct message answer = sys_ipc_call(PARTITION_INFO->console,
                                         clock_now() + clock_ticks(PATIENCE_NS), words);

    return answer.status != STATUS_OK ? answer.status : (int64_t)answer.word[0];
}
