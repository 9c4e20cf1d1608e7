/* SPDX-License-Identifier: Apache-2.0 */
/* Reads the kernel's image: #PF, vector 14, with the address in the report. */
#include "hostile.h"

#define KERNEL_IMAGE 0xffffffff80200000UL

void user_main(uint64_t argument)
{
    (void)argument;
    say("hostile: reading kernel memory\n");
    (void)*(const volatile uint64_t *)KERNEL_IMAGE;
    say("hostile: KERNEL MEMORY WAS READ\n");
    sys_task_end(0);
}
