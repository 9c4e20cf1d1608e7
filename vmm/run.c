/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The run loop, one per vCPU. The vCPU's thread either waits for us (we have had an exit's message
 * and not replied) or runs; state page and offers of interrupts are touched only while it waits.
 * The devices of a VM with one vCPU may work beside the running guest: while no interrupt is on
 * offer to it, nothing that they do can reach it before it exits.
 *
 * Handlers tell each other by an event that there is something to look at. Whoever gets one does
 * so before its guest goes on: an event that comes before the wait ends it at once.
 */
#include "vm.h"

#include "abi/status.h"
#include "exits.h"
#include "lib/user/syscall.h"
#include "report.h"

#define EVENT_LOOK (1UL << 8) /* from another handler */

static bool is_first(const struct vcpu *vcpu)
{
    return vcpu->number == 0;
}

static void tell(const struct vcpu *vcpu)
{
    sys_event_signal(vcpu->handler, EVENT_LOOK);
}

/* Sleeps until `deadline` or an event. Others may have the machine meanwhile. */
static void wait_unlocked(struct vcpu *vcpu, tsc_time deadline)
{
    vm_unlock(vcpu);
    sys_ipc_wait(deadline);
    vcpu->attention = true;
    vm_lock(vcpu);
}

/* ---- Devices and time --------------------------------------------------------------------- */

/* Lets devices do what has become due, and notes when they want to be called next. */
static void serve(struct vcpu *first)
{
    struct machine *machine = &first->vm->machine;
    uint64_t next = machine_serve(machine);

    if (next != first->deadline_ns) {
        first->deadline_ns = next;
        first->deadline = machine_deadline(machine, next);
    }
}

/* The guest took the interrupt that was on offer: the controller's acknowledge cycle. */
static void acknowledge(struct vcpu *first)
{
    pic_take(&first->vm->machine.pic, (uint8_t)first->offered);
    first->offered = 0;
    first->attention = true; /* another may be next */
}

/* The interrupt that the first vCPU shall take. */
static void offer(struct vcpu *first)
{
    int vector = pic_peek(&first->vm->machine.pic);

    first->offered = vector < 0 ? 0 : IRQ_VALID | (uint32_t)vector;
    first->state->irq = first->offered;
}

/* Another vCPU has used a device: does that concern the first one's handler? */
static void pass_on(struct vm *vm)
{
    const struct vcpu *first = &vm->vcpu[0];
    int vector = pic_peek(&vm->machine.pic);

    if ((vector < 0 ? 0 : IRQ_VALID | (uint32_t)vector) != first->offered ||
        machine_next(&vm->machine) != first->deadline_ns) {
        tell(first);
    }
}

/* ---- Waiting ------------------------------------------------------------------------------ */

/* A message came while the guest runs on. Has it to be stopped for it? Among several vCPUs it
 * always is: who waits for the lock might be sent the exit, and must not be. */
static bool must_recall(struct vcpu *vcpu)
{
    if (vcpu->vm->vcpus > 1 || vcpu->offered != 0) {
        return true; /* the interrupt controller must not change under an offer */
    }
    serve(vcpu);
    return pic_peek(&vcpu->vm->machine.pic) >= 0;
}

/* A message that is no exit; waits for the exit. */
__attribute__((noinline)) static void run_on(struct vcpu *vcpu)
{
    bool recalled = false;
    struct message message;

    do {
        if (!recalled && must_recall(vcpu)) {
            sys_vcpu_recall(vcpu->thread);
            recalled = true;
            vcpu->attention = true;
        }
        message = sys_ipc_wait(recalled ? TSC_NEVER : vcpu->deadline);
    } while (message.kind != MESSAGE_EXIT);
}

/* Enters the guest and returns when it has exited. */
static void run_guest(struct vcpu *vcpu)
{
    struct message message = sys_vcpu_run(vcpu->thread, vcpu->deadline);

    if (message.status != STATUS_OK) {
        vm_lock(vcpu);
        report_refused(vcpu, message.status);
    }
    if (message.kind != MESSAGE_EXIT) {
        run_on(vcpu);
    }
}

/* Nothing can wake this vCPU; when that is true of all, the VM has ended, which is what
 * `poweroff` is without ACPI. */
static void stand_still(struct vcpu *vcpu)
{
    struct vm *vm = vcpu->vm;

    vm->halted++;
    if (vm->halted == vm->vcpus) {
        report_halted(vcpu);
    }
    while (!vm->stopping) {
        wait_unlocked(vcpu, TSC_NEVER);
    }
}

/* HLT: the guest waits for an interrupt, and we for a device. Only the first vCPU gets any; and
 * none with RFLAGS.IF clear, as no source of NMIs exists. */
static void halt(struct vcpu *vcpu)
{
    struct vm *vm = vcpu->vm;

    if (!is_first(vcpu) || !(vcpu->state->rflags & RFLAGS_IF)) {
        stand_still(vcpu);
        return;
    }
    serve(vcpu);
    while (pic_peek(&vm->machine.pic) < 0 && vm->machine.request == VM_GOES_ON &&
           !vm->stopping) {
        console_flush(&vm->machine.console);
        wait_unlocked(vcpu, vcpu->deadline);
        serve(vcpu);
    }
}

/* ---- The VM's lives ----------------------------------------------------------------------- */

static void tell_others(const struct vcpu *vcpu)
{
    struct vm *vm = vcpu->vm;

    for (unsigned i = 0; i < vm->vcpus; i++) {
        if (i != vcpu->number) {
            tell(&vm->vcpu[i]);
        }
    }
}

/* Every vCPU begins where the guest is entered, with its number in RDI. */
static void enter_life(struct vcpu *vcpu)
{
    boot_start_state(vcpu->state, &vcpu->vm->entry, vcpu->number);
    vcpu->state->dirty |= STATE_RESET;
    vcpu->cr8 = 0;
    vcpu->offered = 0;
}

/* A life is over, or none has begun: the vCPU stands still until the next. */
static void park(struct vcpu *vcpu)
{
    struct vm *vm = vcpu->vm;
    uint32_t life = vm->life;

    vm->parked++;
    tell(vm->stopper);
    while (vm->life == life) {
        wait_unlocked(vcpu, TSC_NEVER);
    }
    enter_life(vcpu);
}

static void await_others(struct vcpu *vcpu)
{
    struct vm *vm = vcpu->vm;

    vm->stopper = vcpu;
    vm->stopping = true;
    tell_others(vcpu);
    while (vm->parked + 1 < vm->vcpus) {
        wait_unlocked(vcpu, TSC_NEVER);
    }
}

/* All others are parked. */
static void begin_life(struct vcpu *vcpu)
{
    struct vm *vm = vcpu->vm;
    const char *error = machine_load(&vm->machine, &vm->entry);

    if (error) {
        report_unloadable(vcpu, error);
    }
    vm->parked = 0;
    vm->halted = 0;
    vm->stopping = false;
    vm->life++;
    enter_life(vcpu);
    tell_others(vcpu);
}

/* What a device asked for that ends this life of the VM. */
static void heed_request(struct vcpu *vcpu)
{
    struct machine *machine = &vcpu->vm->machine;

    switch (machine->request) {
    case VM_RESTART:
        report_restart(vcpu);
        await_others(vcpu);
        machine_reset(machine);
        begin_life(vcpu);
        break;
    case VM_END:
        report_end(vcpu, machine->end_code);
    case VM_VIOLATION:
        report_violation(vcpu, machine->end_code);
    case VM_GOES_ON:
        break;
    }
}

/* ---- The loop ----------------------------------------------------------------------------- */

/* Before the guest goes on. */
static void settle(struct vcpu *vcpu)
{
    vcpu->attention = false;
    if (!vcpu->vm->stopping) {
        heed_request(vcpu);
    }
    while (vcpu->vm->stopping) { /* again, if the next life was over before we could see it */
        park(vcpu);
    }
    if (is_first(vcpu)) {
        serve(vcpu);
        offer(vcpu);
    } else {
        pass_on(vcpu->vm);
    }
}

static void handle_exit(struct vcpu *vcpu)
{
    switch (vcpu->state->exit.reason) {
    case EXIT_CPUID: /* has been seen to */
    case EXIT_RECALL:
        break;
    case EXIT_IO:
        exit_io(vcpu);
        break;
    case EXIT_MEMORY:
        exit_memory(vcpu);
        break;
    case EXIT_HLT:
        exit_complete(vcpu);
        halt(vcpu);
        break;
    case EXIT_MSR_READ:
        exit_msr_read(vcpu);
        break;
    case EXIT_MSR_WRITE:
        exit_msr_write(vcpu);
        break;
    case EXIT_HYPERCALL:
        exit_hypercall(vcpu);
        break;
    case EXIT_CACHE:
        exit_complete(vcpu); /* there is no device whose view the guest's caches could hide */
        break;
    case EXIT_CR_ACCESS:
        exit_cr_access(vcpu);
        break;
    case EXIT_XSETBV:
        exit_xsetbv(vcpu);
        break;
    case EXIT_EXCEPTION:
        exit_exception(vcpu);
        break;
    case EXIT_MONITOR:
    case EXIT_VIRTUALIZATION:
        vcpu_inject(vcpu, VECTOR_UD); /* as on a processor without it, which CPUID says this is */
        break;
    default:
        report_fatal_exit(vcpu);
    }
}

/* After most exits there is nothing to settle: the device has only told something, or noted it.
 * (Whoever stops the VM has told us so by an event, which the wait finds.) */
static bool is_settled(const struct vcpu *vcpu)
{
    return is_first(vcpu) && !vcpu->attention && vcpu->offered == 0 &&
           machine_is_quiet(&vcpu->vm->machine, vcpu->deadline_ns);
}

/* Exits that concern others than the vCPU, or might: the devices, the console, the interrupts. */
static void handle_locked(struct vcpu *vcpu)
{
    vm_lock(vcpu);
    if (vcpu->state->irq != vcpu->offered) {
        acknowledge(vcpu);
    }
    handle_exit(vcpu);
    if (!is_settled(vcpu)) {
        settle(vcpu);
    }
    vm_unlock(vcpu);
}

static void start(struct vcpu *vcpu)
{
    vm_lock(vcpu);
    if (is_first(vcpu)) {
        await_others(vcpu);
        begin_life(vcpu);
        report_start(vcpu);
    } else {
        park(vcpu);
    }
    settle(vcpu);
    vm_unlock(vcpu);
}

_Noreturn void vcpu_run(struct vcpu *vcpu)
{
    struct vcpu_state *state = vcpu->state;

    start(vcpu);
    for (;;) {
        run_guest(vcpu);
        uint32_t reason = state->exit.reason;

        vcpu->exits[reason]++;
        if (reason == EXIT_CPUID) {
            exit_cpuid(vcpu);
            if (!vcpu->attention && state->irq == vcpu->offered) {
                continue;
            }
        }
        handle_locked(vcpu);
    }
}
