/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The instructions of VMX (SDM vol 3, chapter 30). All of them fail by flags: CF without a current
 * VMCS, ZF with an error number in it. None of them ever fails here but for a bug of ours, so the
 * check costs one branch that is never taken and its other side panics.
 */
#include <stdint.h>

#include "count.h"
#include "kernel/arch.h"
#include "kernel/log.h"
#include "x86/vmx/vmcs.h"

/* vmx.c: panics, with the error number of the current VMCS. */
_Noreturn void vmx_insn_failed(const char *mnemonic, uint64_t operand);

static inline uint64_t vmread(uint32_t field)
{
    uint64_t value;
    bool failed;

    COUNT(vmread);
    __asm__ volatile("vmread %2, %0" : "=r"(value), "=@ccna"(failed) : "r"((uint64_t)field));
    if (__builtin_expect(failed, 0)) {
        vmx_insn_failed("VMREAD", field);
    }
    return value;
}

static inline uint32_t vmread32(uint32_t field)
{
    return (uint32_t)vmread(field);
}

static inline void vmwrite(uint32_t field, uint64_t value)
{
    bool failed;

    COUNT(vmwrite);
    __asm__ volatile("vmwrite %1, %2" : "=@ccna"(failed) : "r"(value), "r"((uint64_t)field));
    if (__builtin_expect(failed, 0)) {
        vmx_insn_failed("VMWRITE", field);
    }
}

/* Of one operand, the physical address of a region or VMCS. */
#define VMX_POINTER_INSN(name)                                                                     \
    static inline void name(phys_addr pointer)                                                     \
    {                                                                                              \
        bool failed;                                                                               \
                                                                                                   \
        COUNT(vmptrld);                                                                            \
        __asm__ volatile(#name " %1" : "=@ccna"(failed) : "m"(pointer) : "memory");                \
        if (failed) {                                                                              \
            vmx_insn_failed(#name, pointer);                                                       \
        }                                                                                          \
    }
VMX_POINTER_INSN(vmxon)
VMX_POINTER_INSN(vmptrld)
VMX_POINTER_INSN(vmclear)

static inline void vmxoff(void)
{
    __asm__ volatile("vmxoff" : : : "cc", "memory");
}

/* What INVEPT and INVVPID invalidate (SDM vol 3, 30.3). */
enum invalidation { INVALIDATE_SINGLE_CONTEXT = 1, INVALIDATE_ALL_CONTEXTS = 2 };

/* Of an extended-page-table pointer, or of a virtual-processor identifier. */
#define VMX_INVALIDATE_INSN(name)                                                                  \
    static inline void name(enum invalidation kind, uint64_t context)                              \
    {                                                                                              \
        const uint64_t descriptor[2] = {context, 0};                                               \
        bool failed;                                                                               \
                                                                                                   \
        COUNT(flush);                                                                              \
        __asm__ volatile(#name " %1, %2"                                                           \
                         : "=@ccna"(failed)                                                        \
                         : "m"(descriptor), "r"((uint64_t)kind)                                    \
                         : "memory");                                                              \
        if (failed) {                                                                              \
            vmx_insn_failed(#name, context);                                                       \
        }                                                                                          \
    }
VMX_INVALIDATE_INSN(invept)
VMX_INVALIDATE_INSN(invvpid)
