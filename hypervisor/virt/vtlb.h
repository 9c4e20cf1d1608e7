/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The software virtual TLB: what takes the place of nested paging where the processor has none, or
 * where the VM is to do without. Each vCPU has shadow tables, from the guest's linear addresses to
 * physical ones, which its processor runs on while the guest does (shadow.h). They are a cache and
 * nothing else: filled on #PF out of the guest's own tables and the guest-physical space, compared
 * with them where the manual says that a TLB forgets (SDM vol 3, 4.10.4).
 * docs/memory-virtualization.md.
 *
 * The guest runs with paging, PAE, NXE and WP on, whatever it believes: with four levels while it
 * is in long mode, and with three otherwise.
 */
#include "virt/shadow.h"

enum vtlb_load {
    VTLB_LOADED,
    VTLB_LOADING, /* the processor runs on no table at all until all were compared */
    VTLB_TO_LOAD, /* CR3, or what it means, was changed */
};

/* In a frame of its own. */
struct vtlb {
    struct walk_registers guest; /* what the guest believes */
    uint64_t generation;         /* vm->generation that the tables are not older than */
    phys_addr root;              /* for the real CR3 */
    enum vtlb_load load;
    bool keep;                   /* TO_LOAD: it invalidates nothing */
    void *nothing;               /* a frame: an empty table */
    struct shadow *top;
    struct shadows shadows;
};
_Static_assert(sizeof(struct vtlb) <= PAGE_SIZE, "one frame");

/* What the processor runs on, out of what the guest believes; the backend adds what is its own. */
#define VTLB_CR0 (CR0_PE | CR0_PG | CR0_WP)
#define VTLB_CR4 CR4_PAE
/* CR4 bits of translation, which the guest must not change by itself. PGE and PCIDE are never really
 * set: no shadow entry is global, and PCIDs are the first tables' (shadow.c). */
#define VTLB_CR4_OWNED (CR4_PSE | CR4_PAE | CR4_PGE | CR4_PCIDE | CR4_SMEP | CR4_SMAP)
/* And those that it can have whatever the processor has. But only VMX exits before it looks for
 * reserved bits (SDM vol 3, 25.1.1; APM vol 2, 15.9). */
#define VTLB_CR4_MADE CR4_PCIDE

static inline uint64_t vtlb_real_cr0(uint64_t cr0)
{
    return cr0 | VTLB_CR0;
}

/* Without paging there is no user page to keep the supervisor from. */
static inline uint64_t vtlb_real_cr4(uint64_t cr0, uint64_t cr4)
{
    uint64_t off = CR4_PSE | CR4_PGE | CR4_PCIDE | (cr0 & CR0_PG ? 0 : CR4_SMEP | CR4_SMAP);

    return (cr4 & ~off) | VTLB_CR4;
}

/* LMA as the processor would have it. */
static inline uint64_t vtlb_guest_efer(uint64_t efer, uint64_t cr0)
{
    return (efer & EFER_LME) && (cr0 & CR0_PG) ? efer | EFER_LMA : efer & ~EFER_LMA;
}

static inline uint64_t vtlb_real_efer(const struct vtlb *vtlb)
{
    uint64_t efer = vtlb->guest.efer;

    return (efer & EFER_LMA ? efer : efer & ~EFER_LME) | EFER_NXE;
}

/* Makes it, in the state after reset. The quota allows VTLB_CREATE_FRAMES. */
void vtlb_create(struct vcpu *vcpu);
#define VTLB_CREATE_FRAMES (2 + SHADOW_CREATE_FRAMES)
/* Gives back some of its frames; true when it is gone. */
bool vtlb_destroy(struct vcpu *vcpu);
/* The guest's registers are these from now on; the old translations are gone. */
void vtlb_set(struct vcpu *vcpu, uint64_t cr0, uint64_t cr3, uint64_t cr4, uint64_t efer);
/* Forgets everything. */
void vtlb_forget(struct vcpu *vcpu);
/* Before an entry: forgets what is older than the guest-physical space. */
static inline void vtlb_refresh(struct vcpu *vcpu, uint64_t generation)
{
    if (vcpu->vtlb->generation != generation) {
        vcpu->vtlb->generation = generation;
        vtlb_forget(vcpu);
    }
}

/* EXIT_PAGE_FAULT, EXIT_INVLPG and EXIT_CR_ACCESS (virt/exit.c). False: it is for the handler, and
 * may have become another. */
bool vtlb_page_fault(struct vcpu *vcpu, struct vcpu_exit *exit);
bool vtlb_invlpg(struct vcpu *vcpu, struct vcpu_exit *exit);
bool vtlb_cr_access(struct vcpu *vcpu, struct vcpu_exit *exit);
