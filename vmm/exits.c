/* SPDX-License-Identifier: Apache-2.0 */
/* The exits that are answered out of the vCPU's own registers and the policy tables. */
#include "exits.h"

#include "code.h"
#include "msr.h"
#include "vm.h"

void exit_complete(struct vm *vm)
{
    uint32_t length = vm->state->exit.insn_length;

    vm_advance(vm, length != 0 ? length : code_length(vm));
}

/* ---- CPUID -------------------------------------------------------------------------------- */

/* Rare: leaf 1 when XSAVE is shown, and the sizes in leaf 0xd. */
static struct cpuid_leaf changing_leaf(struct vm *vm, const struct cpuid_entry *entry,
                                       uint32_t leaf, uint32_t subleaf)
{
    vm_need(vm, STATE_CONTROL);
    return cpuid_dynamic(entry, &cpuid_processor, leaf, subleaf, vm->state->cr4);
}

void exit_cpuid(struct vm *vm)
{
    uint64_t *gpr = vm->state->gpr;
    uint32_t leaf = (uint32_t)gpr[GPR_RAX], subleaf = (uint32_t)gpr[GPR_RCX];
    const struct cpuid_entry *entry = cpuid_find(&vm->cpuid, leaf, subleaf);
    struct cpuid_leaf value = entry->value;

    if (entry->dynamic != CPUID_STATIC) {
        value = changing_leaf(vm, entry, leaf, subleaf);
    }
    gpr[GPR_RAX] = value.eax;
    gpr[GPR_RBX] = value.ebx;
    gpr[GPR_RCX] = value.ecx;
    gpr[GPR_RDX] = value.edx;
    exit_complete(vm);
}

/* ---- RDMSR, WRMSR ------------------------------------------------------------------------- */

/* Told once for each MSR, so that a guest that fails for one says so. */
static void report_msr(struct vm *vm, uint32_t index, const char *what)
{
    for (unsigned i = 0; i < vm->unknown_msrs; i++) {
        if (vm->unknown_msr[i] == index) {
            return;
        }
    }
    if (vm->unknown_msrs < MSRS_REPORTED) {
        vm->unknown_msr[vm->unknown_msrs++] = index;
        console_line(&vm->machine.console, "no MSR 0x%x to %s, at rip 0x%lx: #GP", index, what,
                     vm->state->rip);
    }
}

/* The policy's rule, with the state that it works on at hand; NULL: there is no such MSR. */
static const struct msr_rule *find_rule(struct vm *vm)
{
    const struct msr_rule *rule =
        msr_find((uint32_t)vm->state->gpr[GPR_RCX], vm->cpuid.intel);

    if (rule) {
        vm_need(vm, msr_groups(rule));
    }
    return rule;
}

void exit_msr_read(struct vm *vm)
{
    uint64_t *gpr = vm->state->gpr, value;
    const struct msr_rule *rule = find_rule(vm);

    if (!rule || !msr_read(rule, vm->state, machine_tsc(&vm->machine), &value)) {
        report_msr(vm, (uint32_t)gpr[GPR_RCX], "read");
        vm_inject_error(vm, VECTOR_GP, 0);
        return;
    }
    gpr[GPR_RAX] = (uint32_t)value;
    gpr[GPR_RDX] = value >> 32;
    exit_complete(vm);
}

void exit_msr_write(struct vm *vm)
{
    const uint64_t *gpr = vm->state->gpr;
    const struct msr_rule *rule = find_rule(vm);

    if (!rule || !msr_write(rule, vm->state, gpr[GPR_RDX] << 32 | (uint32_t)gpr[GPR_RAX])) {
        report_msr(vm, (uint32_t)gpr[GPR_RCX], "write");
        vm_inject_error(vm, VECTOR_GP, 0);
        return;
    }
    exit_complete(vm);
}

/* ---- The others --------------------------------------------------------------------------- */

/* There are no hypercalls; the guest is told so in RAX instead of by #UD, since CPUID shows
 * that there is a hypervisor. */
void exit_hypercall(struct vm *vm)
{
    vm->state->gpr[GPR_RAX] = UINT64_MAX;
    exit_complete(vm);
}

/* XCR0 is switched by the kernel, which executes an XSETBV with a value that it supports and
 * does not forward it. */
void exit_xsetbv(struct vm *vm)
{
    vm_inject_error(vm, VECTOR_GP, 0);
}

/* An exception of the guest's own that the hardware intercepted: it gets it after all. */
void exit_exception(struct vm *vm)
{
    const struct vcpu_exit *exit = &vm->state->exit;

    if (exit->exception.vector == VECTOR_PF) {
        vm_need(vm, STATE_CONTROL);
        vm->state->cr2 = exit->exception.address;
        vm->state->dirty |= STATE_CONTROL;
    }
    if (exit->exception.has_error) {
        vm_inject_error(vm, exit->exception.vector, exit->exception.error);
    } else {
        vm_inject(vm, exit->exception.vector);
    }
}
