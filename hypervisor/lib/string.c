/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/string.h"

size_t string_length(const char *text, size_t max)
{
    size_t length = 0;

    while (length < max && text[length]) {
        length++;
    }
    return length;
}

bool string_equal(const char *a, const char *b)
{
    while (*a && *a == *b) {
        a++;
        b++;
    }
    return *a == *b;
}
