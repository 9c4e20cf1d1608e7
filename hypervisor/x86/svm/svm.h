/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* AMD's backend, inside: what its files share. */
#include "virt/vcpu.h"
#include "virt/vm.h"
#include "vmcb.h"
#include "x86/fpu.h"

/* One processor: its host state for VMLOAD and its address-space identifiers. */
struct svm_cpu {
    void *host_save;        /* VM_HSAVE_PA: VMRUN's */
    struct vmcb *host;      /* VMSAVE's: what VMLOAD brings back after an exit */
    phys_addr host_physical;
    uint64_t stack;         /* top of its kernel stack */
    uint32_t asid_count;    /* identifiers that the CPU has; 0 is the host's */
    uint32_t asid_next;
    uint64_t asid_epoch;    /* grows when they are used up and all start anew */
};
extern struct svm_cpu svm_cpus[];

/* One vCPU. */
struct svm_vcpu {
    struct vcpu vcpu;
    _Alignas(128) uint64_t *gpr; /* 0x80 entry.S: the state page's */
    phys_addr vmcb_physical;     /* 0x88 entry.S */
    phys_addr host_physical;     /* 0x90 entry.S: its processor's host state */
    uint64_t stack;              /* 0x98 entry.S: top of its processor's kernel stack */
    struct vmcb *vmcb;
    struct svm_cpu *cpu;    /* it is bound to it; NULL: not loaded yet */
    uint64_t dr[4];         /* DR0..3 while another vCPU has the processor */
    uint64_t asid_epoch;    /* when it got its identifier, */
    uint64_t generation;    /* and the guest-physical space's generation then; 0: take another */
    bool offered;           /* vcpu->irq stands in the VMCB as a virtual interrupt */
    struct fpu fpu;
};
_Static_assert(offsetof(struct svm_vcpu, gpr) == 0x80, "entry.S");
_Static_assert(offsetof(struct svm_vcpu, vmcb_physical) == 0x88, "entry.S");
_Static_assert(offsetof(struct svm_vcpu, host_physical) == 0x90, "entry.S");
_Static_assert(offsetof(struct svm_vcpu, stack) == 0x98, "entry.S");
_Static_assert(sizeof(struct svm_vcpu) <= PAGE_SIZE, "one frame");

/* entry.S: GIF is set and interrupts are off before and after; the guest's general registers but
 * RAX and RSP run in gpr, those two in the VMCB. After the exit it goes on with svm_exited, and
 * then with the thread that this returns. */
_Noreturn void svm_run(struct svm_vcpu *svm);
struct thread *svm_exited(struct svm_vcpu *svm);

/* svm.c */
struct svm_cpu *svm_this_cpu(void);
/* QEMU 7.2's SVM has two defects with interrupts (svm_vcpu.c) and one with paging
 * (svm_state.c). */
extern bool svm_by_qemu;
/* svm_maps.c */
extern uint8_t svm_port_map[], svm_msr_map[];
void svm_make_maps(void);
/* svm_state.c */
void svm_state_get(struct vcpu *vcpu, uint32_t groups);
enum status svm_state_set(struct vcpu *vcpu, const struct vcpu_state *in, uint32_t groups);
void svm_load_ip(struct vcpu *vcpu); /* without a trap */
void svm_step_ip(struct vcpu *vcpu);
/* Under the vTLB: what the guest believes; the VMCB gets what it runs on. */
void svm_vtlb_control(struct vcpu *vcpu, uint64_t cr0, uint64_t cr3, uint64_t cr4, uint64_t efer);
/* What a guest's state may hold. */
extern struct vcpu_limits svm_limits;
/* What CPUID says: leaf 1 ECX, leaf 7 EBX and ECX, leaf 80000001 EDX, leaf 80000008 EAX. */
struct vcpu_limits svm_make_limits(uint32_t leaf1_ecx, uint32_t leaf7_ebx, uint32_t leaf7_ecx,
                                   uint32_t extended_edx, uint32_t widths);
void svm_set_cr2(struct vcpu *vcpu, uint64_t address);
void svm_flush(struct vcpu *vcpu);
/* Of the guest, which runs on others under the vTLB. */
#define SVM_VTLB_CR ((1u << 0) | (1u << 3) | (1u << 4))
/* svm_exit.c */
void svm_decode_exit(const struct vmcb *vmcb, struct vcpu_exit *exit);
struct vcpu_event svm_decode_event(uint64_t exit_int_info);
void svm_host_event(struct vcpu *vcpu, const struct vcpu_exit *exit);
/* svm_vcpu.c */
void svm_reset_state(struct vmcb *vmcb);
enum status svm_vcpu_init(struct vcpu *vcpu);
void svm_vcpu_destroy(struct vcpu *vcpu);
void svm_load(struct vcpu *vcpu);
void svm_unload(struct vcpu *vcpu);
void svm_resume(struct thread *self);
void svm_inject(struct vcpu *vcpu, const struct vcpu_event *event);
bool svm_offer_irq(struct vcpu *vcpu, bool busy);
/* After an exit, while `offered`: does the guest have it? */
void svm_note_irq(struct svm_vcpu *svm);

/* svm_state.c: instruction pointer, and what it takes to fetch the instruction; svm_state_get's
 * frequent parts. */
#define STATE_FETCH (STATE_CONTROL | STATE_CODE)
void svm_get_fetch(const struct vcpu *vcpu, const struct vmcb *vmcb, struct vcpu_state *state);
static inline void svm_get_ip(const struct vmcb *vmcb, struct vcpu_state *state)
{
    state->rip = vmcb->rip;
    state->rflags = vmcb->rflags;
    state->interruptibility = vmcb->interrupt_shadow & BLOCKED_BY_STI_OR_MOV_SS;
}

static inline struct svm_vcpu *svm_of(const struct vcpu *vcpu)
{
    return (struct svm_vcpu *)vcpu;
}
