/* SPDX-License-Identifier: Apache-2.0 */
/* The processor's part of kernel/arch.h. */
#include "abi/layout.h"
#include "kernel/cpu.h"
#include "kernel/log.h"
#include "kernel/task.h"
#include "kernel/thread.h"
#include "x86/instr.h"
#include "x86/kernel_space.h"
#include "x86/layout.h"
#include "x86/power.h"
#include "x86/segments.h"

#define USER_RFLAGS 0x202UL /* interrupts on; bit 1 is always set */

_Noreturn void restart_on_stack(struct cpu *cpu, struct thread *thread, uint64_t stack);

void arch_activate(struct cpu *cpu, struct thread *next)
{
    /* The idle thread has no task, and no space may be loaded whose task can end meanwhile. */
    uint64_t root = next->task ? next->task->space.root : kernel_space_root();

    cpu->current = next;
    cpu->arch.tss->rsp[0] = (uint64_t)(&next->arch.frame + 1);
    if (cpu->arch.root != root) {
        cpu->arch.root = root;
        write_cr3(root);
    }
}

void arch_restart(struct cpu *cpu, struct thread *thread)
{
    restart_on_stack(cpu, thread, cpu->arch.kernel_stack);
}

void arch_wait_for_interrupt(void)
{
    /* STI takes effect behind the next instruction: no interrupt is lost in between. */
    __asm__ volatile("sti\n\thlt\n\tcli" : : : "memory");
}

void arch_thread_init(struct arch_thread *thread, struct cpu *cpu, uint64_t entry, uint64_t stack,
                      uint64_t argument)
{
    KASSERT((uint64_t)thread % 16 == 0);
    *thread = (struct arch_thread){
        .frame =
            {
                .arg = {argument},
                /* IRET to a non-canonical address would fault in the kernel. */
                .rip = entry < USER_TOP ? entry : USER_TOP,
                .cs = USER_CS,
                .rflags = USER_RFLAGS,
                .rsp = stack,
                .ss = USER_DS,
            },
        .kernel_stack = cpu->arch.kernel_stack,
    };
}

void arch_machine_off(void)
{
    power_off();
}

void arch_machine_reset(void)
{
    power_reset();
}

void arch_machine_stop(void)
{
    for (;;) {
        __asm__ volatile("cli\n\thlt");
    }
}

void arch_seal(void)
{
    kernel_space_seal();
}
