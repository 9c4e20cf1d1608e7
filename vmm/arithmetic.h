/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Operands of 1, 2, 4 and 8 bytes, and the arithmetic of x86 on them with its status flags. */
#include <stdint.h>

#define RFLAGS_CF 0x001u
#define RFLAGS_PF 0x004u
#define RFLAGS_AF 0x010u
#define RFLAGS_ZF 0x040u
#define RFLAGS_SF 0x080u
#define RFLAGS_OF 0x800u
#define RFLAGS_STATUS (RFLAGS_CF | RFLAGS_PF | RFLAGS_AF | RFLAGS_ZF | RFLAGS_SF | RFLAGS_OF)

static inline uint64_t operand_mask(unsigned size)
{
    return UINT64_MAX >> (64 - 8 * size);
}

static inline uint64_t operand_sign_extend(uint64_t value, unsigned size)
{
    uint64_t sign = UINT64_C(1) << (8 * size - 1);

    return ((value & operand_mask(size)) ^ sign) - sign;
}

/* `old` with its lowest `size` bytes replaced; 32-bit results clear the upper half. */
static inline uint64_t operand_merge(uint64_t old, unsigned size, uint64_t value)
{
    uint64_t keep = size < 4 ? ~operand_mask(size) : 0;

    return (old & keep) | (value & operand_mask(size));
}

enum arithmetic {
    ADD, OR, ADC, SBB, AND, SUB, XOR, CMP, /* as the opcodes number them */
    INC, DEC,                              /* ADD and SUB that leave CF alone */
};

/* `a` and `b`: zero-extended operands of `size` bytes. The status flags in *rflags, of which ADC
 * and SBB use CF, become those of the result, which is returned zero-extended. */
uint64_t arithmetic(enum arithmetic operation, uint64_t a, uint64_t b, unsigned size,
                    uint64_t *rflags);
