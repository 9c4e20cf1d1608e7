/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Measures what a hypervisor makes dearer in a guest that has processes: prints, in TSC ticks and
 * as medians, what it takes to touch a new page, to switch to another process and back through two
 * pipes, and to fork a process that executes a program and ends. Without a C library, so that
 * little but the kernel is measured.
 */
#include <stddef.h>
#include <stdint.h>

enum {
    SYS_READ = 0,
    SYS_WRITE = 1,
    SYS_MMAP = 9,
    SYS_PIPE = 22,
    SYS_MADVISE = 28,
    SYS_FORK = 57,
    SYS_EXECVE = 59,
    SYS_EXIT = 60,
    SYS_WAIT4 = 61,
    PROT_READ_WRITE = 3,
    MAP_PRIVATE_ANONYMOUS = 0x22,
    MADV_NOHUGEPAGE = 15,
    STDOUT = 1,
    PAGE_SIZE = 4096,
    PAGES = 1000,
    SWITCHES = 1000,
    FORKS = 100,
};

static uint64_t sample[1000];

static long system_call(long number, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
    register uint64_t r10 __asm__("r10") = d;
    register uint64_t r8 __asm__("r8") = UINT64_MAX; /* mmap: no file */
    register uint64_t r9 __asm__("r9") = 0;
    long result;

    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return result;
}

__attribute__((noreturn)) static void leave(uint64_t status)
{
    for (;;) {
        system_call(SYS_EXIT, status, 0, 0, 0);
    }
}

static uint64_t read_tsc(void)
{
    uint32_t low, high;

    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
    return (uint64_t)high << 32 | low;
}

/* "hecht-guest: cost NAME TICKS", in one write. */
static void report(const char *name, size_t count)
{
    char line[80], digits[20];
    size_t at = 0, n = 0;

    for (size_t i = 1; i < count; i++) { /* sorts */
        uint64_t value = sample[i];
        size_t j = i;

        for (; j > 0 && sample[j - 1] > value; j--) {
            sample[j] = sample[j - 1];
        }
        sample[j] = value;
    }
    for (const char *c = "hecht-guest: cost "; *c; c++) {
        line[at++] = *c;
    }
    for (; *name; name++) {
        line[at++] = *name;
    }
    line[at++] = ' ';
    for (uint64_t value = sample[count / 2]; value > 0 || n == 0; value /= 10) {
        digits[n++] = (char)('0' + value % 10);
    }
    while (n > 0) {
        line[at++] = digits[--n];
    }
    line[at++] = '\n';
    system_call(SYS_WRITE, STDOUT, (uint64_t)line, at, 0);
}

static void touch_new_pages(void)
{
    const size_t size = (size_t)PAGES * PAGE_SIZE;
    long memory = system_call(SYS_MMAP, 0, size, PROT_READ_WRITE, MAP_PRIVATE_ANONYMOUS);

    if (memory < 0) {
        leave(1);
    }
    system_call(SYS_MADVISE, (uint64_t)memory, size, MADV_NOHUGEPAGE, 0);
    for (size_t i = 0; i < PAGES; i++) {
        uint64_t start = read_tsc();

        ((volatile uint8_t *)memory)[i * PAGE_SIZE] = 1;
        sample[i] = read_tsc() - start;
    }
    report("touch", PAGES);
}

static void switch_processes(void)
{
    int there[2], back[2];
    uint8_t byte = 0;

    if (system_call(SYS_PIPE, (uint64_t)there, 0, 0, 0) ||
        system_call(SYS_PIPE, (uint64_t)back, 0, 0, 0)) {
        leave(1);
    }
    if (system_call(SYS_FORK, 0, 0, 0, 0) == 0) {
        for (size_t i = 0; i < SWITCHES; i++) {
            system_call(SYS_READ, (uint64_t)there[0], (uint64_t)&byte, 1, 0);
            system_call(SYS_WRITE, (uint64_t)back[1], (uint64_t)&byte, 1, 0);
        }
        leave(0);
    }
    for (size_t i = 0; i < SWITCHES; i++) {
        uint64_t start = read_tsc();

        system_call(SYS_WRITE, (uint64_t)there[1], (uint64_t)&byte, 1, 0);
        system_call(SYS_READ, (uint64_t)back[0], (uint64_t)&byte, 1, 0);
        sample[i] = read_tsc() - start;
    }
    report("switch", SWITCHES);
}

/* The program is this one, which with an argument ends at once. */
static void fork_and_execute(char *program)
{
    char *arguments[] = {program, program, NULL}, *environment[] = {NULL};

    for (size_t i = 0; i < FORKS; i++) {
        uint64_t start = read_tsc();
        long child = system_call(SYS_FORK, 0, 0, 0, 0);

        if (child == 0) {
            system_call(SYS_EXECVE, (uint64_t)program, (uint64_t)arguments,
                        (uint64_t)environment, 0);
            leave(1);
        }
        system_call(SYS_WAIT4, (uint64_t)child, 0, 0, 0);
        sample[i] = read_tsc() - start;
    }
    report("fork", FORKS);
}

__attribute__((noreturn, used)) static void begin(const uint64_t *stack)
{
    if (stack[0] == 1) { /* argc */
        touch_new_pages();
        switch_processes();
        fork_and_execute((char *)"/bin/cost");
    }
    leave(0);
}

__asm__(".globl _start\n"
        "_start:\n"
        "    mov %rsp, %rdi\n"
        "    and $-16, %rsp\n"
        "    call begin\n");
