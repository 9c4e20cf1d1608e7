/* SPDX-License-Identifier: Apache-2.0 */
/* After an exit: what the hardware says about it, and what of it only this backend can do. */
#include "x86/vmx/vmx.h"

#include "kernel/cpu.h"
#include "kernel/log.h"
#include "virt/exit.h"
#include "x86/instr.h"
#include "x86/trap.h"
#include "x86/vmx/reason.h"
#include "x86/vmx/vmx_insn.h"

#define DR6_CAUSES 0xfUL          /* breakpoints: of this exception only */
#define DR6_REPORTED 0x600fUL     /* and BD, BS: what the exit says (SDM vol 3, table 27-1) */
#define DR7_GD (1UL << 13)
#define PENDING_DEBUG_BS (1UL << 14)

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

/* What delivery would have done: the exit came before DR6 and DR7 were changed. */
static void update_debug_registers(uint64_t qualification)
{
    uint64_t dr6;

    __asm__ volatile("mov %%db6, %0" : "=r"(dr6));
    dr6 = (dr6 & ~DR6_CAUSES) | (qualification & DR6_REPORTED);
    __asm__ volatile("mov %0, %%db6" : : "r"(dr6));
    vmwrite(VMCS_GUEST_DR7, vmread(VMCS_GUEST_DR7) & ~DR7_GD);
    /* Entry asks for this with TF under an interrupt shadow (SDM vol 3, 26.3.1.5). */
    if ((vmread(VMCS_GUEST_RFLAGS) & RFLAGS_TF) &&
        (vmread(VMCS_GUEST_INTERRUPTIBILITY) & (BLOCKING_BY_STI | BLOCKING_BY_MOV_SS))) {
        vmwrite(VMCS_GUEST_PENDING_DEBUG, PENDING_DEBUG_BS);
    }
}

/* The guest's own exception, intercepted only so that interrupts get through: it goes back. A
 * benign one takes the place of the event whose delivery raised it (SDM vol 3, 6.15). */
static RARE void give_back(struct vcpu *vcpu, const struct vmx_raw_exit *raw,
                           struct vcpu_exit *exit)
{
    if (exit->exception.vector == VECTOR_DEBUG) {
        update_debug_registers(raw->qualification);
    }
    vcpu_pend(vcpu, (struct vcpu_event){
                        .valid = true,
                        .type = INTERRUPTION_TYPE(raw->interruption),
                        .vector = exit->exception.vector,
                        .has_error = exit->exception.has_error,
                        .error = exit->exception.error,
                        .insn_length = 1, /* INT1's, if it was one */
                    });
    exit->reason = EXIT_NONE;
}

/* After the neutral decoding. */
static void finish(struct vcpu *vcpu, const struct vmx_raw_exit *raw, struct vcpu_exit *exit)
{
    switch (exit->reason) {
    case EXIT_INVALID_STATE:
        vmwrite(VMCS_ENTRY_INTERRUPTION, 0); /* likewise */
        break;
    case EXIT_EXCEPTION:
        correct_nmi_blocking(raw);
        if (exit->exception.vector == VECTOR_PAGE_FAULT) {
            exit->reason = EXIT_PAGE_FAULT;
        } else {
            give_back(vcpu, raw, exit);
        }
        break;
    case EXIT_MEMORY:
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

/* What needs more than the instruction's length. */
static __attribute__((noinline)) void decode_more(struct vcpu *vcpu, uint32_t reason,
                                                  struct vcpu_exit *exit)
{
    unsigned reads = vmx_exit_rule(reason)->reads;
    struct vmx_raw_exit raw;
    struct vcpu_event event = {.valid = false};

    read_raw(&raw, reason, reads);
    vmx_decode_raw(&raw, exit, &event);
    if (event.valid) {
        vcpu_pend(vcpu, event);
    }
    if (reads & READ_MORE) {
        finish(vcpu, &raw, exit);
    }
}

/* Another thread than the vCPU's may run next; if that has ended it is not to be touched, and
 * vmx_unload has seen to it. */
static struct thread *exited_otherwise(struct vmx_vcpu *vmx, struct vcpu_exit *exit)
{
    const struct thread *self = vmx->vcpu.thread;
    struct thread *next = vcpu_exited(&vmx->vcpu, exit);

    if (next != self && arch_this_cpu()->vcpu == &vmx->vcpu) {
        vmx_leave(vmx);
    }
    return next;
}

static RARE struct thread *exited_rarely(struct vmx_vcpu *vmx, uint32_t reason)
{
    struct vcpu_exit exit;

    if (!(reason & REASON_ENTRY_FAILED)) {
        vmx->launched = 1; /* a refused entry leaves the VMCS "clear" (SDM vol 3, 26.8) */
    }
    decode_more(&vmx->vcpu, reason, &exit);
    return exited_otherwise(vmx, &exit);
}

/* Instructions are what a guest exits for most. All that need no more than their length are
 * forwarded. */
struct thread *vmx_exited(struct vmx_vcpu *vmx)
{
    struct vcpu_state *state = vmx->vcpu.state;
    uint32_t reason = vmread32(VMCS_EXIT_REASON);
    const struct vmx_exit_rule *rule = vmx_exit_rule(reason);

    if (__builtin_expect(rule->reads != READ_LENGTH, 0)) {
        return exited_rarely(vmx, reason);
    }
    uint32_t groups = exit_rules[rule->reason].groups;

    vmx->launched = 1;
    state->exit.reason = rule->reason;
    state->exit.insn_length = vmread32(VMCS_EXIT_INSN_LENGTH);
    vmx_state_get(&vmx->vcpu, groups);
    vmx_leave(vmx);
    return vcpu_forward(&vmx->vcpu, groups);
}

/* What the VMM asked to inject may not fit the guest's mode: that is its mistake. Any other
 * error is ours. */
struct thread *vmx_refused(struct vmx_vcpu *vmx)
{
    uint32_t error = vmread32(VMCS_INSN_ERROR);
    struct vcpu_exit exit = {.reason = EXIT_INVALID_STATE,
                             .raw = {REASON_ENTRY_FAILED, error}};

    if (error != ERROR_INVALID_CONTROL) {
        panic("VM entry failed, error %u", error);
    }
    vmwrite(VMCS_ENTRY_INTERRUPTION, 0); /* still pending, unlike after an exit */
    return exited_otherwise(vmx, &exit);
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
        if (exit->exception.vector != 0) {
            x86_interrupt(exit->exception.vector);
        } else { /* the preemption timer's; none was acknowledged */
            __asm__ volatile("sti\n\tnop\n\tcli" : : : "memory");
        }
        break;
    }
}
