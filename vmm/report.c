/* SPDX-License-Identifier: Apache-2.0 */
#include "report.h"

#include "abi/health.h"
#include "lib/user/syscall.h"
#include "vm.h"

static const char *const reason_name[EXIT_REASON_COUNT] = {
    [EXIT_NONE] = "none",
    [EXIT_CPUID] = "CPUID",
    [EXIT_HLT] = "HLT",
    [EXIT_IO] = "port",
    [EXIT_MSR_READ] = "RDMSR",
    [EXIT_MSR_WRITE] = "WRMSR",
    [EXIT_MEMORY] = "memory",
    [EXIT_HYPERCALL] = "hypercall",
    [EXIT_XSETBV] = "XSETBV",
    [EXIT_CR_ACCESS] = "control register",
    [EXIT_CACHE] = "INVD, WBINVD",
    [EXIT_MONITOR] = "MONITOR, MWAIT",
    [EXIT_VIRTUALIZATION] = "VMX, SVM",
    [EXIT_EXCEPTION] = "exception",
    [EXIT_TASK_SWITCH] = "task switch",
    [EXIT_SHUTDOWN] = "shutdown",
    [EXIT_RECALL] = "recall",
    [EXIT_INVALID_STATE] = "invalid state",
    [EXIT_UNKNOWN] = "unknown",
};

#define LINE(vcpu, ...) console_line(&(vcpu)->vm->machine.console, __VA_ARGS__)

static const char *name_of(const struct vcpu *vcpu)
{
    return vcpu->vm->machine.setup.config->name;
}

/* The console is the machine's. Whoever is about to end the VM keeps it. */
static void hold(struct vcpu *vcpu)
{
    if (!vcpu->locked) {
        vm_lock(vcpu);
    }
}

static uint64_t exits_of_all(const struct vm *vm, unsigned reason)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < vm->vcpus; i++) {
        sum += vm->vcpu[i].exits[reason];
    }
    return sum;
}

/* The table of exits, when the configuration asks for it. */
static void report_exits(struct vcpu *vcpu)
{
    uint64_t total = 0;

    if (!vcpu->vm->machine.setup.config->trace) {
        return;
    }
    for (unsigned i = 0; i < EXIT_REASON_COUNT; i++) {
        uint64_t count = exits_of_all(vcpu->vm, i);
        if (count) {
            LINE(vcpu, "%12lu  %s", count, reason_name[i] ? reason_name[i] : "?");
            total += count;
        }
    }
    LINE(vcpu, "%12lu  exits in all", total);
    LINE(vcpu, "%12lu  accesses that no device claimed",
         vcpu->vm->machine.ports.unclaimed_count + vcpu->vm->machine.memory.unclaimed_count);
}

static _Noreturn void end(struct vcpu *vcpu, uint64_t code)
{
    report_exits(vcpu);
    console_drain(&vcpu->vm->machine.console);
    sys_task_end(code);
}

/* The guest is dead: the health monitor hears of more than an end with a code. */
static _Noreturn void die(struct vcpu *vcpu)
{
    end(vcpu, HEALTH_END_CODE(HEALTH_VM_SHUTDOWN, VM_DIES));
}

void report_start(struct vcpu *vcpu)
{
    LINE(vcpu, "%s starts, entry tsc 0x%016lx, %s", name_of(vcpu), machine_tsc(&vcpu->vm->machine),
         vcpu->vm->nested ? "nested paging" : "vTLB");
}

void report_restart(struct vcpu *vcpu)
{
    LINE(vcpu, "%s restarts", name_of(vcpu));
}

_Noreturn void report_halted(struct vcpu *vcpu)
{
    hold(vcpu);
    LINE(vcpu, "%s halted", name_of(vcpu));
    end(vcpu, VM_ENDS_WELL);
}

_Noreturn void report_end(struct vcpu *vcpu, uint64_t code)
{
    hold(vcpu);
    LINE(vcpu, "%s ends with code %lu", name_of(vcpu), code);
    end(vcpu, code);
}

static void report_registers(struct vcpu *vcpu)
{
    static const char gpr_name[GPR_COUNT][4] = { "rax", "rcx", "rdx", "rbx", "rsp", "rbp",
                                                 "rsi", "rdi", "r8 ", "r9 ", "r10", "r11",
                                                 "r12", "r13", "r14", "r15" };
    static const char segment_name[SEG_COUNT][4] = { "es ", "cs ", "ss ", "ds ",
                                                     "fs ", "gs ", "ldt", "tr " };
    const struct vcpu_state *s = vcpu->state;

    vcpu_need(vcpu, BOOT_STATE);
    if (vcpu->vm->vcpus > 1) {
        LINE(vcpu, "vCPU %u", vcpu->number);
    }
    LINE(vcpu, "rip %016lx  rflags %08lx  interruptibility %u", s->rip, s->rflags,
         s->interruptibility);
    for (unsigned i = 0; i < GPR_COUNT; i += 4) {
        LINE(vcpu, "%.3s %016lx  %.3s %016lx  %.3s %016lx  %.3s %016lx", gpr_name[i], s->gpr[i],
             gpr_name[i + 1], s->gpr[i + 1], gpr_name[i + 2], s->gpr[i + 2], gpr_name[i + 3],
             s->gpr[i + 3]);
    }
    LINE(vcpu, "cr0 %016lx  cr2 %016lx  cr3 %016lx  cr4 %016lx", s->cr0, s->cr2, s->cr3, s->cr4);
    LINE(vcpu, "efer %04lx  dr7 %08lx  gdt %016lx+%04x  idt %016lx+%04x", s->efer, s->dr7,
         s->gdtr.base, s->gdtr.limit, s->idtr.base, s->idtr.limit);
    for (unsigned i = 0; i < SEG_COUNT; i++) {
        const struct vcpu_segment *segment = &s->segment[i];
        LINE(vcpu, "%.3s %04x  base %016lx  limit %08x  attributes %04x", segment_name[i],
             segment->selector, segment->base, segment->limit, segment->attributes);
    }
}

_Noreturn void report_fatal(struct vcpu *vcpu, const char *reason)
{
    hold(vcpu);
    LINE(vcpu, "%s dies: %s", name_of(vcpu), reason);
    report_registers(vcpu);
    die(vcpu);
}

/* Shared memory is below 4 GiB: the address has room in the code. */
_Noreturn void report_violation(struct vcpu *vcpu, uint64_t gpa)
{
    hold(vcpu);
    LINE(vcpu, "%s dies: it writes to 0x%lx, shared memory that it may only read", name_of(vcpu),
         gpa);
    report_registers(vcpu);
    end(vcpu, HEALTH_END_CODE(HEALTH_MEMORY_VIOLATION, gpa));
}

_Noreturn void report_fatal_exit(struct vcpu *vcpu)
{
    const struct vcpu_exit *exit = &vcpu->state->exit;

    hold(vcpu);
    switch (exit->reason) {
    case EXIT_SHUTDOWN:
        report_fatal(vcpu, "triple fault");
    case EXIT_TASK_SWITCH:
        report_fatal(vcpu, "task switches are not supported");
    default:
        LINE(vcpu, "exit %u, raw 0x%lx 0x%lx", exit->reason, exit->raw[0], exit->raw[1]);
        report_fatal(vcpu, exit->reason == EXIT_INVALID_STATE ? "the hardware refused its state"
                                                            : "an exit that nothing handles");
    }
}

_Noreturn void report_unloadable(struct vcpu *vcpu, const char *error)
{
    hold(vcpu);
    LINE(vcpu, "%s cannot start: %s", name_of(vcpu), error);
    end(vcpu, VM_CANNOT_RUN);
}

_Noreturn void report_refused(struct vcpu *vcpu, int64_t status)
{
    struct vcpu_state *state = vcpu->state;

    hold(vcpu);
    LINE(vcpu, "%s dies: the kernel refused its vCPU's state, status %ld", name_of(vcpu), status);
    if (status == STATUS_BAD_ARGUMENT) {
        LINE(vcpu, "exit %u, dirty 0x%x, irq 0x%x, injection type %u vector %u",
             state->exit.reason, state->dirty, state->irq, state->injection.type,
             state->injection.vector);
        state->valid = STATE_ALL; /* what was refused is what stands in the page */
        report_registers(vcpu);
    }
    die(vcpu);
}
