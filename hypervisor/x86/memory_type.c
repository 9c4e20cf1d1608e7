/* SPDX-License-Identifier: Apache-2.0 */
#include "x86/memory_type.h"

#include "x86/instr.h"
#include "x86/sections.h"

#define MSR_MTRRCAP 0x0feu
#define MSR_MTRR_DEF_TYPE 0x2ffu
#define MSR_MTRR_PHYSBASE 0x200u /* and a mask behind each */
#define CPUID_1_EDX_MTRR (1u << 12)

#define CAP_VARIABLE 0xffu
#define CAP_FIXED (1u << 8)
#define DEFAULT_FIXED (1u << 10)
#define DEFAULT_ENABLED (1u << 11)
#define MASK_VALID (1UL << 11)
#define MTRR_ADDRESS (~0xfffUL & ((1UL << 52) - 1))
#define FIXED_END 0x100000UL
#define SPANS 64

/* Memory up to `end` from where the one before ends. */
static RO_AFTER_INIT struct {
    uint64_t end;
    enum memory_type type;
} spans[SPANS] = {{UINT64_MAX, MEMORY_WRITE_BACK}};

static unsigned variable_count(const struct mtrrs *mtrrs)
{
    unsigned count = mtrrs->capabilities & CAP_VARIABLE;

    return count < MTRR_VARIABLE_MAX ? count : MTRR_VARIABLE_MAX;
}

/* The fixed range of an address below 1 MiB, a byte of which register has it, and where it ends
 * (SDM vol 3, table 12-9). */
static enum memory_type fixed_type(const struct mtrrs *mtrrs, uint64_t address, uint64_t *end)
{
    uint64_t index = address < 0x80000   ? address / 0x10000
                     : address < 0xc0000 ? 8 + (address - 0x80000) / 0x4000
                                         : 24 + (address - 0xc0000) / 0x1000;
    uint64_t size = address < 0x80000 ? 0x10000 : address < 0xc0000 ? 0x4000 : 0x1000;

    *end = (address | (size - 1)) + 1;
    return mtrrs->fixed[index / 8] >> index % 8 * 8 & 0xff;
}

/* Of two ranges with the same memory (SDM vol 3, 12.11.4.1); what it leaves open is uncached. */
static enum memory_type overlap(enum memory_type a, enum memory_type b)
{
    bool through = (a == MEMORY_WRITE_THROUGH && b == MEMORY_WRITE_BACK) ||
                   (b == MEMORY_WRITE_THROUGH && a == MEMORY_WRITE_BACK);

    return a == b ? a : through ? MEMORY_WRITE_THROUGH : MEMORY_UNCACHED;
}

static enum memory_type variable_type(const struct mtrrs *mtrrs, uint64_t address, uint64_t *end)
{
    enum memory_type type = mtrrs->default_type & 0xff;
    bool found = false;

    *end = UINT64_MAX;
    for (unsigned i = 0; i < variable_count(mtrrs); i++) {
        uint64_t mask = mtrrs->variable[i].mask & MTRR_ADDRESS;
        uint64_t first = mtrrs->variable[i].base & mask, past = first + (mask & -mask);
        enum memory_type own = mtrrs->variable[i].base & 0xff;

        if (!(mtrrs->variable[i].mask & MASK_VALID) || past <= address) {
            continue;
        }
        if (first > address) {
            *end = first < *end ? first : *end;
            continue;
        }
        *end = past < *end ? past : *end;
        type = found ? overlap(type, own) : own;
        found = true;
    }
    return type;
}

static enum memory_type type_at(const struct mtrrs *mtrrs, uint64_t address, uint64_t *end)
{
    bool fixed = (mtrrs->capabilities & CAP_FIXED) && (mtrrs->default_type & DEFAULT_FIXED);

    if (!(mtrrs->default_type & DEFAULT_ENABLED)) {
        *end = UINT64_MAX;
        return MEMORY_UNCACHED;
    }
    return fixed && address < FIXED_END ? fixed_type(mtrrs, address, end)
                                        : variable_type(mtrrs, address, end);
}

/* Where there are too many, the rest is uncached: slow, and right. */
void memory_types_set(const struct mtrrs *mtrrs)
{
    unsigned n = 0;

    for (uint64_t address = 0; address != UINT64_MAX;) {
        enum memory_type type = type_at(mtrrs, address, &address);

        if (n > 0 && spans[n - 1].type == type) {
            n--;
        }
        spans[n].end = address;
        spans[n++].type = type;
        if (n == SPANS) {
            spans[SPANS - 1].type = MEMORY_UNCACHED;
            spans[SPANS - 1].end = UINT64_MAX;
            return;
        }
    }
}

void memory_types_read(void)
{
    static const uint16_t fixed[MTRR_FIXED] = {0x250, 0x258, 0x259, 0x268, 0x269, 0x26a,
                                               0x26b, 0x26c, 0x26d, 0x26e, 0x26f};
    struct mtrrs mtrrs = {0};

    if (!(cpuid(1, 0).edx & CPUID_1_EDX_MTRR)) {
        return;
    }
    mtrrs.capabilities = rdmsr(MSR_MTRRCAP);
    mtrrs.default_type = rdmsr(MSR_MTRR_DEF_TYPE);
    for (unsigned i = 0; i < MTRR_FIXED && (mtrrs.capabilities & CAP_FIXED); i++) {
        mtrrs.fixed[i] = rdmsr(fixed[i]);
    }
    for (unsigned i = 0; i < variable_count(&mtrrs); i++) {
        mtrrs.variable[i].base = rdmsr(MSR_MTRR_PHYSBASE + 2 * i);
        mtrrs.variable[i].mask = rdmsr(MSR_MTRR_PHYSBASE + 2 * i + 1);
    }
    memory_types_set(&mtrrs);
}

enum memory_type memory_type(phys_addr base, uint64_t size)
{
    unsigned n = 0;

    while (spans[n].end <= base) {
        n++;
    }
    return spans[n].end - base >= size ? spans[n].type : MEMORY_UNCACHED;
}
