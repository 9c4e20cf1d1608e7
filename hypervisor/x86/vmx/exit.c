/* SPDX-License-Identifier: Apache-2.0 */
#include "x86/vmx/exit.h"

#include "x86/vmx/vmcs.h"
#include "x86/vmx/reason.h"

#define VECTOR_GENERAL_PROTECTION 13
#define VECTOR_PAGE_FAULT 14
#define VECTOR_MACHINE_CHECK 18

struct reason_rule {
    uint8_t reason; /* enum exit_reason */
    uint8_t reads;  /* enum vmx_exit_reads */
};

#define REASONS 64

static const struct reason_rule rules[REASONS] = {
    [REASON_EXCEPTION_OR_NMI] = {EXIT_EXCEPTION,
                                 READ_INTERRUPTION | READ_QUALIFICATION | READ_VECTORING},
    [REASON_EXTERNAL_INTERRUPT] = {EXIT_HOST_INTERRUPT, READ_INTERRUPTION},
    [REASON_TRIPLE_FAULT] = {EXIT_SHUTDOWN, 0},
    [REASON_INIT] = {EXIT_SHUTDOWN, 0},
    [REASON_IRQ_WINDOW] = {EXIT_IRQ_WINDOW, 0},
    [REASON_TASK_SWITCH] = {EXIT_TASK_SWITCH, READ_QUALIFICATION | READ_VECTORING},
    [REASON_CPUID] = {EXIT_CPUID, READ_LENGTH},
    [REASON_GETSEC] = {EXIT_VIRTUALIZATION, READ_LENGTH},
    [REASON_HLT] = {EXIT_HLT, READ_LENGTH},
    [REASON_INVD] = {EXIT_CACHE, READ_LENGTH},
    [REASON_RDPMC] = {EXIT_EXCEPTION, 0}, /* no counters: #GP, as CPUID says */
    [REASON_VMCALL] = {EXIT_HYPERCALL, READ_LENGTH},
    [REASON_VMCLEAR] = {EXIT_VIRTUALIZATION, READ_LENGTH},
    [REASON_VMLAUNCH] = {EXIT_VIRTUALIZATION, READ_LENGTH},
    [REASON_VMPTRLD] = {EXIT_VIRTUALIZATION, READ_LENGTH},
    [REASON_VMPTRST] = {EXIT_VIRTUALIZATION, READ_LENGTH},
    [REASON_VMREAD] = {EXIT_VIRTUALIZATION, READ_LENGTH},
    [REASON_VMRESUME] = {EXIT_VIRTUALIZATION, READ_LENGTH},
    [REASON_VMWRITE] = {EXIT_VIRTUALIZATION, READ_LENGTH},
    [REASON_VMXOFF] = {EXIT_VIRTUALIZATION, READ_LENGTH},
    [REASON_VMXON] = {EXIT_VIRTUALIZATION, READ_LENGTH},
    [REASON_CR_ACCESS] = {EXIT_CR_ACCESS, READ_QUALIFICATION | READ_LENGTH},
    [REASON_IO] = {EXIT_IO, READ_QUALIFICATION | READ_LENGTH},
    [REASON_RDMSR] = {EXIT_MSR_READ, READ_LENGTH},
    [REASON_WRMSR] = {EXIT_MSR_WRITE, READ_LENGTH},
    [REASON_MWAIT] = {EXIT_MONITOR, READ_LENGTH},
    [REASON_MONITOR] = {EXIT_MONITOR, READ_LENGTH},
    [REASON_EPT_VIOLATION] = {EXIT_MEMORY, READ_QUALIFICATION | READ_GPA | READ_VECTORING},
    [REASON_INVEPT] = {EXIT_VIRTUALIZATION, READ_LENGTH},
    [REASON_INVVPID] = {EXIT_VIRTUALIZATION, READ_LENGTH},
    [REASON_WBINVD] = {EXIT_CACHE, READ_LENGTH},
    [REASON_XSETBV] = {EXIT_XSETBV, READ_LENGTH},
    [REASON_VMFUNC] = {EXIT_VIRTUALIZATION, READ_LENGTH},
};

/* Whatever has no rule: the log shall say as much as there is. */
static const struct reason_rule unknown = {EXIT_UNKNOWN, READ_QUALIFICATION};

static const struct reason_rule *find_rule(uint32_t reason)
{
    uint32_t basic = reason & REASON_BASIC;
    const struct reason_rule *rule = &rules[basic % REASONS];

    return basic < REASONS && rule->reason != EXIT_NONE ? rule : &unknown;
}

unsigned vmx_exit_reads(uint32_t reason)
{
    return reason & REASON_ENTRY_FAILED ? READ_QUALIFICATION : find_rule(reason)->reads;
}

/* SDM vol 3, 27.2.1, table 27-5. */
static void decode_io(uint64_t qualification, struct vcpu_exit *exit)
{
    exit->io.port = (uint16_t)(qualification >> 16);
    exit->io.size = (uint8_t)((qualification & 7) + 1);
    exit->io.in = (qualification & 1 << 3) != 0;
    exit->io.string = (qualification & 1 << 4) != 0;
    exit->io.repeat = (qualification & 1 << 5) != 0;
}

/* SDM vol 3, 27.2.1, table 27-3. CLTS and LMSW do not exit while the guest owns the bits that
 * they write; should they, the VMM sees the instruction. */
static void decode_cr(uint64_t qualification, struct vcpu_exit *exit)
{
    unsigned type = qualification >> 4 & 3;

    exit->cr.number = qualification & 15;
    exit->cr.write = type != 1;
    exit->cr.gpr = qualification >> 8 & 15;
    exit->cr.decode = type >= 2;
}

/* SDM vol 3, 24.9.2; a page fault's address is the qualification. */
static void decode_exception(const struct vmx_raw_exit *raw, struct vcpu_exit *exit)
{
    uint32_t info = raw->interruption;

    if (INTERRUPTION_TYPE(info) == EVENT_NMI) {
        exit->reason = EXIT_NMI;
    } else if (INTERRUPTION_VECTOR(info) == VECTOR_MACHINE_CHECK) {
        exit->reason = EXIT_MACHINE_CHECK;
    }
    exit->exception.vector = INTERRUPTION_VECTOR(info);
    exit->exception.has_error = (info & INTERRUPTION_ERROR) != 0;
    exit->exception.error = raw->interruption_error;
    if (INTERRUPTION_VECTOR(info) == VECTOR_PAGE_FAULT) {
        exit->exception.address = raw->qualification;
    }
}

static void decode_payload(const struct vmx_raw_exit *raw, struct vcpu_exit *exit)
{
    switch (raw->reason & REASON_BASIC) {
    case REASON_IO:
        decode_io(raw->qualification, exit);
        break;
    case REASON_EPT_VIOLATION:
        exit->memory.gpa = raw->gpa;
        exit->memory.access = raw->qualification & EPT_VIOLATION_ACCESS;
        break;
    case REASON_CR_ACCESS:
        decode_cr(raw->qualification, exit);
        break;
    case REASON_EXTERNAL_INTERRUPT:
        exit->exception.vector = INTERRUPTION_VECTOR(raw->interruption);
        break;
    case REASON_EXCEPTION_OR_NMI:
        decode_exception(raw, exit);
        break;
    case REASON_RDPMC:
        exit->exception.vector = VECTOR_GENERAL_PROTECTION;
        exit->exception.has_error = true;
        break;
    default:
        exit->raw[0] = raw->reason;
        exit->raw[1] = raw->qualification;
        break;
    }
}

/* SDM vol 3, 24.9.3: laid out as an injection is. */
static void decode_vectoring(const struct vmx_raw_exit *raw, struct vcpu_event *event)
{
    uint32_t info = raw->vectoring;

    *event = (struct vcpu_event){
        .valid = true,
        .type = INTERRUPTION_TYPE(info),
        .vector = INTERRUPTION_VECTOR(info),
        .has_error = (info & INTERRUPTION_ERROR) != 0,
        .error = raw->vectoring_error,
        .insn_length = (uint8_t)raw->vectoring_length,
    };
}

void vmx_decode_raw(const struct vmx_raw_exit *raw, struct vcpu_exit *exit,
                    struct vcpu_event *event)
{
    *exit = (struct vcpu_exit){.reason = find_rule(raw->reason)->reason,
                               .insn_length = raw->insn_length};
    if (raw->reason & REASON_ENTRY_FAILED) {
        bool machine_check = (raw->reason & REASON_BASIC) == REASON_ENTRY_MACHINE_CHECK;

        exit->reason = machine_check ? EXIT_MACHINE_CHECK : EXIT_INVALID_STATE;
        exit->raw[0] = raw->reason;
        exit->raw[1] = raw->qualification;
        return;
    }
    decode_payload(raw, exit);
    if (raw->vectoring & INTERRUPTION_VALID) {
        decode_vectoring(raw, event);
    }
}

bool vmx_nmi_unblocked(const struct vmx_raw_exit *raw)
{
    uint32_t vectoring = raw->vectoring;

    if (vectoring & INTERRUPTION_VALID) {
        return false;
    }
    switch (raw->reason & (REASON_BASIC | REASON_ENTRY_FAILED)) {
    case REASON_EPT_VIOLATION:
        return (raw->qualification & EPT_VIOLATION_NMI_UNBLOCKED) != 0;
    case REASON_EXCEPTION_OR_NMI:
        return (raw->interruption & INTERRUPTION_NMI_UNBLOCKED) != 0;
    default:
        return false;
    }
}
