/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Does the worst that a guest can do to its neighbours, for ever: one process each computes,
 * leaves the VM by CPUID and by I/O ports, walks over memory, has itself woken by timers, and
 * writes to the console. Without a C library, so that little stands between the storms.
 */
#include <stddef.h>
#include <stdint.h>

enum {
    SYS_WRITE = 1,
    SYS_NANOSLEEP = 35,
    SYS_FORK = 57,
    SYS_EXIT = 60,
    SYS_IOPL = 172,
    STDOUT = 1,
    RTC_INDEX = 0x70,
    RTC_DATA = 0x71,
    PIT_COUNTER = 0x40,
    PIT_CONTROL = 0x43,
};

#define MEMORY_SIZE 0x1000000u
#define PAGE_SIZE 4096u

static volatile uint8_t memory[MEMORY_SIZE];

static long system_call(long number, uint64_t a, uint64_t b, uint64_t c)
{
    long result;

    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c)
                     : "rcx", "r11", "memory");
    return result;
}

static void out8(uint16_t port, uint8_t value)
{
    __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

static uint8_t in8(uint16_t port)
{
    uint8_t value;

    __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

static void compute(void)
{
    for (volatile uint64_t i = 0;; i++) {
    }
}

static void leave_by_cpuid(void)
{
    for (uint32_t leaf = 0;; leaf = (leaf + 1) % 8) {
        uint32_t eax = leaf, ecx = 0;

        __asm__ volatile("cpuid" : "+a"(eax), "+c"(ecx) : : "ebx", "edx");
    }
}

static void leave_by_ports(void)
{
    if (system_call(SYS_IOPL, 3, 0, 0) != 0) {
        return;
    }
    for (uint8_t i = 0;; i++) {
        out8(RTC_INDEX, i % 64);
        in8(RTC_DATA);
        out8(PIT_CONTROL, 0); /* latches counter 0 */
        in8(PIT_COUNTER);
        in8(PIT_COUNTER);
    }
}

static void walk_memory(void)
{
    for (uint32_t step = 64;; step = step == PAGE_SIZE ? 64 : PAGE_SIZE) {
        for (uint32_t i = 0; i < MEMORY_SIZE; i += step) {
            memory[i]++;
        }
    }
}

static void sleep_ns(uint64_t ns)
{
    const uint64_t time[2] = {0, ns};

    system_call(SYS_NANOSLEEP, (uint64_t)time, 0, 0);
}

static void be_woken(void)
{
    for (;;) {
        sleep_ns(100000);
    }
}

static void talk(void)
{
    static const char line[] = "hecht-guest: load\n";

    for (;;) {
        system_call(SYS_WRITE, STDOUT, (uint64_t)line, sizeof(line) - 1);
        sleep_ns(200000000);
    }
}

__attribute__((noreturn)) void _start(void)
{
    static void (*const storms[])(void) = {
        compute, leave_by_cpuid, leave_by_ports, walk_memory, be_woken, talk,
    };
    const size_t count = sizeof(storms) / sizeof(storms[0]);

    for (size_t i = 0; i < count; i++) {
        if (i == count - 1 || system_call(SYS_FORK, 0, 0, 0) == 0) {
            storms[i]();
            break;
        }
    }
    for (;;) {
        system_call(SYS_EXIT, 1, 0, 0);
    }
}
