/* SPDX-License-Identifier: Apache-2.0 */
/* A vCPU's state, between the VMCS and the state page. */
#include "x86/vmx/vmx.h"

#include "kernel/log.h"
#include "x86/fpu.h"
#include "x86/instr.h"
#include "virt/vtlb.h"
#include "x86/vmx/vmx_insn.h"

#define DR7_ONE 0x400UL

/* What the run loop asks for more than once between two exits is read once. */
static void know_ip(struct vmx_vcpu *vmx)
{
    if (!vmx->ip_known) {
        vmx->rflags = vmread(VMCS_GUEST_RFLAGS);
        vmx->interruptibility = vmread32(VMCS_GUEST_INTERRUPTIBILITY);
        vmx->ip_known = true;
    }
}

bool vmx_interruptible(const struct vcpu *vcpu)
{
    struct vmx_vcpu *vmx = vmx_of(vcpu);

    know_ip(vmx);
    return (vmx->rflags & RFLAGS_IF) &&
           !(vmx->interruptibility & (BLOCKING_BY_STI | BLOCKING_BY_MOV_SS));
}

/* ---- Out of the VMCS ---------------------------------------------------------------------- */

static void get_control(const struct vmx_vcpu *vmx, struct vcpu_state *state)
{
    state->cr0 = vmx_guest_view(vmread(VMCS_GUEST_CR0), vmx->cr0_shadow, vmx->cr0_mask);
    state->cr2 = vmx->away ? vmx->cr2 : read_cr2();
    state->cr3 = vmread(VMCS_GUEST_CR3);
    state->cr4 = vmx_guest_view(vmread(VMCS_GUEST_CR4), vmx->cr4_shadow, vmx->cr4_mask);
    if (vmx->vcpu.vtlb) {
        state->cr3 = vmx->vcpu.vtlb->guest.cr3;
        state->efer = vmx->vcpu.vtlb->guest.efer;
    } else {
        state->efer = vmread(VMCS_GUEST_EFER);
    }
}

static void get_segment(struct vcpu_state *state, unsigned i)
{
    state->segment[i] = (struct vcpu_segment){
        .selector = (uint16_t)vmread(VMCS_NTH(VMCS_GUEST_ES_SELECTOR, i)),
        .attributes = vmx_attributes(vmread32(VMCS_NTH(VMCS_GUEST_ES_ACCESS, i))),
        .limit = vmread32(VMCS_NTH(VMCS_GUEST_ES_LIMIT, i)),
        .base = vmread(VMCS_NTH(VMCS_GUEST_ES_BASE, i)),
    };
}

static void get_segments(struct vcpu_state *state)
{
    for (unsigned i = 0; i < SEG_COUNT; i++) {
        get_segment(state, i);
    }
}

static void get_tables(struct vcpu_state *state)
{
    state->gdtr.limit = vmread32(VMCS_GUEST_GDTR_LIMIT);
    state->gdtr.base = vmread(VMCS_GUEST_GDTR_BASE);
    state->idtr.limit = vmread32(VMCS_GUEST_IDTR_LIMIT);
    state->idtr.base = vmread(VMCS_GUEST_IDTR_BASE);
}

/* SYSCALL's MSRs change only through the VMM (writes are intercepted): no RDMSR. */
static void get_msrs(const struct vmx_vcpu *vmx, struct vcpu_state *state)
{
    state->star = vmx->syscall.star;
    state->lstar = vmx->syscall.lstar;
    state->cstar = vmx->cstar;
    state->fmask = vmx->syscall.fmask;
    state->kernel_gs_base = rdmsr(MSR_KERNEL_GS_BASE);
    state->sysenter_cs = vmread(VMCS_GUEST_SYSENTER_CS);
    state->sysenter_esp = vmread(VMCS_GUEST_SYSENTER_ESP);
    state->sysenter_eip = vmread(VMCS_GUEST_SYSENTER_EIP);
    state->pat = vmx->pat;
}

static __attribute__((noinline)) void get_others(const struct vmx_vcpu *vmx,
                                                 struct vcpu_state *state, uint32_t groups)
{
    if (groups & STATE_RSP) {
        state->gpr[GPR_RSP] = vmread(VMCS_GUEST_RSP);
    }
    if (groups & STATE_CONTROL) {
        get_control(vmx, state);
    }
    if (groups & STATE_SEGMENTS) {
        get_segments(state);
    } else if (groups & STATE_CODE) {
        get_segment(state, SEG_CS);
    }
    if (groups & STATE_TABLES) {
        get_tables(state);
    }
    if (groups & STATE_DEBUG) {
        state->dr7 = vmread(VMCS_GUEST_DR7);
    }
    if (groups & STATE_MSRS) {
        get_msrs(vmx, state);
    }
    if (groups & STATE_XCR0) {
        state->xcr0 = fpu_xcr0();
    }
}

void vmx_state_get(struct vcpu *vcpu, uint32_t groups)
{
    struct vmx_vcpu *vmx = vmx_of(vcpu);
    struct vcpu_state *state = vcpu->state;

    if (groups & STATE_IP) {
        know_ip(vmx);
        state->rip = vmread(VMCS_GUEST_RIP);
        state->rflags = vmx->rflags;
        state->interruptibility = vmx_abi_interruptibility(vmx->interruptibility);
    }
    if (groups & ~(uint32_t)STATE_IP) { /* the most frequent exits ask for no more */
        get_others(vmx, state, groups);
    }
}

/* ---- Into the VMCS ------------------------------------------------------------------------ */

static RARE void set_ip(struct vmx_vcpu *vmx, uint64_t rip, uint64_t rflags,
                        uint32_t interruptible)
{
    know_ip(vmx);
    uint32_t interruptibility = vmx_interruptibility(interruptible, vmx->interruptibility);

    vmwrite(VMCS_GUEST_RIP, rip);
    if (vmx->rflags != rflags) {
        vmx->rflags = rflags;
        vmwrite(VMCS_GUEST_RFLAGS, rflags);
    }
    if (vmx->interruptibility != interruptibility) {
        vmx->interruptibility = interruptibility;
        vmwrite(VMCS_GUEST_INTERRUPTIBILITY, interruptibility);
    }
}

void vmx_flush(struct vcpu *vcpu)
{
    vmx_of(vcpu)->flush_vpid = true;
}

void vmx_set_cr2(struct vcpu *vcpu, uint64_t address)
{
    struct vmx_vcpu *vmx = vmx_of(vcpu);

    if (!vmx->away) {
        __asm__ volatile("mov %0, %%cr2" : : "r"(address));
    }
    vmx->cr2 = address;
}

static void set_control(struct vmx_vcpu *vmx, const struct vcpu_state *in)
{
    uint64_t efer = vmx_real_efer(in->efer, in->cr0), cr0 = in->cr0, cr3 = in->cr3, cr4 = in->cr4;

    if (vmx->vcpu.vtlb) {
        vtlb_set(&vmx->vcpu, cr0, cr3, cr4, efer);
        cr3 = vmx->vcpu.vtlb->root; /* and whenever it is flushed */
        cr4 = vtlb_real_cr4(cr0, cr4);
        cr0 = vtlb_real_cr0(cr0);
        efer = vtlb_real_efer(vmx->vcpu.vtlb);
    }
    /* Where EFER is not loaded, SYSCALL is on at all times. */
    vmx->uses_syscall = (efer & EFER_SCE) || !(vmx_features.entry & ENTRY_LOAD_EFER);
    vmx->cr0_shadow = in->cr0;
    vmx->cr4_shadow = in->cr4;
    vmwrite(VMCS_GUEST_CR0, vmx_real_cr0(cr0));
    vmwrite(VMCS_CR0_SHADOW, in->cr0);
    vmwrite(VMCS_GUEST_CR4, vmx_real_cr4(&vmx_limits, cr4));
    vmwrite(VMCS_CR4_SHADOW, in->cr4);
    vmwrite(VMCS_GUEST_CR3, cr3);
    if (vmx_features.entry & ENTRY_LOAD_EFER) {
        vmwrite(VMCS_GUEST_EFER, efer);
    }
    /* The hardware keeps this control in step when the guest turns paging on or off by itself
     * (SDM vol 3, 27.2.1), so it may differ from what was written last. */
    vmwrite(VMCS_ENTRY_CONTROLS, vmx_features.entry | (efer & EFER_LMA ? ENTRY_GUEST_64 : 0u));
    vmx->cr2 = in->cr2;
    vmx->flush_vpid = true;
}

static void set_segments(const struct vcpu_state *in)
{
    for (unsigned i = 0; i < SEG_COUNT; i++) {
        const struct vcpu_segment *segment = &in->segment[i];

        vmwrite(VMCS_NTH(VMCS_GUEST_ES_SELECTOR, i), segment->selector);
        vmwrite(VMCS_NTH(VMCS_GUEST_ES_ACCESS, i), vmx_access_rights(segment->attributes));
        vmwrite(VMCS_NTH(VMCS_GUEST_ES_LIMIT, i), segment->limit);
        vmwrite(VMCS_NTH(VMCS_GUEST_ES_BASE, i), segment->base);
    }
}

static void set_tables(const struct vcpu_state *in)
{
    vmwrite(VMCS_GUEST_GDTR_LIMIT, in->gdtr.limit);
    vmwrite(VMCS_GUEST_GDTR_BASE, in->gdtr.base);
    vmwrite(VMCS_GUEST_IDTR_LIMIT, in->idtr.limit);
    vmwrite(VMCS_GUEST_IDTR_BASE, in->idtr.base);
}

static void set_msrs(struct vmx_vcpu *vmx, const struct vcpu_state *in)
{
    vmx->syscall = (struct syscall_msrs){in->star, in->lstar, in->fmask};
    vmx->cstar = in->cstar;
    vmx->kernel_gs_base = in->kernel_gs_base;
    if (vmx->cpu) {
        wrmsr(MSR_KERNEL_GS_BASE, in->kernel_gs_base);
    }
    vmwrite(VMCS_GUEST_SYSENTER_CS, in->sysenter_cs);
    vmwrite(VMCS_GUEST_SYSENTER_ESP, in->sysenter_esp);
    vmwrite(VMCS_GUEST_SYSENTER_EIP, in->sysenter_eip);
    vmx->pat = in->pat;
    if (vmx_features.entry & ENTRY_LOAD_PAT) {
        vmwrite(VMCS_GUEST_PAT, in->pat);
    }
}

static RARE void load_others(struct vmx_vcpu *vmx, const struct vcpu_state *in, uint32_t groups)
{
    if (groups & STATE_RSP) {
        vmwrite(VMCS_GUEST_RSP, in->gpr[GPR_RSP]);
    }
    if (groups & STATE_CONTROL) {
        set_control(vmx, in);
    }
    if (groups & STATE_SEGMENTS) {
        set_segments(in);
    }
    if (groups & STATE_TABLES) {
        set_tables(in);
    }
    if (groups & STATE_DEBUG) {
        vmwrite(VMCS_GUEST_DR7, in->dr7 | DR7_ONE);
    }
    if (groups & STATE_MSRS) {
        set_msrs(vmx, in);
    }
    if (groups & STATE_RESET) {
        fpu_reset(&vmx->fpu, vmx->dr);
    }
    if (groups & STATE_XCR0) {
        fpu_set_xcr0(in->xcr0);
    }
}

void vmx_state_load(struct vmx_vcpu *vmx, const struct vcpu_state *in, uint32_t groups)
{
    /* CR2 and SYSCALL's MSRs are taken up on the way back. */
    KASSERT(vmx->away || !(groups & (STATE_CONTROL | STATE_MSRS)));
    if (groups & STATE_IP) {
        set_ip(vmx, in->rip, in->rflags, in->interruptibility);
    }
    if (groups & ~(uint32_t)STATE_IP) {
        load_others(vmx, in, groups);
    }
}

enum status vmx_state_set(struct vcpu *vcpu, const struct vcpu_state *in, uint32_t groups)
{
    struct vmx_vcpu *vmx = vmx_of(vcpu);

    if (!vcpu_state_valid(in, groups, &vmx_limits.may, vcpu->vtlb ? VTLB_CR4_MADE : 0) ||
        ((groups & STATE_XCR0) && !fpu_xcr0_valid(in->xcr0))) {
        return STATUS_BAD_ARGUMENT;
    }
    vmx_state_load(vmx, in, groups);
    return STATUS_OK;
}

/* After the frequent exits a VMM moves RIP and nothing else. */
void vmx_load_ip(struct vcpu *vcpu)
{
    struct vmx_vcpu *vmx = vmx_of(vcpu);
    const struct vcpu_ip *ip = &vcpu->ip;

    if (vmx->ip_known && ip->rflags == vmx->rflags &&
        ip->interruptibility == vmx_abi_interruptibility(vmx->interruptibility)) {
        vmwrite(VMCS_GUEST_RIP, ip->rip);
    } else {
        set_ip(vmx, ip->rip, ip->rflags, ip->interruptibility);
    }
}
