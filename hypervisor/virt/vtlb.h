/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The software virtual TLB: what takes the place of nested paging where the processor has none, or
 * where the VM is to do without. Each vCPU has shadow tables, from the guest's linear addresses to
 * physical ones, which its processor runs on while the guest does. They are a cache and nothing
 * else: filled on #PF out of the guest's own tables and the guest-physical space, forgotten where
 * the manual says that a TLB forgets (SDM vol 3, 4.10.4). docs/memory-virtualization.md.
 *
 * The guest runs with paging, PAE, NXE and WP on, whatever it believes: with four levels while it
 * is in long mode, and with three otherwise.
 */
#include "lib/walk.h"
#include "virt/vcpu.h"

/* Tables of a vCPU at most: 2 MiB of linear addresses each. When they are used up it begins anew. */
#define VTLB_FRAMES 192u
/* That it has from the beginning: the roots, and enough for any one fill. */
#define VTLB_FRAMES_MIN 8u

/* In a frame of its own. */
struct vtlb {
    struct walk_registers guest; /* what the guest believes */
    uint64_t generation;         /* vm->generation that the tables are not older than */
    phys_addr root;              /* for the real CR3; always the same */
    bool split;                  /* a page of the guest's may stand in several entries */
    uint32_t held, used;         /* frames; those that are not in use hold garbage */
    uint64_t *frame[VTLB_FRAMES];
};
_Static_assert(sizeof(struct vtlb) <= PAGE_SIZE, "one frame");

/* What the processor runs on, out of what the guest believes; the backend adds what is its own. */
#define VTLB_CR0 (CR0_PE | CR0_PG | CR0_WP)
#define VTLB_CR4 CR4_PAE
/* CR4 bits of translation, which the guest must not change by itself. PGE is never really set: no
 * shadow entry is global. */
#define VTLB_CR4_OWNED (CR4_PSE | CR4_PAE | CR4_PGE | CR4_SMEP | CR4_SMAP)
static inline uint64_t vtlb_real_cr0(uint64_t cr0)
{
    return cr0 | VTLB_CR0;
}

static inline uint64_t vtlb_real_cr4(uint64_t cr4)
{
    return (cr4 & ~(CR4_PSE | CR4_PGE)) | VTLB_CR4;
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

/* Makes it, in the state after reset. NO_MEMORY. With the kernel's lock. */
enum status vtlb_create(struct vcpu *vcpu);
void vtlb_destroy(struct vcpu *vcpu);
/* The guest's registers are these from now on; the old translations are gone. */
void vtlb_set(struct vcpu *vcpu, uint64_t cr0, uint64_t cr3, uint64_t cr4, uint64_t efer);
/* Forgets everything, and makes the processor forget. */
void vtlb_flush(struct vcpu *vcpu);
/* Before an entry: forgets what is older than the guest-physical space. */
static inline void vtlb_refresh(struct vcpu *vcpu, uint64_t generation)
{
    if (vcpu->vtlb->generation != generation) {
        vcpu->vtlb->generation = generation;
        vtlb_flush(vcpu);
    }
}

/* EXIT_PAGE_FAULT and EXIT_INVLPG (virt/exit.c). False: *exit has become one for the handler. */
bool vtlb_page_fault(struct vcpu *vcpu, struct vcpu_exit *exit);
bool vtlb_invlpg(struct vcpu *vcpu, struct vcpu_exit *exit);
