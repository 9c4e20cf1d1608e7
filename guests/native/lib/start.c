/* SPDX-License-Identifier: Apache-2.0 */
#include "native.h"
#include "print.h"

_Noreturn void user_main(uint64_t argument);

void user_main(uint64_t argument)
{
    (void)argument; /* the priority, which PARTITION_INFO tells too */
    native_main();
    native_end(0);
}

void native_end(uint64_t code)
{
    print_drain();
    sys_task_end(code);
}

const char *status_name(int64_t status)
{
    static const char *const names[] = {
        "OK",         "BAD_CALL", "BAD_ARGUMENT", "BAD_ID", "DENIED", "NO_MEMORY",   "NO_SLOT",
        "NOT_MAPPED", "EXISTS",   "BUSY",         "TIMEOUT", "EMPTY", "UNSUPPORTED", "ELSEWHERE",
    };
    uint64_t index = 0 - (uint64_t)status;

    return index < sizeof(names) / sizeof(names[0]) ? names[index] : "no status";
}

void native_fail(const char *what, int64_t status)
{
    print("%s: %s: %s\n", PARTITION_INFO->name, what, status_name(status));
    native_end(1);
}

void native_must(const char *what, int64_t status)
{
    if (status != STATUS_OK) {
        native_fail(what, status);
    }
}
