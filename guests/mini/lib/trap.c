/* SPDX-License-Identifier: Apache-2.0 */
#include "trap.h"

struct trap trap;
uint64_t trap_start, trap_resume;

static void note(unsigned vector, struct interrupt_frame *frame, uint64_t error)
{
    trap.count++;
    trap.vector = vector;
    trap.error = error;
    trap.frame = *frame;
    __asm__ volatile("mov %%cr2, %0" : "=r"(trap.cr2));
    if (trap.count > 3) {
        print("mini: vector %u again and again at 0x%lx\n", vector, frame->rip);
        guest_exit(1);
    }
    frame->rflags &= ~UINT64_C(0x100); /* TF: one step is enough */
    if (vector != 1 && vector != 3 && vector != TRAP_SOFTWARE) {
        frame->rip = trap_resume; /* a fault, and not a trap */
    }
}

#define NOTE(number)                                                                               \
    static void on_##number(struct interrupt_frame *frame, uint64_t error)                         \
    {                                                                                              \
        note(number, frame, error);                                                                \
    }
NOTE(0)
NOTE(1)
NOTE(3)
NOTE(6)
NOTE(7)
NOTE(13)
NOTE(14)
NOTE(46)

void trap_setup(void)
{
    interrupt_set(0, on_0);
    interrupt_set(1, on_1);
    interrupt_set(3, on_3);
    interrupt_set(6, on_6);
    interrupt_set(7, on_7);
    interrupt_set(13, on_13);
    interrupt_set(14, on_14);
    interrupt_set(TRAP_SOFTWARE, on_46);
}
