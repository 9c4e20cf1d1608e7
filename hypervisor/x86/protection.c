/* SPDX-License-Identifier: Apache-2.0 */
#include "x86/protection.h"

#include "kernel/log.h"
#include "x86/instr.h"
#include "x86/sections.h"

/* In long mode only: Intel's CPUs do not say so before (SDM vol 2, CPUID). */
#define CPUID_80000001_EDX_SYSCALL (1u << 11)
#define CPUID_1_EDX_MCE (1u << 7)
/* CPUID leaf 7, subleaf 0 (SDM vol 2, CPUID). */
#define CPUID_7_EBX_SMEP (1u << 7)
#define CPUID_7_EBX_SMAP (1u << 20)
#define CPUID_7_ECX_UMIP (1u << 2)

/* What the compiler puts between a frame's arrays and its return address, and what it calls when
 * that has changed (-fstack-protector). The low byte is 0, so that no string reaches over it. */
extern uintptr_t __stack_chk_guard;
__attribute__((used)) RO_AFTER_INIT uintptr_t __stack_chk_guard;
__attribute__((used)) _Noreturn void __stack_chk_fail(void);

void __stack_chk_fail(void)
{
    panic("a stack frame was overwritten");
}

void protection_start(void)
{
    __stack_chk_guard = rdtsc() * 0x9e3779b97f4a7c15UL << 8;
}

void protection_enable(void)
{
    struct cpuid leaf7 = cpuid_if_present(7, 0);
    uint64_t cr4 = CR4_PAE | CR4_PGE;

    if (!(cpuid_if_present(0x80000001, 0).edx & CPUID_80000001_EDX_SYSCALL)) {
        refuse("this CPU lacks SYSCALL");
    }
    /* Without it a machine check shuts the machine down with no word. */
    cr4 |= cpuid(1, 0).edx & CPUID_1_EDX_MCE ? CR4_MCE : 0;
    cr4 |= leaf7.ebx & CPUID_7_EBX_SMEP ? CR4_SMEP : 0;
    cr4 |= leaf7.ebx & CPUID_7_EBX_SMAP ? CR4_SMAP : 0;
    cr4 |= leaf7.ecx & CPUID_7_ECX_UMIP ? CR4_UMIP : 0;
    write_cr4(cr4);
    /* TS: what a guest left in the FPU cannot be read by a task, which gets #NM instead. */
    write_cr0(CR0_PG | CR0_WP | CR0_NE | CR0_TS | CR0_MP | CR0_PE);
    wrmsr(MSR_EFER, EFER_NXE | EFER_LMA | EFER_LME | EFER_SCE);
}
