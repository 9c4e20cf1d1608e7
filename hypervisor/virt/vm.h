/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A VM: a guest-physical space and its intercepts, hung on the VMM's task by one pointer. */
#include "kernel/arch.h"

struct quota;
struct task;

struct vm {
    struct task *task;        /* the VMM's */
    struct quota *quota;      /* the task's; pays for everything below */
    struct arch_space gpa;    /* guest-physical → physical */
    uint64_t generation;      /* grows when a translation is taken away or changed */
    void *backend;            /* owned by the backend */
};
