/* SPDX-License-Identifier: Apache-2.0 */
/* sources: hypervisor/x86/vmx/exit.c hypervisor/x86/vmx/state.c hypervisor/x86/vmx/features.c hypervisor/virt/state.c */
/* cflags: -Itests/unit/fake */
/* What VMX says, and what may be said to it: exits, state, controls. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "x86/vmx/exit.h"
#include "x86/vmx/features.h"
#include "x86/vmx/reason.h"
#include "x86/vmx/state.h"
#include "x86/vmx/vmcs.h"

/* ---- Exits --------------------------------------------------------------------------------- */

static struct vcpu_event event;

static struct vcpu_exit decode(struct vmx_raw_exit raw)
{
    struct vcpu_exit exit;

    memset(&exit, 0xa5, sizeof(exit));
    event = (struct vcpu_event){0};
    vmx_decode_raw(&raw, &exit, &event);
    return exit;
}

static void test_reasons(void **state)
{
    (void)state;
    static const struct {
        uint32_t vmx;
        enum exit_reason reason;
        bool length;
    } cases[] = {
        {REASON_TRIPLE_FAULT, EXIT_SHUTDOWN, false},
        {REASON_INIT, EXIT_SHUTDOWN, false},
        {REASON_IRQ_WINDOW, EXIT_IRQ_WINDOW, false},
        {REASON_TASK_SWITCH, EXIT_TASK_SWITCH, false},
        {REASON_CPUID, EXIT_CPUID, true},
        {REASON_GETSEC, EXIT_VIRTUALIZATION, true},
        {REASON_HLT, EXIT_HLT, true},
        {REASON_INVD, EXIT_CACHE, true},
        {REASON_VMCALL, EXIT_HYPERCALL, true},
        {REASON_VMCLEAR, EXIT_VIRTUALIZATION, true},
        {REASON_VMXON, EXIT_VIRTUALIZATION, true},
        {REASON_CR_ACCESS, EXIT_CR_ACCESS, true},
        {REASON_IO, EXIT_IO, true},
        {REASON_RDMSR, EXIT_MSR_READ, true},
        {REASON_WRMSR, EXIT_MSR_WRITE, true},
        {REASON_MWAIT, EXIT_MONITOR, true},
        {REASON_MONITOR, EXIT_MONITOR, true},
        {REASON_EPT_VIOLATION, EXIT_MEMORY, false},
        {REASON_INVEPT, EXIT_VIRTUALIZATION, true},
        {REASON_INVVPID, EXIT_VIRTUALIZATION, true},
        {REASON_WBINVD, EXIT_CACHE, true},
        {REASON_XSETBV, EXIT_XSETBV, true},
        {REASON_VMFUNC, EXIT_VIRTUALIZATION, true},
        {4, EXIT_UNKNOWN, false},   /* SIPI */
        {8, EXIT_UNKNOWN, false},   /* NMI window */
        {63, EXIT_UNKNOWN, false},  /* XSAVES */
        {64, EXIT_UNKNOWN, false},  /* behind the table */
        {0xffff, EXIT_UNKNOWN, false},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(decode((struct vmx_raw_exit){.reason = cases[i].vmx}).reason,
                         cases[i].reason);
        assert_int_equal(!!(vmx_exit_rule(cases[i].vmx)->reads & READ_LENGTH), cases[i].length);
        assert_false(event.valid);
    }
}

static void test_cpuid_reads_the_length_only(void **state)
{
    (void)state;
    assert_int_equal(vmx_exit_rule(REASON_CPUID)->reads, READ_LENGTH);
    struct vcpu_exit exit = decode((struct vmx_raw_exit){.reason = REASON_CPUID, .insn_length = 2});

    assert_int_equal(exit.insn_length, 2);
}

static void test_unknown_tells_all(void **state)
{
    (void)state;
    struct vcpu_exit exit = decode((struct vmx_raw_exit){.reason = 0x4000003e, .qualification = 7});

    assert_int_equal(exit.reason, EXIT_UNKNOWN);
    assert_int_equal(exit.raw[0], 0x4000003e);
    assert_int_equal(exit.raw[1], 7);
}

static void test_io(void **state)
{
    (void)state;
    static const struct {
        uint64_t qualification;
        uint16_t port;
        uint8_t size;
        bool in, string, repeat;
    } cases[] = {
        {0x03f80000, 0x3f8, 1, false, false, false}, /* out dx, al */
        {0x00710048, 0x71, 1, true, false, false},   /* in al, 0x71 */
        {0x01f00031, 0x1f0, 2, false, true, true},   /* rep outsw */
        {0xffff001b, 0xffff, 4, true, true, false},  /* insd */
        {0x0cf8000b, 0xcf8, 4, true, false, false},  /* in eax, dx */
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct vcpu_exit exit = decode((struct vmx_raw_exit){
            .reason = REASON_IO, .qualification = cases[i].qualification, .insn_length = 1});

        assert_int_equal(exit.io.port, cases[i].port);
        assert_int_equal(exit.io.size, cases[i].size);
        assert_int_equal(exit.io.in, cases[i].in);
        assert_int_equal(exit.io.string, cases[i].string);
        assert_int_equal(exit.io.repeat, cases[i].repeat);
        assert_int_equal(exit.insn_length, 1);
    }
}

static void test_memory(void **state)
{
    (void)state;
    struct vcpu_exit exit = decode((struct vmx_raw_exit){
        .reason = REASON_EPT_VIOLATION, .qualification = 0x182, .gpa = 0xfee00310});

    assert_int_equal(exit.memory.gpa, 0xfee00310);
    assert_int_equal(exit.memory.access, MEM_WRITE);
    assert_int_equal(exit.insn_length, 0);
    exit = decode((struct vmx_raw_exit){.reason = REASON_EPT_VIOLATION, .qualification = 0x19d});
    assert_int_equal(exit.memory.access, MEM_READ | MEM_EXECUTE);
}

static void test_interrupted_delivery(void **state)
{
    (void)state;
    decode((struct vmx_raw_exit){.reason = REASON_EPT_VIOLATION,
                                 .vectoring = 0x80000b0e, /* #PF with its error code */
                                 .vectoring_error = 6});
    assert_true(event.valid);
    assert_int_equal(event.type, EVENT_EXCEPTION);
    assert_int_equal(event.vector, 14);
    assert_true(event.has_error);
    assert_int_equal(event.error, 6);

    decode((struct vmx_raw_exit){.reason = REASON_EPT_VIOLATION,
                                 .vectoring = 0x80000480, /* INT 0x80 */
                                 .vectoring_length = 2});
    assert_int_equal(event.type, EVENT_SOFT_INTERRUPT);
    assert_int_equal(event.vector, 0x80);
    assert_int_equal(event.insn_length, 2);
    assert_false(event.has_error);

    decode((struct vmx_raw_exit){.reason = REASON_EPT_VIOLATION, .vectoring = 0x00000b0e});
    assert_false(event.valid);
}

static void test_control_registers(void **state)
{
    (void)state;
    struct vcpu_exit exit =
        decode((struct vmx_raw_exit){.reason = REASON_CR_ACCESS, .qualification = 0x904});

    assert_int_equal(exit.cr.number, 4);
    assert_true(exit.cr.write);
    assert_int_equal(exit.cr.gpr, GPR_R9);
    assert_false(exit.cr.decode);
    exit = decode((struct vmx_raw_exit){.reason = REASON_CR_ACCESS, .qualification = 0x018});
    assert_int_equal(exit.cr.number, 8);
    assert_false(exit.cr.write);
    assert_int_equal(exit.cr.gpr, GPR_RAX);
    exit = decode((struct vmx_raw_exit){.reason = REASON_CR_ACCESS, .qualification = 0x020});
    assert_true(exit.cr.decode); /* CLTS */
    assert_true(exit.cr.write);
}

static void test_exceptions(void **state)
{
    (void)state;
    struct vcpu_exit exit = decode((struct vmx_raw_exit){
        .reason = REASON_EXCEPTION_OR_NMI, .interruption = 0x80000202});

    assert_int_equal(exit.reason, EXIT_NMI);
    exit = decode((struct vmx_raw_exit){.reason = REASON_EXCEPTION_OR_NMI,
                                        .interruption = 0x80000312});
    assert_int_equal(exit.reason, EXIT_MACHINE_CHECK);
    exit = decode((struct vmx_raw_exit){.reason = REASON_EXCEPTION_OR_NMI,
                                        .interruption = 0x80000b0e,
                                        .interruption_error = 2,
                                        .qualification = 0xdeadb000});
    assert_int_equal(exit.reason, EXIT_EXCEPTION);
    assert_int_equal(exit.exception.vector, 14);
    assert_true(exit.exception.has_error);
    assert_int_equal(exit.exception.error, 2);
    assert_int_equal(exit.exception.address, 0xdeadb000);
    exit = decode((struct vmx_raw_exit){.reason = REASON_EXTERNAL_INTERRUPT,
                                        .interruption = 0x800000e0});
    assert_int_equal(exit.reason, EXIT_HOST_INTERRUPT);
    assert_int_equal(exit.exception.vector, 0xe0);
    exit = decode((struct vmx_raw_exit){.reason = REASON_RDPMC});
    assert_int_equal(exit.reason, EXIT_EXCEPTION);
    assert_int_equal(exit.exception.vector, 13);
    assert_true(exit.exception.has_error);
}

static void test_refused_entry(void **state)
{
    (void)state;
    struct vcpu_exit exit = decode((struct vmx_raw_exit){
        .reason = REASON_ENTRY_FAILED | REASON_ENTRY_GUEST_STATE, .qualification = 4});

    assert_int_equal(exit.reason, EXIT_INVALID_STATE);
    assert_int_equal(exit.raw[0], 0x80000021);
    assert_int_equal(exit.raw[1], 4);
    exit = decode((struct vmx_raw_exit){.reason = REASON_ENTRY_FAILED | REASON_ENTRY_MACHINE_CHECK});
    assert_int_equal(exit.reason, EXIT_MACHINE_CHECK);
    assert_int_equal(vmx_exit_rule(0x80000021)->reads, READ_QUALIFICATION | READ_MORE);
}

static void test_nmi_unblocked(void **state)
{
    (void)state;
    struct vmx_raw_exit raw = {.reason = REASON_EPT_VIOLATION, .qualification = 1 << 12};

    assert_true(vmx_nmi_unblocked(&raw));
    raw.vectoring = 0x80000b0e;
    assert_false(vmx_nmi_unblocked(&raw));
    raw = (struct vmx_raw_exit){.reason = REASON_EXCEPTION_OR_NMI, .interruption = 0x80001b0e};
    assert_true(vmx_nmi_unblocked(&raw));
    raw = (struct vmx_raw_exit){.reason = REASON_IO, .qualification = 1 << 12};
    assert_false(vmx_nmi_unblocked(&raw));
}

/* ---- State --------------------------------------------------------------------------------- */

#define MCE (1u << 6)
#define VMXE (1u << 13)
#define PCIDE (1u << 17)
#define PAE (1u << 5)
#define PG 0x80000000u
#define LME 0x100u
#define LMA 0x400u

static struct vmx_limits limits(void)
{
    return vmx_make_limits(VMXE, 0x3567ff, VMXE | MCE | PAE, true, 40);
}

/* 64-bit code, as Linux is entered. */
static struct vcpu_state good_state(void)
{
    struct vcpu_state good = {
        .rip = 0x1000200,
        .rflags = 2,
        .cr0 = PG | 0x10031,
        .cr3 = 0x1000,
        .cr4 = PAE,
        .efer = LME | LMA,
        .dr7 = 0x400,
        .pat = 0x0007040600070406,
    };

    for (unsigned i = 0; i < SEG_COUNT; i++) {
        good.segment[i] = (struct vcpu_segment){.attributes = 0xc93, .limit = UINT32_MAX};
    }
    return good;
}

static bool check(const struct vcpu_state *in)
{
    const struct vmx_limits l = limits();

    return vcpu_state_valid(in, STATE_ALL, &l.may, 0);
}

static void test_good_state(void **state)
{
    const struct vmx_limits vmx = limits();

    (void)state;
    struct vcpu_state in = good_state();

    assert_true(check(&in));
    in.cr4 = PAE | PCIDE; /* the vTLB's */
    assert_true(vcpu_state_valid(&in, STATE_ALL, &vmx.may, PCIDE));
    in.cr0 = 0x60000010; /* real mode after reset */
    in.efer = 0;
    assert_false(vcpu_state_valid(&in, STATE_ALL, &vmx.may, PCIDE));
    in.cr4 = 0;
    assert_true(check(&in));
    in.rip = 0xffffffff81000000;
    in.lstar = 0xffff800000000000;
    in.segment[SEG_GS].base = 0xffff888000000000;
    in.segment[SEG_DS] = (struct vcpu_segment){.attributes = SEGMENT_UNUSABLE, .base = UINT64_MAX};
    assert_true(check(&in));
}

#define REFUSED(field, value)                                                                      \
    do {                                                                                           \
        struct vcpu_state in = good_state();                                                       \
        in.field = (value);                                                                        \
        if (check(&in)) {                                                   \
            fail_msg("%s = %s was accepted", #field, #value);                                      \
        }                                                                                          \
    } while (0)

static void test_bad_state(void **state)
{
    (void)state;
    REFUSED(rip, 0x0000800000000000);
    REFUSED(rflags, 0);
    REFUSED(rflags, 0x8002);
    REFUSED(rflags, 1UL << 32 | 2);
    REFUSED(interruptibility, 4);
    REFUSED(cr0, PG);              /* paging without protection */
    REFUSED(cr0, 0x20000001);      /* NW without CD */
    REFUSED(cr0, 1UL << 32);
    REFUSED(cr0, 1UL << 6);
    REFUSED(cr3, 1UL << 40);
    REFUSED(cr4, PAE | VMXE);
    REFUSED(cr4, PAE | PCIDE);
    REFUSED(cr4, PAE | 1UL << 12); /* LA57 */
    REFUSED(cr4, PAE | 1UL << 22); /* PKE */
    REFUSED(cr4, 0);               /* long mode without PAE */
    REFUSED(efer, 1UL << 12);      /* SVME */
    REFUSED(efer, 2);
    REFUSED(dr7, 1UL << 32 | 0x400);
    REFUSED(dr7, 0x1400);
    REFUSED(segment[SEG_CS].base, 1UL << 32);
    REFUSED(segment[SEG_FS].base, 1UL << 47);
    REFUSED(segment[SEG_TR].base, 1UL << 47);
    REFUSED(segment[SEG_ES].attributes, 0x1093);
    REFUSED(gdtr.base, 1UL << 47);
    REFUSED(gdtr.limit, 0x10000);
    REFUSED(idtr.limit, 0x10000);
    REFUSED(lstar, 1UL << 47);
    REFUSED(cstar, 1UL << 63);
    REFUSED(fmask, 1UL << 32);
    REFUSED(kernel_gs_base, 0xfff0000000000000);
    REFUSED(sysenter_cs, 1UL << 32);
    REFUSED(sysenter_esp, 1UL << 47);
    REFUSED(sysenter_eip, 1UL << 47);
    REFUSED(pat, 0x0007040600070402);
    REFUSED(pat, 0x0807040600070406);
}

static void test_only_the_groups_asked_for(void **state)
{
    (void)state;
    const struct vmx_limits l = limits();
    struct vcpu_state in = good_state();

    in.cr4 = VMXE;
    in.rip = 1UL << 47;
    assert_int_equal(vcpu_state_valid(&in, STATE_MSRS | STATE_SEGMENTS, &l.may, 0), true);
    assert_int_equal(vcpu_state_valid(&in, STATE_IP, &l.may, 0), false);
    assert_int_equal(vcpu_state_valid(&in, STATE_CONTROL, &l.may, 0), false);
}

static void test_control_registers_split(void **state)
{
    (void)state;
    const struct vmx_limits l = limits();
    uint64_t mask = vmx_cr4_mask(&l);
    uint64_t cr0 = 0x60000010, cr4 = PAE | 0x80;

    assert_int_equal(vmx_real_cr0(cr0), 0x30); /* caches stay on, NE too */
    assert_int_equal(vmx_guest_view(vmx_real_cr0(cr0), cr0, CR0_HOST_OWNED), cr0);
    assert_int_equal(vmx_real_cr4(&l, cr4), PAE | 0x80 | VMXE | MCE);
    assert_int_equal(vmx_guest_view(vmx_real_cr4(&l, cr4), cr4, mask), cr4);
    assert_true(mask & VMXE);
    assert_true(mask & MCE);
    assert_true(mask & PCIDE);
    assert_false(mask & PAE);
    /* What the guest changes by itself shows. */
    assert_int_equal(vmx_guest_view(vmx_real_cr4(&l, cr4) | 0x200, cr4, mask), cr4 | 0x200);
    assert_int_equal(vmx_real_efer(LME, PG | 1), LME | LMA);
    assert_int_equal(vmx_real_efer(LME | LMA, 1), LME);
    assert_int_equal(vmx_real_efer(0x801, PG | 1), 0x801);
}

static void test_access_rights(void **state)
{
    (void)state;
    assert_int_equal(vmx_access_rights(0xa9b), 0xa09b);
    assert_int_equal(vmx_access_rights(0x8b), 0x8b);
    assert_true(vmx_access_rights(SEGMENT_UNUSABLE) & ACCESS_UNUSABLE);
    for (uint32_t attributes = 0; attributes < 0x10000; attributes++) {
        uint16_t defined = attributes & 0x8fff;

        assert_int_equal(vmx_attributes(vmx_access_rights((uint16_t)attributes)), defined);
        assert_int_equal(vmx_access_rights((uint16_t)attributes) & 0xfffe0f00, 0);
    }
}

static void test_interruptibility(void **state)
{
    (void)state;
    assert_int_equal(vmx_abi_interruptibility(BLOCKING_BY_STI), BLOCKED_BY_STI_OR_MOV_SS);
    assert_int_equal(vmx_abi_interruptibility(BLOCKING_BY_MOV_SS), BLOCKED_BY_STI_OR_MOV_SS);
    assert_int_equal(vmx_abi_interruptibility(BLOCKING_BY_NMI), BLOCKED_BY_NMI);
    assert_int_equal(vmx_interruptibility(0, BLOCKING_BY_STI), 0);
    assert_int_equal(vmx_interruptibility(BLOCKED_BY_STI_OR_MOV_SS, BLOCKING_BY_STI),
                     BLOCKING_BY_STI);
    assert_int_equal(vmx_interruptibility(BLOCKED_BY_STI_OR_MOV_SS, 0), BLOCKING_BY_MOV_SS);
    assert_int_equal(vmx_interruptibility(BLOCKED_BY_NMI, BLOCKING_BY_MOV_SS), BLOCKING_BY_NMI);
    assert_int_equal(vmx_interruptibility(0, BLOCKING_BY_NMI), 0);
}

/* ---- Controls ------------------------------------------------------------------------------ */

/* As read on a Haswell. */
static struct vmx_msrs haswell(void)
{
    return (struct vmx_msrs){
        .basic = 0x00da040000000012,
        .pin = 0x0000007f00000016,
        .processor = 0xfff9fffe04006172,
        .secondary = 0x00007cff00000000,
        .exit = 0x007fffff00036dfb,
        .entry = 0x0000ffff000011fb,
        .ept_vpid = 0x00000f0106334141,
        .misc = 5, /* the preemption timer's rate */
        .cr0_fixed0 = 0x80000021,
        .cr0_fixed1 = 0xffffffff,
        .cr4_fixed0 = 0x2000,
        .cr4_fixed1 = 0x1767ff,
    };
}

static void test_controls(void **state)
{
    (void)state;
    const struct vmx_msrs msrs = haswell();
    struct vmx_features features;

    assert_null(vmx_choose(&msrs, &features));
    assert_int_equal(features.revision, 0x12);
    assert_int_equal(features.pin, 0x16 | PIN_EXTERNAL_INTERRUPT | PIN_NMI | PIN_VIRTUAL_NMIS);
    assert_int_equal(features.processor,
                     0x04006172 | PROCESSOR_HLT | PROCESSOR_MWAIT | PROCESSOR_RDPMC |
                         PROCESSOR_CR8_LOAD | PROCESSOR_CR8_STORE | PROCESSOR_IO_BITMAPS |
                         PROCESSOR_MSR_BITMAPS | PROCESSOR_MONITOR | PROCESSOR_SECONDARY);
    assert_int_equal(features.secondary, SECONDARY_EPT | SECONDARY_VPID | SECONDARY_WBINVD |
                                             SECONDARY_UNRESTRICTED);
    assert_false(features.processor & PROCESSOR_IRQ_WINDOW);
    assert_false(features.entry & ENTRY_GUEST_64);
    assert_true(features.entry & ENTRY_LOAD_EFER);
    assert_true(features.secondary & SECONDARY_VPID);
    assert_true(features.invept_single);
}

/* Every real processor's counts more slowly than its TSC; Bochs's does not. */
static void test_preemption_timer_for_bochs(void **state)
{
    (void)state;
    struct vmx_msrs msrs = haswell();
    struct vmx_features features;

    assert_null(vmx_choose(&msrs, &features));
    assert_false(features.pin & PIN_PREEMPTION_TIMER);
    msrs.misc &= ~0x1fUL;
    assert_null(vmx_choose(&msrs, &features));
    assert_true(features.pin & PIN_PREEMPTION_TIMER);
    msrs.pin &= ~((uint64_t)PIN_PREEMPTION_TIMER << 32);
    assert_null(vmx_choose(&msrs, &features));
    assert_false(features.pin & PIN_PREEMPTION_TIMER);
}

static void test_missing_features_are_named(void **state)
{
    (void)state;
    struct vmx_features features;
    struct vmx_msrs msrs = haswell();

    msrs.pin &= ~((uint64_t)PIN_NMI << 32);
    assert_string_equal(vmx_choose(&msrs, &features), "no NMI exiting");
    msrs = haswell();
    msrs.exit &= ~((uint64_t)EXIT_HOST_64 << 32);
    assert_string_equal(vmx_choose(&msrs, &features), "no 64-bit host");
}

/* Without any one of these the vTLB takes the place of EPT. */
static void test_nested_paging_needs_more(void **state)
{
    const uint64_t may = 1UL << 32;
    struct vmx_features features;
    struct vmx_msrs without[7];

    (void)state;
    for (unsigned i = 0; i < 7; i++) {
        without[i] = haswell();
    }
    without[1].secondary &= ~(SECONDARY_UNRESTRICTED * may);
    without[2].secondary &= ~(SECONDARY_EPT * may);
    without[3].entry &= ~(ENTRY_LOAD_EFER * may);
    without[4].exit &= ~(EXIT_LOAD_PAT * may);
    without[5].ept_vpid &= ~(1UL << 6);  /* four levels */
    without[6].ept_vpid &= ~(1UL << 20); /* INVEPT */
    for (unsigned i = 0; i < 7; i++) {
        assert_null(vmx_choose(&without[i], &features));
        assert_int_equal(features.nested, i == 0);
        assert_int_equal((features.secondary & SECONDARY_EPT) != 0, i == 0);
        assert_int_equal((features.secondary & SECONDARY_UNRESTRICTED) != 0, i == 0);
    }
}

/* SDM vol 3, 23.7: locked without the bit for VMX outside SMX, nobody can turn it on any more. */
static void test_firmware_can_disable(void **state)
{
    (void)state;
    assert_false(vmx_disabled_by_firmware(0)); /* not locked: the kernel sets and locks it */
    assert_false(vmx_disabled_by_firmware(5));
    assert_true(vmx_disabled_by_firmware(1));
    assert_true(vmx_disabled_by_firmware(3)); /* inside SMX only */
    assert_false(vmx_disabled_by_firmware(4));
}

static void test_vpid_is_optional(void **state)
{
    (void)state;
    struct vmx_features features;
    struct vmx_msrs msrs = haswell();

    msrs.secondary &= ~((uint64_t)SECONDARY_VPID << 32);
    assert_null(vmx_choose(&msrs, &features));
    assert_false(features.secondary & SECONDARY_VPID);
    msrs = haswell();
    msrs.ept_vpid &= ~(1UL << 32); /* the identifier without the instruction is no use */
    assert_null(vmx_choose(&msrs, &features));
    assert_false(features.secondary & SECONDARY_VPID);
    assert_false(features.secondary & SECONDARY_VPID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reasons),
        cmocka_unit_test(test_cpuid_reads_the_length_only),
        cmocka_unit_test(test_unknown_tells_all),
        cmocka_unit_test(test_io),
        cmocka_unit_test(test_memory),
        cmocka_unit_test(test_interrupted_delivery),
        cmocka_unit_test(test_control_registers),
        cmocka_unit_test(test_exceptions),
        cmocka_unit_test(test_refused_entry),
        cmocka_unit_test(test_nmi_unblocked),
        cmocka_unit_test(test_good_state),
        cmocka_unit_test(test_bad_state),
        cmocka_unit_test(test_only_the_groups_asked_for),
        cmocka_unit_test(test_control_registers_split),
        cmocka_unit_test(test_access_rights),
        cmocka_unit_test(test_interruptibility),
        cmocka_unit_test(test_controls),
        cmocka_unit_test(test_preemption_timer_for_bochs),
        cmocka_unit_test(test_missing_features_are_named),
        cmocka_unit_test(test_nested_paging_needs_more),
        cmocka_unit_test(test_firmware_can_disable),
        cmocka_unit_test(test_vpid_is_optional),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
