/* SPDX-License-Identifier: Apache-2.0 */
#include "guest.h"

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

enum walk_status guest_walk(struct vm *vm, uint64_t linear, unsigned access,
                            struct walk_result *out)
{
    const struct vcpu_state *state = vm->state;
    const struct walk_registers registers = {
        .cr0 = state->cr0,
        .cr3 = state->cr3,
        .cr4 = state->cr4,
        .efer = state->efer,
        .rflags = state->rflags,
        .physical_bits = cpuid_physical_bits(&vm->cpuid),
        .gigabyte_pages = cpuid_has_gigabyte_pages(&vm->cpuid),
    };
    const struct walk_memory memory = { .read = read_entry,
                                        .replace = replace_entry,
                                        .context = &vm->machine.setup.ram };
    return walk(&registers, &memory, linear, access, out);
}
