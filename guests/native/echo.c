/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers every call with the words it came with, until it gets a message whose first word is
 * ECHO_END, or calls=N have been answered. It prints at its begin and its end only.
 */
#include "arguments.h"
#include "native.h"
#include "print.h"

#define ECHO_END UINT64_MAX

void native_main(void)
{
    uint64_t limit = argument_number("calls", UINT64_MAX), calls = 0;
    uint64_t words[4] = {0};
    thread_id caller = 0;

    print("echo: serving\n");
    while (calls < limit) {
        struct message message = sys_ipc_reply_wait(caller, TSC_NEVER, words);

        caller = 0;
        if (message.status != STATUS_OK || message.kind != MESSAGE_IPC) {
            continue; /* the caller has given up, or an event */
        }
        if (message.word[0] == ECHO_END) {
            break;
        }
        memory_copy(words, message.word, sizeof(words));
        caller = message.from;
        calls++;
    }
    sys_ipc_reply_wait(caller, TSC_NOW, words);
    print("echo: %lu calls answered\n", calls);
}
