/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/walk.h"

#include "lib/registers.h"

#define RFLAGS_AC (UINT64_C(1) << 18)

#define ENTRY_PRESENT UINT64_C(0x1)
#define ENTRY_WRITE UINT64_C(0x2)
#define ENTRY_USER UINT64_C(0x4)
#define ENTRY_ACCESSED UINT64_C(0x20)
#define ENTRY_DIRTY UINT64_C(0x40)
#define ENTRY_LARGE UINT64_C(0x80)
#define ENTRY_GLOBAL UINT64_C(0x100)
#define ENTRY_NO_EXECUTE (UINT64_C(1) << 63)

/* Bits from `low` up to, and without, `high`; none when high <= low. */
static uint64_t bits(unsigned low, unsigned high)
{
    uint64_t below_high = high >= 64 ? UINT64_MAX : (UINT64_C(1) << high) - 1;

    return high <= low ? 0 : below_high & ~((UINT64_C(1) << low) - 1);
}

/* ---- The three kinds of tables (SDM vol 3, 4.3 to 4.5) -------------------------------------- */

enum kind { TABLES_32, TABLES_PAE, TABLES_LONG };

struct format {
    uint8_t top;        /* bits of the linear address that the first table does not translate */
    uint8_t step;       /* bits that each table translates */
    uint8_t entry_size; /* bytes */
    uint64_t root;      /* bits of CR3 that name the first table */
};

static const struct format formats[] = {
    [TABLES_32] = { .top = 22, .step = 10, .entry_size = 4, .root = 0xfffff000 },
    [TABLES_PAE] = { .top = 30, .step = 9, .entry_size = 8, .root = 0xffffffe0 },
    [TABLES_LONG] = { .top = 39, .step = 9, .entry_size = 8, .root = 0x000ffffffffff000 },
};

static enum kind kind_of(const struct walk_registers *registers)
{
    if (registers->efer & EFER_LMA) {
        return TABLES_LONG;
    }
    return registers->cr4 & CR4_PAE ? TABLES_PAE : TABLES_32;
}

/* PAE's first table has an entry format of its own: no rights, no accessed bit. */
static bool is_pdpte(enum kind kind, unsigned shift)
{
    return kind == TABLES_PAE && shift == 30;
}

static bool is_leaf(const struct walk_registers *registers, enum kind kind, unsigned shift,
                    uint64_t entry)
{
    if (shift == 12) {
        return true;
    }
    if (!(entry & ENTRY_LARGE)) {
        return false;
    }
    return kind == TABLES_32 ? (registers->cr4 & CR4_PSE) != 0
                             : shift == 21 || (kind == TABLES_LONG && shift == 30);
}

/* The bits that must be 0 in a present entry (SDM vol 3, tables 4-4 to 4-20). */
static uint64_t reserved_bits(const struct walk_registers *registers, enum kind kind,
                              unsigned shift, bool leaf)
{
    unsigned physical = registers->physical_bits;
    uint64_t reserved;

    if (kind == TABLES_32) { /* a large page's bits 32 to 39 stand in 13 to 20: PSE-36 */
        return leaf && shift == 22 ? bits(physical < 40 ? physical - 32 + 13 : 21, 22) : 0;
    }
    reserved = bits(physical, kind == TABLES_PAE ? 63 : 52);
    if (is_pdpte(kind, shift)) {
        return reserved | bits(1, 3) | bits(5, 9) | ENTRY_NO_EXECUTE;
    }
    if (!(registers->efer & EFER_NXE)) {
        reserved |= ENTRY_NO_EXECUTE;
    }
    if (leaf) {
        reserved |= bits(13, shift); /* bit 12 is PAT in a large page */
    }
    if (shift == 39 || (shift == 30 && !registers->gigabyte_pages)) {
        reserved |= ENTRY_LARGE;
    }
    return reserved;
}

static uint64_t page_address(enum kind kind, unsigned shift, uint64_t entry)
{
    uint64_t high = kind == TABLES_32 && shift == 22 ? (entry >> 13 & 0xff) << 32 : 0;

    return high | (entry & bits(shift, kind == TABLES_32 ? 32 : 52));
}

/* ---- Rights (SDM vol 3, 4.6) ---------------------------------------------------------------- */

static unsigned entry_rights(uint64_t entry)
{
    return (entry & ENTRY_WRITE ? WALK_WRITE : 0u) | (entry & ENTRY_USER ? WALK_USER : 0u) |
           (entry & ENTRY_NO_EXECUTE ? 0u : WALK_FETCH);
}

static bool supervisor_may(const struct walk_registers *registers, unsigned rights,
                           unsigned access)
{
    bool user_page = rights & WALK_USER;

    if (access & WALK_FETCH) {
        return (rights & WALK_FETCH) && !(user_page && (registers->cr4 & CR4_SMEP));
    }
    if (user_page && (registers->cr4 & CR4_SMAP) &&
        ((access & WALK_IMPLICIT) || !(registers->rflags & RFLAGS_AC))) {
        return false;
    }
    return !(access & WALK_WRITE) || (rights & WALK_WRITE) || !(registers->cr0 & CR0_WP);
}

static bool may(const struct walk_registers *registers, unsigned rights, unsigned access)
{
    if ((access & WALK_USER) && !(access & WALK_IMPLICIT)) {
        unsigned needed = access & (WALK_USER | WALK_WRITE | WALK_FETCH);
        return (rights & needed) == needed;
    }
    return supervisor_may(registers, rights, access);
}

/* SDM vol 3, 4.7. The fetch bit is told only where a fetch can be refused as such. */
static enum walk_status fault(const struct walk_registers *registers, unsigned access,
                              unsigned cause, struct walk_result *out)
{
    bool no_execute = (registers->cr4 & CR4_PAE) && (registers->efer & EFER_NXE);
    unsigned told = WALK_WRITE;

    if (!(access & WALK_IMPLICIT)) {
        told |= WALK_USER;
    }
    if (no_execute || (registers->cr4 & CR4_SMEP)) {
        told |= WALK_FETCH;
    }
    out->error_code = cause | (access & told);
    return WALK_FAULT;
}

/* ---- The walk ------------------------------------------------------------------------------- */

/* SDM vol 3, 4.8 */
static bool mark(const struct walk_memory *memory, enum kind kind, bool write,
                 struct walk_result *out)
{
    for (unsigned i = kind == TABLES_PAE ? 1 : 0; i < out->steps; i++) {
        struct walk_step *step = &out->step[i];
        bool leaf = i == out->steps - 1u;
        uint64_t marked = step->entry | ENTRY_ACCESSED | (leaf && write ? ENTRY_DIRTY : 0);
        if (marked != step->entry && !memory->replace(memory->context, step->gpa,
                                                      formats[kind].entry_size, step->entry,
                                                      marked)) {
            out->gpa = step->gpa;
            return false;
        }
        step->entry = marked;
    }
    return true;
}

static enum walk_status walk_tables(const struct walk_registers *registers,
                                    const struct walk_memory *memory, uint64_t linear,
                                    unsigned access, struct walk_result *out)
{
    enum kind kind = kind_of(registers);
    const struct format *format = &formats[kind];
    uint64_t table = registers->cr3 & format->root, entry;
    unsigned shift = format->top, rights = WALK_WRITE | WALK_USER | WALK_FETCH;
    bool leaf;

    for (;; shift -= format->step) {
        uint64_t index = linear >> shift & bits(0, format->step);
        out->gpa = table + index * format->entry_size;
        if (!memory->read(memory->context, out->gpa, format->entry_size, &entry)) {
            return WALK_UNREADABLE;
        }
        if (!(entry & ENTRY_PRESENT)) {
            return fault(registers, access, 0, out);
        }
        leaf = is_leaf(registers, kind, shift, entry);
        if (entry & reserved_bits(registers, kind, shift, leaf)) {
            return fault(registers, access, WALK_ERROR_PRESENT | WALK_ERROR_RESERVED, out);
        }
        out->step[out->steps++] = (struct walk_step){ out->gpa, entry };
        if (!is_pdpte(kind, shift)) {
            rights &= entry_rights(entry);
        }
        if (leaf) {
            break;
        }
        table = page_address(kind, 12, entry);
    }
    if (!may(registers, rights, access)) {
        return fault(registers, access, WALK_ERROR_PRESENT, out);
    }
    if (memory->replace && !mark(memory, kind, access & WALK_WRITE, out)) {
        return WALK_CHANGED;
    }
    out->gpa = page_address(kind, shift, entry) | (linear & bits(0, shift));
    out->page_shift = (uint8_t)shift;
    out->rights = (uint8_t)rights;
    out->dirty = (entry & ENTRY_DIRTY) || (memory->replace && (access & WALK_WRITE));
    out->global = entry & ENTRY_GLOBAL;
    return WALK_DONE;
}

enum walk_status walk(const struct walk_registers *registers, const struct walk_memory *memory,
                      uint64_t linear, unsigned access, struct walk_result *out)
{
    bool long_mode = registers->efer & EFER_LMA;

    *out = (struct walk_result){ .page_shift = 12 };
    if (!(registers->cr0 & CR0_PG)) {
        out->gpa = (uint32_t)linear;
        out->rights = WALK_WRITE | WALK_USER | WALK_FETCH;
        out->dirty = true;
        return WALK_DONE;
    }
    if (long_mode && (registers->cr4 & CR4_LA57)) {
        return WALK_UNSUPPORTED;
    }
    if (long_mode && linear + (UINT64_C(1) << 47) >= UINT64_C(1) << 48) {
        return WALK_NON_CANONICAL;
    }
    return walk_tables(registers, memory, long_mode ? linear : (uint32_t)linear, access, out);
}
