/* SPDX-License-Identifier: Apache-2.0 */
/* After an exit: what the hardware says about it, and what of it only this backend can do. */
#include "x86/vmx/vmx.h"

#include "kernel/log.h"
#include "x86/fpu.h"
#include "x86/trap.h"
#include "x86/vmx/reason.h"
#include "x86/vmx/vmx_insn.h"

/* VMfail: an invalid control field (SDM vol 3, 30.4). */
#define ERROR_INVALID_CONTROL 7u

static bool is_software_event(uint32_t vectoring)
{
    return (vectoring & INTERRUPTION_VALID) && INTERRUPTION_TYPE(vectoring) >= EVENT_SOFT_INTERRUPT;
}

static void read_interruption(struct vmx_raw_exit *raw)
{
    raw->interruption = vmread32(VMCS_EXIT_INTERRUPTION);
    if (raw->interruption & INTERRUPTION_ERROR) {
        raw->interruption_error = vmread32(VMCS_EXIT_INTERRUPTION_ERROR);
    }
}

static void read_vectoring(struct vmx_raw_exit *raw)
{
    raw->vectoring = vmread32(VMCS_VECTORING);
    if (raw->vectoring & INTERRUPTION_ERROR) {
        raw->vectoring_error = vmread32(VMCS_VECTORING_ERROR);
    }
    if (is_software_event(raw->vectoring)) {
        raw->vectoring_length = vmread32(VMCS_EXIT_INSN_LENGTH);
    }
}

static void read_raw(struct vmx_raw_exit *raw, uint32_t reason, unsigned reads)
{
    *raw = (struct vmx_raw_exit){.reason = reason};
    if (reads & READ_LENGTH) {
        raw->insn_length = vmread32(VMCS_EXIT_INSN_LENGTH);
    }
    if (reads & READ_QUALIFICATION) {
        raw->qualification = vmread(VMCS_EXIT_QUALIFICATION);
    }
    if (reads & READ_GPA) {
        raw->gpa = vmread(VMCS_GUEST_PHYSICAL_ADDRESS);
    }
    if (reads & READ_INTERRUPTION) {
        read_interruption(raw);
    }
    if (reads & READ_VECTORING) {
        read_vectoring(raw);
    }
}

/* What the VMM asked to inject may not fit the guest's mode: that is its mistake. Any other
 * error is ours. */
static void decode_refusal(struct vcpu_exit *exit)
{
    uint32_t error = vmread32(VMCS_INSN_ERROR);

    if (error != ERROR_INVALID_CONTROL) {
        panic("VM entry failed, error %u", error);
    }
    *exit = (struct vcpu_exit){.reason = EXIT_INVALID_STATE, .raw = {REASON_ENTRY_FAILED, error}};
    vmwrite(VMCS_ENTRY_INTERRUPTION, 0); /* still pending, unlike after an exit */
}

/* NMIs blocked by the delivery that the exit interrupted are not yet, and those that a repeated
 * IRET will unblock are again (SDM vol 3, 31.7.1). */
static void correct_nmi_blocking(const struct vmx_raw_exit *raw)
{
    uint32_t interruptibility = vmread32(VMCS_GUEST_INTERRUPTIBILITY);

    if ((raw->vectoring & INTERRUPTION_VALID) && INTERRUPTION_TYPE(raw->vectoring) == EVENT_NMI) {
        vmwrite(VMCS_GUEST_INTERRUPTIBILITY, interruptibility & ~BLOCKING_BY_NMI);
    } else if (vmx_nmi_unblocked(raw)) {
        vmwrite(VMCS_GUEST_INTERRUPTIBILITY, interruptibility | BLOCKING_BY_NMI);
    }
}

/* An XCR0 that this machine has is the guest's to choose: the processor holds its FPU state. Any
 * other is the VMM's to refuse. */
static void decode_xsetbv(struct vcpu *vcpu, struct vcpu_exit *exit)
{
    const volatile uint64_t *gpr = vcpu->state->gpr;
    uint32_t index = (uint32_t)gpr[GPR_RCX];
    uint64_t value = gpr[GPR_RDX] << 32 | (uint32_t)gpr[GPR_RAX];

    if (index == 0 && fpu_xcr0_valid(value)) {
        fpu_set_xcr0(value);
        vmwrite(VMCS_GUEST_RIP, vmread(VMCS_GUEST_RIP) + exit->insn_length);
        vmwrite(VMCS_GUEST_INTERRUPTIBILITY, vmread(VMCS_GUEST_INTERRUPTIBILITY) &
                                                 ~(BLOCKING_BY_STI | BLOCKING_BY_MOV_SS));
        exit->reason = EXIT_NONE;
    }
}

/* Rare ones, after the neutral decoding. */
static void finish(struct vcpu *vcpu, const struct vmx_raw_exit *raw, struct vcpu_exit *exit)
{
    switch (exit->reason) {
    case EXIT_XSETBV:
        decode_xsetbv(vcpu, exit);
        break;
    case EXIT_INVALID_STATE:
        vmwrite(VMCS_ENTRY_INTERRUPTION, 0); /* likewise */
        break;
    case EXIT_MEMORY:
    case EXIT_EXCEPTION:
    case EXIT_TASK_SWITCH:
        correct_nmi_blocking(raw);
        break;
    case EXIT_UNKNOWN:
        if (raw->reason == REASON_EPT_MISCONFIGURATION) {
            panic("EPT misconfiguration at 0x%lx", vmread(VMCS_GUEST_PHYSICAL_ADDRESS));
        }
        break;
    default:
        break;
    }
}

void vmx_decode(struct vcpu *vcpu, struct vcpu_exit *exit)
{
    struct vmx_vcpu *vmx = vcpu->backend;

    if (vmx->failed) {
        decode_refusal(exit);
        return;
    }
    uint32_t reason = vmread32(VMCS_EXIT_REASON);
    const struct vmx_exit_rule *rule = vmx_exit_rule(reason);

    if (!(reason & REASON_ENTRY_FAILED)) {
        vmx->launched = 1; /* a refused entry leaves the VMCS "clear" (SDM vol 3, 26.8) */
    }
    if (rule->reads == READ_LENGTH) { /* most of the frequent ones */
        *exit = (struct vcpu_exit){.reason = rule->reason,
                                   .insn_length = vmread32(VMCS_EXIT_INSN_LENGTH)};
        return;
    }
    struct vmx_raw_exit raw;

    read_raw(&raw, reason, rule->reads);
    vmx_decode_raw(&raw, exit, &vcpu->event);
    if (rule->reads & READ_MORE) {
        finish(vcpu, &raw, exit);
    }
}

void vmx_host_event(struct vcpu *vcpu, const struct vcpu_exit *exit)
{
    (void)vcpu;
    switch (exit->reason) {
    case EXIT_NMI:
        __asm__ volatile("int $2" : : : "memory"); /* its IRET unblocks NMIs */
        break;
    case EXIT_MACHINE_CHECK:
        __asm__ volatile("int $18" : : : "memory");
        break;
    default:
        x86_interrupt(exit->exception.vector);
        break;
    }
}
