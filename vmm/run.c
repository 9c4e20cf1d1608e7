/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The run loop. The vCPU's thread either waits for us (we have had an exit's message and not
 * replied) or runs; state page and devices' interrupts are touched only while it waits, but for
 * one case: while no interrupt is on offer to it, devices may work beside the running guest,
 * since nothing that they do can reach it before it exits.
 */
#include "vm.h"

#include "abi/status.h"
#include "exits.h"
#include "lib/user/syscall.h"
#include "report.h"

/* ---- Devices and time --------------------------------------------------------------------- */

/* Lets devices do what has become due, and notes when they want to be called next. */
static void serve(struct vm *vm)
{
    uint64_t next = machine_serve(&vm->machine);

    if (next != vm->deadline_ns) {
        vm->deadline_ns = next;
        vm->deadline = machine_deadline(&vm->machine, next);
    }
}

/* The guest took the interrupt that was on offer: the controller's acknowledge cycle. */
static void acknowledge(struct vm *vm)
{
    vm->offered = 0;
    vm->attention = true;
    pic_ack(&vm->machine.pic);
}

/* Before the guest goes on: devices, then the interrupt that it shall take. */
static void settle(struct vm *vm)
{
    serve(vm);
    int vector = pic_peek(&vm->machine.pic);

    vm->offered = vector < 0 ? 0 : IRQ_VALID | (uint32_t)vector;
    vm->state->irq = vm->offered;
    vm->attention = false;
}

/* ---- Waiting ------------------------------------------------------------------------------ */

/* A message came while the guest runs on. Has it to be stopped for it? */
static bool must_recall(struct vm *vm)
{
    if (vm->offered != 0) {
        return true; /* the interrupt controller must not change under an offer */
    }
    serve(vm);
    return pic_peek(&vm->machine.pic) >= 0;
}

/* Enters the guest and returns when it has exited. */
static void run_guest(struct vm *vm)
{
    bool recalled = false;
    struct message message = sys_vcpu_run(vm->vcpu, vm->deadline);

    if (message.status != STATUS_OK) {
        report_refused(vm, message.status);
    }
    while (message.kind != MESSAGE_EXIT) {
        if (!recalled && must_recall(vm)) {
            sys_vcpu_recall(vm->vcpu);
            recalled = true;
            vm->attention = true;
        }
        message = sys_ipc_wait(recalled ? TSC_NEVER : vm->deadline);
    }
}

/*
 * HLT: the guest waits for an interrupt, and we for a device. With RFLAGS.IF clear nothing could
 * wake it, as no source of NMIs exists: it has ended, which is what `poweroff` is without ACPI.
 */
static void halt(struct vm *vm)
{
    if (!(vm->state->rflags & RFLAGS_IF)) {
        report_halted(vm);
    }
    serve(vm);
    while (pic_peek(&vm->machine.pic) < 0 && vm->machine.request == VM_GOES_ON) {
        console_flush(&vm->machine.console);
        sys_ipc_wait(vm->deadline);
        serve(vm);
    }
}

/* ---- The loop ----------------------------------------------------------------------------- */

static void start(struct vm *vm)
{
    struct boot_entry entry;
    const char *error = machine_load(&vm->machine, &entry);

    if (error) {
        report_unloadable(vm, error);
    }
    boot_start_state(vm->state, &entry);
    if (cpuid_has_xsave(&vm->cpuid)) {
        vm->state->dirty |= STATE_XCR0;
    }
    vm->offered = 0;
    settle(vm);
}

/* What a device asked for that ends this life of the VM. */
static void heed_request(struct vm *vm)
{
    switch (vm->machine.request) {
    case VM_RESTART:
        report_restart(vm);
        machine_reset(&vm->machine);
        start(vm);
        break;
    case VM_END:
        report_end(vm, vm->machine.end_code);
    case VM_GOES_ON:
        break;
    }
}

static void handle_exit(struct vm *vm)
{
    switch (vm->state->exit.reason) {
    case EXIT_CPUID:
        exit_cpuid(vm);
        return;
    case EXIT_IO:
        exit_io(vm);
        break;
    case EXIT_MEMORY:
        exit_memory(vm);
        break;
    case EXIT_HLT:
        exit_complete(vm);
        halt(vm);
        break;
    case EXIT_MSR_READ:
        exit_msr_read(vm);
        break;
    case EXIT_MSR_WRITE:
        exit_msr_write(vm);
        break;
    case EXIT_HYPERCALL:
        exit_hypercall(vm);
        break;
    case EXIT_CACHE:
        exit_complete(vm); /* there is no device whose view the guest's caches could hide */
        break;
    case EXIT_CR_ACCESS:
        exit_cr_access(vm);
        break;
    case EXIT_XSETBV:
        exit_xsetbv(vm);
        break;
    case EXIT_EXCEPTION:
        exit_exception(vm);
        break;
    case EXIT_MONITOR:
    case EXIT_VIRTUALIZATION:
        vm_inject(vm, VECTOR_UD); /* as on a processor without it, which CPUID says this is */
        break;
    case EXIT_RECALL:
        break;
    default:
        report_fatal_exit(vm);
    }
    vm->attention = true;
}

_Noreturn void vm_run(struct vm *vm)
{
    start(vm);
    report_start(vm);
    for (;;) {
        run_guest(vm);
        if (vm->state->irq != vm->offered) {
            acknowledge(vm);
        }
        vm->exits[vm->state->exit.reason]++;
        handle_exit(vm);
        if (vm->attention) {
            heed_request(vm);
            settle(vm);
        }
    }
}
