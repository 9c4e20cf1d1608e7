/* SPDX-License-Identifier: Apache-2.0 */
#include "x86/vmx/exit.h"

#include "x86/vmx/vmcs.h"
#include "x86/vmx/reason.h"

#define VECTOR_GENERAL_PROTECTION 13
#define VECTOR_PAGE_FAULT 14
#define VECTOR_MACHINE_CHECK 18

const struct vmx_exit_rule vmx_exit_rules[VMX_EXIT_RULES] = {
    [REASON_EXCEPTION_OR_NMI] = {EXIT_EXCEPTION,
                                 READ_INTERRUPTION | READ_QUALIFICATION | READ_VECTORING |
                                     READ_MORE},
    [REASON_EXTERNAL_INTERRUPT] = {EXIT_HOST_INTERRUPT, READ_INTERRUPTION},
    [REASON_TRIPLE_FAULT] = {EXIT_SHUTDOWN, 0},
    [REASON_INIT] = {EXIT_SHUTDOWN, 0},
    [REASON_IRQ_WINDOW] = {EXIT_IRQ_WINDOW, 0},
    [REASON_TASK_SWITCH] = {EXIT_TASK_SWITCH, READ_QUALIFICATION | READ_VECTORING | READ_MORE},
    [REASON_CPUID] = {EXIT_CPUID, READ_LENGTH},
    [REASON_GETSEC] = {EXIT_VIRTUALIZATION, READ_LENGTH},
    [REASON_HLT] = {EXIT_HLT, READ_LENGTH},
    [REASON_INVD] = {EXIT_CACHE, READ_LENGTH},
    [REASON_INVLPG] = {EXIT_INVLPG, READ_QUALIFICATION | READ_LENGTH},
    [REASON_RDPMC] = {EXIT_EXCEPTION, 0}, /* no counters: #GP, as CPUID says */
    [REASON_VMCALL] = {EXIT_HYPERCALL, READ_LENGTH},
    [REASON_VMCLEAR ... REASON_VMXON] = {EXIT_VIRTUALIZATION, READ_LENGTH},
    [REASON_CR_ACCESS] = {EXIT_CR_ACCESS, READ_QUALIFICATION | READ_LENGTH},
    [REASON_IO] = {EXIT_IO, READ_QUALIFICATION | READ_LENGTH},
    [REASON_RDMSR] = {EXIT_MSR_READ, READ_LENGTH},
    [REASON_WRMSR] = {EXIT_MSR_WRITE, READ_LENGTH},
    [REASON_MWAIT] = {EXIT_MONITOR, READ_LENGTH},
    [REASON_MONITOR] = {EXIT_MONITOR, READ_LENGTH},
    [REASON_EPT_VIOLATION] = {EXIT_MEMORY, READ_QUALIFICATION | READ_GPA | READ_VECTORING |
                                             READ_MORE},
    [REASON_INVEPT] = {EXIT_VIRTUALIZATION, READ_LENGTH},
    [REASON_PREEMPTION_TIMER] = {EXIT_HOST_INTERRUPT, 0}, /* one that waits, without a vector */
    [REASON_INVVPID] = {EXIT_VIRTUALIZATION, READ_LENGTH},
    [REASON_WBINVD] = {EXIT_CACHE, READ_LENGTH},
    [REASON_XSETBV] = {EXIT_XSETBV, READ_LENGTH},
    [REASON_VMFUNC] = {EXIT_VIRTUALIZATION, READ_LENGTH},
};

/* Whatever has no rule, refused entries among it: the log shall say as much as there is. */
const struct vmx_exit_rule vmx_exit_unknown = {EXIT_UNKNOWN, READ_QUALIFICATION | READ_MORE};

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
    switch (raw->reason) {
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
    case REASON_INVLPG:
        exit->exception.address = raw->qualification;
        break;
    case REASON_RDPMC:
        exit->exception.vector = VECTOR_GENERAL_PROTECTION;
        exit->exception.has_error = true;
        break;
    default:
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

/* A refused entry (SDM vol 3, 26.8), or what should not happen with the controls in use. */
static void decode_unknown(const struct vmx_raw_exit *raw, struct vcpu_exit *exit)
{
    if (raw->reason & REASON_ENTRY_FAILED) {
        bool machine_check = (raw->reason & REASON_BASIC) == REASON_ENTRY_MACHINE_CHECK;

        exit->reason = machine_check ? EXIT_MACHINE_CHECK : EXIT_INVALID_STATE;
    }
    exit->raw[0] = raw->reason;
    exit->raw[1] = raw->qualification;
}

void vmx_decode_raw(const struct vmx_raw_exit *raw, struct vcpu_exit *exit,
                    struct vcpu_event *event)
{
    *exit = (struct vcpu_exit){.reason = vmx_exit_rule(raw->reason)->reason,
                               .insn_length = raw->insn_length,
                               .raw = {0, 0}}; /* all of it reaches the VMM */
    if (exit->reason == EXIT_UNKNOWN) {
        decode_unknown(raw, exit);
    } else {
        decode_payload(raw, exit);
    }
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
    switch (raw->reason) {
    case REASON_EPT_VIOLATION:
        return (raw->qualification & EPT_VIOLATION_NMI_UNBLOCKED) != 0;
    case REASON_EXCEPTION_OR_NMI:
        return (raw->interruption & INTERRUPTION_NMI_UNBLOCKED) != 0;
    default:
        return false;
    }
}
