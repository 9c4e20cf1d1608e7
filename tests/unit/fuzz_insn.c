/* sources: hypervisor/lib/insn.c hypervisor/lib/walk.c */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The decoder on arbitrary bytes and the walker on arbitrary tables, with the rules that must
 * hold whatever a guest writes. A short deterministic run: -runs=200000 -seed=1.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/insn.h"
#include "lib/walk.h"

static void check(bool rule)
{
    if (!rule) {
        abort();
    }
}

/* ---- Decoder ------------------------------------------------------------------------------ */

static bool is_register(uint8_t number)
{
    return number < 16 || number == INSN_NO_REGISTER;
}

static void check_fields(const struct insn *insn)
{
    const struct insn_memory *memory = &insn->memory;

    check(insn->operand_size == 1 || insn->operand_size == 2 || insn->operand_size == 4 ||
          insn->operand_size == 8);
    check(insn->address_size == 2 || insn->address_size == 4 || insn->address_size == 8);
    check(memory->segment <= INSN_GS && is_register(memory->base) && is_register(memory->index));
    check(insn->mod < 4 && insn->reg < 16 && insn->rm < 16);
    check(!insn->has_modrm || insn->has_memory == (insn->mod != 3));
    check(insn->immediate_size <= 8);
}

/* Less than the whole is never taken for the whole, and what follows does not count. */
static void check_decode(const uint8_t *bytes, size_t size, enum insn_mode mode)
{
    uint64_t gpr[16] = { 0 };
    struct insn insn, again;
    int length = insn_decode(&insn, bytes, size, mode);

    if (length < 0) {
        check(length == INSN_TRUNCATED ? size < INSN_MAX_LENGTH
                                       : length == INSN_TOO_LONG || length == INSN_UNDEFINED);
        return;
    }
    check(length >= 1 && length <= INSN_MAX_LENGTH && (size_t)length <= size);
    check(insn.length == length);
    check_fields(&insn);
    check(insn.address_size == 8 || insn_offset(&insn, gpr, ~0ul) >> 8 * insn.address_size == 0);
    check(insn_decode(&again, bytes, (size_t)length, mode) == length);
    check(memcmp(&insn, &again, sizeof(insn)) == 0);
    check(insn_decode(&again, bytes, (size_t)length - 1, mode) == INSN_TRUNCATED);
}

/* ---- Walker ------------------------------------------------------------------------------- */

/* The input is all of memory, again and again, and may end in the middle of an entry. */
struct memory {
    const uint8_t *bytes;
    size_t size;
    unsigned reads, replaced;
};

static bool read_memory(void *context, uint64_t gpa, unsigned size, uint64_t *value)
{
    struct memory *memory = context;
    size_t at = (size_t)(gpa % (2 * memory->size));

    check((size == 4 || size == 8) && gpa % size == 0 && gpa >> 52 == 0);
    memory->reads++;
    *value = 0;
    if (at + size > memory->size) {
        return false;
    }
    memcpy(value, memory->bytes + at, size);
    return true;
}

static bool replace(void *context, uint64_t gpa, unsigned size, uint64_t expected,
                    uint64_t desired)
{
    struct memory *memory = context;
    uint64_t changed = expected ^ desired;

    check((size == 4 || size == 8) && gpa % size == 0);
    check(changed && !(changed & ~UINT64_C(0x60)) && !(expected & changed));
    memory->replaced++;
    return gpa % 7 != 0;
}

static void check_walk(const uint8_t *bytes, size_t size)
{
    struct walk_registers registers;
    uint64_t linear;
    uint16_t access;

    if (size < sizeof(registers) + sizeof(linear) + sizeof(access) + 8) {
        return;
    }
    memcpy(&linear, bytes, sizeof(linear));
    memcpy(&access, bytes + 8, sizeof(access));
    uint64_t words[5];
    memcpy(words, bytes + 10, sizeof(words));
    registers = (struct walk_registers){ .cr0 = words[0],
                                         .cr3 = words[1],
                                         .cr4 = words[2],
                                         .efer = words[3],
                                         .rflags = words[4],
                                         .physical_bits = (uint8_t)(32 + (access >> 9) % 21),
                                         .gigabyte_pages = access & 1 };
    access &= WALK_WRITE | WALK_USER | WALK_FETCH | WALK_IMPLICIT;

    struct memory memory = { .bytes = bytes + 50, .size = size - 50 };
    struct walk_memory with = { read_memory, linear & 1 ? replace : NULL, &memory };
    struct walk_result result;
    enum walk_status status = walk(&registers, &with, linear, access, &result);

    check(memory.reads <= 4 && memory.replaced <= memory.reads);
    check(status == WALK_DONE || status == WALK_CHANGED || memory.replaced == 0);
    if (status == WALK_DONE) {
        uint64_t in_page = (UINT64_C(1) << result.page_shift) - 1;
        check((result.gpa & in_page) == (linear & in_page));
        check(result.gpa >> (registers.physical_bits < 40 ? 40 : registers.physical_bits) == 0);
    } else if (status == WALK_FAULT) {
        check(!(result.error_code & ~0x1fu));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    for (enum insn_mode mode = INSN_16; mode <= INSN_64; mode++) {
        check_decode(data, size, mode);
    }
    check_walk(data, size);
    return 0;
}
