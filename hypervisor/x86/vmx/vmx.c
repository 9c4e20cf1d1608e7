/* SPDX-License-Identifier: Apache-2.0 */
/* The backend's table, and VMX on a processor: found, turned on, turned off. */
#include "x86/vmx/vmx.h"

#include "count.h"
#include "kernel/cpu.h"
#include "kernel/log.h"
#include "kernel/memory.h"
#include "lib/string.h"
#include "x86/fpu.h"
#include "x86/instr.h"
#include "x86/paging_format.h"
#include "x86/sections.h"
#include "x86/vmx/vmx_insn.h"

#define CPUID_1_ECX_VMX (1u << 5)
#define CPUID_EXTENDED_EDX_NX (1u << 20)

#define MSR_FEATURE_CONTROL 0x3au

/* SDM vol 3, appendix A. */
#define MSR_VMX_BASIC 0x480u
#define MSR_VMX_PIN 0x481u
#define MSR_VMX_PROCESSOR 0x482u
#define MSR_VMX_EXIT 0x483u
#define MSR_VMX_ENTRY 0x484u
#define MSR_VMX_MISC 0x485u
#define MSR_VMX_CR0_FIXED0 0x486u
#define MSR_VMX_CR0_FIXED1 0x487u
#define MSR_VMX_CR4_FIXED0 0x488u
#define MSR_VMX_CR4_FIXED1 0x489u
#define MSR_VMX_SECONDARY 0x48bu
#define MSR_VMX_EPT_VPID 0x48cu
#define MSR_VMX_TRUE_PIN 0x48du
#define MSR_VMX_TRUE_PROCESSOR 0x48eu
#define MSR_VMX_TRUE_EXIT 0x48fu
#define MSR_VMX_TRUE_ENTRY 0x490u
#define BASIC_TRUE_CONTROLS (1UL << 55)
#define EPT_1_GIB (1UL << 17)

RO_AFTER_INIT struct vmx_features vmx_features;
RO_AFTER_INIT struct vmx_limits vmx_limits;
static struct vmx_cpu vmx_cpus[CPU_MAX];

struct vmx_cpu *vmx_this_cpu(void)
{
    return &vmx_cpus[arch_this_cpu()->id];
}

void vmx_insn_failed(const char *mnemonic, uint64_t operand)
{
    uint64_t error = 0;

    __asm__ volatile("vmread %1, %0" : "+r"(error) : "r"((uint64_t)VMCS_INSN_ERROR) : "cc");
    panic("%s of 0x%lx failed, error %lu", mnemonic, operand, error);
}

/* ---- What is there ------------------------------------------------------------------------ */

static struct vmx_msrs read_msrs(void)
{
    struct vmx_msrs msrs = {
        .basic = rdmsr(MSR_VMX_BASIC),
        .misc = rdmsr(MSR_VMX_MISC),
        .cr0_fixed0 = rdmsr(MSR_VMX_CR0_FIXED0),
        .cr0_fixed1 = rdmsr(MSR_VMX_CR0_FIXED1),
        .cr4_fixed0 = rdmsr(MSR_VMX_CR4_FIXED0),
        .cr4_fixed1 = rdmsr(MSR_VMX_CR4_FIXED1),
    };
    bool exact = (msrs.basic & BASIC_TRUE_CONTROLS) != 0;

    msrs.pin = rdmsr(exact ? MSR_VMX_TRUE_PIN : MSR_VMX_PIN);
    msrs.processor = rdmsr(exact ? MSR_VMX_TRUE_PROCESSOR : MSR_VMX_PROCESSOR);
    msrs.exit = rdmsr(exact ? MSR_VMX_TRUE_EXIT : MSR_VMX_EXIT);
    msrs.entry = rdmsr(exact ? MSR_VMX_TRUE_ENTRY : MSR_VMX_ENTRY);
    /* Each of these faults where the one before does not offer it. */
    if (msrs.processor >> 32 & PROCESSOR_SECONDARY) {
        msrs.secondary = rdmsr(MSR_VMX_SECONDARY);
        if (msrs.secondary >> 32 & (SECONDARY_EPT | SECONDARY_VPID)) {
            msrs.ept_vpid = rdmsr(MSR_VMX_EPT_VPID);
        }
    }
    return msrs;
}

static const char *vmx_probe(uint32_t *caps)
{
    struct vmx_features features;

    if (!(cpuid(1, 0).ecx & CPUID_1_ECX_VMX)) {
        return "this CPU has no VMX (CPUID.1:ECX[5])";
    }
    if (vmx_disabled_by_firmware(rdmsr(MSR_FEATURE_CONTROL))) {
        return "VMX is disabled by the firmware (IA32_FEATURE_CONTROL)";
    }
    const struct vmx_msrs msrs = read_msrs();
    const char *missing = vmx_choose(&msrs, &features);

    *caps = missing           ? 0
                       : VIRT_INSN_LENGTH | VIRT_VTLB_PCIDS |
                             (features.nested ? VIRT_NESTED_PAGING | VIRT_UNRESTRICTED : 0);
    return missing;
}

/* ---- On and off --------------------------------------------------------------------------- */

static void find_limits(void)
{
    vmx_limits = vmx_make_limits(vmx_features.cr4_fixed0, vmx_features.cr4_fixed1, read_cr4(),
                                 cpuid_if_present(0x80000001, 0).edx & CPUID_EXTENDED_EDX_NX,
                                 cpuid_if_present(0x80000008, 0).eax & 0xff);
    vmx_limits.may.gigabyte_pages = page_largest_host == 2;
}

/* What the boot processor finds for all; any other has to be like it. */
static bool choose_features(bool first)
{
    const struct vmx_msrs msrs = read_msrs();
    struct vmx_features features;
    const char *missing = vmx_choose(&msrs, &features);

    KASSERT(!missing); /* probed before */
    if (first) {
        vmx_features = features;
        page_largest_ept = msrs.ept_vpid & EPT_1_GIB ? 2 : 1;
        vmx_make_maps();
    }
    return memory_equal(&features, &vmx_features, sizeof(features));
}

/* SDM vol 3, 23.7 and 23.8. */
static void turn_on(struct vmx_region *region)
{
    uint64_t control = rdmsr(MSR_FEATURE_CONTROL);

    if (!(control & FEATURE_CONTROL_LOCKED)) {
        wrmsr(MSR_FEATURE_CONTROL, control | FEATURE_CONTROL_VMX | FEATURE_CONTROL_LOCKED);
    }
    write_cr0((read_cr0() | vmx_features.cr0_fixed0) & vmx_features.cr0_fixed1);
    write_cr4(((read_cr4() | vmx_features.cr4_fixed0) & vmx_features.cr4_fixed1) | CR4_VMXE);
    region->revision = vmx_features.revision;
    vmxon(arch_pool_physical(region));
}

/* What user threads need of the processor and a guest takes away. */
static void remember_host(struct vmx_cpu *vmx)
{
    vmx->host = (struct syscall_msrs){rdmsr(MSR_STAR), rdmsr(MSR_LSTAR), rdmsr(MSR_FMASK)};
    vmx->loaded = vmx->host;
    __asm__ volatile("sgdt %0" : "=m"(vmx->gdtr));
    KASSERT(vmx->host.lstar != 0);
}

static enum status vmx_cpu_enable(struct cpu *cpu, struct quota *quota)
{
    struct vmx_cpu *vmx = &vmx_cpus[cpu->id];
    bool first = cpu->id == 0;

    if (!choose_features(first)) {
        return STATUS_UNSUPPORTED;
    }
    vmx->region = frame_alloc(quota);
    if (!vmx->region) {
        return STATUS_NO_MEMORY;
    }
    vmx->id = cpu->id;
    fpu_enable();
    turn_on(vmx->region);
    remember_host(vmx);
    if (first) {
        find_limits();
    }
    return STATUS_OK;
}

static void vmx_cpu_disable(struct cpu *cpu)
{
    struct vmx_cpu *vmx = &vmx_cpus[cpu->id];

    if (vmx->current) {
        vmclear(arch_pool_physical(vmx->current->vmcs));
        vmx->current = NULL;
    }
    vmxoff();
    write_cr4(read_cr4() & ~CR4_VMXE);
    count_report();
}

const struct virt_ops vmx_ops = {
    .name = "VMX",
    .probe = vmx_probe,
    .cpu_enable = vmx_cpu_enable,
    .cpu_disable = vmx_cpu_disable,
    .gpa_format = &page_format_ept,
    .limits = &vmx_limits.may,
    .vcpu_init = vmx_vcpu_init,
    .vcpu_destroy = vmx_vcpu_destroy,
    .load = vmx_load,
    .unload = vmx_unload,
    .resume = vmx_resume,
    .host_event = vmx_host_event,
    .state_get = vmx_state_get,
    .state_set = vmx_state_set,
    .load_ip = vmx_load_ip,
    .inject = vmx_inject,
    .offer_irq = vmx_offer_irq,
    .flush = vmx_flush,
    .set_cr2 = vmx_set_cr2,
};
