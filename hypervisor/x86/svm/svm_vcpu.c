/* SPDX-License-Identifier: Apache-2.0 */
/* A vCPU: its VMCB, what is switched when it takes the processor, and the way in. */
#include "svm.h"
#include "virt/vtlb.h"

#include "count.h"
#include "kernel/cpu.h"
#include "kernel/log.h"
#include "kernel/memory.h"
#include "kernel/thread.h"
#include "x86/debug_registers.h"
#include "x86/fpu.h"
#include "x86/instr.h"
#include "x86/kernel_space.h"


/* State after reset (APM vol 2, 14.1.3): real mode at ffff:fff0. */
void svm_reset_state(struct vmcb *vmcb)
{
    const struct vmcb_segment data = {.attributes = 0x93, .limit = 0xffff};

    vmcb->es = vmcb->ss = vmcb->ds = vmcb->fs = vmcb->gs = data;
    vmcb->cs = (struct vmcb_segment){0xf000, 0x9b, 0xffff, 0xffff0000};
    vmcb->gdtr = vmcb->idtr = (struct vmcb_segment){.limit = 0xffff};
    vmcb->ldtr = (struct vmcb_segment){.attributes = 0x82, .limit = 0xffff};
    vmcb->tr = (struct vmcb_segment){.attributes = 0x8b, .limit = 0xffff};
    vmcb->efer = EFER_SVME;
    vmcb->cr0 = 0x60000010;
    vmcb->dr6 = 0xffff0ff0;
    vmcb->dr7 = 0x400;
    vmcb->rflags = 0x2;
    vmcb->rip = 0xfff0;
    vmcb->pat = 0x0007040600070406;
}

static void set_intercepts(struct vmcb *vmcb)
{
    vmcb->intercept_exceptions =
        INTERCEPT_EXCEPTION_DB | INTERCEPT_EXCEPTION_AC | INTERCEPT_EXCEPTION_MC;
    vmcb->intercepts = INTERCEPT_INTR | INTERCEPT_NMI | INTERCEPT_SMI | INTERCEPT_INIT |
                       INTERCEPT_RDPMC | INTERCEPT_CPUID | INTERCEPT_RSM | INTERCEPT_INVD |
                       INTERCEPT_HLT | INTERCEPT_INVLPGA | INTERCEPT_IO | INTERCEPT_MSR |
                       INTERCEPT_TASK_SWITCH | INTERCEPT_SHUTDOWN;
    vmcb->intercepts2 = INTERCEPT_VMRUN | INTERCEPT_VMMCALL | INTERCEPT_VMLOAD |
                        INTERCEPT_VMSAVE | INTERCEPT_STGI | INTERCEPT_CLGI | INTERCEPT_SKINIT |
                        INTERCEPT_RDTSCP | INTERCEPT_WBINVD | INTERCEPT_MONITOR |
                        INTERCEPT_MWAIT | INTERCEPT_XSETBV | INTERCEPT_RDPRU;
}

/* The vTLB is asked for whatever concerns translation. */
static void use_vtlb(struct vcpu *vcpu, struct vmcb *vmcb)
{
    vmcb->intercept_exceptions |= INTERCEPT_EXCEPTION_PF;
    vmcb->intercepts |= INTERCEPT_INVLPG | (svm_by_qemu ? 0 : INTERCEPT_VINTR);
    vmcb->intercept_cr_read = SVM_VTLB_CR;
    vmcb->intercept_cr_write = SVM_VTLB_CR;
    svm_vtlb_control(vcpu, vmcb->cr0, 0, vmcb->cr4, 0);
}

enum status svm_vcpu_init(struct vcpu *vcpu)
{
    struct svm_vcpu *svm = svm_of(vcpu);
    struct vmcb *vmcb = frame_alloc(vcpu->vm->quota);

    if (!vmcb) {
        return STATUS_NO_MEMORY;
    }
    svm->vmcb = vmcb;
    svm->gpr = vcpu->state->gpr;
    svm->vmcb_physical = arch_pool_physical(vmcb);
    fpu_init(&svm->fpu);
    set_intercepts(vmcb);
    vmcb->iopm_base = image_physical(svm_port_map);
    vmcb->msrpm_base = image_physical(svm_msr_map);
    vmcb->virtual_interrupt = V_INTR_MASKING;
    svm_reset_state(vmcb);
    if (vcpu->vtlb) {
        use_vtlb(vcpu, vmcb);
    } else {
        vmcb->nested_control = 1;
        vmcb->nested_cr3 = vcpu->vm->gpa.root;
    }
    return STATUS_OK;
}

void svm_vcpu_destroy(struct vcpu *vcpu)
{
    frame_free(vcpu->vm->quota, svm_of(vcpu)->vmcb);
}

/* ---- The processor changes its vCPU -------------------------------------------------------- */

void svm_load(struct vcpu *vcpu)
{
    struct svm_vcpu *svm = svm_of(vcpu);

    svm->cpu = svm_this_cpu();
    svm->host_physical = svm->cpu->host_physical;
    svm->stack = svm->cpu->stack;
    /* While it has the processor, nobody else begins the identifiers anew. */
    svm->generation = svm->asid_epoch == svm->cpu->asid_epoch ? svm->generation : 0;
    fpu_load(&svm->fpu);
    debug_registers_load(svm->dr);
}

void svm_unload(struct vcpu *vcpu)
{
    struct svm_vcpu *svm = svm_of(vcpu);

    fpu_save(&svm->fpu);
    debug_registers_save(svm->dr);
}

/* ---- In ------------------------------------------------------------------------------------- */

/*
 * An identifier under which the processor holds no translation that is older than the VM's
 * tables: a fresh one whenever they have lost something, and all of them anew, with a flush of
 * everything, when they are used up (APM vol 2, 15.16).
 */
static RARE void take_asid(struct svm_vcpu *svm, uint64_t generation)
{
    struct svm_cpu *cpu = svm->cpu;

    if (cpu->asid_next == cpu->asid_count) {
        COUNT(flush);
        cpu->asid_epoch++;
        cpu->asid_next = 1;
        svm->vmcb->tlb_control = TLB_FLUSH_ALL;
    }
    svm->vmcb->asid = cpu->asid_next++;
    svm->asid_epoch = cpu->asid_epoch;
    svm->generation = generation;
    KASSERT(svm->vmcb->asid > 0 && svm->vmcb->asid < cpu->asid_count);
}

void svm_load_ip(struct vcpu *vcpu)
{
    struct vmcb *vmcb = svm_of(vcpu)->vmcb;

    vmcb->rip = vcpu->ip.rip;
    vmcb->rflags = vcpu->ip.rflags;
    vmcb->interrupt_shadow = vcpu->ip.interruptibility & BLOCKED_BY_STI_OR_MOV_SS;
}

static inline _Noreturn void enter(struct svm_vcpu *svm)
{
    svm->vmcb->rax = svm->vcpu.state->gpr[GPR_RAX];
    COUNT(exit);
    COUNT(vmload);
    COUNT(vmload);
    COUNT(vmload);
    svm_run(svm);
}

/* What comes before some entries only. */
static RARE _Noreturn void prepare_and_enter(struct thread *self)
{
    vcpu_prepare(self);
    struct vcpu *vcpu = self->vcpu;
    struct svm_vcpu *svm = svm_of(vcpu);
    uint64_t generation = __atomic_load_n(&vcpu->vm->generation, __ATOMIC_RELAXED);

    svm->vmcb->tlb_control = TLB_KEEP;
    if (svm->generation != generation) {
        if (vcpu->vtlb) {
            vtlb_refresh(vcpu, generation);
        }
        take_asid(svm, generation);
    }
    enter(svm);
}

void svm_resume(struct thread *self)
{
    struct vcpu *vcpu = self->vcpu;
    struct svm_vcpu *svm = svm_of(vcpu);

    if (__builtin_expect(!vcpu_prepared(self) ||
                             svm->generation !=
                                 __atomic_load_n(&vcpu->vm->generation, __ATOMIC_RELAXED),
                         0)) {
        prepare_and_enter(self);
    }
    if (vcpu->new_ip) {
        vcpu->new_ip = false;
        svm_load_ip(vcpu);
    }
    svm->vmcb->tlb_control = TLB_KEEP;
    enter(svm);
}

/* ---- Events ---------------------------------------------------------------------------------- */

void svm_inject(struct vcpu *vcpu, const struct vcpu_event *event)
{
    /* SVM knows no software exceptions: INT3 and INTO are exceptions 3 and 4. */
    uint64_t type = event->type == EVENT_SOFT_EXCEPTION ? EVENT_EXCEPTION : event->type;

    svm_of(vcpu)->vmcb->event_injection = EVENT_VALID | event->vector | type << EVENT_TYPE_SHIFT |
                                          (event->has_error ? EVENT_ERROR_VALID : 0) |
                                          (uint64_t)event->error << EVENT_ERROR_SHIFT;
}

static bool interruptible(const struct vmcb *vmcb)
{
    return (vmcb->rflags & RFLAGS_IF) && !(vmcb->interrupt_shadow & 1) &&
           vmcb->event_injection == 0;
}

/*
 * An interrupt that the guest can take at its entry is injected. One that has to wait is a virtual
 * interrupt, which the guest takes without an exit (APM vol 2, 15.21.4).
 *
 * With the vTLB the delivery itself may exit, and Bochs does not tell of a virtual interrupt what it
 * was (EXITINTINFO has the exception before). It exits when it can be taken, and is injected then.
 *
 * QEMU delivers an injected interrupt twice, RFLAGS.IF or not, when its loop ends before the
 * guest's next exit or exception: there all are virtual. And it forgets the guest's interrupt
 * shadow when there is one at the entry: there one waits for the next exit, or `sti; hlt` would be
 * torn apart. Writes of CR8 exit meanwhile (QEMU aborts on them).
 */
bool svm_offer_irq(struct vcpu *vcpu, bool busy)
{
    struct svm_vcpu *svm = svm_of(vcpu);
    struct vmcb *vmcb = svm->vmcb;
    bool held = svm_by_qemu && (vmcb->interrupt_shadow & 1);

    (void)busy; /* the VMCB tells */
    if (vcpu->irq && !svm_by_qemu && interruptible(vmcb)) {
        svm_inject(vcpu, &(struct vcpu_event){.type = EVENT_EXTERNAL,
                                              .vector = (uint8_t)vcpu->irq});
        vcpu->irq = 0;
    }
    svm->offered = vcpu->irq && !held;
    if (svm->offered) {
        vmcb->virtual_interrupt = V_INTR_MASKING | V_IRQ | V_IGNORE_TPR;
        vmcb->virtual_vector = (uint8_t)vcpu->irq;
        vmcb->intercept_cr_write |= INTERCEPT_CR8;
    } else {
        vmcb->virtual_interrupt = V_INTR_MASKING;
        vmcb->intercept_cr_write &= (uint16_t)~INTERCEPT_CR8;
    }
    return vcpu->irq && held;
}

/*
 * An exit that interrupted the delivery has not delivered it, whether or not the processor has
 * cleared V_IRQ: it stands there again. (QEMU tells of it as if it were an exception.)
 */
RARE void svm_note_irq(struct svm_vcpu *svm)
{
    struct vmcb *vmcb = svm->vmcb;
    const struct vcpu_event event = svm_decode_event(vmcb->exit_int_info);
    bool waits = (vmcb->virtual_interrupt & V_IRQ) != 0;

    if (event.valid && event.vector == vmcb->virtual_vector &&
        (event.type == EVENT_EXTERNAL || (event.type == EVENT_EXCEPTION && waits))) {
        vmcb->exit_int_info = 0;
        vmcb->virtual_interrupt |= V_IRQ;
    } else if (!waits) {
        svm->vcpu.irq = 0;
        svm_offer_irq(&svm->vcpu, false);
    }
    svm->vcpu.attention |= svm->vcpu.irq != 0; /* it may have become interruptible, or not */
}
