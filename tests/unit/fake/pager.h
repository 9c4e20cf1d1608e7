/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A vCPU with a vTLB on a machine that is written down here: guest memory, and a processor that
 * walks the real tables, remembers what it has found, and forgets when it is told to and at no
 * other time. What the guest sees is compared with a processor that walks the guest's tables at
 * each access and remembers nothing. A difference aborts.
 */
#include <stddef.h>
#include <stdint.h>

/* Where decisions come from: random numbers, or a fuzzer's bytes. Below `limit`. */
typedef uint32_t pager_choice(void *context, uint32_t limit);

/* How often what happened, so that a test can see that it tried something. */
struct pager_counts {
    uint64_t accesses, hits, fills, faults, violations, loads, invlpgs, visits;
};

/* Starts anew, with `frames` of kernel memory beside what a vCPU takes at least. */
void pager_start(pager_choice *choose, void *context, uint64_t frames);
/* Changes tables or registers, invalidates as the manual demands, and compares some accesses. */
void pager_round(void);
/* All of it is given back; aborts if some is not. */
void pager_end(void);
extern struct pager_counts pager_counts;

/* Two processes over tables that do not change: fills after `rounds` of switching between them. */
uint64_t pager_switch(unsigned rounds);

/* Two processes with PCIDs: fills of loads of CR3 that invalidate nothing, over tables that do not
 * change; and what they may and may not still see. */
uint64_t pager_pcids(void);
/* INVLPG: of a global page that the PCID which is loaded does not have; */
void pager_invlpg_for_all_pcids(void);
/* while there is no way to the page, and it comes back under the same PCID; */
void pager_invlpg_without_a_way(void);
/* while the way is another one, that another PCID has made. */
void pager_invlpg_on_another_way(void);
