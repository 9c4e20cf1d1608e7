/* SPDX-License-Identifier: Apache-2.0 */
#include "x86/tlb.h"

#include "kernel/cpu.h"
#include "x86/instr.h"
#include "x86/kernel_space.h"

/* Above this many pages, loading CR3 costs less than naming each. */
enum { INVLPG_MAX = 16 };

/* Only the processor that runs on the space can remember it: there are no tags (CR4.PCIDE is 0),
 * so that loading another root forgets this one. */
void tlb_invalidate(const struct arch_space *space, uint64_t address, uint64_t size)
{
    if (arch_this_cpu()->arch.root != space->root) {
        return;
    }
    if (size > INVLPG_MAX * PAGE_SIZE) {
        write_cr3(space->root);
        return;
    }
    for (uint64_t done = 0; done < size; done += PAGE_SIZE) {
        invlpg((const void *)(address + done));
    }
}

void tlb_abandon(const struct arch_space *space)
{
    struct cpu *cpu = arch_this_cpu();

    if (cpu->arch.root == space->root) {
        cpu->arch.root = kernel_space_root();
        write_cr3(cpu->arch.root);
    }
}
