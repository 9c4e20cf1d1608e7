/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Prints "hecht-guest: tsc 0x" and the time-stamp counter in 16 hex digits. The boot benchmark
 * subtracts from it the counter at the kernel's entry, so nothing must come between this
 * program's start and its RDTSC that could be left out: no C library, no dynamic linker.
 */
#include <stddef.h>
#include <stdint.h>

enum { SYS_WRITE = 1, SYS_EXIT = 60, STDOUT = 1 };

static long system_call(long number, long a, const void *b, size_t c)
{
    long result;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c)
                     : "rcx", "r11", "memory");
    return result;
}

static uint64_t read_tsc(void)
{
    uint32_t low, high;
    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
    return (uint64_t)high << 32 | low;
}

__attribute__((noreturn)) void _start(void)
{
    uint64_t tsc = read_tsc();
    char line[] = "hecht-guest: tsc 0x0123456789abcdef\n";

    for (size_t at = sizeof(line) - 3; tsc != 0 || line[at] != 'x'; at--) {
        line[at] = "0123456789abcdef"[tsc & 15];
        tsc >>= 4;
    }
    system_call(SYS_WRITE, STDOUT, line, sizeof(line) - 1);
    for (;;) {
        system_call(SYS_EXIT, 0, NULL, 0);
    }
}
