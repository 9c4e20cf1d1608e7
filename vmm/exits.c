/* SPDX-License-Identifier: Apache-2.0 */
/* The exits that are answered out of the vCPU's own registers and the policy tables. */
#include "exits.h"

#include "code.h"
#include "cr.h"
#include "msr.h"
#include "report.h"
#include "lib/registers.h"
#include "vm.h"

/* ---- CPUID -------------------------------------------------------------------------------- */

/* Rare: leaf 1 when XSAVE is shown, and the sizes in leaf 0xd. */
static struct cpuid_leaf changing_leaf(struct vcpu *vcpu, const struct cpuid_entry *entry,
                                       uint32_t leaf, uint32_t subleaf)
{
    vcpu_need(vcpu, STATE_CONTROL);
    return cpuid_dynamic(entry, &cpuid_processor, leaf, subleaf, vcpu->state->cr4);
}

void exit_cpuid(struct vcpu *vcpu)
{
    uint64_t *gpr = vcpu->state->gpr;
    uint32_t leaf = (uint32_t)gpr[GPR_RAX], subleaf = (uint32_t)gpr[GPR_RCX];
    const struct cpuid_entry *entry = cpuid_find(&vcpu->cpuid, leaf, subleaf);
    struct cpuid_leaf value = entry->value;

    if (entry->special) {
        value = changing_leaf(vcpu, entry, leaf, subleaf);
    }
    gpr[GPR_RAX] = value.eax;
    gpr[GPR_RBX] = value.ebx;
    gpr[GPR_RCX] = value.ecx;
    gpr[GPR_RDX] = value.edx;
    exit_complete(vcpu);
}

/* ---- RDMSR, WRMSR ------------------------------------------------------------------------- */

/* Told once for each MSR, so that a guest that fails for one says so. */
static void report_msr(struct vcpu *vcpu, uint32_t index, const char *what)
{
    for (unsigned i = 0; i < vcpu->vm->unknown_msrs; i++) {
        if (vcpu->vm->unknown_msr[i] == index) {
            return;
        }
    }
    if (vcpu->vm->unknown_msrs < MSRS_REPORTED) {
        vcpu->vm->unknown_msr[vcpu->vm->unknown_msrs++] = index;
        console_line(&vcpu->vm->machine.console, "no MSR 0x%x to %s, at rip 0x%lx: #GP", index,
                     what, vcpu->state->rip);
    }
}

/* The policy's rule, with the state that it works on at hand; NULL: there is no such MSR. */
static const struct msr_rule *find_rule(struct vcpu *vcpu)
{
    const struct msr_rule *rule =
        msr_find((uint32_t)vcpu->state->gpr[GPR_RCX], vcpu->cpuid.intel);

    if (rule) {
        vcpu_need(vcpu, msr_groups(rule));
    }
    return rule;
}

void exit_msr_read(struct vcpu *vcpu)
{
    uint64_t *gpr = vcpu->state->gpr, value;
    const struct msr_rule *rule = find_rule(vcpu);

    if (!rule || !msr_read(rule, vcpu->state, machine_tsc(&vcpu->vm->machine), &value)) {
        report_msr(vcpu, (uint32_t)gpr[GPR_RCX], "read");
        vcpu_inject_error(vcpu, VECTOR_GP, 0);
        return;
    }
    gpr[GPR_RAX] = (uint32_t)value;
    gpr[GPR_RDX] = value >> 32;
    exit_complete(vcpu);
}

void exit_msr_write(struct vcpu *vcpu)
{
    const uint64_t *gpr = vcpu->state->gpr;
    const struct msr_rule *rule = find_rule(vcpu);

    if (!rule || !msr_write(rule, vcpu->state, gpr[GPR_RDX] << 32 | (uint32_t)gpr[GPR_RAX])) {
        report_msr(vcpu, (uint32_t)gpr[GPR_RCX], "write");
        vcpu_inject_error(vcpu, VECTOR_GP, 0);
        return;
    }
    exit_complete(vcpu);
}

/* ---- Control registers -------------------------------------------------------------------- */

#define CR0_LMSW 0xfu

/* What the hardware says of the access, or the instruction itself where it does not. */
static struct cr_access find_cr_access(struct vcpu *vcpu)
{
    const struct vcpu_exit *exit = &vcpu->state->exit;
    struct cr_access access = { .kind = exit->cr.write ? CR_MOV_TO : CR_MOV_FROM,
                                .number = exit->cr.number,
                                .gpr = exit->cr.gpr % GPR_COUNT,
                                .length = (uint8_t)exit->insn_length };

    if (exit->cr.decode || exit->insn_length == 0) {
        struct code code;
        code_fetch(vcpu, &code);
        if (!cr_decode(code.byte, code.length, code_is_64_bit(vcpu->state), &access)) {
            report_fatal(vcpu, "an access to a control register that cannot be emulated");
        }
    }
    return access;
}

/* CR8 is the task priority of a local APIC. There is none, but it reads back. */
static bool access_cr8(struct vcpu *vcpu, const struct cr_access *access)
{
    uint64_t *gpr = &vcpu->state->gpr[access->gpr];

    if (access->kind == CR_MOV_FROM) {
        *gpr = vcpu->cr8;
        return true;
    }
    if (*gpr > 15) {
        return false;
    }
    vcpu->cr8 = (uint8_t)*gpr;
    return true;
}

static bool access_cr(struct vcpu *vcpu, const struct cr_access *access)
{
    struct vcpu_state *state = vcpu->state;
    uint64_t *gpr = &state->gpr[access->gpr], cr4 = cpuid_cr4(&vcpu->cpuid);

    switch (access->kind) {
    case CR_CLTS:
        return cr_write(state, cr4, 0, state->cr0 & ~(uint64_t)CR0_TS);
    case CR_LMSW: /* sets PE, but never clears it */
        return cr_write(state, cr4, 0,
                        (state->cr0 & ~(uint64_t)(CR0_LMSW & ~CR0_PE)) | (*gpr & CR0_LMSW));
    case CR_MOV_TO:
        return access->number == 8 ? access_cr8(vcpu, access)
                                   : cr_write(state, cr4, access->number, *gpr);
    case CR_MOV_FROM:
        break;
    }
    switch (access->number) {
    case 0:
        *gpr = state->cr0;
        return true;
    case 3:
        *gpr = state->cr3;
        return true;
    case 4:
        *gpr = state->cr4;
        return true;
    default:
        return access->number == 8 && access_cr8(vcpu, access);
    }
}

void exit_cr_access(struct vcpu *vcpu)
{
    vcpu_need(vcpu, STATE_IP | STATE_RSP | STATE_CONTROL | STATE_CODE);
    struct cr_access access = find_cr_access(vcpu);

    if (!access_cr(vcpu, &access)) {
        vcpu_inject_error(vcpu, VECTOR_GP, 0);
        return;
    }
    if (access.kind == CR_MOV_FROM && access.gpr == GPR_RSP) {
        vcpu->state->dirty |= STATE_RSP;
    }
    vcpu_advance(vcpu, access.length);
}

/* ---- The others --------------------------------------------------------------------------- */

/* There are no hypercalls; the guest is told so in RAX instead of by #UD, since CPUID shows
 * that there is a hypervisor. */
void exit_hypercall(struct vcpu *vcpu)
{
    vcpu->state->gpr[GPR_RAX] = UINT64_MAX;
    exit_complete(vcpu);
}

/* The kernel loads what it is given after its own checks; that the guest sees no component
 * which CPUID does not show is decided here. Privilege and CR4.OSXSAVE were checked by the
 * processor, before it exited. */
void exit_xsetbv(struct vcpu *vcpu)
{
    struct vcpu_state *state = vcpu->state;
    uint64_t value = state->gpr[GPR_RDX] << 32 | (uint32_t)state->gpr[GPR_RAX];

    if ((uint32_t)state->gpr[GPR_RCX] != 0 || !cpuid_xcr0_valid(&vcpu->cpuid, value)) {
        vcpu_inject_error(vcpu, VECTOR_GP, 0);
        return;
    }
    state->xcr0 = value;
    state->dirty |= STATE_XCR0;
    exit_complete(vcpu);
}

/* An exception of the guest's own that the hardware intercepted: it gets it after all. */
void exit_exception(struct vcpu *vcpu)
{
    const struct vcpu_exit *exit = &vcpu->state->exit;

    if (exit->exception.vector == VECTOR_PF) {
        vcpu_need(vcpu, STATE_CONTROL);
        vcpu->state->cr2 = exit->exception.address;
        vcpu->state->dirty |= STATE_CONTROL;
    }
    if (exit->exception.has_error) {
        vcpu_inject_error(vcpu, exit->exception.vector, exit->exception.error);
    } else {
        vcpu_inject(vcpu, exit->exception.vector);
    }
}
