/* SPDX-License-Identifier: Apache-2.0 */
/* The exits for which the guest's instruction itself has to be decoded and executed: accesses to
 * guest-physical addresses that are no RAM, and INS and OUTS. */
#include "code.h"
#include "exits.h"
#include "guest.h"
#include "report.h"

static _Noreturn void give_up(struct vcpu *vcpu, const char *reason)
{
    const struct vcpu_exit *exit = &vcpu->state->exit;
    struct console *console = &vcpu->vm->machine.console;
    struct code code = { .length = 0 };
    const uint8_t *b = code.byte;

    code_fetch(vcpu, &code);
    if (exit->reason == EXIT_MEMORY) {
        console_line(console, "address 0x%lx, access %u", exit->memory.gpa, exit->memory.access);
    }
    console_line(console, "code %02x %02x %02x %02x %02x %02x %02x %02x", b[0], b[1], b[2], b[3],
                 b[4], b[5], b[6], b[7]);
    report_fatal(vcpu, reason);
}

static const struct insn *decode(struct vcpu *vcpu)
{
    const struct insn *insn = code_decode(vcpu);

    if (!insn) {
        give_up(vcpu, "its instruction cannot be decoded");
    }
    if (insn->mode != INSN_64 || insn->segment == INSN_FS || insn->segment == INSN_GS) {
        vcpu_need(vcpu, STATE_SEGMENTS); /* others have no base in 64-bit code */
    }
    return insn;
}

void exit_memory(struct vcpu *vcpu)
{
    struct vcpu_state *state = vcpu->state;
    uint64_t gpa = state->exit.memory.gpa;

    if ((state->exit.memory.access & MEM_WRITE) &&
        machine_refuses_write(&vcpu->vm->machine, gpa)) {
        return;
    }
    vcpu_need(vcpu, STATE_IP | STATE_RSP | STATE_CONTROL | STATE_CODE);
    if (state->exit.memory.access & MEM_EXECUTE) {
        report_fatal(vcpu, "it executes where there is no RAM");
    }
    const struct insn *insn = decode(vcpu);
    struct emulate_ops ops = guest_ops(vcpu);
    if (emulate_mmio(state, insn, &ops, gpa) == EMULATE_UNKNOWN) {
        give_up(vcpu, "its instruction on an address without RAM cannot be emulated");
    }
}

void exit_string_io(struct vcpu *vcpu)
{
    vcpu_need(vcpu, STATE_IP | STATE_RSP | STATE_CONTROL | STATE_CODE);
    const struct insn *insn = decode(vcpu);
    struct emulate_ops ops = guest_ops(vcpu);
    if (emulate_string_io(vcpu->state, insn, &ops) == EMULATE_UNKNOWN) {
        give_up(vcpu, "its instruction is no INS or OUTS");
    }
}
