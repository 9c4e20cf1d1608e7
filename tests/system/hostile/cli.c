/* SPDX-License-Identifier: Apache-2.0 */
/* Turns interrupts off: #GP, vector 13 (SDM vol 2, CLI: CPL above IOPL). */
#include "hostile.h"

void user_main(uint64_t argument)
{
    (void)argument;
    say("hostile: executing CLI\n");
    __asm__ volatile("cli");
    say("hostile: CLI WENT THROUGH\n");
    sys_task_end(0);
}
