/* SPDX-License-Identifier: Apache-2.0 */
#include "x86/speculation.h"

#include "kernel/cpu.h"
#include "x86/instr.h"
#include "x86/layout.h"
#include "x86/sections.h"
#include "x86/trap.h"

/* CPUID 7.0 EDX (SDM vol 2, CPUID). */
#define CPUID_7_EDX_MD_CLEAR (1u << 10)
#define CPUID_7_EDX_IBRS (1u << 26) /* and IBPB */
#define CPUID_7_EDX_STIBP (1u << 27)
#define CPUID_7_EDX_L1D_FLUSH (1u << 28)
#define CPUID_7_EDX_CAPABILITIES (1u << 29)
/* CPUID 80000008 EBX and 80000021 EAX (APM vol 3, appendix E). */
#define CPUID_EXTENDED_EBX_IBPB (1u << 12)
#define CPUID_EXTENDED_EBX_STIBP (1u << 15)
#define CPUID_EXTENDED_EAX_AUTO_IBRS (1u << 8)

#define MSR_SPEC_CTRL 0x48u
#define SPEC_CTRL_IBRS (1UL << 0)
#define SPEC_CTRL_STIBP (1UL << 1)
#define MSR_PRED_CMD 0x49u
#define PRED_CMD_IBPB (1UL << 0)
#define MSR_ARCH_CAPABILITIES 0x10au
#define CAPABILITIES_RDCL_NO (1UL << 0)
#define CAPABILITIES_IBRS_ALL (1UL << 1) /* set once, it needs no write per entry */
#define CAPABILITIES_SKIP_L1DFL (1UL << 3)
#define MSR_FLUSH_CMD 0x10bu
#define FLUSH_CMD_L1D (1UL << 0)
#define EFER_AUTO_IBRS (1UL << 21)

RO_AFTER_INIT struct speculation speculation;
RO_AFTER_INIT bool speculation_stuff_returns;

static task_id last_task[CPU_MAX]; /* that each processor ran, idle times left out */

struct speculation speculation_choose(const struct speculation_cpu *cpu)
{
    bool intel_ibpb = cpu->has_control && (cpu->leaf7_edx & CPUID_7_EDX_IBRS);
    bool ibpb = intel_ibpb || (cpu->extended_ebx & CPUID_EXTENDED_EBX_IBPB);
    bool leaks_l1d = !(cpu->capabilities & (CAPABILITIES_RDCL_NO | CAPABILITIES_SKIP_L1DFL));
    bool stibp = cpu->has_control && ((cpu->leaf7_edx & CPUID_7_EDX_STIBP) ||
                                      (cpu->extended_ebx & CPUID_EXTENDED_EBX_STIBP));
    bool ibrs = intel_ibpb && (cpu->capabilities & CAPABILITIES_IBRS_ALL);

    return (struct speculation){
        .barriers = (ibpb ? (uint32_t)BARRIER_IBPB : 0) |
                    (cpu->leaf7_edx & CPUID_7_EDX_MD_CLEAR ? (uint32_t)BARRIER_VERW : 0) |
                    (leaks_l1d && (cpu->leaf7_edx & CPUID_7_EDX_L1D_FLUSH) ? (uint32_t)BARRIER_L1D
                                                                           : 0),
        .stuff_returns = ibpb,
        .automatic_ibrs = (cpu->extended_eax21 & CPUID_EXTENDED_EAX_AUTO_IBRS) != 0,
        .control = (ibrs ? SPEC_CTRL_IBRS : 0) | (stibp ? SPEC_CTRL_STIBP : 0),
    };
}

static struct speculation_cpu look(void)
{
    struct speculation_cpu cpu = {
        .leaf7_edx = cpuid_if_present(7, 0).edx,
        .extended_ebx = cpuid_if_present(0x80000008, 0).ebx,
        .extended_eax21 = cpuid_if_present(0x80000021, 0).eax,
    };
    uint64_t control;

    cpu.has_control = rdmsr_probe(MSR_SPEC_CTRL, &control);
    if (!(cpu.leaf7_edx & CPUID_7_EDX_CAPABILITIES) ||
        !rdmsr_probe(MSR_ARCH_CAPABILITIES, &cpu.capabilities)) {
        cpu.capabilities = 0;
    }
    return cpu;
}

void speculation_enable(const struct cpu *cpu)
{
    if (cpu->id == 0) {
        const struct speculation_cpu found = look();

        speculation = speculation_choose(&found);
        speculation_stuff_returns = speculation.stuff_returns;
    }
    if (speculation.automatic_ibrs) {
        wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_AUTO_IBRS);
    }
    if (speculation.control != 0) {
        wrmsr(MSR_SPEC_CTRL, speculation.control);
    }
}

void speculation_barrier(const struct cpu *cpu, task_id next)
{
    static const uint16_t selector = KERNEL_DS;

    if (next == 0 || last_task[cpu->id] == next) {
        return;
    }
    last_task[cpu->id] = next;
    if (speculation.barriers & BARRIER_IBPB) {
        wrmsr(MSR_PRED_CMD, PRED_CMD_IBPB);
        speculation_fill_returns(); /* IBPB need not reach them */
    }
    if (speculation.barriers & BARRIER_L1D) {
        wrmsr(MSR_FLUSH_CMD, FLUSH_CMD_L1D);
    }
    if (speculation.barriers & BARRIER_VERW) {
        __asm__ volatile("verw %0" : : "m"(selector) : "cc");
    }
}

/* Thirty-two calls, as many as any processor remembers. Whoever is predicted to return from one of
 * them waits in its loop until the prediction is found wrong. */
void speculation_fill_returns(void)
{
    __asm__ volatile("mov $16, %%ecx\n"
                     "1: call 2f\n"
                     "11: pause\n\t"
                     "lfence\n\t"
                     "jmp 11b\n"
                     "2: call 3f\n"
                     "22: pause\n\t"
                     "lfence\n\t"
                     "jmp 22b\n"
                     "3: dec %%ecx\n\t"
                     "jnz 1b\n\t"
                     "add $256, %%rsp\n\t"
                     "lfence"
                     :
                     :
                     : "rcx", "cc", "memory");
}
