/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Does to its VM what the command line says:
 *
 *   triple    a triple fault
 *   execute   jumps to where no RAM is
 *   write     accesses, in all sizes, what no device claims: all-ones, and no harm done
 *   fxsave    the same by an instruction that cannot be emulated
 *   hlt       halts with interrupts off: the end
 *   reset     resets the VM; after that it ends well
 */
#include "guest.h"

#define NOWHERE 0xe0000000UL

static bool is(const char *a, const char *b)
{
    while (*a && *a == *b) {
        a++;
        b++;
    }
    return *a == *b;
}

static int fault_triple(void)
{
    const struct __attribute__((packed)) {
        uint16_t limit;
        uint64_t base;
    } none = {0, 0};

    __asm__ volatile("lidt %0; ud2" : : "m"(none));
    return 1;
}

static int fault_execute(void)
{
    __asm__ volatile("call *%0" : : "r"(NOWHERE) : "memory");
    return 1;
}

static int fault_write(void)
{
    int wrong = 0;

    for (unsigned i = 0; i < 2; i++) {
        *(volatile uint8_t *)NOWHERE = 1;
        *(volatile uint16_t *)NOWHERE = 2;
        *(volatile uint32_t *)NOWHERE = 3;
        *(volatile uint64_t *)NOWHERE = 4;
        wrong += *(volatile uint8_t *)NOWHERE != UINT8_MAX;
        wrong += *(volatile uint16_t *)NOWHERE != UINT16_MAX;
        wrong += *(volatile uint32_t *)NOWHERE != UINT32_MAX;
        wrong += *(volatile uint64_t *)NOWHERE != UINT64_MAX;
    }
    print("fault: %d of the reads wrong\n", wrong);
    return wrong;
}

static int fault_fxsave(void)
{
    __asm__ volatile("fxsave (%0)" : : "r"(NOWHERE) : "memory");
    return 1;
}

static int fault_hlt(void)
{
    __asm__ volatile("cli; hlt");
    return 1;
}

/* What the life before has left in registers that no exit brings. */
static int left_over(void)
{
    uint64_t dr0, dr3;
    uint16_t fcw;

    __asm__ volatile("mov %%db0, %0\n\tmov %%db3, %1" : "=r"(dr0), "=r"(dr3));
    __asm__ volatile("fnstcw %0" : "=m"(fcw));
    return (dr0 != 0) + (dr3 != 0) + (fcw != 0x37f);
}

/* A byte of CMOS RAM tells the second life from the first. */
static int fault_reset(void)
{
    const uint8_t place = 0x50, mark = 0xa7;
    const uint16_t fcw = 0x27f;

    out8(0x70, place);
    if (in8(0x71) == mark) {
        print("fault: second life\n");
        return left_over();
    }
    out8(0x71, mark);
    __asm__ volatile("mov %0, %%db0\n\tmov %0, %%db3" : : "r"(0x1000UL));
    __asm__ volatile("fldcw %0" : : "m"(fcw));
    out8(0x64, 0xfe);
    return 1;
}

int main(const char *cmdline)
{
    static const struct {
        const char *name;
        int (*run)(void);
    } faults[] = {
        {"triple", fault_triple}, {"execute", fault_execute}, {"write", fault_write},
        {"fxsave", fault_fxsave}, {"hlt", fault_hlt},         {"reset", fault_reset},
    };

    for (unsigned i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
        if (is(cmdline, faults[i].name)) {
            int code = faults[i].run();

            print("fault: %s came back\n", cmdline);
            return code;
        }
    }
    print("fault: what is \"%s\"?\n", cmdline);
    return 1;
}
