/* SPDX-License-Identifier: Apache-2.0 */
/* A vCPU's life on VMX: its VMCS made, brought to a processor and taken away, entered. */
#include "x86/vmx/vmx.h"

#include "count.h"
#include "kernel/cpu.h"
#include "kernel/log.h"
#include "kernel/memory.h"
#include "kernel/thread.h"
#include "x86/debug_registers.h"
#include "x86/fpu.h"
#include "x86/instr.h"
#include "x86/kernel_space.h"
#include "virt/vtlb.h"
#include "x86/vmx/vmx_insn.h"

_Static_assert(GPR_RAX == 0 && GPR_RCX == 1 && GPR_RDX == 2 && GPR_RBX == 3 && GPR_RBP == 5 &&
                   GPR_RSI == 6 && GPR_RDI == 7 && GPR_R8 == 8 && GPR_R15 == 15,
               "x86/guest_registers.inc");

/* After power-up and reset (SDM vol 3, table 9-1); what is 0 there is 0 here. */
#define SEGMENT_AFTER_RESET {.attributes = 0x93, .limit = 0xffff}
#define DR6_AFTER_RESET 0xffff0ff0UL
static const struct vcpu_state after_reset = {
    .rip = 0xfff0,
    .rflags = 2,
    .cr0 = CR0_CD | CR0_NW | 1 << 4,
    .dr7 = 0x400,
    .segment =
        {
            [SEG_ES] = SEGMENT_AFTER_RESET,
            [SEG_CS] = {.selector = 0xf000, .attributes = 0x9b, .limit = 0xffff,
                        .base = 0xffff0000},
            [SEG_SS] = SEGMENT_AFTER_RESET,
            [SEG_DS] = SEGMENT_AFTER_RESET,
            [SEG_FS] = SEGMENT_AFTER_RESET,
            [SEG_GS] = SEGMENT_AFTER_RESET,
            [SEG_LDTR] = {.attributes = 0x82, .limit = 0xffff},
            [SEG_TR] = {.attributes = 0x8b, .limit = 0xffff},
        },
    .gdtr = {.limit = 0xffff},
    .idtr = {.limit = 0xffff},
    .pat = 0x0007040600070406,
};

/* ---- Virtual-processor identifiers: with the kernel's lock ----------------------------------- */

#define VPID_COUNT 1024 /* THREAD_MAX: a vCPU is a thread */
_Static_assert(THREAD_MAX <= VPID_COUNT, "an identifier for every vCPU");
static uint64_t vpids[VPID_COUNT / 64] = {1}; /* 0 is the host's */

/* 0 when there is none. */
static uint16_t vpid_alloc(void)
{
    for (unsigned word = 0; word < VPID_COUNT / 64; word++) {
        uint64_t free = ~vpids[word];

        if (free != 0) {
            vpids[word] |= free & -free;
            return (uint16_t)(word * 64 + (unsigned)__builtin_ctzl(free));
        }
    }
    return 0;
}

static void vpid_free(uint16_t vpid)
{
    if (vpid != 0) {
        vpids[vpid / 64] &= ~(1UL << vpid % 64);
    }
}

/* ---- Making and ending -------------------------------------------------------------------- */

static void make_current(struct vmx_cpu *cpu, struct vmx_vcpu *vmx)
{
    if (cpu->current != vmx) {
        if (vmx) {
            vmptrld(arch_pool_physical(vmx->vmcs));
        }
        cpu->current = vmx;
    }
}

/* The VMCS's data goes back to its frame; it can be loaded on any processor. */
static void put_away(struct vmx_cpu *cpu, struct vmx_vcpu *vmx)
{
    vmclear(arch_pool_physical(vmx->vmcs));
    vmx->launched = 0;
    vmx->cpu = NULL;
    if (cpu->current == vmx) {
        cpu->current = NULL;
    }
}

static uint64_t eptp_of(const struct vm *vm)
{
    return vm->gpa.root | EPTP_WRITE_BACK_4_LEVELS;
}

/* What is 0 for good, or at first. The kernel's data segments but SS are null, and it uses neither
 * FS nor GS; a guest is active (its HLT is intercepted). */
static const uint16_t zero_fields[] = {
    VMCS_GUEST_ACTIVITY, VMCS_PAGE_FAULT_MASK, VMCS_PAGE_FAULT_MATCH, VMCS_CR3_TARGET_COUNT,
    VMCS_EXIT_MSR_STORE_COUNT, VMCS_EXIT_MSR_LOAD_COUNT, VMCS_ENTRY_MSR_LOAD_COUNT,
    VMCS_ENTRY_INTERRUPTION, VMCS_GUEST_DEBUGCTL, VMCS_GUEST_PENDING_DEBUG,
    VMCS_GUEST_INTERRUPTIBILITY, VMCS_HOST_DS_SELECTOR, VMCS_HOST_ES_SELECTOR,
    VMCS_HOST_FS_SELECTOR, VMCS_HOST_GS_SELECTOR, VMCS_HOST_FS_BASE, VMCS_HOST_GS_BASE,
    VMCS_HOST_SYSENTER_CS, VMCS_HOST_SYSENTER_ESP, VMCS_HOST_SYSENTER_EIP,
};

/* What the vTLB takes the place of, and what it has to be asked for. */
static void choose_controls(struct vmx_vcpu *vmx)
{
    vmx->processor_controls = vmx_features.processor;
    vmx->secondary = vmx_features.secondary;
    vmx->cr0_mask = CR0_HOST_OWNED;
    vmx->cr4_mask = vmx_cr4_mask(&vmx_limits);
    if (vmx->vcpu.vtlb) {
        vmx->processor_controls |= PROCESSOR_INVLPG | PROCESSOR_CR3_LOAD | PROCESSOR_CR3_STORE;
        vmx->secondary &= ~(SECONDARY_EPT | SECONDARY_UNRESTRICTED);
        vmx->cr0_mask |= VTLB_CR0;
        vmx->cr4_mask |= VTLB_CR4_OWNED;
    }
}

static void write_controls(struct vmx_vcpu *vmx, const struct vm *vm)
{
    for (unsigned i = 0; i < sizeof(zero_fields) / sizeof(zero_fields[0]); i++) {
        vmwrite(zero_fields[i], 0);
    }
    choose_controls(vmx);
    vmwrite(VMCS_PIN_CONTROLS, vmx_features.pin);
    vmwrite(VMCS_PROCESSOR_CONTROLS, vmx->processor_controls);
    if (vmx->processor_controls & PROCESSOR_SECONDARY) {
        vmwrite(VMCS_SECONDARY_CONTROLS, vmx->secondary);
    }
    vmwrite(VMCS_EXIT_CONTROLS, vmx_features.exit);
    vmwrite(VMCS_ENTRY_CONTROLS, vmx_features.entry);
    vmwrite(VMCS_EXCEPTION_BITMAP, VMX_EXCEPTIONS | (vmx->vcpu.vtlb ? VMX_PAGE_FAULT : 0u));
    vmwrite(VMCS_LINK_POINTER, UINT64_MAX);
    vmwrite(VMCS_IO_BITMAP_A, image_physical(vmx_port_map));
    vmwrite(VMCS_IO_BITMAP_B, image_physical(vmx_port_map));
    vmwrite(VMCS_MSR_BITMAP, image_physical(vmx_msr_map));
    if (vmx->secondary & SECONDARY_EPT) {
        vmwrite(VMCS_EPT_POINTER, eptp_of(vm));
    }
    vmwrite(VMCS_CR0_MASK, vmx->cr0_mask);
    vmwrite(VMCS_CR4_MASK, vmx->cr4_mask);
    if (vmx->vpid != 0) {
        vmwrite(VMCS_VPID, vmx->vpid);
    }
}

enum status vmx_vcpu_init(struct vcpu *vcpu)
{
    struct vmx_vcpu *vmx = vmx_of(vcpu);
    struct vmx_cpu *cpu = vmx_this_cpu();
    struct vmx_vcpu *before = cpu->current;

    vmx->vmcs = frame_alloc(vcpu->vm->quota);
    if (!vmx->vmcs) {
        return STATUS_NO_MEMORY;
    }
    vmx->vpid = vmx_features.secondary & SECONDARY_VPID ? vpid_alloc() : 0;
    vmx->gpr = vcpu->state->gpr;
    vmx->away = true;
    vmx->dr6 = DR6_AFTER_RESET;
    fpu_init(&vmx->fpu);
    vmx->vmcs->revision = vmx_features.revision;
    vmclear(arch_pool_physical(vmx->vmcs));
    make_current(cpu, vmx);
    write_controls(vmx, vcpu->vm);
    vmwrite(VMCS_GUEST_RFLAGS, after_reset.rflags);
    vmx_state_load(vmx, &after_reset, STATE_XCR0 - 1); /* the rest is fpu_init's */
    put_away(cpu, vmx);
    make_current(cpu, before);
    return STATUS_OK;
}

/* Its VMCS is on no processor: vmx_unload has put it away, or nobody ever loaded it. */
void vmx_vcpu_destroy(struct vcpu *vcpu)
{
    struct vmx_vcpu *vmx = vmx_of(vcpu);

    KASSERT(!vmx->cpu);
    vpid_free(vmx->vpid);
    frame_free(vcpu->vm->quota, vmx->vmcs);
}

/* ---- To a processor and away from it ------------------------------------------------------ */

/* Where an exit takes this processor (SDM vol 3, 24.5); HOST_CR3 may follow. */
static void write_host_state(struct vmx_vcpu *vmx, struct vmx_cpu *cpu)
{
    struct table_pointer idtr;
    uint16_t cs, ss, tr;

    __asm__ volatile("sidt %0" : "=m"(idtr));
    __asm__ volatile("mov %%cs, %0" : "=rm"(cs));
    __asm__ volatile("mov %%ss, %0" : "=rm"(ss));
    __asm__ volatile("str %0" : "=rm"(tr));
    vmwrite(VMCS_HOST_CR0, read_cr0());
    vmwrite(VMCS_HOST_CR4, read_cr4());
    vmwrite(VMCS_HOST_CS_SELECTOR, cs);
    vmwrite(VMCS_HOST_SS_SELECTOR, ss);
    vmwrite(VMCS_HOST_TR_SELECTOR, tr);
    vmwrite(VMCS_HOST_TR_BASE, (uint64_t)arch_this_cpu()->arch.tss);
    vmwrite(VMCS_HOST_GDTR_BASE, cpu->gdtr.base);
    vmwrite(VMCS_HOST_IDTR_BASE, idtr.base);
    if (vmx_features.exit & EXIT_LOAD_EFER) {
        vmwrite(VMCS_HOST_EFER, rdmsr(MSR_EFER));
    }
    if (vmx_features.exit & EXIT_LOAD_PAT) {
        vmwrite(VMCS_HOST_PAT, rdmsr(MSR_PAT));
    }
    vmwrite(VMCS_HOST_RIP, (uint64_t)vmx_exit_entry);
    vmx->stack = arch_this_cpu()->arch.kernel_stack;
    vmwrite(VMCS_HOST_RSP, vmx->stack - 8); /* where vmx_run leaves its argument */
    vmx->host_cr3 = read_cr3();
    vmwrite(VMCS_HOST_CR3, vmx->host_cr3);
}

void vmx_load(struct vcpu *vcpu)
{
    struct vmx_vcpu *vmx = vmx_of(vcpu);
    struct vmx_cpu *cpu = vmx_this_cpu();

    make_current(cpu, vmx);
    vmx->cpu = cpu;
    write_host_state(vmx, cpu);
    /* What this processor knows under the identifier may be from long ago, or another's. */
    vmx->flush_vpid = true;
    wrmsr(MSR_KERNEL_GS_BASE, vmx->kernel_gs_base);
    debug_registers_load(vmx->dr);
    __asm__ volatile("mov %0, %%db6" : : "r"(vmx->dr6));
    fpu_load(&vmx->fpu);
    vmx->away = true;
    vmx->ip_known = false;
}

void vmx_unload(struct vcpu *vcpu)
{
    struct vmx_vcpu *vmx = vmx_of(vcpu);

    vmx_leave(vmx);
    fpu_save(&vmx->fpu);
    debug_registers_save(vmx->dr);
    __asm__ volatile("mov %%db6, %0" : "=r"(vmx->dr6));
    vmx->kernel_gs_base = rdmsr(MSR_KERNEL_GS_BASE);
    put_away(vmx->cpu, vmx);
}

/* ---- Between guest and user code ---------------------------------------------------------- */

static void write_if_changed(uint32_t msr, uint64_t *loaded, uint64_t value)
{
    if (*loaded != value) {
        wrmsr(msr, value);
        *loaded = value;
    }
}

static void load_syscall_msrs(struct syscall_msrs *loaded, const struct syscall_msrs *wanted)
{
    write_if_changed(MSR_STAR, &loaded->star, wanted->star);
    write_if_changed(MSR_LSTAR, &loaded->lstar, wanted->lstar);
    write_if_changed(MSR_FMASK, &loaded->fmask, wanted->fmask);
}

void vmx_leave(struct vmx_vcpu *vmx)
{
    if (vmx->away) {
        return;
    }
    vmx->away = true;
    vmx->cr2 = read_cr2();
    if (vmx->uses_syscall) {
        load_syscall_msrs(&vmx->cpu->loaded, &vmx->cpu->host);
    }
    /* An exit sets the limit to 0xffff (SDM vol 3, 27.5.2): what stands behind the table is no
     * descriptor for user code to load. The interrupt table is full, so its limit does not
     * matter. */
    __asm__ volatile("lgdt %0" : : "m"(vmx->cpu->gdtr));
}

static void come_back(struct vmx_vcpu *vmx)
{
    vmx->away = false;
    if (read_cr2() != vmx->cr2) {
        write_cr2(vmx->cr2);
    }
    if (vmx->uses_syscall) { /* else SYSCALL and SYSRET fault whatever they say */
        load_syscall_msrs(&vmx->cpu->loaded, &vmx->syscall);
    }
}

/* ---- Entry -------------------------------------------------------------------------------- */

/* A changed guest-physical space (SDM vol 3, 28.4.3.3: combined mappings go as well). */
static RARE void flush_guest_physical(struct vcpu *vcpu, unsigned cpu, uint64_t generation)
{
    struct vm *vm = vcpu->vm;

    if (vcpu->vtlb) { /* here with every entry: each vCPU has its own */
        vtlb_refresh(vcpu, generation);
        return;
    }
    invept(vmx_features.invept_single ? INVALIDATE_SINGLE_CONTEXT : INVALIDATE_ALL_CONTEXTS,
           eptp_of(vm));
    vm->flushed[cpu] = generation;
}

/* Control registers that were set from outside, where the guest's own MOV would have flushed. */
static RARE void flush_linear(struct vmx_vcpu *vmx)
{
    vmx->flush_vpid = false;
    if (vmx->vcpu.vtlb) {
        vmwrite(VMCS_GUEST_CR3, vmx->vcpu.vtlb->root);
    }
    if (vmx->vpid != 0) {
        invvpid(vmx_features.invvpid_single ? INVALIDATE_SINGLE_CONTEXT : INVALIDATE_ALL_CONTEXTS,
                vmx->vpid);
    }
}

/* What comes before some entries only. */
static RARE void prepare(struct thread *self)
{
    vcpu_prepare(self);
    struct vcpu *vcpu = self->vcpu;
    struct vmx_vcpu *vmx = vmx_of(vcpu);
    uint64_t root = self->cpu->arch.root;
    uint64_t generation = __atomic_load_n(&vcpu->vm->generation, __ATOMIC_RELAXED);

    if (vmx->host_cr3 != root) {
        vmx->host_cr3 = root;
        vmwrite(VMCS_HOST_CR3, root);
    }
    if (vcpu->vm->flushed[vmx->cpu->id] != generation) {
        flush_guest_physical(vcpu, vmx->cpu->id, generation);
    }
    if (vmx->flush_vpid) {
        flush_linear(vmx);
    }
}

/* The guest exits when the processor's alarm goes off, also where no interrupt gets through. */
static RARE void set_preemption_timer(const struct cpu *cpu)
{
    tsc_time now = arch_time(), alarm = cpu->arch.armed;
    uint64_t ticks = alarm > now ? alarm - now : 0;

    vmwrite(VMCS_PREEMPTION_TIMER, ticks < UINT32_MAX ? ticks : UINT32_MAX);
}

void vmx_resume(struct thread *self)
{
    struct vcpu *vcpu = self->vcpu;
    struct vmx_vcpu *vmx = vmx_of(vcpu);

    if (__builtin_expect(!vcpu_prepared(self) || vmx->host_cr3 != self->cpu->arch.root ||
                             vmx->flush_vpid ||
                             vcpu->vm->flushed[vmx->cpu->id] !=
                                 __atomic_load_n(&vcpu->vm->generation, __ATOMIC_RELAXED),
                         0)) {
        prepare(self);
    }
    if (vcpu->new_ip) {
        vcpu->new_ip = false;
        vmx_load_ip(vcpu);
    }
    if (vmx->away) {
        come_back(vmx);
    }
    if (__builtin_expect(vmx_features.pin & PIN_PREEMPTION_TIMER, 0)) {
        set_preemption_timer(self->cpu);
    }
    vmx->ip_known = false;
    COUNT(exit);
    vmx_run(vmx);
}

/* ---- Events ------------------------------------------------------------------------------- */

void vmx_inject(struct vcpu *vcpu, const struct vcpu_event *event)
{
    (void)vcpu;
    vmwrite(VMCS_ENTRY_INTERRUPTION, INTERRUPTION_VALID | (uint32_t)event->type << 8 |
                                         (event->has_error ? INTERRUPTION_ERROR : 0u) |
                                         event->vector);
    if (event->has_error) {
        vmwrite(VMCS_ENTRY_ERROR_CODE, event->error);
    }
    if (event->type >= EVENT_SOFT_INTERRUPT) {
        vmwrite(VMCS_ENTRY_INSN_LENGTH, event->insn_length);
    }
}

/* The guest exits as soon as it can take an interrupt, while one has to wait. */
bool vmx_offer_irq(struct vcpu *vcpu, bool busy)
{
    struct vmx_vcpu *vmx = vmx_of(vcpu);

    if (vcpu->irq && !busy && vmx_interruptible(vcpu)) {
        vmx_inject(vcpu, &(struct vcpu_event){.type = EVENT_EXTERNAL,
                                              .vector = (uint8_t)vcpu->irq});
        vcpu->irq = 0;
    }
    uint32_t controls = vmx->processor_controls & ~PROCESSOR_IRQ_WINDOW;

    controls |= vcpu->irq ? PROCESSOR_IRQ_WINDOW : 0;
    if (controls != vmx->processor_controls) {
        vmx->processor_controls = controls;
        vmwrite(VMCS_PROCESSOR_CONTROLS, controls);
    }
    return vcpu->irq != 0;
}
