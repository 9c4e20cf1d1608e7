/* SPDX-License-Identifier: Apache-2.0 */
#include "arithmetic.h"

/* `carry` and `overflow` hold, bit by bit, what each position passed on or overflowed. */
static uint64_t status_flags(uint64_t result, uint64_t carry, uint64_t overflow, unsigned size)
{
    unsigned top = 8 * size - 1;

    return (carry >> top & 1 ? RFLAGS_CF : 0u) | (carry >> 3 & 1 ? RFLAGS_AF : 0u) |
           (overflow >> top & 1 ? RFLAGS_OF : 0u) | (result >> top & 1 ? RFLAGS_SF : 0u) |
           ((result & operand_mask(size)) == 0 ? RFLAGS_ZF : 0u) |
           (__builtin_parity((unsigned)result & 0xff) ? 0u : RFLAGS_PF);
}

static uint64_t add(uint64_t a, uint64_t b, unsigned carry, unsigned size, uint64_t *flags)
{
    uint64_t sum = a + b + carry;

    *flags = status_flags(sum, (a & b) | ((a | b) & ~sum), (a ^ sum) & (b ^ sum), size);
    return sum;
}

static uint64_t subtract(uint64_t a, uint64_t b, unsigned borrow, unsigned size, uint64_t *flags)
{
    uint64_t rest = a - b - borrow;

    *flags = status_flags(rest, (~a & b) | ((~a | b) & rest), (a ^ b) & (a ^ rest), size);
    return rest;
}

static uint64_t logic(enum arithmetic operation, uint64_t a, uint64_t b, unsigned size,
                      uint64_t *flags)
{
    uint64_t result = operation == OR ? a | b : operation == AND ? a & b : a ^ b;

    *flags = status_flags(result, 0, 0, size);
    return result;
}

uint64_t arithmetic(enum arithmetic operation, uint64_t a, uint64_t b, unsigned size,
                    uint64_t *rflags)
{
    unsigned carry = *rflags & RFLAGS_CF;
    uint64_t changed = RFLAGS_STATUS, flags, result;

    switch (operation) {
    case INC:
        changed &= ~(uint64_t)RFLAGS_CF;
        result = add(a, 1, 0, size, &flags);
        break;
    case DEC:
        changed &= ~(uint64_t)RFLAGS_CF;
        result = subtract(a, 1, 0, size, &flags);
        break;
    case ADD:
    case ADC:
        result = add(a, b, operation == ADC ? carry : 0, size, &flags);
        break;
    case SUB:
    case SBB:
    case CMP:
        result = subtract(a, b, operation == SBB ? carry : 0, size, &flags);
        break;
    default:
        result = logic(operation, a, b, size, &flags);
        break;
    }
    *rflags = (*rflags & ~changed) | (flags & changed);
    return result & operand_mask(size);
}
