/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Instructions that may fault, executed so that the guest goes on behind them. */
#include "guest.h"

struct trap {
    unsigned count;  /* how often something arrived since the last TRAP_RUN began */
    unsigned vector; /* of the last */
    uint64_t error, cr2;
    struct interrupt_frame frame;
};

extern struct trap trap;
extern uint64_t trap_start, trap_resume; /* first byte of the instruction, and of the next */

/* Takes over the exceptions and vector TRAP_SOFTWARE. */
void trap_setup(void);
#define TRAP_SOFTWARE 46u /* that of an IRQ which no device has */

/*
 * Executes assembly with operands as in __asm__; a fault resumes behind it. No branches out.
 * RBX and R12 are clobbered. TRAP_OUT has outputs, TRAP_RUN has only inputs.
 */
#define TRAP_OUT(code, outputs, ...)                                                               \
    do {                                                                                           \
        trap.count = 0;                                                                            \
        __asm__ volatile("leaq 771f(%%rip), %%r12\n\t"                                             \
                         "movq %%r12, trap_start(%%rip)\n\t"                                       \
                         "leaq 772f(%%rip), %%r12\n\t"                                             \
                         "movq %%r12, trap_resume(%%rip)\n"                                        \
                         "771: " code "\n"                                                         \
                         "772:"                                                                    \
                         : outputs                                                                 \
                         : __VA_ARGS__                                                             \
                         : "r12", "rbx", "memory", "cc");                                          \
    } while (0)
#define TRAP_RUN(code, ...) TRAP_OUT(code, , __VA_ARGS__)
/* Between two outputs. */
#define TRAP_AND ,
