/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* How often each system call gave each status, against what docs/interface.md says. */
#include "native.h"

/* What has been arranged for, so that every error that depends on it has to come. */
struct tally_scope {
    bool virt;       /* the image has virtualization */
    bool only_virt;  /* only those for VMs and vCPUs have to come */
    bool ports, irqs, elsewhere; /* some are held; there is a second processor */
    bool names;      /* those of tasks were used up */
};

/* `number` of any call, also one that there is not. */
void tally(uint64_t number, int64_t status);
uint64_t tally_calls(void);
/* Prints a line per call, what is missing and what no page documents →
 * how many of those there are. */
uint64_t tally_report(const struct tally_scope *scope);
