/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Memory and strings, for code without a C library. gcc emits calls to memcpy and memset by
 * itself; string.c defines them for the target. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

static inline void memory_copy(void *to, const void *from, size_t size)
{
    __builtin_memcpy(to, from, size);
}

static inline bool memory_equal(const void *a, const void *b, size_t size)
{
    return __builtin_memcmp(a, b, size) == 0;
}

static inline void memory_set(void *to, int byte, size_t size)
{
    __builtin_memset(to, byte, size);
}

/* Length without the 0, at most `max`. */
size_t string_length(const char *text, size_t max);
bool string_equal(const char *a, const char *b);
