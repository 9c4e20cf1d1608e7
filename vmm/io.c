/* SPDX-License-Identifier: Apache-2.0 */
/* IN and OUT, and the string forms INS and OUTS. */
#include "exits.h"
#include "vm.h"

/* The accumulator's part of that size; a 32-bit result clears the upper half (SDM vol 1,
 * 3.4.1.1). */
static void set_accumulator(uint64_t *rax, uint8_t size, uint64_t value)
{
    switch (size) {
    case 1:
        *rax = (*rax & ~UINT64_C(0xff)) | (uint8_t)value;
        break;
    case 2:
        *rax = (*rax & ~UINT64_C(0xffff)) | (uint16_t)value;
        break;
    default:
        *rax = (uint32_t)value;
        break;
    }
}

static uint64_t accumulator(uint64_t rax, uint8_t size)
{
    return size == 1 ? (uint8_t)rax : size == 2 ? (uint16_t)rax : (uint32_t)rax;
}

void exit_io(struct vcpu *vcpu)
{
    const struct vcpu_exit *exit = &vcpu->state->exit;
    uint64_t *rax = &vcpu->state->gpr[GPR_RAX];

    if (exit->io.string) {
        exit_string_io(vcpu);
        return;
    }
    struct access access = { .offset = exit->io.port,
                             .value = accumulator(*rax, exit->io.size),
                             .size = exit->io.size,
                             .write = !exit->io.in };
    bus_access(&vcpu->vm->machine.ports, &access);
    if (exit->io.in) {
        set_accumulator(rax, exit->io.size, access.value);
    }
    exit_complete(vcpu);
}
