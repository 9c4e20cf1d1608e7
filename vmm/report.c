/* SPDX-License-Identifier: Apache-2.0 */
#include "report.h"

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

#define LINE(vm, ...) console_line(&(vm)->machine.console, __VA_ARGS__)

static const char *name_of(const struct vm *vm)
{
    return vm->machine.setup.config->name;
}

/* The table of exits, when the configuration asks for it. */
static void report_exits(struct vm *vm)
{
    uint64_t total = 0;

    if (!vm->machine.setup.config->trace) {
        return;
    }
    for (unsigned i = 0; i < EXIT_REASON_COUNT; i++) {
        if (vm->exits[i]) {
            LINE(vm, "%12lu  %s", vm->exits[i], reason_name[i] ? reason_name[i] : "?");
            total += vm->exits[i];
        }
    }
    LINE(vm, "%12lu  exits in all", total);
    LINE(vm, "%12lu  accesses that no device claimed",
         vm->machine.ports.unclaimed_count + vm->machine.memory.unclaimed_count);
}

static _Noreturn void end(struct vm *vm, uint64_t code)
{
    report_exits(vm);
    console_drain(&vm->machine.console);
    sys_task_end(code);
}

void report_start(struct vm *vm)
{
    LINE(vm, "%s starts, entry tsc 0x%016lx", name_of(vm), machine_tsc(&vm->machine));
}

void report_restart(struct vm *vm)
{
    LINE(vm, "%s restarts", name_of(vm));
}

_Noreturn void report_halted(struct vm *vm)
{
    LINE(vm, "%s halted", name_of(vm));
    end(vm, VM_ENDS_WELL);
}

_Noreturn void report_end(struct vm *vm, uint64_t code)
{
    LINE(vm, "%s ends with code %lu", name_of(vm), code);
    end(vm, code);
}

static void report_registers(struct vm *vm)
{
    static const char gpr_name[GPR_COUNT][4] = { "rax", "rcx", "rdx", "rbx", "rsp", "rbp",
                                                 "rsi", "rdi", "r8 ", "r9 ", "r10", "r11",
                                                 "r12", "r13", "r14", "r15" };
    static const char segment_name[SEG_COUNT][4] = { "es ", "cs ", "ss ", "ds ",
                                                     "fs ", "gs ", "ldt", "tr " };
    const struct vcpu_state *s = vm->state;

    vm_need(vm, BOOT_STATE);
    LINE(vm, "rip %016lx  rflags %08lx  interruptibility %u", s->rip, s->rflags,
         s->interruptibility);
    for (unsigned i = 0; i < GPR_COUNT; i += 4) {
        LINE(vm, "%.3s %016lx  %.3s %016lx  %.3s %016lx  %.3s %016lx", gpr_name[i], s->gpr[i],
             gpr_name[i + 1], s->gpr[i + 1], gpr_name[i + 2], s->gpr[i + 2], gpr_name[i + 3],
             s->gpr[i + 3]);
    }
    LINE(vm, "cr0 %016lx  cr2 %016lx  cr3 %016lx  cr4 %016lx", s->cr0, s->cr2, s->cr3, s->cr4);
    LINE(vm, "efer %04lx  dr7 %08lx  gdt %016lx+%04x  idt %016lx+%04x", s->efer, s->dr7,
         s->gdtr.base, s->gdtr.limit, s->idtr.base, s->idtr.limit);
    for (unsigned i = 0; i < SEG_COUNT; i++) {
        const struct vcpu_segment *segment = &s->segment[i];
        LINE(vm, "%.3s %04x  base %016lx  limit %08x  attributes %04x", segment_name[i],
             segment->selector, segment->base, segment->limit, segment->attributes);
    }
}

_Noreturn void report_fatal(struct vm *vm, const char *reason)
{
    LINE(vm, "%s dies: %s", name_of(vm), reason);
    report_registers(vm);
    end(vm, VM_DIES);
}

_Noreturn void report_fatal_exit(struct vm *vm)
{
    const struct vcpu_exit *exit = &vm->state->exit;

    switch (exit->reason) {
    case EXIT_SHUTDOWN:
        report_fatal(vm, "triple fault");
    case EXIT_TASK_SWITCH:
        report_fatal(vm, "task switches are not supported");
    default:
        LINE(vm, "exit %u, raw 0x%lx 0x%lx", exit->reason, exit->raw[0], exit->raw[1]);
        report_fatal(vm, exit->reason == EXIT_INVALID_STATE ? "the hardware refused its state"
                                                            : "an exit that nothing handles");
    }
}

_Noreturn void report_unloadable(struct vm *vm, const char *error)
{
    LINE(vm, "%s cannot start: %s", name_of(vm), error);
    end(vm, VM_CANNOT_RUN);
}

_Noreturn void report_refused(struct vm *vm, int64_t status)
{
    LINE(vm, "%s dies: the kernel refused its vCPU's state, status %ld", name_of(vm), status);
    if (status == STATUS_BAD_ARGUMENT) {
        LINE(vm, "exit %u, dirty 0x%x, irq 0x%x, injection type %u vector %u",
             vm->state->exit.reason, vm->state->dirty, vm->state->irq, vm->state->injection.type,
             vm->state->injection.vector);
        vm->state->valid = STATE_ALL; /* what was refused is what stands in the page */
        report_registers(vm);
    }
    end(vm, VM_DIES);
}
