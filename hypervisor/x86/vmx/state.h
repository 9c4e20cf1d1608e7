/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Between the ABI's state and VMX's: conversion and validation. No instructions: tested on the
 * host. */
#include "virt/state.h"
#include "x86/vmx/vmcs.h"

/* CR0 bits that stay the host's: NE must be 1 in VMX operation; CD and NW would turn off the
 * caches of the processor, and no exit turns them on again (SDM vol 3, 27.5.1). */
#define CR0_HOST_OWNED 0x60000020u

/* What a guest's state may hold on this machine; the same for all processors. */
struct vmx_limits {
    struct vcpu_limits may;
    uint64_t cr4_must; /* 1 whatever the guest wants: VMXE, and MCE when the host has it on */
};

/* From what the processor has: `cr4_fixed1` IA32_VMX_CR4_FIXED1, `host_cr4` the host's CR4 in VMX
 * operation, `nx` CPUID.80000001:EDX[20]. */
struct vmx_limits vmx_make_limits(uint64_t cr4_fixed0, uint64_t cr4_fixed1, uint64_t host_cr4,
                                  bool nx, unsigned physical_bits);

/* CR4 bits whose writes exit, and whose reads give the shadow. */
uint64_t vmx_cr4_mask(const struct vmx_limits *limits);
/* What the hardware runs on, given the guest's view. */
uint64_t vmx_real_cr0(uint64_t cr0);
uint64_t vmx_real_cr4(const struct vmx_limits *limits, uint64_t cr4);
/* The guest's view, out of the real value and the shadow. */
static inline uint64_t vmx_guest_view(uint64_t real, uint64_t shadow, uint64_t mask)
{
    return (real & ~mask) | (shadow & mask);
}
/* LMA is the processor's: LME with paging on (SDM vol 3, 2.2.1). */
uint64_t vmx_real_efer(uint64_t efer, uint64_t cr0);

/* Segment attributes to access rights (SDM vol 3, 24.4.1) and back. */
uint32_t vmx_access_rights(uint16_t attributes);
uint16_t vmx_attributes(uint32_t access_rights);

/* Interruptibility (SDM vol 3, 24.4.2) from and to enum vcpu_interruptibility. `before` is what
 * the hardware said last: STI's shadow and MOV SS's are told apart where it does. */
uint32_t vmx_interruptibility(uint32_t abi, uint32_t before);
static inline uint32_t vmx_abi_interruptibility(uint32_t value)
{
    return (value & (BLOCKING_BY_STI | BLOCKING_BY_MOV_SS) ? BLOCKED_BY_STI_OR_MOV_SS : 0u) |
           (value & BLOCKING_BY_NMI ? BLOCKED_BY_NMI : 0u);
}
