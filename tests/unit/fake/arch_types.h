/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The second implementation of kernel/arch.h: for tests of the kernel on the host. */
#include "abi/types.h"

struct arch_frame {
    uint64_t arg[6];
    uint64_t status;
    uint64_t rip;
    uint64_t unused[14];
};

struct arch_thread {
    struct arch_frame frame;
    uint64_t kernel_stack;
};
_Static_assert(sizeof(struct arch_thread) == 0xb8, "as on the target: kernel/thread.h");

struct arch_space {
    uint64_t root;
    const struct page_format *format;
};

struct cpu;

#define ARCH_SPACE_FRAMES 1 /* of a space with one page in it */

struct arch_cpu {
    uint64_t root; /* of the space that it has loaded */
    unsigned flushes;
};

/* The processor that the test plays. */
extern struct cpu *fake_cpu;
static inline struct cpu *arch_this_cpu(void)
{
    return fake_cpu;
}
