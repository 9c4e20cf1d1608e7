/* SPDX-License-Identifier: Apache-2.0 */
#include "probe.h"

void probe_landing(void); /* probe_entry.S; no function to call */

struct message probe_serve(struct probe *probe)
{
    struct message message = sys_ipc_wait(TSC_NEVER);

    while (message.status != STATUS_OK || message.kind != MESSAGE_IPC) {
        if (message.status == STATUS_OK && message.kind == MESSAGE_EXCEPTION) {
            probe->vector = (uint32_t)message.word[0];
            probe->address = message.word[1];
            const uint64_t answer[4] = {EXCEPTION_GO_TO, (uint64_t)probe_landing, probe->stack};

            message = sys_ipc_reply_wait(message.from, TSC_NEVER, answer);
        } else {
            message = sys_ipc_wait(TSC_NEVER);
        }
    }
    return message;
}
