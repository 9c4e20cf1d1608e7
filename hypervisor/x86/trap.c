/* SPDX-License-Identifier: Apache-2.0 */
#include "x86/trap.h"

#include "abi/syscall.h"
#include "kernel/cpu.h"
#include "kernel/log.h"
#include "kernel/thread.h"
#include "x86/console.h"
#include "x86/instr.h"
#include "x86/irq.h"
#include "x86/kernel_space.h"
#include "x86/lapic.h"
#include "x86/layout.h"
#include "x86/processors.h"
#include "x86/segments.h"
#include "x86/timer.h"

/* What entry.S knows of structs. */
_Static_assert(offsetof(struct cpu, current) == 0x08, "entry.S");
_Static_assert(offsetof(struct cpu, arch) + offsetof(struct arch_cpu, kernel_stack) < 0x80000000,
               "entry.S");

#define SYSTEM_CONTROL 0x61 /* bits 7 and 6: parity error, bus error */

/* entry.S */
extern const char syscall_stubs[CPU_MAX][16];
struct thread *trap_user(struct thread *self);
void trap_kernel(struct arch_frame *frame);
extern const char rdmsr_probe_try[], rdmsr_probe_failed[];
void trap_ist(const struct arch_frame *frame);

/* Flags that SYSCALL clears: all but the fixed one, as Linux does since 5.15, so that FMASK is the
 * same in host and guest. What counts is trap, interrupts, direction, I/O privilege, nested task,
 * resume and alignment check (which is SMAP's override). */
#define SYSCALL_FLAGS_CLEARED 0x257fd5UL

void syscall_init(const struct cpu *cpu)
{
    wrmsr(MSR_STAR, (uint64_t)USER_BASE_SELECTOR << 48 | (uint64_t)KERNEL_CS << 32);
    wrmsr(MSR_LSTAR, (uint64_t)syscall_stubs[cpu->id]);
    wrmsr(MSR_CSTAR, 0); /* never used: there is no 32-bit code segment */
    wrmsr(MSR_FMASK, SYSCALL_FLAGS_CLEARED);
    wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_SCE);
    wrmsr(MSR_SYSENTER_CS, 0); /* SYSENTER faults */
}

void x86_interrupt(unsigned vector)
{
    struct cpu *cpu = arch_this_cpu();

    switch (vector) {
    case VECTOR_TIMER:
        lapic_end_of_interrupt();
        timer_interrupt(cpu);
        break;
    case VECTOR_CONSOLE:
        lapic_end_of_interrupt();
        console_interrupt();
        kernel_console_input(cpu);
        break;
    case VECTOR_NOTIFY:
        lapic_end_of_interrupt();
        kernel_notified(cpu);
        break;
    case VECTOR_SEALED:
        lapic_end_of_interrupt();
        kernel_space_sealed();
        break;
    case VECTOR_IRQ ... VECTOR_IRQ + IRQ_LINES - 1:
        irq_interrupt(cpu, vector - VECTOR_IRQ);
        break;
    case VECTOR_SPURIOUS: /* not in service: no end (SDM vol 3, 10.9) */
        break;
    default:
        /* A masked legacy controller's spurious interrupts need no end either. */
        if (vector < VECTOR_LEGACY || vector >= VECTOR_LEGACY + 16) {
            lapic_end_of_interrupt();
        }
        break;
    }
}

struct thread *trap_user(struct thread *self)
{
    const struct arch_frame *frame = &self->arch.frame;
    unsigned vector = (unsigned)frame->vector;

    if (vector < EXCEPTION_COUNT) {
        return kernel_exception(self, vector, frame->error,
                                vector == VECTOR_PAGE_FAULT ? read_cr2() : 0);
    }
    x86_interrupt(vector);
    return kernel_preempted(self);
}

/* What panics next; the others are quiet from here on. */
static void report(const struct arch_frame *frame)
{
    processors_stop_others();
    log_line("\nhecht: processor %u\n", arch_this_cpu()->id);
    log_line("hecht: rip %016lx cs %04lx rflags %08lx rsp %016lx ss %04lx\n", frame->rip,
             frame->cs, frame->rflags, frame->rsp, frame->ss);
    log_line("hecht: rax %016lx rbx %016lx rcx %016lx rdx %016lx\n", frame->status, frame->rbx,
             frame->rcx, frame->arg[2]);
    log_line("hecht: rsi %016lx rdi %016lx rbp %016lx r8  %016lx\n", frame->arg[1], frame->arg[0],
             frame->rbp, frame->arg[4]);
    log_line("hecht: r9  %016lx r10 %016lx r11 %016lx r12 %016lx\n", frame->arg[5], frame->arg[3],
             frame->r11, frame->r12);
    log_line("hecht: r13 %016lx r14 %016lx r15 %016lx cr2 %016lx\n", frame->r13, frame->r14,
             frame->r15, read_cr2());
}

void trap_kernel(struct arch_frame *frame)
{
    if (frame->vector >= EXCEPTION_COUNT) {
        x86_interrupt((unsigned)frame->vector);
        return;
    }
    if (frame->vector == VECTOR_GENERAL_PROTECTION && frame->rip == (uint64_t)rdmsr_probe_try) {
        frame->rip = (uint64_t)rdmsr_probe_failed;
        return;
    }
    if (frame->vector == VECTOR_DEBUG) {
        return; /* no trap of ours, as we set none: a guest's, late (seen after a VMEXIT on Bochs) */
    }
    report(frame);
    panic("exception %lu in the kernel, error 0x%lx", frame->vector, frame->error);
}

/* On stacks of their own, because they come at any time. */
void trap_ist(const struct arch_frame *frame)
{
    if (frame->vector == VECTOR_NMI) {
        if (processors_stopping()) {
            processor_halt();
        }
        /* The board's: memory parity, a bus error, a button. Nothing is known to be broken. */
        log_line("hecht: NMI on processor %u at %016lx, port 61h is %02x\n", arch_this_cpu()->id,
                 frame->rip, in8(SYSTEM_CONTROL));
        return;
    }
    report(frame);
    panic(frame->vector == VECTOR_MACHINE_CHECK ? "machine check" : "double fault");
}
