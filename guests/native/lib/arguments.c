/* SPDX-License-Identifier: Apache-2.0 */
#include "arguments.h"

#include "native.h"

/* What stands behind the word's name: "=...", " ..." or the end; NULL: there is no such word. */
static const char *find(const char *name)
{
    const char *text = PARTITION_INFO->arguments; /* 0-terminated by σ0 */

    while (*text) {
        const char *wanted = name;

        while (*wanted && *text == *wanted) {
            text++;
            wanted++;
        }
        if (!*wanted && (*text == '=' || *text == ' ' || !*text)) {
            return text;
        }
        while (*text && *text != ' ') {
            text++;
        }
        while (*text == ' ') {
            text++;
        }
    }
    return NULL;
}

bool argument_given(const char *name)
{
    return find(name) != NULL;
}

static unsigned digit(char c)
{
    if (c >= '0' && c <= '9') {
        return (unsigned)(c - '0');
    }
    return c >= 'a' && c <= 'f' ? (unsigned)(c - 'a') + 10 : 99;
}

uint64_t argument_number(const char *name, uint64_t otherwise)
{
    const char *text = find(name);
    unsigned base = 10;
    uint64_t value = 0;

    if (!text || *text != '=') {
        return otherwise;
    }
    text++;
    if (text[0] == '0' && text[1] == 'x') {
        base = 16;
        text += 2;
    }
    for (; digit(*text) < base; text++) {
        value = value * base + digit(*text);
    }
    return value;
}
