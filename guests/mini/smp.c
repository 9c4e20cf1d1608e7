/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Several vCPUs of one VM at the same time: they count together, hand a token round, and leave
 * the guest meanwhile in every way there is. Then the last one makes a device interrupt the
 * first. The command line "reset" has the last one reset the VM once in the middle of it.
 * Ends with code 0 when all was right.
 */
#include "guest.h"
#include "lib/string.h"

enum {
    VCPUS_MAX = 8,
    COUNTS = 4000,       /* of each vCPU */
    ROUNDS = 100,        /* of the token */
    UART_IER = 0x3f9,
    UART_IIR = 0x3fa,
    UART_MCR = 0x3fc,
    UART_SCRATCH = 0x3ff,
    UART_IRQ = 4,
    CMOS = 0x70,
    CMOS_LIVES = 0x40,   /* a byte that outlives a reset */
    KEYBOARD = 0x64,
    KEYBOARD_RESET = 0xfe,
};

static unsigned vcpus;        /* 0: the others wait */
static bool resets;           /* this life ends by a reset */
static unsigned counted;      /* by all together */
static uint64_t plain;        /* likewise, under `lock` */
static unsigned lock;
static unsigned token;        /* the vCPU token % vcpus has it */
static unsigned passed[VCPUS_MAX];
static unsigned wrong[VCPUS_MAX];
static unsigned arrived;      /* vCPUs that have done all of it */
static volatile unsigned interrupts;

/* A moment with interrupts on: Bochs 2.7 keeps the host's interrupts waiting, whatever the
 * intercepts say, while a guest that was entered with interrupts off leaves RFLAGS.IF alone. */
static void breathe(void)
{
    __asm__ volatile("sti; pause; cli" : : : "memory");
}

static unsigned read(const unsigned *value)
{
    return __atomic_load_n(value, __ATOMIC_ACQUIRE);
}

/* Ways out of the guest: CPUID tells a vCPU its number, the port is one that all share. */
static void leave(unsigned number, unsigned i)
{
    if (cpuid(1, 0).ebx >> 24 != number) {
        wrong[number]++;
    }
    if (i % 4 == 0) {
        out8(UART_SCRATCH, (uint8_t)(0x50 | number));
    } else if (i % 4 == 1) {
        uint8_t value = in8(UART_SCRATCH);

        if (value != 0 && (value & 0xf8) != 0x50) {
            wrong[number]++;
        }
    }
}

static void count(unsigned number)
{
    for (unsigned i = 0; i < COUNTS; i++) {
        __atomic_fetch_add(&counted, 1, __ATOMIC_RELAXED);
        while (__atomic_exchange_n(&lock, 1, __ATOMIC_ACQUIRE)) {
            breathe();
        }
        plain++;
        __atomic_store_n(&lock, 0, __ATOMIC_RELEASE);
        if (i % 8 == 0) {
            leave(number, i / 8);
        }
    }
}

static void pass_token(unsigned number)
{
    for (unsigned i = 0; i < ROUNDS; i++) {
        while (read(&token) % vcpus != number) {
            breathe();
        }
        leave(number, i);
        passed[number]++;
        __atomic_store_n(&token, token + 1, __ATOMIC_RELEASE);
    }
}

static void work(unsigned number)
{
    count(number);
    if (resets && number == vcpus - 1) {
        out8(KEYBOARD, KEYBOARD_RESET);
    }
    pass_token(number);
    __atomic_fetch_add(&arrived, 1, __ATOMIC_RELEASE);
}

void vcpu_main(unsigned number)
{
    while (read(&vcpus) == 0) {
        breathe();
    }
    work(number);
    if (number == vcpus - 1) {
        while (read(&arrived) < vcpus) {
            breathe();
        }
        out8(UART_MCR, 8);
        out8(UART_IER, 2); /* "transmitter empty": the first vCPU waits for it */
    }
}

static void on_uart(struct interrupt_frame *frame, uint64_t error)
{
    (void)frame;
    (void)error;
    in8(UART_IIR);
    out8(UART_IER, 0);
    irq_end(UART_IRQ);
    interrupts++;
}

static void await_interrupt(void)
{
    while (interrupts == 0) {
        __asm__ volatile("sti; hlt; cli" : : : "memory");
    }
}

static unsigned next_life(void)
{
    out8(CMOS, CMOS_LIVES);
    uint8_t life = in8(CMOS + 1);

    out8(CMOS + 1, (uint8_t)(life + 1));
    return life;
}

int main(const char *cmdline)
{
    unsigned number = cpuid(1, 0).ebx >> 16 & 0xff, errors = 0;
    bool again = string_length(cmdline, 16) == 5 && !__builtin_memcmp(cmdline, "reset", 5);
    unsigned life = again ? next_life() : 0;

    if (number < 2 || number > VCPUS_MAX) {
        print("smp: %u vCPUs, it takes 2 to %u\n", number, (unsigned)VCPUS_MAX);
        return 1;
    }
    resets = again && life == 0;
    interrupt_set(IRQ_VECTOR + UART_IRQ, on_uart);
    irq_unmask(UART_IRQ);
    __atomic_store_n(&vcpus, number, __ATOMIC_RELEASE);
    work(0);
    await_interrupt();
    for (unsigned i = 0; i < number; i++) {
        errors += wrong[i] + (passed[i] != ROUNDS);
    }
    errors += counted != COUNTS * number || plain != COUNTS * number || token != ROUNDS * number;
    print("smp: life %u, %u vCPUs, counted %u and %lu, token passed %u times, %u errors\n", life,
          number, counted, plain, token, errors);
    return errors == 0 && life == (again ? 1 : 0) ? 0 : 1;
}
