/* SPDX-License-Identifier: Apache-2.0 */
/* The table of AMD's backend, and what concerns a processor. */
#include "svm.h"

#include "count.h"
#include "kernel/cpu.h"
#include "kernel/memory.h"
#include "lib/string.h"
#include "x86/fpu.h"
#include "x86/instr.h"
#include "x86/paging_format.h"
#include "x86/sections.h"
#include "x86/trap.h"

#define CPUID_EXTENDED_FEATURES 0x80000001u
#define CPUID_80000001_ECX_SVM (1u << 2)
#define CPUID_SVM 0x8000000au
#define CPUID_SVM_EDX_NP (1u << 0)
#define CPUID_SVM_EDX_NRIP (1u << 3)
#define CPUID_WIDTHS 0x80000008u
#define CPUID_1_ECX_HYPERVISOR (1u << 31)
#define CPUID_HYPERVISOR 0x40000000u
#define CPUID_HYPERVISOR_EBX_TCG 0x54474354u /* "TCGT", QEMU's emulation */

#define MSR_VM_CR 0xc0010114u
#define VM_CR_SVMDIS (1UL << 4)
#define MSR_VM_HSAVE_PA 0xc0010117u

struct svm_cpu svm_cpus[CPU_MAX];
RO_AFTER_INIT struct vcpu_limits svm_limits;
RO_AFTER_INIT bool svm_by_qemu;

struct svm_cpu *svm_this_cpu(void)
{
    return &svm_cpus[arch_this_cpu()->id];
}

static const char *svm_probe(uint32_t *caps)
{
    if (!(cpuid_if_present(CPUID_EXTENDED_FEATURES, 0).ecx & CPUID_80000001_ECX_SVM)) {
        return "this CPU has no SVM";
    }
    struct cpuid svm = cpuid_if_present(CPUID_SVM, 0);
    uint64_t vm_cr;

    /* Bochs has no VM_CR, whatever its CPUID says. */
    if (rdmsr_probe(MSR_VM_CR, &vm_cr) && (vm_cr & VM_CR_SVMDIS)) {
        return "SVM is disabled by the firmware (VM_CR.SVMDIS)";
    }
    if (svm.ebx < 2) {
        return "this CPU has no address-space identifiers for guests";
    }
    *caps = (svm.edx & CPUID_SVM_EDX_NP ? VIRT_NESTED_PAGING | VIRT_UNRESTRICTED : 0) |
            (svm.edx & CPUID_SVM_EDX_NRIP ? (uint32_t)VIRT_INSN_LENGTH : 0);
    return NULL;
}

static struct vcpu_limits find_limits(void)
{
    struct cpuid leaf7 = cpuid_if_present(7, 0);

    struct vcpu_limits limits = svm_make_limits(cpuid(1, 0).ecx, leaf7.ebx, leaf7.ecx,
                           cpuid(CPUID_EXTENDED_FEATURES, 0).edx, cpuid(CPUID_WIDTHS, 0).eax);
    limits.gigabyte_pages = page_largest_host == 2;
    return limits;
}

/* What the boot processor finds for all, which is read-only afterwards. */
static void find_common(void)
{
    svm_limits = find_limits();
    svm_by_qemu = (cpuid(1, 0).ecx & CPUID_1_ECX_HYPERVISOR) &&
                  cpuid(CPUID_HYPERVISOR, 0).ebx == CPUID_HYPERVISOR_EBX_TCG;
    svm_make_maps();
}

static enum status svm_cpu_enable(struct cpu *cpu, struct quota *quota)
{
    struct svm_cpu *svm = &svm_cpus[cpu->id];
    const struct vcpu_limits limits = find_limits();

    if (cpu->id == 0) {
        find_common();
    } else if (!memory_equal(&limits, &svm_limits, sizeof(limits))) {
        return STATUS_UNSUPPORTED;
    }
    svm->host_save = frame_alloc(quota);
    svm->host = frame_alloc(quota);
    if (!svm->host_save || !svm->host) {
        return STATUS_NO_MEMORY; /* the machine does not start: nobody needs the other frame */
    }
    svm->host_physical = arch_pool_physical(svm->host);
    svm->stack = cpu->arch.kernel_stack;
    svm->asid_count = cpuid(CPUID_SVM, 0).ebx;
    svm->asid_next = svm->asid_count; /* the first to take one flushes what was there before us */
    fpu_enable();
    wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_SVME);
    wrmsr(MSR_VM_HSAVE_PA, arch_pool_physical(svm->host_save));
    /* What VMLOAD brings back never changes: the kernel uses neither FS nor GS, and its TR,
     * LDTR and SYSCALL MSRs are set once. */
    __asm__ volatile("vmsave %0" : : "a"(svm->host_physical) : "memory");
    return STATUS_OK;
}

static void svm_cpu_disable(struct cpu *cpu)
{
    (void)cpu;
    wrmsr(MSR_VM_HSAVE_PA, 0);
    wrmsr(MSR_EFER, rdmsr(MSR_EFER) & ~EFER_SVME);
    count_report();
}

const struct virt_ops svm_ops = {
    .name = "SVM",
    .probe = svm_probe,
    .cpu_enable = svm_cpu_enable,
    .cpu_disable = svm_cpu_disable,
    .gpa_format = &page_format_npt,
    .limits = &svm_limits,
    .vcpu_init = svm_vcpu_init,
    .vcpu_destroy = svm_vcpu_destroy,
    .load = svm_load,
    .unload = svm_unload,
    .resume = svm_resume,
    .host_event = svm_host_event,
    .state_get = svm_state_get,
    .state_set = svm_state_set,
    .load_ip = svm_step_ip,
    .inject = svm_inject,
    .offer_irq = svm_offer_irq,
    .flush = svm_flush,
    .set_cr2 = svm_set_cr2,
};
