/* SPDX-License-Identifier: Apache-2.0 */
/* The exits for which the guest's instruction itself has to be decoded and executed: accesses to
 * guest-physical addresses that are no RAM, and INS and OUTS. */
#include "code.h"
#include "exits.h"
#include "guest.h"
#include "report.h"

static _Noreturn void give_up(struct vm *vm, const struct code *code, const char *reason)
{
    const struct vcpu_exit *exit = &vm->state->exit;
    const uint8_t *b = code->byte;

    if (exit->reason == EXIT_MEMORY) {
        console_line(&vm->machine.console, "address 0x%lx, access %u", exit->memory.gpa,
                     exit->memory.access);
    }
    console_line(&vm->machine.console, "code %02x %02x %02x %02x %02x %02x %02x %02x", b[0], b[1],
                 b[2], b[3], b[4], b[5], b[6], b[7]);
    report_fatal(vm, reason);
}

static void decode(struct vm *vm, struct code *code, struct insn *insn)
{
    *code = (struct code){ .length = 0 };
    code_fetch(vm, code);
    if (insn_decode(insn, code->byte, code->length, emulate_mode(vm->state)) < 0) {
        give_up(vm, code, "its instruction cannot be decoded");
    }
    if (insn->mode != INSN_64 || insn->segment == INSN_FS || insn->segment == INSN_GS) {
        vm_need(vm, STATE_SEGMENTS); /* others have no base in 64-bit code */
    }
}

void exit_memory(struct vm *vm)
{
    struct vcpu_state *state = vm->state;
    uint64_t gpa = state->exit.memory.gpa;
    struct code code;
    struct insn insn;

    vm_need(vm, STATE_IP | STATE_RSP | STATE_CONTROL | STATE_CODE);
    if (state->exit.memory.access & MEM_EXECUTE) {
        report_fatal(vm, "it executes where there is no RAM");
    }
    decode(vm, &code, &insn);
    struct emulate_ops ops = guest_ops(vm);
    if (emulate_mmio(state, &insn, &ops, gpa) == EMULATE_UNKNOWN) {
        give_up(vm, &code, "its instruction on an address without RAM cannot be emulated");
    }
}

void exit_string_io(struct vm *vm)
{
    struct code code;
    struct insn insn;

    vm_need(vm, STATE_IP | STATE_RSP | STATE_CONTROL | STATE_CODE);
    decode(vm, &code, &insn);
    struct emulate_ops ops = guest_ops(vm);
    if (emulate_string_io(vm->state, &insn, &ops) == EMULATE_UNKNOWN) {
        give_up(vm, &code, "its instruction is no INS or OUTS");
    }
}
