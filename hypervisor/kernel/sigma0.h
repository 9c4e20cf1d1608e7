/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The root task: made by the kernel from the boot module "sigma0", owner of all that the kernel
 * does not keep. */
#include "kernel/arch.h"

struct cpu;
struct thread;

/* Makes σ0 with its memory, boot information and first thread, ready to run. Refuses to start
 * the machine when the module is missing or no program. */
struct thread *sigma0_create(struct cpu *cpu, const struct platform *platform);
