/* SPDX-License-Identifier: Apache-2.0 */
/* Why the guest exited: SVM's codes (APM vol 2, appendix C) in neutral words. */
#include "svm.h"

#include "lib/string.h"
#include "virt/exit.h"

/* Instructions of a guest that need nothing but the code. 0 (EXIT_NONE): not here. */
#define CODES 0x100
static const uint8_t instructions[CODES] = {
    [VMEXIT_CPUID] = EXIT_CPUID,
    [VMEXIT_INVD] = EXIT_CACHE,
    [VMEXIT_HLT] = EXIT_HLT,
    [VMEXIT_INVLPGA] = EXIT_VIRTUALIZATION,
    [VMEXIT_VMRUN] = EXIT_VIRTUALIZATION,
    [VMEXIT_VMMCALL] = EXIT_HYPERCALL,
    [0x082] = EXIT_VIRTUALIZATION, /* VMLOAD, VMSAVE, STGI, CLGI */
    [0x083] = EXIT_VIRTUALIZATION,
    [0x084] = EXIT_VIRTUALIZATION,
    [0x085] = EXIT_VIRTUALIZATION,
    [VMEXIT_SKINIT] = EXIT_VIRTUALIZATION,
    [VMEXIT_RDTSCP] = EXIT_VIRTUALIZATION, /* CPUID shows none: #UD like those */
    [VMEXIT_RDPMC] = EXIT_VIRTUALIZATION,
    [VMEXIT_RSM] = EXIT_VIRTUALIZATION,
    [VMEXIT_WBINVD] = EXIT_CACHE,
    [VMEXIT_MONITOR] = EXIT_MONITOR,
    [VMEXIT_MWAIT] = EXIT_MONITOR,
    [VMEXIT_MWAIT_ARMED] = EXIT_MONITOR,
    [VMEXIT_XSETBV] = EXIT_XSETBV,
    [VMEXIT_RDPRU] = EXIT_VIRTUALIZATION,
};

/* Likewise, but no instructions. */
static const uint8_t events[CODES] = {
    [VMEXIT_MACHINE_CHECK] = EXIT_MACHINE_CHECK,
    [VMEXIT_INTR] = EXIT_HOST_INTERRUPT,
    [VMEXIT_NMI] = EXIT_NMI,
    [VMEXIT_SMI] = EXIT_HOST_INTERRUPT, /* taken by the firmware when GIF is set again */
    [VMEXIT_VINTR] = EXIT_IRQ_WINDOW,
    [VMEXIT_TASK_SWITCH] = EXIT_TASK_SWITCH,
    [VMEXIT_SHUTDOWN] = EXIT_SHUTDOWN,
};

static inline uint8_t look_up(const uint8_t reasons[CODES], uint64_t code)
{
    return code < CODES ? reasons[code] : (uint8_t)EXIT_NONE;
}

/* Where the CPU tells the next RIP; 0 where it does not, and for what is no instruction. */
static inline uint32_t insn_length(const struct vmcb *vmcb)
{
    uint64_t length = vmcb->next_rip - vmcb->rip;

    /* Stale, or moved by a delivery, when it is too long. */
    return vmcb->next_rip != 0 && length <= 15 ? (uint32_t)length : 0;
}

static void decode_io(const struct vmcb *vmcb, struct vcpu_exit *exit)
{
    uint64_t info = vmcb->exit_info1;

    exit->reason = EXIT_IO;
    /* The next RIP, on every CPU. */
    exit->insn_length = (uint32_t)(vmcb->exit_info2 - vmcb->rip);
    if (exit->insn_length > 15) {
        exit->insn_length = 0;
    }
    exit->io.port = (uint16_t)(info >> IO_PORT_SHIFT);
    exit->io.size = info >> IO_SIZE_SHIFT & 7;
    exit->io.in = (info & IO_IN) != 0;
    exit->io.string = (info & IO_STRING) != 0;
    exit->io.repeat = (info & IO_REPEAT) != 0;
}

/* Whether the gpr of EXITINFO1 can be trusted depends on decode assists, which not every CPU
 * has: the VMM decodes. */
static void decode_cr(uint64_t code, struct vcpu_exit *exit)
{
    exit->reason = EXIT_CR_ACCESS;
    exit->cr.number = code & 0xf;
    exit->cr.write = code >= VMEXIT_CR0_WRITE;
    exit->cr.decode = true;
}

static void decode_memory(const struct vmcb *vmcb, struct vcpu_exit *exit)
{
    uint64_t info = vmcb->exit_info1;

    exit->reason = EXIT_MEMORY;
    exit->memory.gpa = vmcb->exit_info2;
    exit->memory.access = info & FAULT_FETCH   ? MEM_EXECUTE
                          : info & FAULT_WRITE ? MEM_WRITE
                                               : MEM_READ;
}

void svm_decode_exit(const struct vmcb *vmcb, struct vcpu_exit *exit)
{
    uint64_t code = (uint32_t)vmcb->exit_code;

    *exit = (struct vcpu_exit){.reason = EXIT_UNKNOWN, .raw = {code, vmcb->exit_info1}};
    uint8_t instruction = look_up(instructions, code);
    uint8_t event = look_up(events, code);

    if (instruction != EXIT_NONE) {
        exit->reason = instruction;
        exit->insn_length = insn_length(vmcb);
    } else if (event != EXIT_NONE) {
        exit->reason = event;
    } else if (code == VMEXIT_IO) {
        decode_io(vmcb, exit);
    } else if (code == VMEXIT_MSR) {
        exit->reason = vmcb->exit_info1 & 1 ? EXIT_MSR_WRITE : EXIT_MSR_READ;
        exit->insn_length = insn_length(vmcb);
    } else if (code == VMEXIT_PAGE_FAULT) {
        exit->reason = EXIT_PAGE_FAULT;
        exit->exception.vector = VMEXIT_PAGE_FAULT - VMEXIT_EXCEPTION;
        exit->exception.error = (uint32_t)vmcb->exit_info1;
        exit->exception.address = vmcb->exit_info2;
    } else if (code == VMEXIT_INVLPG) {
        exit->reason = EXIT_INVLPG; /* of what, decode assists would tell: the vTLB decodes it */
    } else if (code == VMEXIT_NESTED_FAULT) {
        decode_memory(vmcb, exit);
    } else if (code < VMEXIT_DR0_READ) {
        decode_cr(code, exit);
    } else if (code == VMEXIT_INVALID) {
        exit->reason = EXIT_INVALID_STATE;
    }
}

/*
 * An event whose delivery the exit interrupted. A software interrupt is not delivered again: RIP
 * still points at its instruction, which simply runs once more; the same holds for INT3 and INTO,
 * which SVM reports as exceptions 3 and 4.
 */
struct vcpu_event svm_decode_event(uint64_t info)
{
    uint8_t type = info >> EVENT_TYPE_SHIFT & 7, vector = (uint8_t)info;
    bool software = type == EVENT_SOFT_INTERRUPT ||
                    (type == EVENT_EXCEPTION && (vector == 3 || vector == 4));

    if (!(info & EVENT_VALID) || software) {
        return (struct vcpu_event){.valid = false};
    }
    return (struct vcpu_event){.valid = true,
                               .type = type,
                               .vector = vector,
                               .has_error = (info & EVENT_ERROR_VALID) != 0,
                               .error = (uint32_t)(info >> EVENT_ERROR_SHIFT)};
}

/*
 * VMRUN refused the state. QEMU then leaves the host's in the save area and in RAX, which are
 * nothing for a VMM to see: the vCPU is as after reset. And if that entry was the one to flush what
 * the identifiers were used for before, it has not: the next one shall.
 */
static void forget_state(struct vcpu *vcpu)
{
    struct vmcb *vmcb = svm_of(vcpu)->vmcb;

    if (vmcb->tlb_control == TLB_FLUSH_ALL) {
        svm_of(vcpu)->cpu->asid_next = svm_of(vcpu)->cpu->asid_count;
    }
    memory_set(&vmcb->es, 0, sizeof(*vmcb) - offsetof(struct vmcb, es));
    svm_reset_state(vmcb);
    if (vcpu->vtlb) { /* never without its tables: there are no others in between */
        svm_vtlb_control(vcpu, vmcb->cr0, 0, vmcb->cr4, 0);
    }
    vcpu->state->gpr[GPR_RAX] = 0;
    svm_of(vcpu)->generation = 0;
}

/*
 * #DB and #AC are intercepted for one reason: a guest can arrange that their delivery causes the
 * same exception again, for ever, with host interrupts shut out. They go straight back to it.
 */
static void give_back(struct vcpu *vcpu, const struct vmcb *vmcb, struct vcpu_exit *exit)
{
    uint32_t code = (uint32_t)vmcb->exit_code;
    bool has_error = code == VMEXIT_ALIGNMENT_CHECK;

    if (code != VMEXIT_DEBUG && code != VMEXIT_ALIGNMENT_CHECK) {
        return;
    }
    vcpu_pend(vcpu, (struct vcpu_event){.valid = true,
                                        .type = EVENT_EXCEPTION,
                                        .vector = (uint8_t)(code - VMEXIT_EXCEPTION),
                                        .has_error = has_error,
                                        .error = has_error ? (uint32_t)vmcb->exit_info1 : 0});
    exit->reason = EXIT_NONE;
}

/* Exits that are no plain instructions, and those that interrupted something. */
static RARE struct thread *exited_otherwise(struct svm_vcpu *svm)
{
    struct vcpu *vcpu = &svm->vcpu;
    struct vmcb *vmcb = svm->vmcb;
    struct vcpu_exit exit;

    if (vmcb->exit_int_info & EVENT_VALID) {
        vcpu_pend(vcpu, svm_decode_event(vmcb->exit_int_info));
    }
    svm_decode_exit(vmcb, &exit);
    if (exit.reason == EXIT_UNKNOWN) {
        give_back(vcpu, vmcb, &exit);
    } else if (exit.reason == EXIT_INVALID_STATE) {
        forget_state(vcpu);
    }
    return vcpu_exited(vcpu, &exit);
}

/* Instructions are what a guest exits for most, and none of them is kept. */
struct thread *svm_exited(struct svm_vcpu *svm)
{
    struct vmcb *vmcb = svm->vmcb;
    struct vcpu_state *state = svm->vcpu.state;
    uint8_t reason = look_up(instructions, (uint32_t)vmcb->exit_code);

    state->gpr[GPR_RAX] = vmcb->rax;
    vmcb->event_injection = 0; /* delivered, or in EXITINTINFO */
    if (__builtin_expect(svm->offered, 0)) {
        svm_note_irq(svm);
    }
    if (__builtin_expect((vmcb->exit_int_info & EVENT_VALID) != 0, 0)) {
        return exited_otherwise(svm);
    }
    const struct exit_rule *rule = &exit_rules[reason]; /* that of EXIT_NONE has no groups */
    uint32_t length = insn_length(vmcb), groups = rule->groups | (length == 0 ? rule->decode : 0);

    if (groups == (STATE_IP | STATE_FETCH)) {
        svm_get_fetch(&svm->vcpu, vmcb, state);
    } else if (__builtin_expect(groups != STATE_IP, 0)) {
        return exited_otherwise(svm);
    }
    svm_get_ip(vmcb, state);
    state->exit.reason = reason;
    state->exit.insn_length = length;
    return vcpu_forward(&svm->vcpu, groups);
}

/*
 * An interrupt that made the guest exit is still pending: it is taken as soon as interrupts are
 * on. NMIs and SMIs came through already when GIF was set. A machine check did not wait: the
 * intercept has taken the exception's place (APM vol 2, 15.12).
 */
void svm_host_event(struct vcpu *vcpu, const struct vcpu_exit *exit)
{
    (void)vcpu;
    if (exit->reason == EXIT_MACHINE_CHECK) {
        __asm__ volatile("int $18" : : : "memory");
        return;
    }
    __asm__ volatile("sti\n\tnop\n\tcli" : : : "memory");
}
