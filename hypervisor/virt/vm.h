/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A VM: a guest-physical space, hung on the VMM's task by one pointer. */
#include "kernel/cpu.h"

struct quota;

struct vm {
    struct quota *quota;      /* the VMM's task's; pays for everything below */
    bool vtlb;                /* translated in software */
    struct arch_space gpa;    /* guest-physical → physical */
    /* Grows when a translation is taken away, after it was; read by processors that enter. */
    uint64_t generation;
    uint64_t flushed[CPU_MAX]; /* the backend's: up to which generation each has forgotten them */
};
