/* SPDX-License-Identifier: Apache-2.0 */
/* sources: hypervisor/x86/svm/svm_exit.c hypervisor/x86/svm/svm_state.c hypervisor/x86/svm/svm_maps.c hypervisor/x86/svm/svm_vcpu.c hypervisor/virt/exit.c hypervisor/virt/state.c hypervisor/kernel/memory.c */
/* cflags: -iquote tests/unit/fake -Ihypervisor/x86/plain */
/* What SVM says, and what may be said to it: exits, state, intercepts, tags. The one instruction
 * of it, VMRUN, is played by svm_run below. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernel/log.h"
#include "kernel/memory.h"
#include "kernel/thread.h"
#include "virt/virt.h"
#include "x86/fpu.h"
#include "x86/svm/svm.h"

/* ---- What the backend stands on ------------------------------------------------------------ */

struct vcpu_limits svm_limits;
bool svm_by_qemu;

static struct svm_cpu processor;
static jmp_buf after_run;
static struct vcpu_exit last_exit;
static bool forwarded;

const struct virt_ops *virt;
static void (*on_run)(struct vmcb *vmcb, uint64_t *gpr);
static uint64_t xcr0;

struct svm_cpu *svm_this_cpu(void)
{
    return &processor;
}

void svm_run(struct svm_vcpu *svm)
{
    assert_int_equal(svm->host_physical, processor.host_physical);
    assert_int_equal(svm->vmcb_physical, (phys_addr)svm->vmcb);
    on_run(svm->vmcb, svm->gpr);
    longjmp(after_run, 1);
}

/* The entry, up to where entry.S goes on with svm_exited. */
static void enter(struct vcpu *vcpu)
{
    static struct cpu cpu;
    static struct thread a_thread;

    if (cpu.vcpu != vcpu) {
        cpu.vcpu = vcpu;
        svm_load(vcpu);
    }
    a_thread.cpu = &cpu;
    a_thread.vcpu = vcpu;
    if (!setjmp(after_run)) {
        svm_resume(&a_thread);
    }
}

/* None of the vCPUs here has a vTLB. */
bool vtlb_page_fault(struct vcpu *vcpu, struct vcpu_exit *exit)
{
    (void)vcpu;
    (void)exit;
    return false;
}

bool vtlb_invlpg(struct vcpu *vcpu, struct vcpu_exit *exit)
{
    return vtlb_page_fault(vcpu, exit);
}

bool vtlb_cr_access(struct vcpu *vcpu, struct vcpu_exit *exit)
{
    return vtlb_page_fault(vcpu, exit);
}

void vtlb_forget(struct vcpu *vcpu)
{
    (void)vcpu;
}

void vtlb_set(struct vcpu *vcpu, uint64_t cr0, uint64_t cr3, uint64_t cr4, uint64_t efer)
{
    (void)vcpu;
    (void)(cr0 | cr3 | cr4 | efer);
}

struct thread *vcpu_exited(struct vcpu *vcpu, struct vcpu_exit *exit)
{
    (void)vcpu;
    last_exit = *exit;
    return NULL;
}

struct thread *ipc_exit(struct thread *vcpu, struct thread *handler)
{
    (void)vcpu;
    (void)handler;
    forwarded = true;
    return NULL;
}

void vcpu_prepare(struct thread *self)
{
    self->vcpu->attention = svm_offer_irq(self->vcpu, false);
}

static void take_exit(struct vcpu *vcpu, struct vcpu_exit *exit)
{
    forwarded = false;
    assert_null(svm_exited(svm_of(vcpu)));
    *exit = forwarded ? vcpu->state->exit : last_exit;
}

phys_addr arch_pool_physical(const void *pointer)
{
    return (phys_addr)pointer;
}

void panic(const char *format, ...)
{
    fail_msg("panic: %s", format);
    abort();
}

void fpu_init(struct fpu *fpu)
{
    fpu->xcr0 = 1;
}

static const struct fpu *reset_fpu;

void fpu_reset(struct fpu *fpu, uint64_t dr[4])
{
    reset_fpu = fpu;
    memset(dr, 0, 4 * sizeof(*dr));
}

void fpu_save(struct fpu *fpu)
{
    (void)fpu;
}

void fpu_load(const struct fpu *fpu)
{
    (void)fpu;
}

uint64_t fpu_xcr0(void)
{
    return xcr0;
}

bool fpu_xcr0_valid(uint64_t value)
{
    return value == 1 || value == 3;
}

void fpu_set_xcr0(uint64_t value)
{
    xcr0 = value;
}

/* ---- A VM with two vCPUs ------------------------------------------------------------------- */

#define FRAMES 64
static _Alignas(4096) uint8_t pool[FRAMES * PAGE_SIZE];
static struct quota quota;
static struct vm vm;
static struct svm_vcpu vcpus[2];
static struct vcpu_state pages[2];
static struct vcpu *const vcpu = &vcpus[0].vcpu;

static struct vmcb *vmcb_of(const struct vcpu *of)
{
    return svm_of(of)->vmcb;
}

static int set_up(void **state)
{
    (void)state;
    memory_init(pool, sizeof(pool));
    quota = (struct quota){.limit = 32};
    vm = (struct vm){.quota = &quota, .generation = 1, .gpa = {.root = 0x1234000}};
    svm_make_maps();
    processor = (struct svm_cpu){.host_physical = 0x77000, .asid_count = 4, .asid_next = 4};
    memset(pages, 0, sizeof(pages));
    for (unsigned i = 0; i < 2; i++) {
        vcpus[i] = (struct svm_vcpu){.vcpu = {.vm = &vm, .state = &pages[i]}};
        assert_int_equal(svm_vcpu_init(&vcpus[i].vcpu), STATUS_OK);
        vcpus[i].cpu = &processor; /* svm_load's part */
        vcpus[i].host_physical = processor.host_physical;
    }
    svm_by_qemu = true;
    xcr0 = 1;
    svm_limits = svm_make_limits(~(1u << 17), UINT32_MAX, UINT32_MAX, UINT32_MAX, 0x3028);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    svm_vcpu_destroy(&vcpus[0].vcpu);
    svm_vcpu_destroy(&vcpus[1].vcpu);
    assert_int_equal(quota.used, 0);
    return 0;
}

/* ---- Exits --------------------------------------------------------------------------------- */

static struct vmcb raw;

static struct vcpu_exit decode(uint64_t code, uint64_t info1, uint64_t info2)
{
    struct vcpu_exit exit;

    memset(&exit, 0xa5, sizeof(exit));
    raw.exit_code = code;
    raw.exit_info1 = info1;
    raw.exit_info2 = info2;
    svm_decode_exit(&raw, &exit);
    return exit;
}

static void test_reasons(void **state)
{
    (void)state;
    static const struct {
        uint32_t code;
        enum exit_reason reason;
    } cases[] = {
        {0x052, EXIT_MACHINE_CHECK},  {0x060, EXIT_HOST_INTERRUPT}, {0x061, EXIT_NMI},
        {0x062, EXIT_HOST_INTERRUPT}, {0x064, EXIT_IRQ_WINDOW},     {0x06f, EXIT_VIRTUALIZATION},
        {0x072, EXIT_CPUID},          {0x073, EXIT_VIRTUALIZATION}, {0x076, EXIT_CACHE},
        {0x078, EXIT_HLT},            {0x07a, EXIT_VIRTUALIZATION}, {0x07d, EXIT_TASK_SWITCH},
        {0x07f, EXIT_SHUTDOWN},       {0x080, EXIT_VIRTUALIZATION}, {0x081, EXIT_HYPERCALL},
        {0x082, EXIT_VIRTUALIZATION}, {0x083, EXIT_VIRTUALIZATION}, {0x084, EXIT_VIRTUALIZATION},
        {0x085, EXIT_VIRTUALIZATION}, {0x086, EXIT_VIRTUALIZATION}, {0x087, EXIT_VIRTUALIZATION},
        {0x089, EXIT_CACHE},          {0x08a, EXIT_MONITOR},        {0x08b, EXIT_MONITOR},
        {0x08c, EXIT_MONITOR},        {0x08d, EXIT_XSETBV},         {0x08e, EXIT_VIRTUALIZATION},
        {0x07b, EXIT_IO},             {0x07c, EXIT_MSR_READ},       {0x400, EXIT_MEMORY},
        {0x000, EXIT_CR_ACCESS},      {0x01f, EXIT_CR_ACCESS},      {0x020, EXIT_UNKNOWN},
        {0x03f, EXIT_UNKNOWN},        {0x04e, EXIT_PAGE_FAULT},     {0x079, EXIT_INVLPG},
        {0x06e, EXIT_UNKNOWN},        {0x08f, EXIT_UNKNOWN},        {0x403, EXIT_UNKNOWN},
    };

    memset(&raw, 0, sizeof(raw));
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct vcpu_exit exit = decode(cases[i].code, 0, 0);

        assert_int_equal(exit.reason, cases[i].reason);
        assert_int_equal(exit.insn_length, 0);
    }
}

/* EXITINFO1 has the address only with decode assists, which not every processor has: the length,
 * which says that it is there, is not told even where the next RIP is. */
static void test_invlpg_is_decoded_later(void **state)
{
    (void)state;
    memset(&raw, 0, sizeof(raw));
    raw.rip = 0x1000;
    raw.next_rip = 0x1003;
    assert_int_equal(decode(0x079, 0x5000, 0).reason, EXIT_INVLPG);
    assert_int_equal(decode(0x079, 0x5000, 0).insn_length, 0);
    assert_int_equal(decode(0x072, 0, 0).insn_length, 3);
    memset(&raw, 0, sizeof(raw));
}

/* Whatever the hardware writes there: a reason that the tables above know, nothing read outside. */
static void test_every_code(void **state)
{
    (void)state;
    memset(&raw, 0xff, sizeof(raw));
    for (uint64_t code = 0; code < 0x800; code++) {
        assert_in_range(decode(code, UINT64_MAX, UINT64_MAX).reason, EXIT_NONE + 1,
                        EXIT_REASON_COUNT - 1);
    }
    assert_int_equal(decode(0x90, 7, 0).reason, EXIT_UNKNOWN);
    assert_int_equal(decode(0x90, 7, 0).raw[0], 0x90);
    assert_int_equal(decode(0x90, 7, 0).raw[1], 7);
}

static void test_refused_entry(void **state)
{
    (void)state;
    memset(&raw, 0, sizeof(raw));
    assert_int_equal(decode(UINT64_MAX, 0, 0).reason, EXIT_INVALID_STATE);
    assert_int_equal(decode(0xffffffff, 0, 0).reason, EXIT_INVALID_STATE); /* QEMU */
}

static void test_length(void **state)
{
    (void)state;
    memset(&raw, 0, sizeof(raw));
    raw.rip = 0xfffffffffffffffe;
    raw.next_rip = 0; /* either there is no next RIP, or it is the end of the address space */
    assert_int_equal(decode(VMEXIT_CPUID, 0, 0).insn_length, 0);
    raw.rip = 0xffffffff81000000;
    raw.next_rip = 0xffffffff81000002;
    assert_int_equal(decode(VMEXIT_CPUID, 0, 0).insn_length, 2);
    assert_int_equal(decode(VMEXIT_MSR, 1, 0).insn_length, 2);
    assert_int_equal(decode(VMEXIT_NESTED_FAULT, 0, 0).insn_length, 0);
    raw.next_rip = raw.rip + 15;
    assert_int_equal(decode(VMEXIT_CPUID, 0, 0).insn_length, 15);
    raw.next_rip = raw.rip + 16;
    assert_int_equal(decode(VMEXIT_CPUID, 0, 0).insn_length, 0);
    raw.next_rip = raw.rip - 1;
    assert_int_equal(decode(VMEXIT_CPUID, 0, 0).insn_length, 0);
}

static void test_io(void **state)
{
    (void)state;
    memset(&raw, 0, sizeof(raw));
    raw.rip = 0x1000;
    struct vcpu_exit exit = decode(VMEXIT_IO, 0x03f80010, 0x1001); /* out %al, $0x3f8 */

    assert_int_equal(exit.io.port, 0x3f8);
    assert_int_equal(exit.io.size, 1);
    assert_false(exit.io.in || exit.io.string || exit.io.repeat);
    assert_int_equal(exit.insn_length, 1);
    exit = decode(VMEXIT_IO, 0xffff0000 | 0x4d, 0x1003); /* rep insl */
    assert_int_equal(exit.io.port, 0xffff);
    assert_int_equal(exit.io.size, 4);
    assert_true(exit.io.in && exit.io.string && exit.io.repeat);
    assert_int_equal(exit.insn_length, 3);
    assert_int_equal(decode(VMEXIT_IO, 0x21, 0x1001).io.size, 2);
    assert_true(decode(VMEXIT_IO, 0x21, 0x1001).io.in);
}

static void test_msr(void **state)
{
    (void)state;
    memset(&raw, 0, sizeof(raw));
    assert_int_equal(decode(VMEXIT_MSR, 0, 0).reason, EXIT_MSR_READ);
    assert_int_equal(decode(VMEXIT_MSR, 1, 0).reason, EXIT_MSR_WRITE);
}

static void test_memory(void **state)
{
    (void)state;
    memset(&raw, 0, sizeof(raw));
    static const struct {
        uint64_t info;
        uint32_t access;
    } cases[] = {
        {0x100000004, MEM_READ}, {0x100000006, MEM_WRITE}, {0x100000007, MEM_WRITE},
        {0x100000014, MEM_EXECUTE}, {0x200000006, MEM_WRITE},
    };

    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct vcpu_exit exit = decode(VMEXIT_NESTED_FAULT, cases[i].info, 0xfee00300);

        assert_int_equal(exit.memory.gpa, 0xfee00300);
        assert_int_equal(exit.memory.access, cases[i].access);
    }
}

static void test_control_registers(void **state)
{
    (void)state;
    memset(&raw, 0, sizeof(raw));
    struct vcpu_exit exit = decode(0x018, 0, 0);

    assert_int_equal(exit.cr.number, 8);
    assert_true(exit.cr.write && exit.cr.decode);
    exit = decode(0x004, 0, 0);
    assert_int_equal(exit.cr.number, 4);
    assert_false(exit.cr.write);
}

static void test_interrupted_delivery(void **state)
{
    (void)state;
    struct vcpu_event event = svm_decode_event(0x5dUL | EVENT_VALID);

    assert_true(event.valid);
    assert_int_equal(event.type, EVENT_EXTERNAL);
    assert_int_equal(event.vector, 0x5d);
    assert_false(event.has_error);
    event = svm_decode_event(0x1234UL << 32 | EVENT_VALID | 0xb0e); /* #PF with its code */
    assert_true(event.valid && event.has_error);
    assert_int_equal(event.type, EVENT_EXCEPTION);
    assert_int_equal(event.error, 0x1234);
    assert_true(svm_decode_event(0x202 | EVENT_VALID).valid);
    assert_false(svm_decode_event(0x5d).valid); /* stale bits */
    assert_false(svm_decode_event(0x480 | EVENT_VALID).valid); /* INT 0x80 runs once more */
    assert_false(svm_decode_event(0x303 | EVENT_VALID).valid); /* so do INT3 */
    assert_false(svm_decode_event(0x304 | EVENT_VALID).valid); /* and INTO */
}

/* What svm_decode does beside: events handed on, and nothing of the host shown. */
static void test_decode(void **state)
{
    (void)state;
    struct vmcb *vmcb = vmcb_of(vcpu);
    struct vcpu_exit exit;

    vmcb->event_injection = EVENT_VALID | 0x20;
    vmcb->exit_code = VMEXIT_NESTED_FAULT;
    vmcb->exit_int_info = EVENT_VALID | 0x20;
    take_exit(vcpu, &exit);
    assert_int_equal(exit.reason, EXIT_MEMORY);
    assert_int_equal(vmcb->event_injection, 0);
    assert_true(vcpu->event.valid);
    assert_int_equal(vcpu->event.vector, 0x20);
    vcpu->event.vector = 0x21;
    vmcb->exit_int_info = 0x33;
    take_exit(vcpu, &exit);
    assert_int_equal(vcpu->event.vector, 0x21);
}

/* A step over what the VMM has executed traps like any other. */
static void test_step_over_an_exit(void **state)
{
    (void)state;
    struct vmcb *vmcb = vmcb_of(vcpu);
    struct vcpu_state in = {.rip = 0x1002, .rflags = 0x102};

    vmcb->rip = 0x1000;
    vmcb->rflags = 0x102;
    assert_int_equal(svm_state_set(vcpu, &in, STATE_IP), STATUS_OK);
    assert_true(vcpu->event.valid);
    assert_int_equal(vcpu->event.vector, 1);
    assert_int_equal(vmcb->dr6 >> 14 & 1, 1);
    vcpu->event.valid = false;
    assert_int_equal(svm_state_set(vcpu, &in, STATE_IP), STATUS_OK); /* nothing was executed */
    assert_false(vcpu->event.valid);
    in = (struct vcpu_state){.rip = 0x1004, .rflags = 2};
    assert_int_equal(svm_state_set(vcpu, &in, STATE_IP), STATUS_OK);
    assert_false(vcpu->event.valid);
}

/* Their delivery can raise them again, for ever: they exit, and go back. */
static void test_debug_and_alignment_go_back(void **state)
{
    (void)state;
    struct vmcb *vmcb = vmcb_of(vcpu);
    struct vcpu_exit exit;

    vmcb->exit_code = VMEXIT_DEBUG;
    vmcb->exit_info1 = 0x77; /* #DB has no error code */
    take_exit(vcpu, &exit);
    assert_int_equal(exit.reason, EXIT_NONE);
    assert_true(vcpu->event.valid && !vcpu->event.has_error);
    assert_int_equal(vcpu->event.vector, 1);
    assert_int_equal(vcpu->event.type, EVENT_EXCEPTION);
    assert_int_equal(vcpu->event.error, 0);
    vmcb->exit_code = VMEXIT_ALIGNMENT_CHECK;
    vmcb->exit_info1 = 0;
    take_exit(vcpu, &exit);
    assert_int_equal(exit.reason, EXIT_NONE);
    assert_true(vcpu->event.valid && vcpu->event.has_error);
    assert_int_equal(vcpu->event.vector, 17);
}

static void test_refused_state_is_forgotten(void **state)
{
    (void)state;
    const uint64_t secret = 0xffffffff80123456;
    struct vmcb *vmcb = vmcb_of(vcpu);
    struct vcpu_exit exit;

    for (uint64_t *word = (uint64_t *)&vmcb->es; word < (uint64_t *)(vmcb + 1); word++) {
        *word = secret;
    }
    pages[0].gpr[GPR_RAX] = secret;
    vmcb->exit_code = VMEXIT_INVALID;
    take_exit(vcpu, &exit);
    assert_int_equal(exit.reason, EXIT_INVALID_STATE);
    svm_state_get(vcpu, STATE_ALL);
    for (const uint64_t *word = pages[0].gpr; word < (uint64_t *)&pages[1]; word++) {
        assert_int_not_equal(*word, secret);
    }
    assert_int_equal(pages[0].rip, 0xfff0);
    assert_true(vcpu_state_valid(&pages[0], STATE_ALL, &svm_limits, 0));
}

/* ---- State --------------------------------------------------------------------------------- */

/* As Linux runs in 64-bit mode. */
static struct vcpu_state linux_state(void)
{
    const struct vcpu_segment data = {.selector = 0x18, .attributes = 0xc93, .limit = UINT32_MAX};

    return (struct vcpu_state){
        .gpr = {[GPR_RSP] = 0xffffc90000013e00},
        .rip = 0xffffffff81000000,
        .rflags = 0x246,
        .interruptibility = BLOCKED_BY_STI_OR_MOV_SS,
        .cr0 = 0x80050033,
        .cr2 = 0xdead0000,
        .cr3 = 0x2a10000,
        .cr4 = 0x3006f0,
        .efer = 0xd01,
        .dr7 = 0x400,
        .segment = {
            [SEG_ES] = {.attributes = SEGMENT_UNUSABLE},
            [SEG_CS] = {.selector = 0x10, .attributes = 0xa9b, .limit = UINT32_MAX},
            [SEG_SS] = data,
            [SEG_DS] = {.attributes = SEGMENT_UNUSABLE},
            [SEG_FS] = {.attributes = SEGMENT_UNUSABLE, .base = 0x7f0000001000},
            [SEG_GS] = {.attributes = SEGMENT_UNUSABLE, .base = 0xffff888000000000},
            [SEG_LDTR] = {.attributes = SEGMENT_UNUSABLE},
            [SEG_TR] = {.selector = 0x40, .attributes = 0x08b, .limit = 0x206f,
                        .base = 0xfffffe0000003000},
        },
        .gdtr = {.limit = 0x7f, .base = 0xfffffe0000001000},
        .idtr = {.limit = 0xfff, .base = 0xfffffe0000000000},
        .star = 0x23001000000000,
        .lstar = 0xffffffff81a00000,
        .cstar = 0xffffffff81a01000,
        .fmask = 0x257fd5,
        .kernel_gs_base = 0x7fff00000000,
        .sysenter_cs = 0x10,
        .sysenter_esp = 0xfffffe0000003200,
        .sysenter_eip = 0xffffffff81a01500,
        .pat = 0x407050600070106,
        .xcr0 = 3,
    };
}

static void test_round_trip(void **state)
{
    (void)state;
    const struct vcpu_state in = linux_state();
    struct vcpu_state *out = vcpu->state;

    assert_int_equal(svm_state_set(vcpu, &in, STATE_ALL), STATUS_OK);
    svm_state_get(vcpu, STATE_ALL);
    assert_memory_equal(out, &in, sizeof(in));
    assert_int_equal(vmcb_of(vcpu)->efer, 0x1d01); /* with SVME, which nobody sees */
    assert_int_equal(vmcb_of(vcpu)->cpl, 0);
    assert_int_equal(xcr0, 3);
}

static void test_user_mode_level(void **state)
{
    (void)state;
    struct vcpu_state in = linux_state();

    in.segment[SEG_SS] = (struct vcpu_segment){.attributes = SEGMENT_UNUSABLE | 3 << 5};
    assert_int_equal(svm_state_set(vcpu, &in, STATE_SEGMENTS), STATUS_OK);
    assert_int_equal(vmcb_of(vcpu)->cpl, 3);
    svm_state_get(vcpu, STATE_SEGMENTS);
    assert_int_equal(pages[0].segment[SEG_SS].attributes, SEGMENT_UNUSABLE | 3 << 5);
}

static void test_reset_state(void **state)
{
    (void)state;
    svm_state_get(vcpu, STATE_ALL);
    assert_int_equal(pages[0].rip, 0xfff0);
    assert_int_equal(pages[0].segment[SEG_CS].base, 0xffff0000);
    assert_int_equal(pages[0].cr0, 0x60000010);
    assert_int_equal(pages[0].efer, 0);
    assert_int_equal(pages[0].pat, 0x0007040600070406);
    struct vcpu_state copy = pages[0];

    assert_int_equal(svm_state_set(vcpu, &copy, STATE_ALL), STATUS_OK);
}

/* EFER.LMA is what LME and paging make it, whatever the VMM writes. */
static void test_long_mode_active(void **state)
{
    (void)state;
    struct vcpu_state in = linux_state();

    in.efer &= ~0x400UL;
    assert_int_equal(svm_state_set(vcpu, &in, STATE_CONTROL), STATUS_OK);
    assert_int_equal(vmcb_of(vcpu)->efer, 0x1d01);
    in.efer = 0xd01;
    in.cr0 = 0x11;
    assert_int_equal(svm_state_set(vcpu, &in, STATE_CONTROL), STATUS_OK);
    assert_int_equal(vmcb_of(vcpu)->efer, 0x1901);
}

/* QEMU would not come back from a guest with LME, without paging and PAE. */
static void test_pae_on_qemu(void **state)
{
    (void)state;
    struct vcpu_state in = linux_state();

    in.efer = 0xd01;
    in.cr0 = 0x11;
    in.cr4 = 0;
    assert_int_equal(svm_state_set(vcpu, &in, STATE_CONTROL), STATUS_OK);
    assert_int_equal(vmcb_of(vcpu)->cr4, 0x20);
    assert_int_equal(vmcb_of(vcpu)->intercept_cr_write, 0x10); /* it stays */
    in.cr0 = 0x80000011; /* from where it may turn paging off by itself */
    in.cr4 = 0x20;
    assert_int_equal(svm_state_set(vcpu, &in, STATE_CONTROL), STATUS_OK);
    assert_int_equal(vmcb_of(vcpu)->intercept_cr_write, 0x10);
    in.cr0 = 0x11;
    in.cr4 = 0;
    in.efer = 0;
    assert_int_equal(svm_state_set(vcpu, &in, STATE_CONTROL), STATUS_OK);
    assert_int_equal(vmcb_of(vcpu)->cr4, 0);
    assert_int_equal(vmcb_of(vcpu)->intercept_cr_write, 0);
    svm_by_qemu = false;
    in.efer = 0xd01;
    assert_int_equal(svm_state_set(vcpu, &in, STATE_CONTROL), STATUS_OK);
    assert_int_equal(vmcb_of(vcpu)->cr4, 0);
}

#define FIELD(name) offsetof(struct vcpu_state, name)
/* One 64-bit word of a good state is made bad; the group must be refused and nothing loaded. */
static const struct {
    size_t at;
    uint64_t flip;
    uint32_t group;
} bad[] = {
    {FIELD(rip), 1UL << 47, STATE_IP},
    {FIELD(rflags), 2, STATE_IP},
    {FIELD(rflags), 1UL << 3, STATE_IP},
    {FIELD(rflags), 1UL << 22, STATE_IP},
    {FIELD(rflags), 1UL << 63, STATE_IP},
    {FIELD(irq), 4UL << 32, STATE_IP}, /* interruptibility */
    {FIELD(cr0), 1, STATE_CONTROL},    /* paging without protection */
    {FIELD(cr0), 1UL << 29, STATE_CONTROL}, /* NW without CD */
    {FIELD(cr0), 1UL << 6, STATE_CONTROL},
    {FIELD(cr0), 1UL << 32, STATE_CONTROL},
    {FIELD(cr3), 1UL << 40, STATE_CONTROL},
    {FIELD(cr3), 1UL << 63, STATE_CONTROL},
    {FIELD(cr4), 1UL << 5, STATE_CONTROL}, /* long mode without PAE */
    {FIELD(cr4), 1UL << 12, STATE_CONTROL},
    {FIELD(cr4), 1UL << 13, STATE_CONTROL},
    {FIELD(cr4), 1UL << 17, STATE_CONTROL},
    {FIELD(cr4), 1UL << 22, STATE_CONTROL},
    {FIELD(cr4), 1UL << 23, STATE_CONTROL},
    {FIELD(cr4), 1UL << 32, STATE_CONTROL},
    {FIELD(efer), 1UL << 12, STATE_CONTROL},
    {FIELD(efer), 1UL << 1, STATE_CONTROL},
    {FIELD(efer), 1UL << 14, STATE_CONTROL},
    {FIELD(efer), 1UL << 63, STATE_CONTROL},
    {FIELD(dr7), 1UL << 32, STATE_DEBUG},
    {FIELD(dr7), 1UL << 63, STATE_DEBUG},
    {FIELD(dr7), 1UL << 12, STATE_DEBUG},
    {FIELD(segment[SEG_CS]), 1UL << (16 + 12), STATE_SEGMENTS}, /* attributes */
    {FIELD(segment[SEG_TR]), 1UL << (16 + 14), STATE_SEGMENTS},
    {FIELD(segment[SEG_FS].base), 1UL << 47, STATE_SEGMENTS},
    {FIELD(segment[SEG_TR].base), 1UL << 47, STATE_SEGMENTS},
    {FIELD(gdtr.base), 1UL << 60, STATE_TABLES},
    {FIELD(idtr.base), 1UL << 47, STATE_TABLES},
    {FIELD(gdtr), 1UL << (32 + 16), STATE_TABLES},
    {FIELD(idtr), 1UL << 63, STATE_TABLES},
    {FIELD(lstar), 1UL << 47, STATE_MSRS},
    {FIELD(cstar), 1UL << 62, STATE_MSRS},
    {FIELD(fmask), 1UL << 32, STATE_MSRS},
    {FIELD(fmask), 1UL << 63, STATE_MSRS},
    {FIELD(sysenter_cs), 1UL << 32, STATE_MSRS},
    {FIELD(kernel_gs_base), 1UL << 47, STATE_MSRS},
    {FIELD(sysenter_esp), 1UL << 47, STATE_MSRS},
    {FIELD(sysenter_eip), 1UL << 47, STATE_MSRS},
    {FIELD(pat), 8, STATE_MSRS},
    {FIELD(pat), 4, STATE_MSRS},         /* 6 → 2 */
    {FIELD(pat), 1UL << 9, STATE_MSRS},  /* 1 → 3 */
    {FIELD(xcr0), 4, STATE_XCR0},
};

static void test_bad_state(void **state)
{
    (void)state;
    struct vcpu_state good = linux_state();

    assert_int_equal(svm_state_set(vcpu, &good, STATE_ALL), STATUS_OK);
    const struct vmcb before = *vmcb_of(vcpu);

    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct vcpu_state in = good;
        uint64_t word;

        memcpy(&word, (uint8_t *)&in + bad[i].at, sizeof(word));
        word ^= bad[i].flip;
        memcpy((uint8_t *)&in + bad[i].at, &word, sizeof(word));
        assert_int_equal(svm_state_set(vcpu, &in, bad[i].group), STATUS_BAD_ARGUMENT);
        assert_int_equal(svm_state_set(vcpu, &in, STATE_ALL), STATUS_BAD_ARGUMENT);
        assert_memory_equal(vmcb_of(vcpu), &before, sizeof(before));
        assert_int_equal(xcr0, 3);
        /* In a group that is not asked for nobody looks at it. */
        assert_true(vcpu_state_valid(&in, STATE_ALL & ~bad[i].group, &svm_limits, 0));
    }
}

/* CR4 and EFER follow what the CPU has. */
static void test_limits(void **state)
{
    (void)state;
    struct vcpu_limits none = svm_make_limits(0, 0, 0, 0, 36);

    assert_int_equal(none.cr4, 0x7ff);
    assert_int_equal(none.efer, 0x501);
    assert_int_equal(none.physical_bits, 36);
    assert_int_equal(svm_limits.cr4, 0x350fff);
    assert_int_equal(svm_make_limits(1u << 17, 0, 0, 0, 36).cr4, 0x207ff); /* PCIDE */
    assert_int_equal(svm_limits.efer, 0xd01);
}

/* Whatever a VMM writes, what gets through is within the limits. */
static void test_random_state(void **state)
{
    (void)state;
    unsigned accepted = 0;

    srand(1);
    for (unsigned round = 0; round < 200000; round++) {
        struct vcpu_state in = linux_state();
        uint64_t *words = (uint64_t *)&in;

        for (unsigned n = (unsigned)rand() % 3 + 1; n > 0; n--) {
            words[(unsigned)rand() % (sizeof(in) / 8)] ^= 1UL << rand() % 64;
        }
        if (svm_state_set(vcpu, &in, STATE_ALL) != STATUS_OK) {
            continue;
        }
        const struct vmcb *vmcb = vmcb_of(vcpu);

        accepted++;
        assert_int_equal(vmcb->efer & ~0x1d01UL, 0);
        assert_int_equal(vmcb->efer & 0x1000, 0x1000);
        assert_int_equal(vmcb->cr0 & ~0xe005003fUL, 0);
        assert_int_equal(vmcb->cr4 & ~0x350fffUL, 0);
        assert_int_equal(vmcb->dr7 >> 32, 0);
        assert_int_equal(vmcb->tr.attributes & 0xf000, 0);
        assert_int_equal(vmcb->interrupt_shadow & ~1UL, 0);
        /* Never the VMM's to choose. */
        assert_int_equal(vmcb->virtual_interrupt, V_INTR_MASKING);
        assert_int_equal(vmcb->nested_control, 1);
        assert_int_equal(vmcb->nested_cr3, vm.gpa.root);
        assert_int_equal(vmcb->event_injection, 0);
    }
    assert_true(accepted > 1000);
}

/* What no group of registers holds goes with a life. */
static void test_reset(void **state)
{
    (void)state;
    struct vcpu_state in = linux_state();

    svm_of(vcpu)->dr[3] = 0x1000;
    reset_fpu = NULL;
    assert_int_equal(svm_state_set(vcpu, &in, STATE_ALL & ~STATE_RESET), STATUS_OK);
    assert_null(reset_fpu);
    assert_int_equal(svm_state_set(vcpu, &in, STATE_RESET), STATUS_OK);
    assert_ptr_equal(reset_fpu, &svm_of(vcpu)->fpu);
    assert_int_equal(svm_of(vcpu)->dr[3], 0);
}

/* ---- Intercepts ---------------------------------------------------------------------------- */

static unsigned msr_bits(uint32_t msr)
{
    uint32_t bit = msr < 0x2000       ? msr * 2
                   : msr < 0xc0002000 ? 0x4000 + (msr - 0xc0000000) * 2
                                      : 0x8000 + (msr - 0xc0010000) * 2;

    return svm_msr_map[bit / 8] >> bit % 8 & 3;
}

static void test_msr_map(void **state)
{
    (void)state;
    static const uint32_t intercepted[] = {
        0, 0x10, 0x1b, 0x174, 0x277, 0x1fff, 0xc0000080, 0xc0000081, 0xc0000082, 0xc0000103,
        0xc0001fff, 0xc0010000, 0xc0010015, 0xc0010114, 0xc0010117, 0xc0011fff,
    };

    for (unsigned i = 0; i < sizeof(intercepted) / sizeof(intercepted[0]); i++) {
        assert_int_equal(msr_bits(intercepted[i]), 3);
    }
    for (uint32_t msr = 0xc0000100; msr <= 0xc0000102; msr++) {
        assert_int_equal(msr_bits(msr), 0);
    }
}

static void test_port_map(void **state)
{
    (void)state;
    /* A wide access to the last port looks at bits behind it (APM vol 2, 15.10.1). */
    for (uint32_t port = 0; port < 0x10000 + 3; port++) {
        assert_true(svm_port_map[port / 8] >> port % 8 & 1);
    }
}

static void test_intercepts(void **state)
{
    (void)state;
    const struct vmcb *vmcb = vmcb_of(vcpu);

    /* INTR NMI SMI INIT, RDPMC CPUID RSM INVD HLT INVLPGA IO MSR TASK SHUTDOWN */
    assert_int_equal(vmcb->intercepts, 0xbd4c800f);
    /* VMRUN VMMCALL VMLOAD VMSAVE STGI CLGI SKINIT RDTSCP, WBINVD MONITOR MWAIT, XSETBV RDPRU */
    assert_int_equal(vmcb->intercepts2, 0x6eff);
    /* #DB #AC #MC */
    assert_int_equal(vmcb->intercept_exceptions, 1u << 1 | 1u << 17 | 1u << 18);
    assert_int_equal(vmcb->virtual_interrupt, V_INTR_MASKING);
    assert_int_equal(vmcb->nested_control, 1);
    assert_int_equal(vmcb->nested_cr3, 0x1234000);
    assert_int_equal(vmcb->tsc_offset, 0);
}

/* ---- Entry and events ---------------------------------------------------------------------- */

static struct vmcb entered;

static void note_entry(struct vmcb *vmcb, uint64_t *gpr)
{
    (void)gpr;
    entered = *vmcb;
}

static void guest_changes_rax(struct vmcb *vmcb, uint64_t *gpr)
{
    assert_int_equal(vmcb->rax, 0x1111);
    gpr[GPR_RAX] = 0xbad; /* RAX is the VMCB's */
    vmcb->rax = 0x2222;
}

static void test_rax(void **state)
{
    (void)state;
    struct vcpu_exit exit;

    on_run = guest_changes_rax;
    pages[0].gpr[GPR_RAX] = 0x1111;
    enter(vcpu);
    take_exit(vcpu, &exit);
    assert_int_equal(pages[0].gpr[GPR_RAX], 0x2222);
}

static void test_inject(void **state)
{
    (void)state;
    svm_inject(vcpu, &(struct vcpu_event){.valid = true, .type = EVENT_EXTERNAL, .vector = 0x30});
    assert_int_equal(vmcb_of(vcpu)->event_injection, 0x80000030);
    svm_inject(vcpu, &(struct vcpu_event){.valid = true, .type = EVENT_NMI, .vector = 2});
    assert_int_equal(vmcb_of(vcpu)->event_injection, 0x80000202);
    svm_inject(vcpu, &(struct vcpu_event){.valid = true, .type = EVENT_EXCEPTION, .vector = 13,
                                          .has_error = true, .error = 0x18});
    assert_int_equal(vmcb_of(vcpu)->event_injection, 0x1880000b0d);
    svm_inject(vcpu, &(struct vcpu_event){.valid = true, .type = EVENT_SOFT_EXCEPTION,
                                          .vector = 3});
    assert_int_equal(vmcb_of(vcpu)->event_injection, 0x80000303);
}

/* Is an interrupt in the VMCB at the next entry? */
static bool offered(void)
{
    on_run = note_entry;
    vcpu->attention = vcpu->irq != 0; /* as an exit leaves it */
    enter(vcpu);
    bool on = (entered.virtual_interrupt & V_IRQ) != 0;

    /* Never one without the others. */
    assert_int_equal((entered.intercept_cr_write & INTERCEPT_CR8) != 0, on);
    assert_int_equal((entered.virtual_interrupt & V_IGNORE_TPR) != 0, on);
    assert_true(entered.virtual_interrupt & V_INTR_MASKING);
    return on;
}

static void test_interrupts_on_qemu(void **state)
{
    (void)state;
    struct vmcb *vmcb = vmcb_of(vcpu);

    vmcb->rflags = 0x202;
    assert_false(offered());
    vcpu->irq = IRQ_VALID | 0x31;
    assert_false(svm_offer_irq(vcpu, false));
    assert_true(offered());
    assert_int_equal(entered.virtual_vector, 0x31);
    assert_int_equal(entered.event_injection, 0);
    vmcb->interrupt_shadow = 1;
    assert_false(offered()); /* it would forget the shadow */
    assert_true(vcpu->attention);
    vmcb->interrupt_shadow = 0;
    assert_true(offered()); /* looked at again by itself */
    vcpu->irq = 0;
    assert_false(svm_offer_irq(vcpu, false)); /* taken back */
    assert_false(offered());
}

static void test_interrupts_on_processors(void **state)
{
    (void)state;
    struct vmcb *vmcb = vmcb_of(vcpu);

    svm_by_qemu = false;
    vmcb->rflags = 0x202;
    vcpu->irq = IRQ_VALID | 0x31;
    svm_offer_irq(vcpu, false);
    assert_int_equal(vmcb->event_injection, 0x80000031);
    assert_int_equal(vcpu->irq, 0);
    assert_false(offered());
    vmcb->event_injection = 0;
    /* Each of these makes it wait for the guest. */
    vcpu->irq = IRQ_VALID | 0x32;
    vmcb->rflags = 0x2;
    assert_true(offered());
    vmcb->rflags = 0x202;
    vmcb->interrupt_shadow = 1;
    assert_true(offered());
    vmcb->interrupt_shadow = 0;
    vmcb->event_injection = 0x80000b0e;
    assert_true(offered());
    assert_int_equal(entered.event_injection, 0x80000b0e);
    vmcb->event_injection = 0;
    assert_false(offered());
    assert_int_equal(entered.event_injection, 0x80000032);
}

static void test_interrupts_are_noted_when_taken(void **state)
{
    (void)state;
    struct vmcb *vmcb = vmcb_of(vcpu);

    vcpu->irq = IRQ_VALID | 0x31;
    svm_offer_irq(vcpu, false);
    svm_note_irq(svm_of(vcpu));
    assert_int_equal(vcpu->irq, IRQ_VALID | 0x31);
    assert_true(vcpu->attention);
    /* Its delivery was interrupted; QEMU calls it an exception. */
    static const uint64_t infos[] = {0x80000331, 0x80000031};
    for (unsigned i = 0; i < 2; i++) {
        vmcb->exit_int_info = infos[i];
        svm_note_irq(svm_of(vcpu));
        assert_int_equal(vmcb->exit_int_info, 0);
        assert_int_equal(vcpu->irq, IRQ_VALID | 0x31);
        assert_true(vmcb->virtual_interrupt & V_IRQ);
    }
    /* Likewise, by a processor that has cleared V_IRQ. */
    vmcb->virtual_interrupt &= ~(uint32_t)V_IRQ;
    vmcb->exit_int_info = 0x80000031;
    svm_note_irq(svm_of(vcpu));
    assert_true(vmcb->virtual_interrupt & V_IRQ);
    /* The delivery of something else was. */
    vmcb->exit_int_info = 0x80000b0e;
    svm_note_irq(svm_of(vcpu));
    assert_int_equal(vmcb->exit_int_info, 0x80000b0e);
    assert_int_equal(vcpu->irq, IRQ_VALID | 0x31);
    /* It was taken. */
    vmcb->exit_int_info = 0;
    vmcb->virtual_interrupt &= ~(uint32_t)V_IRQ;
    svm_note_irq(svm_of(vcpu));
    assert_int_equal(vcpu->irq, 0);
    assert_false(offered());
}

/* ---- Tags ---------------------------------------------------------------------------------- */

/*
 * A processor that remembers: what was cached under which identifier, by whom, and at which
 * state of the VM's tables and of the vCPU's control registers. No emulator does.
 */
static struct cached {
    const struct vmcb *owner; /* NULL: nothing */
    uint64_t version;
} caches[4];
static uint64_t versions[2]; /* of what a vCPU's translations come from */
static unsigned flushes, entries;

static void check_tag(struct vmcb *vmcb, uint64_t *gpr)
{
    unsigned who = vmcb == vmcb_of(&vcpus[0].vcpu) ? 0 : 1;

    (void)gpr;
    entries++;
    assert_in_range(vmcb->asid, 1, 3);
    if (vmcb->tlb_control == TLB_FLUSH_ALL) {
        flushes++;
        memset(caches, 0, sizeof(caches));
    } else {
        assert_int_equal(vmcb->tlb_control, TLB_KEEP);
    }
    struct cached *entry = &caches[vmcb->asid];

    if (entry->owner) {
        assert_ptr_equal(entry->owner, vmcb);
        assert_int_equal(entry->version, versions[who]);
    }
    *entry = (struct cached){vmcb, versions[who]};
}

static void change_tables(void)
{
    vm.generation++;
    versions[0]++;
    versions[1]++;
}

static void change_root(unsigned who, uint64_t cr3)
{
    struct vcpu_state in = linux_state();

    in.cr3 = cr3;
    assert_int_equal(svm_state_set(&vcpus[who].vcpu, &in, STATE_CONTROL), STATUS_OK);
    versions[who]++;
}

static void change_memory_types(unsigned who)
{
    struct vcpu_state in = linux_state();

    in.pat ^= vmcb_of(&vcpus[who].vcpu)->pat == in.pat ? 1 : 0; /* WB or UC- */
    assert_int_equal(svm_state_set(&vcpus[who].vcpu, &in, STATE_MSRS), STATUS_OK);
    versions[who]++;
}

/* VMRUN found the state inconsistent: nothing was flushed, and nothing cached. */
static void refuse_entry(struct vmcb *vmcb, uint64_t *gpr)
{
    (void)gpr;
    vmcb->exit_code = VMEXIT_INVALID;
}

static void enter_in_vain(unsigned who)
{
    struct vcpu_exit exit;

    on_run = refuse_entry;
    enter(&vcpus[who].vcpu);
    take_exit(&vcpus[who].vcpu, &exit);
    assert_int_equal(exit.reason, EXIT_INVALID_STATE);
    versions[who]++;
    on_run = check_tag;
}

static void test_tags(void **state)
{
    (void)state;
    /* What stood there before us, under every identifier. */
    for (unsigned i = 0; i < 4; i++) {
        caches[i] = (struct cached){&raw, 0};
    }
    on_run = check_tag;
    srand(2);
    for (unsigned round = 0; round < 100000; round++) {
        unsigned who = (unsigned)rand() % 2;

        switch (rand() % 12) {
        case 0:
            change_tables();
            break;
        case 1:
            change_root(who, (uint64_t)round * PAGE_SIZE);
            break;
        case 3:
            change_memory_types(who);
            break;
        case 4:
            enter_in_vain(who);
            break;
        default:
            enter(&vcpus[who].vcpu);
            break;
        }
    }
    /* No more flushes than identifiers run out. */
    assert_in_range(flushes, 1, entries / 3);
}

static void test_no_flush_without_need(void **state)
{
    (void)state;
    on_run = note_entry;
    enter(vcpu);
    assert_int_equal(entered.tlb_control, TLB_FLUSH_ALL);
    uint32_t asid = entered.asid;

    for (unsigned i = 0; i < 10; i++) {
        struct vcpu_state in = linux_state();

        assert_int_equal(svm_state_set(vcpu, &in, STATE_IP | STATE_SEGMENTS), STATUS_OK);
        enter(vcpu);
        assert_int_equal(entered.tlb_control, TLB_KEEP);
        assert_int_equal(entered.asid, asid);
    }
}

/* ---- Quota --------------------------------------------------------------------------------- */

static void test_quota(void **state)
{
    (void)state;
    struct quota small = {0};
    struct vm other = {.quota = &small, .generation = 1};

    struct vcpu_state page = {0};
    static struct svm_vcpu one;

    one.vcpu = (struct vcpu){.vm = &other, .state = &page};
    for (; svm_vcpu_init(&one.vcpu) != STATUS_OK; small.limit++) {
        assert_int_equal(small.used, 0);
    }
    assert_int_equal(small.used, small.limit);
    svm_vcpu_destroy(&one.vcpu);
    assert_int_equal(small.used, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reasons),
        cmocka_unit_test(test_invlpg_is_decoded_later),
        cmocka_unit_test(test_every_code),
        cmocka_unit_test(test_refused_entry),
        cmocka_unit_test(test_length),
        cmocka_unit_test(test_io),
        cmocka_unit_test(test_msr),
        cmocka_unit_test(test_memory),
        cmocka_unit_test(test_control_registers),
        cmocka_unit_test(test_interrupted_delivery),
        TEST(test_decode),
        TEST(test_step_over_an_exit),
        TEST(test_debug_and_alignment_go_back),
        TEST(test_refused_state_is_forgotten),
        TEST(test_round_trip),
        TEST(test_user_mode_level),
        TEST(test_reset_state),
        TEST(test_long_mode_active),
        TEST(test_pae_on_qemu),
        TEST(test_bad_state),
        TEST(test_limits),
        TEST(test_random_state),
        TEST(test_reset),
        TEST(test_msr_map),
        TEST(test_port_map),
        TEST(test_intercepts),
        TEST(test_rax),
        TEST(test_inject),
        TEST(test_interrupts_on_qemu),
        TEST(test_interrupts_on_processors),
        TEST(test_interrupts_are_noted_when_taken),
        TEST(test_tags),
        TEST(test_no_flush_without_need),
        TEST(test_quota),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
