/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How long the kernel kept the processor at the most, by the way that it was entered: the linker
 * puts these functions between entry.S and the kernel's own (--wrap). In images with CONFIG_COUNT
 * only.
 */
#include "abi/syscall.h"
#include "count.h"
#include "kernel/log.h"
#include "kernel/thread.h"
#include "x86/instr.h"

struct vcpu;

struct thread *__real_kernel_syscall(struct thread *self);
struct thread *__real_trap_user(struct thread *self);
/* Of the backends that the image holds; nobody calls the others. */
__attribute__((weak)) struct thread *__real_svm_exited(void *backend);
__attribute__((weak)) struct thread *__real_vmx_exited(void *backend);
struct thread *__wrap_kernel_syscall(struct thread *self);
struct thread *__wrap_trap_user(struct thread *self);
struct thread *__wrap_svm_exited(void *backend);
struct thread *__wrap_vmx_exited(void *backend);

enum { TRAP = SYSCALL_COUNT, EXIT, WAYS };
static uint64_t longest[WAYS];

static struct thread *note(unsigned way, uint64_t start, struct thread *next)
{
    uint64_t ticks = rdtsc() - start;

    longest[way] = ticks > longest[way] ? ticks : longest[way];
    return next;
}

__attribute__((used)) struct thread *__wrap_kernel_syscall(struct thread *self)
{
    uint64_t number = self->arch.frame.status, start = rdtsc();
    struct thread *next = __real_kernel_syscall(self);

    return number < SYSCALL_COUNT ? note((unsigned)number, start, next) : next;
}

__attribute__((used)) struct thread *__wrap_trap_user(struct thread *self)
{
    uint64_t start = rdtsc();

    return note(TRAP, start, __real_trap_user(self));
}

__attribute__((used)) struct thread *__wrap_svm_exited(void *backend)
{
    uint64_t start = rdtsc();

    return note(EXIT, start, __real_svm_exited(backend));
}

__attribute__((used)) struct thread *__wrap_vmx_exited(void *backend)
{
    uint64_t start = rdtsc();

    return note(EXIT, start, __real_vmx_exited(backend));
}

void longest_report(void)
{
    for (unsigned call = 0; call < SYSCALL_COUNT; call++) {
        if (longest[call] > 0) {
            log_line("longest: call %u %lu\n", call, longest[call]);
        }
    }
    log_line("longest: trap %lu\nlongest: exit %lu\n", longest[TRAP], longest[EXIT]);
}
