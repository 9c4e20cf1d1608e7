/* SPDX-License-Identifier: Apache-2.0 */
/* Between the VMCB and the state page; what comes from the VMM is checked first. */
#include "svm.h"
#include "virt/vtlb.h"

#include "x86/fpu.h"
#include "x86/instr.h"
#include "x86/trap.h"


/* CR4 bits that every CPU with SVM has, and the CPUID bits of the others (APM vol 2, 3.1.3). */
#define CR4_BASIC 0x7ffUL /* VME .. OSXMMEXCPT */

/* Not LA57, PKE, CET and what came later: their state is not switched. */
struct vcpu_limits svm_make_limits(uint32_t leaf1_ecx, uint32_t leaf7_ebx, uint32_t leaf7_ecx,
                                  uint32_t extended_edx, uint32_t widths)
{
    return (struct vcpu_limits){
        .cr4 = CR4_BASIC | (leaf1_ecx & 1u << 17 ? CR4_PCIDE : 0) |
               (leaf1_ecx & 1u << 26 ? CR4_OSXSAVE : 0) |
               (leaf7_ebx & 1u << 0 ? CR4_FSGSBASE : 0) |
               (leaf7_ebx & 1u << 7 ? CR4_SMEP : 0) | (leaf7_ebx & 1u << 20 ? CR4_SMAP : 0) |
               (leaf7_ecx & 1u << 2 ? CR4_UMIP : 0),
        .efer = EFER_SCE | EFER_LME | EFER_LMA | (extended_edx & 1u << 20 ? EFER_NXE : 0),
        .physical_bits = widths & 0xff,
    };
}

/* ---- Loading -------------------------------------------------------------------------------- */

static struct vmcb_segment *vmcb_segment(struct vmcb *vmcb, unsigned index)
{
    static const uint16_t offsets[SEG_COUNT] = {
        [SEG_ES] = offsetof(struct vmcb, es),     [SEG_CS] = offsetof(struct vmcb, cs),
        [SEG_SS] = offsetof(struct vmcb, ss),     [SEG_DS] = offsetof(struct vmcb, ds),
        [SEG_FS] = offsetof(struct vmcb, fs),     [SEG_GS] = offsetof(struct vmcb, gs),
        [SEG_LDTR] = offsetof(struct vmcb, ldtr), [SEG_TR] = offsetof(struct vmcb, tr),
    };

    return (struct vmcb_segment *)((uint8_t *)vmcb + offsets[index]);
}

/* A segment that cannot be used has its present bit clear. */
static void load_segments(struct vmcb *vmcb, const struct vcpu_state *in)
{
    for (unsigned i = 0; i < SEG_COUNT; i++) {
        const struct vcpu_segment *from = &in->segment[i];
        bool unusable = (from->attributes & SEGMENT_UNUSABLE) != 0;

        *vmcb_segment(vmcb, i) = (struct vmcb_segment){
            from->selector, unusable ? 0 : from->attributes & 0xfff, from->limit, from->base};
    }
    vmcb->cpl = in->segment[SEG_SS].attributes >> 5 & 3;
}

/* VMRUN requires SVME, which the guest does not see; LMA is the processor's: LME with paging on
 * (APM vol 2, 14.7). */
static uint64_t real_efer(const struct vcpu_state *in)
{
    bool long_mode = (in->efer & EFER_LME) && (in->cr0 & CR0_PG);

    return (in->efer & ~EFER_LMA) | (long_mode ? EFER_LMA : 0) | EFER_SVME;
}

/*
 * At the exit of a guest with EFER.LME that has neither paging nor CR4.PAE, QEMU 7.2 does not turn
 * the host's paging on again. There such a guest has PAE, which means nothing without paging;
 * as it may turn paging off by itself, its writes of CR4 exit as long as it has LME.
 */
static void keep_pae(struct vmcb *vmcb)
{
    bool may_lack = svm_by_qemu && (vmcb->efer & EFER_LME);

    vmcb->cr4 |= may_lack && !(vmcb->cr0 & CR0_PG) ? CR4_PAE : 0;
    vmcb->intercept_cr_write =
        (uint16_t)((vmcb->intercept_cr_write & ~INTERCEPT_CR4) | (may_lack ? INTERCEPT_CR4 : 0));
}

void svm_vtlb_control(struct vcpu *vcpu, uint64_t cr0, uint64_t cr3, uint64_t cr4, uint64_t efer)
{
    struct vmcb *vmcb = svm_of(vcpu)->vmcb;

    vtlb_set(vcpu, cr0, cr3, cr4, efer);
    vmcb->cr0 = vtlb_real_cr0(cr0);
    vmcb->cr4 = vtlb_real_cr4(cr0, cr4);
    vmcb->efer = vtlb_real_efer(vcpu->vtlb) | EFER_SVME;
}

/* Before the next entry: a fresh identifier. */
void svm_flush(struct vcpu *vcpu)
{
    svm_of(vcpu)->vmcb->cr3 = vcpu->vtlb->root;
    svm_of(vcpu)->generation = 0;
}

void svm_set_cr2(struct vcpu *vcpu, uint64_t address)
{
    svm_of(vcpu)->vmcb->cr2 = address;
    __asm__ volatile("mov %0, %%cr2" : : "r"(address)); /* Bochs's VMRUN does not load it */
}

/* Returns whether translations may have changed with it, as they do where a guest's own MOV or
 * WRMSR would have flushed them (APM vol 2, 15.16). */
static bool load_control(struct vcpu *vcpu, struct vmcb *vmcb, const struct vcpu_state *in)
{
    if (vcpu->vtlb) {
        vmcb->cr2 = in->cr2;
        svm_vtlb_control(vcpu, in->cr0, in->cr3, in->cr4, in->efer);
        return false; /* it sees to that */
    }
    uint64_t efer = real_efer(in);
    bool changed = vmcb->cr0 != in->cr0 || vmcb->cr3 != in->cr3 || vmcb->cr4 != in->cr4 ||
                   vmcb->efer != efer;

    vmcb->cr0 = in->cr0;
    vmcb->cr2 = in->cr2;
    vmcb->cr3 = in->cr3;
    vmcb->cr4 = in->cr4;
    vmcb->efer = efer;
    keep_pae(vmcb);
    return changed;
}

/* Likewise for memory types by the PAT. */
static bool load_msrs(struct vmcb *vmcb, const struct vcpu_state *in)
{
    bool changed = vmcb->pat != in->pat;

    vmcb->star = in->star;
    vmcb->lstar = in->lstar;
    vmcb->cstar = in->cstar;
    vmcb->fmask = in->fmask;
    vmcb->kernel_gs_base = in->kernel_gs_base;
    vmcb->sysenter_cs = in->sysenter_cs;
    vmcb->sysenter_esp = in->sysenter_esp;
    vmcb->sysenter_eip = in->sysenter_eip;
    vmcb->pat = in->pat;
    return changed;
}

#define DR6_BS (1UL << 14)

/*
 * A guest that steps traps after each instruction, and after one that the VMM has executed for it
 * as well: RIP has moved. (VMX keeps such traps pending by itself.)
 */
static void trap_step(struct vcpu *vcpu, uint64_t rip)
{
    struct vmcb *vmcb = svm_of(vcpu)->vmcb;

    if ((vmcb->rflags & RFLAGS_TF) && rip != vmcb->rip && !vcpu->event.valid) {
        vmcb->dr6 |= DR6_BS;
        vcpu_pend(vcpu, (struct vcpu_event){
                            .valid = true, .type = EVENT_EXCEPTION, .vector = VECTOR_DEBUG});
    }
}

void svm_step_ip(struct vcpu *vcpu)
{
    if (vcpu->ip.rflags & RFLAGS_TF) {
        trap_step(vcpu, vcpu->ip.rip);
    }
    svm_load_ip(vcpu);
}

enum status svm_state_set(struct vcpu *vcpu, const struct vcpu_state *in, uint32_t groups)
{
    struct svm_vcpu *svm = svm_of(vcpu);
    struct vmcb *vmcb = svm->vmcb;
    bool changed = false;

    if (!vcpu_state_valid(in, groups, &svm_limits, vcpu->vtlb ? VTLB_CR4_MADE : 0) ||
        ((groups & STATE_XCR0) && !fpu_xcr0_valid(in->xcr0))) {
        return STATUS_BAD_ARGUMENT;
    }
    if (groups & STATE_IP) {
        vcpu->ip = (struct vcpu_ip){in->rip, in->rflags, in->interruptibility};
        svm_step_ip(vcpu);
    }
    if (groups & STATE_RSP) {
        vmcb->rsp = in->gpr[GPR_RSP];
    }
    if (groups & STATE_CONTROL) {
        changed |= load_control(vcpu, vmcb, in);
    }
    if (groups & STATE_SEGMENTS) {
        load_segments(vmcb, in);
    }
    if (groups & STATE_TABLES) {
        vmcb->gdtr = (struct vmcb_segment){.limit = in->gdtr.limit, .base = in->gdtr.base};
        vmcb->idtr = (struct vmcb_segment){.limit = in->idtr.limit, .base = in->idtr.base};
    }
    if (groups & STATE_DEBUG) {
        vmcb->dr7 = in->dr7;
    }
    if (groups & STATE_MSRS) {
        changed |= load_msrs(vmcb, in);
    }
    if (groups & STATE_RESET) {
        fpu_reset(&svm->fpu, svm->dr);
    }
    if (groups & STATE_XCR0) {
        fpu_set_xcr0(in->xcr0);
    }
    if (changed) {
        svm->generation = 0; /* a fresh identifier at the next entry */
    }
    return STATUS_OK;
}

/* ---- Reading -------------------------------------------------------------------------------- */

static void get_segment(const struct vmcb_segment *from, struct vcpu_segment *to)
{
    bool present = (from->attributes & 0x80) != 0;

    *to = (struct vcpu_segment){
        from->selector,
        (uint16_t)((from->attributes & 0xfff) | (present ? 0 : SEGMENT_UNUSABLE)), from->limit,
        from->base};
}

static void get_segments(struct vmcb *vmcb, struct vcpu_state *state)
{
    for (unsigned i = 0; i < SEG_COUNT; i++) {
        get_segment(vmcb_segment(vmcb, i), &state->segment[i]);
    }
    /* SS.DPL is the privilege level; some CPUs keep it in CPL only (APM vol 2, 15.5.1). */
    struct vcpu_segment *ss = &state->segment[SEG_SS];

    ss->attributes = (uint16_t)((ss->attributes & ~0x60u) | (unsigned)(vmcb->cpl & 3) << 5);
}

static void get_msrs(const struct vmcb *vmcb, struct vcpu_state *state)
{
    state->star = vmcb->star;
    state->lstar = vmcb->lstar;
    state->cstar = vmcb->cstar;
    state->fmask = vmcb->fmask;
    state->kernel_gs_base = vmcb->kernel_gs_base;
    state->sysenter_cs = vmcb->sysenter_cs;
    state->sysenter_esp = vmcb->sysenter_esp;
    state->sysenter_eip = vmcb->sysenter_eip;
    state->pat = vmcb->pat;
}

static void get_control(const struct vcpu *vcpu, const struct vmcb *vmcb,
                        struct vcpu_state *state)
{
    state->cr0 = vmcb->cr0;
    state->cr2 = vmcb->cr2;
    state->cr3 = vmcb->cr3;
    state->cr4 = vmcb->cr4;
    state->efer = vmcb->efer & ~EFER_SVME;
    if (__builtin_expect(vcpu->vtlb != NULL, 0)) {
        const struct walk_registers *guest = &vcpu->vtlb->guest;

        state->cr0 = guest->cr0;
        state->cr3 = guest->cr3;
        state->cr4 = guest->cr4;
        state->efer = guest->efer;
    }
}

void svm_get_fetch(const struct vcpu *vcpu, const struct vmcb *vmcb, struct vcpu_state *state)
{
    get_control(vcpu, vmcb, state);
    get_segment(&vmcb->cs, &state->segment[SEG_CS]);
}

void svm_state_get(struct vcpu *vcpu, uint32_t groups)
{
    struct vmcb *vmcb = svm_of(vcpu)->vmcb;
    struct vcpu_state *state = vcpu->state;

    if (groups & STATE_IP) {
        svm_get_ip(vmcb, state);
    }
    if (groups & STATE_RSP) {
        state->gpr[GPR_RSP] = vmcb->rsp;
    }
    if (groups & STATE_CONTROL) {
        get_control(vcpu, vmcb, state);
    }
    if (groups & STATE_SEGMENTS) {
        get_segments(vmcb, state);
    } else if (groups & STATE_CODE) {
        get_segment(&vmcb->cs, &state->segment[SEG_CS]);
    }
    if (groups & STATE_TABLES) {
        state->gdtr = (struct vcpu_segment){.limit = vmcb->gdtr.limit, .base = vmcb->gdtr.base};
        state->idtr = (struct vcpu_segment){.limit = vmcb->idtr.limit, .base = vmcb->idtr.base};
    }
    if (groups & STATE_DEBUG) {
        state->dr7 = vmcb->dr7;
    }
    if (groups & STATE_MSRS) {
        get_msrs(vmcb, state);
    }
    if (groups & STATE_XCR0) {
        state->xcr0 = fpu_xcr0();
    }
}
