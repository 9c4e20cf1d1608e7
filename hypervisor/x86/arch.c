/* SPDX-License-Identifier: Apache-2.0 */
/* The processor's part of kernel/arch.h. */
#include "abi/config.h"
#include "abi/layout.h"
#include "count.h"
#include "kernel/cpu.h"
#include "kernel/log.h"
#include "kernel/task.h"
#include "kernel/thread.h"
#include "x86/acpi.h"
#include "x86/instr.h"
#include "x86/kernel_space.h"
#include "x86/layout.h"
#include "x86/processors.h"
#include "x86/segments.h"
#include "x86/speculation.h"
#include "x86/trap.h"

#define USER_RFLAGS 0x202UL /* interrupts on; bit 1 is always set */

_Noreturn void restart_on_stack(struct cpu *cpu, struct thread *thread, uint64_t stack);

/* Told before it is done; in between the kernel touches no user address. There are no tags
 * (CR4.PCIDE is 0): what is forgotten is all but the kernel's global pages. */
static void load_root(struct cpu *cpu, uint64_t root)
{
    __atomic_store_n(&cpu->arch.root, root, __ATOMIC_RELAXED);
    COUNT(cr3);
    write_cr3(root);
}

struct thread *arch_activate(struct cpu *cpu, struct thread *next)
{
    /* The idle thread has no task, and no space may be loaded whose task can end meanwhile. */
    uint64_t root = next->task ? next->task->space.root : kernel_space_root();

    cpu->current = next;
    cpu->arch.tss->rsp[0] = (uint64_t)(&next->arch.frame + 1);
    if (cpu->arch.root != root) {
        load_root(cpu, root);
        if (__builtin_expect(speculation.barriers != 0, 0)) {
            speculation_barrier(cpu, next->task ? next->task->id : 0);
        }
    }
    return next;
}

void arch_flush(struct cpu *cpu, const struct arch_space *dead)
{
    bool leave = dead && cpu->arch.root == dead->root;

    load_root(cpu, leave ? kernel_space_root() : cpu->arch.root);
}

/*
 * If the other one's store of its new root is not seen here, it comes after this fence, and the
 * tables' walks after that one's MOV CR3, which is serializing (SDM vol 3, 8.3), see all that was
 * written before the fence.
 */
bool arch_space_loaded(const struct cpu *cpu, const struct arch_space *space)
{
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    return __atomic_load_n(&cpu->arch.root, __ATOMIC_RELAXED) == space->root;
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

void arch_pause(void)
{
    cpu_pause();
}

/* IRET and SYSRET to a non-canonical address would fault in the kernel. */
static uint64_t entry_of(uint64_t entry)
{
    return entry < USER_TOP ? entry : USER_TOP;
}

void arch_take_interrupts(void)
{
    /* The NOP is the instruction behind STI, in whose shadow nothing is taken. */
    __asm__ volatile("sti\n\tnop\n\tcli" : : : "memory");
}

void arch_thread_init(struct arch_thread *thread, struct cpu *cpu, uint64_t entry, uint64_t stack,
                      uint64_t argument)
{
    KASSERT((uint64_t)thread % 16 == 0);
    *thread = (struct arch_thread){
        .frame =
            {
                .arg = {argument},
                .rip = entry_of(entry),
                .cs = USER_CS,
                .rflags = USER_RFLAGS,
                .rsp = stack,
                .ss = USER_DS,
            },
        .kernel_stack = cpu->arch.kernel_stack,
    };
}

/* SYSCALL is 0F 05, and left the address behind it; the number is still in RAX. */
void arch_call_again(struct arch_thread *thread)
{
    thread->frame.rip -= 2;
}

void arch_thread_go_to(struct arch_thread *thread, uint64_t entry, uint64_t stack)
{
    thread->frame.rip = entry_of(entry);
    thread->frame.rsp = stack;
    thread->frame.rflags = USER_RFLAGS;
}

void arch_thread_place(const struct arch_thread *thread, uint64_t *entry, uint64_t *stack)
{
    *entry = thread->frame.rip;
    *stack = thread->frame.rsp;
}

bool arch_port_kept(uint32_t port)
{
    const struct {
        uint32_t first, count;
    } kept[] = {
        {kernel_config.serial_port, kernel_config.consoles & CONSOLE_SERIAL ? 8 : 0},
        {0x20, 2}, /* 8259, master and slave: masked for good */
        {0xa0, 2},
        {0xcf9, 1}, /* reset control */
        {acpi_info.reset_port, 1},
        {acpi_info.pm1a_control, 2},
        {acpi_info.pm1b_control, 2},
    };

    for (unsigned i = 0; i < sizeof(kept) / sizeof(kept[0]); i++) {
        if (port - kept[i].first < kept[i].count) {
            return true;
        }
    }
    return false;
}

uint32_t arch_port_read(uint16_t port, unsigned bytes)
{
    return bytes == 1 ? in8(port) : bytes == 2 ? in16(port) : in32(port);
}

void arch_port_write(uint16_t port, unsigned bytes, uint32_t value)
{
    if (bytes == 1) {
        out8(port, (uint8_t)value);
    } else if (bytes == 2) {
        out16(port, (uint16_t)value);
    } else {
        out32(port, value);
    }
}

void arch_machine_stop(void)
{
    processors_stop_others();
    processor_halt();
}

void arch_seal(void)
{
    kernel_space_seal();
    processors_send_others(VECTOR_SEALED); /* before they run anything of a user */
}
