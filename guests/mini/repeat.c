/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Does one operation many times: command line "NAME COUNT". Two runs with different counts, on an
 * image that counts what hardware charges for (CONFIG_COUNT), differ by COUNT times what one
 * operation costs.
 */
#include "guest.h"
#include "lib/string.h"
#include "operations.h"

static const struct operation *find(const char **cmdline)
{
    size_t length = string_length(*cmdline, 32);

    for (const struct operation *operation = operations; operation->name; operation++) {
        size_t name_length = string_length(operation->name, 32);

        if (length > name_length && (*cmdline)[name_length] == ' ' &&
            !__builtin_memcmp(*cmdline, operation->name, name_length)) {
            *cmdline += name_length + 1;
            return operation;
        }
    }
    return NULL;
}

int main(const char *cmdline)
{
    const struct operation *operation = find(&cmdline);
    unsigned count = 0;

    if (!operation) {
        print("repeat: no such operation: %s\n", cmdline);
        return 1;
    }
    while (*cmdline >= '0' && *cmdline <= '9') {
        count = count * 10 + (unsigned)(*cmdline++ - '0');
    }
    operations_setup();
    for (unsigned i = 0; i < count; i++) {
        if (operation->prepare) {
            operation->prepare();
        }
        operation->run();
    }
    return 0;
}
