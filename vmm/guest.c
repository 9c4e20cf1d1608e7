/* SPDX-License-Identifier: Apache-2.0 */
#include "guest.h"

#include "code.h"
#include "report.h"

/* ---- Translation -------------------------------------------------------------------------- */

static bool read_entry(void *context, uint64_t gpa, unsigned size, uint64_t *value)
{
    const void *place = guest_ram_at(context, gpa, size);

    if (!place) {
        return false;
    }
    *value = size == 8 ? __atomic_load_n((const uint64_t *)place, __ATOMIC_RELAXED)
                       : __atomic_load_n((const uint32_t *)place, __ATOMIC_RELAXED);
    return true;
}

static bool replace_entry(void *context, uint64_t gpa, unsigned size, uint64_t expected,
                          uint64_t desired)
{
    void *place = guest_ram_at(context, gpa, size);

    if (!place) {
        return false;
    }
    if (size == 8) {
        return __atomic_compare_exchange_n((uint64_t *)place, &expected, desired, false,
                                           __ATOMIC_SEQ_CST, __ATOMIC_RELAXED);
    }
    uint32_t expected_32 = (uint32_t)expected;
    return __atomic_compare_exchange_n((uint32_t *)place, &expected_32, (uint32_t)desired, false,
                                       __ATOMIC_SEQ_CST, __ATOMIC_RELAXED);
}

/* The privilege level is SS.DPL (SDM vol 3, 24.4.1). 64-bit code has it in CS too, where code of
 * the other modes, on its way between them, need not have it. */
unsigned guest_access(struct vcpu *vcpu)
{
    const struct vcpu_segment *segment = vcpu->state->segment;
    unsigned privilege = segment[SEG_CS].selector & 3;

    if (!code_is_64_bit(vcpu->state)) {
        vcpu_need(vcpu, STATE_SEGMENTS);
        privilege = segment[SEG_SS].attributes >> 5 & 3;
    }
    return privilege == 3 ? WALK_USER : 0;
}

enum walk_status guest_walk(struct vcpu *vcpu, uint64_t linear, unsigned access,
                            struct walk_result *out)
{
    const struct vcpu_state *state = vcpu->state;
    const struct walk_registers registers = {
        .cr0 = state->cr0,
        .cr3 = state->cr3,
        .cr4 = state->cr4,
        .efer = state->efer,
        .rflags = state->rflags,
        .physical_bits = cpuid_physical_bits(&vcpu->cpuid),
        .gigabyte_pages = cpuid_has_gigabyte_pages(&vcpu->cpuid),
    };
    const struct walk_memory memory = { .read = read_entry,
                                        .replace = replace_entry,
                                        .context = &vcpu->vm->machine.setup.ram };
    return walk(&registers, &memory, linear, access, out);
}

/* The guest-physical address, or the exception that the access raises. */
static bool translate(struct vcpu *vcpu, uint64_t linear, bool write, uint64_t *gpa)
{
    struct vcpu_state *state = vcpu->state;
    unsigned access = guest_access(vcpu) | (write ? WALK_WRITE : WALK_READ);
    struct walk_result result;

    switch (guest_walk(vcpu, linear, access, &result)) {
    case WALK_DONE:
        *gpa = result.gpa;
        return true;
    case WALK_FAULT:
        state->cr2 = linear;
        state->dirty |= STATE_CONTROL;
        vcpu_inject_error(vcpu, VECTOR_PF, result.error_code);
        return false;
    case WALK_NON_CANONICAL:
        vcpu_inject_error(vcpu, VECTOR_GP, 0);
        return false;
    case WALK_CHANGED: /* by another vCPU: the guest executes the instruction anew */
        return false;
    default:
        report_fatal(vcpu, "its page tables are not in RAM");
    }
}

/* ---- Memory and devices ------------------------------------------------------------------- */

/* An operand, in the one or two pages where it stands. */
struct span {
    struct {
        uint64_t gpa;
        unsigned size; /* bytes; of the second, 0 when there is none */
    } part[2];
};

/* Everything is translated before anything is moved, so that a fault leaves no half a store. */
static bool translate_span(struct vcpu *vcpu, uint64_t linear, unsigned size, bool write,
                           struct span *span)
{
    uint64_t left = PAGE_SIZE - (linear & (PAGE_SIZE - 1));
    unsigned first = size < left ? size : (unsigned)left;

    *span = (struct span){ .part = { { .size = first }, { .size = size - first } } };
    return translate(vcpu, linear, write, &span->part[0].gpa) &&
           (first == size || translate(vcpu, linear + first, write, &span->part[1].gpa));
}

/* A device, a byte at a time where the operand has been cut into odd parts. */
static void access_device(struct vcpu *vcpu, uint64_t gpa, unsigned size, bool write,
                          uint8_t *bytes)
{
    unsigned step = (size & (size - 1)) == 0 ? size : 1;

    for (unsigned i = 0; i < size; i += step) {
        struct access access = { .offset = gpa + i, .size = (uint8_t)step, .write = write };
        if (write) {
            __builtin_memcpy(&access.value, bytes + i, step);
        }
        bus_access(&vcpu->vm->machine.memory, &access);
        if (!write) {
            __builtin_memcpy(bytes + i, &access.value, step);
        }
    }
}

static void access_physical(struct vcpu *vcpu, uint64_t gpa, unsigned size, bool write,
                            uint8_t *bytes)
{
    uint8_t *ram = guest_ram_at(&vcpu->vm->machine.setup.ram, gpa, size);

    if (!ram) {
        access_device(vcpu, gpa, size, write, bytes);
    } else if (write) {
        __builtin_memcpy(ram, bytes, size);
    } else {
        __builtin_memcpy(bytes, ram, size);
    }
}

static bool op_access(void *context, uint64_t gpa, unsigned size, bool write, uint64_t *value)
{
    struct access access = {
        .offset = gpa, .value = *value, .size = (uint8_t)size, .write = write
    };
    struct vcpu *vcpu = context;

    bus_access(&vcpu->vm->machine.memory, &access);
    if (!write) {
        *value = access.value;
    }
    return true;
}

static bool op_linear(void *context, uint64_t linear, unsigned size, bool write, uint64_t *value)
{
    uint8_t bytes[sizeof(uint64_t)] = { 0 };
    struct span span;

    if (!translate_span(context, linear, size, write, &span)) {
        return false;
    }
    if (write) {
        __builtin_memcpy(bytes, value, sizeof(bytes));
    }
    access_physical(context, span.part[0].gpa, span.part[0].size, write, bytes);
    if (span.part[1].size > 0) {
        access_physical(context, span.part[1].gpa, span.part[1].size, write,
                        bytes + span.part[0].size);
    }
    if (!write) {
        __builtin_memcpy(value, bytes, sizeof(bytes));
    }
    return true;
}

static bool op_may_write(void *context, uint64_t linear, unsigned size)
{
    struct span span;

    return translate_span(context, linear, size, true, &span);
}

static bool op_port(void *context, uint16_t port, unsigned size, bool write, uint64_t *value)
{
    struct access access = {
        .offset = port, .value = *value, .size = (uint8_t)size, .write = write
    };
    struct vcpu *vcpu = context;

    bus_access(&vcpu->vm->machine.ports, &access);
    if (!write) {
        *value = access.value;
    }
    return true;
}

struct emulate_ops guest_ops(struct vcpu *vcpu)
{
    return (struct emulate_ops){ .access = op_access,
                                 .linear = op_linear,
                                 .may_write = op_may_write,
                                 .port = op_port,
                                 .context = vcpu };
}
