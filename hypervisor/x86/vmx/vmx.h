/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The VMX backend's own structs and functions. */
#include "kernel/arch.h"
#include "virt/vcpu.h"
#include "virt/vm.h"
#include "x86/fpu.h"
#include "x86/segments.h"
#include "x86/vmx/exit.h"
#include "x86/vmx/features.h"
#include "x86/vmx/state.h"

/* ---- All VMs ------------------------------------------------------------------------------ */

/* VMXON region or VMCS (SDM vol 3, 24.2): a frame that begins with the revision; the rest belongs
 * to the processor. */
struct vmx_region {
    uint32_t revision;
    uint8_t opaque[PAGE_SIZE - 4];
};
_Static_assert(sizeof(struct vmx_region) == PAGE_SIZE, "SDM vol 3, 24.2");

/* SYSCALL's MSRs. CSTAR is not among them: Intel's processors never use it. */
struct syscall_msrs {
    uint64_t star, lstar, fmask;
};

/* One processor. */
struct vmx_cpu {
    unsigned id;
    struct vmx_region *region;    /* VMXON's */
    struct vmx_vcpu *current;     /* whose VMCS is current; NULL: none */
    struct syscall_msrs host;     /* what user threads need */
    struct syscall_msrs loaded;   /* what the processor holds */
    struct table_pointer gdtr;    /* for user threads: an exit leaves limit 0xffff */
};

extern struct vmx_features vmx_features;
extern struct vmx_limits vmx_limits;

/* The calling processor's. */
struct vmx_cpu *vmx_this_cpu(void);

/* vmx_maps.c */
extern uint8_t vmx_port_map[], vmx_msr_map[];
void vmx_make_maps(void);

/* ---- One vCPU ----------------------------------------------------------------------------- */

struct vmx_vcpu {
    struct vcpu vcpu;
    _Alignas(128) uint64_t *gpr; /* 0x80 entry.S: the state page's */
    uint64_t stack;     /* 0x88 entry.S: top of its processor's kernel stack */
    uint8_t launched;   /* 0x90 entry.S: VMRESUME instead of VMLAUNCH */

    bool away;          /* user code may have run: CR2 and SYSCALL's MSRs are not the guest's */
    bool flush_vpid;    /* before the next entry */
    bool uses_syscall;  /* EFER.SCE: only then do SYSCALL's MSRs matter to it */
    bool ip_known;      /* state->rflags and ->interruptibility are the VMCS's */
    uint16_t vpid;

    /* What the VMCS's fields hold, so that they are written only when they change. */
    uint64_t host_cr3;
    uint32_t processor_controls;
    uint32_t interruptibility;
    uint64_t rflags;
    uint64_t cr0_shadow, cr4_shadow;
    uint64_t cr0_mask, cr4_mask; /* bits that are not the guest's */
    uint32_t secondary;

    /* The guest's registers that no VMCS holds, while the processor does not hold them. */
    struct syscall_msrs syscall;
    uint64_t cstar, kernel_gs_base, pat;
    uint64_t cr2;       /* valid while `away` */
    uint64_t dr[4], dr6;

    struct vmx_cpu *cpu; /* whose host state the VMCS holds; NULL: none yet */
    struct vmx_region *vmcs;
    struct fpu fpu;
};
_Static_assert(offsetof(struct vmx_vcpu, gpr) == 0x80, "entry.S");
_Static_assert(offsetof(struct vmx_vcpu, stack) == 0x88, "entry.S");
_Static_assert(offsetof(struct vmx_vcpu, launched) == 0x90, "entry.S");
_Static_assert(sizeof(struct vmx_vcpu) <= PAGE_SIZE, "one frame");

/*
 * Exceptions that exit: machine checks, which are the host's, and the two that a guest can make
 * fault again in their own delivery, for ever and without letting an interrupt through: #DB and
 * #AC. Those it gets back (vmx_exit.c).
 */
#define VMX_EXCEPTIONS (1u << 1 | 1u << 17 | 1u << 18)

#define VMX_PAGE_FAULT (1u << 14)

static inline struct vmx_vcpu *vmx_of(const struct vcpu *vcpu)
{
    return (struct vmx_vcpu *)vcpu;
}

/* entry.S: enters the guest. After its exit it goes on with vmx_exited, or with vmx_refused after
 * VMfail, and then with the thread that this returns. */
_Noreturn void vmx_run(struct vmx_vcpu *vmx);
struct thread *vmx_exited(struct vmx_vcpu *vmx);
struct thread *vmx_refused(struct vmx_vcpu *vmx);
/* entry.S: HOST_RIP. */
extern const char vmx_exit_entry[];

/* vmx_vcpu.c */
enum status vmx_vcpu_init(struct vcpu *vcpu);
void vmx_vcpu_destroy(struct vcpu *vcpu);
void vmx_load(struct vcpu *vcpu);
void vmx_unload(struct vcpu *vcpu);
/* User code will run next: makes its system calls work again. The next vmx_resume undoes it. */
void vmx_leave(struct vmx_vcpu *vmx);
void vmx_resume(struct thread *self);
bool vmx_interruptible(const struct vcpu *vcpu);
void vmx_inject(struct vcpu *vcpu, const struct vcpu_event *event);
bool vmx_offer_irq(struct vcpu *vcpu, bool busy);

/* vmx_state.c */
void vmx_set_cr2(struct vcpu *vcpu, uint64_t address);
void vmx_flush(struct vcpu *vcpu);
void vmx_state_get(struct vcpu *vcpu, uint32_t groups);
enum status vmx_state_set(struct vcpu *vcpu, const struct vcpu_state *in, uint32_t groups);
void vmx_load_ip(struct vcpu *vcpu);
/* Loads what vmx_check_state has passed. */
void vmx_state_load(struct vmx_vcpu *vmx, const struct vcpu_state *in, uint32_t groups);

/* vmx_exit.c */
void vmx_host_event(struct vcpu *vcpu, const struct vcpu_exit *exit);
