/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The four functions that the compiler may call by itself (gcc manual, "Standards"). On every
 * CPU with virtualization REP MOVSB and REP STOSB are the fast way for more than a few bytes.
 */
#include <stddef.h>

__attribute__((used)) void *memcpy(void *restrict to, const void *restrict from, size_t size);
__attribute__((used)) void *memmove(void *to, const void *from, size_t size);
__attribute__((used)) void *memset(void *to, int byte, size_t size);
__attribute__((used)) int memcmp(const void *a, const void *b, size_t size);

void *memcpy(void *restrict to, const void *restrict from, size_t size)
{
    void *start = to;
    size_t words = size / 8, bytes = size % 8;

    /* A REP iteration counts as an instruction on both emulators: words where possible. */
    __asm__ volatile("rep movsq" : "+D"(to), "+S"(from), "+c"(words) : : "memory");
    __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(bytes) : : "memory");
    return start;
}

void *memmove(void *to, const void *from, size_t size)
{
    unsigned char *d = to;
    const unsigned char *s = from;

    if (d <= s || d >= s + size) {
        return memcpy(to, from, size);
    }
    while (size-- > 0) {
        d[size] = s[size];
    }
    return to;
}

void *memset(void *to, int byte, size_t size)
{
    void *start = to;

    unsigned long word = 0x0101010101010101UL * (unsigned char)byte;
    size_t words = size / 8, bytes = size % 8;

    __asm__ volatile("rep stosq" : "+D"(to), "+c"(words) : "a"(word) : "memory");
    __asm__ volatile("rep stosb" : "+D"(to), "+c"(bytes) : "a"(word) : "memory");
    return start;
}

int memcmp(const void *a, const void *b, size_t size)
{
    const unsigned char *x = a, *y = b;

    for (size_t i = 0; i < size; i++) {
        if (x[i] != y[i]) {
            return x[i] < y[i] ? -1 : 1;
        }
    }
    return 0;
}
