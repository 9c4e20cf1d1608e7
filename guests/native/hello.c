/* SPDX-License-Identifier: Apache-2.0 */
/* The smallest program: says who it is, and ends with the code that its arguments give. */
#include "arguments.h"
#include "native.h"
#include "print.h"

void native_main(void)
{
    const struct partition_info *info = PARTITION_INFO;

    print("hello from %s: %lu KiB of heap, processors 0x%x, start %u, restarts %u\n", info->name,
          info->ram_size / 1024, info->processors, info->start_condition, info->restarts);
    native_end(argument_number("code", 0));
}
