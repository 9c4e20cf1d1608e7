/* SPDX-License-Identifier: Apache-2.0 */
#include "model.h"

#define LEVELS          4
#define ADDRESS         0x000ffffffffff000UL
#define ADDRESS_UNKNOWN 0x0007ffff00000000UL /* reserved, or not, by MAXPHYADDR */
#define ALWAYS_RESERVED (1UL << 51)          /* MAXPHYADDR is 52 nowhere yet */
#define PAE_RESERVED    0x7ff0000000000000UL
#define PSE_HIGH        0x1fe000u /* bits 32 to 39 of a page of 4 MiB */
#define PSE_RESERVED    0x200000u

enum { TABLES_32, TABLES_PAE, TABLES_LONG };

bool model_has(uint64_t gpa, uint64_t size)
{
    static const uint16_t more[] = {511, 512, 513, 517, 1023}; /* of large pages */
    uint64_t page = (gpa - GROUND) / 0x1000;

    if (gpa < GROUND || gpa + size > GROUND + GROUND_SIZE) {
        return false;
    }
    for (unsigned i = 0; i < sizeof(more) / sizeof(more[0]); i++) {
        if (page == more[i]) {
            return true;
        }
    }
    return page < TABLES + 1 + DATA_PAGES;
}

uint32_t *model_word(uint64_t gpa)
{
    return (uint32_t *)(gpa - GROUND + COPY);
}

/* The fixed tables are read where they are. */
static void *entry_at(uint64_t gpa, unsigned size)
{
    bool fixed = gpa >= FIXED_TABLES && gpa + size <= FIXED_TABLES_END;

    return model_has(gpa, size) ? model_word(gpa) : fixed ? (void *)gpa : NULL;
}

static unsigned kind_of(const struct world *world)
{
    return world->is_long ? TABLES_LONG : world->cr4 & CR4_PAE ? TABLES_PAE : TABLES_32;
}

static bool is_large(const struct world *world, unsigned kind, unsigned level, uint64_t entry)
{
    return level > 0 && (entry & ENTRY_LARGE) && !(kind == TABLES_PAE && level == 2) &&
           !(kind == TABLES_32 && !(world->cr4 & CR4_PSE));
}

/* Of a present entry: is a bit set that must not be; is one set that nobody is sure of? */
static bool is_reserved(const struct world *world, unsigned kind, unsigned level, uint64_t entry,
                        bool large, unsigned shift)
{
    if (kind == TABLES_32) {
        return large && (entry & PSE_RESERVED);
    }
    uint64_t reserved = ALWAYS_RESERVED | (kind == TABLES_PAE ? PAE_RESERVED : 0) |
                        (world->efer & EFER_NXE ? 0 : ENTRY_NX) |
                        (large ? (1UL << shift) - (1UL << 13) : 0);

    if (kind == TABLES_PAE && level == 2) { /* these are checked when CR3 is loaded */
        return false;
    }
    return (entry & reserved) || (level == 3 && (entry & ENTRY_LARGE));
}

static bool is_unknown(unsigned kind, unsigned level, uint64_t entry, bool large,
                       bool gigabyte_pages)
{
    if (kind == TABLES_32) {
        return large && (entry & PSE_HIGH);
    }
    return (entry & ADDRESS_UNKNOWN) || (level == 2 && large && !gigabyte_pages) ||
           (level >= 2 && !large && (entry & ENTRY_GLOBAL)); /* reserved for AMD */
}

static bool may(const struct world *world, const struct access *access, bool write, bool user,
                bool fetch)
{
    uint32_t what = access->kind & ~OP_USER;

    if (access->kind & OP_USER) {
        return user && (what != OP_WRITE || write) && (what != OP_FETCH || fetch);
    }
    if (what == OP_FETCH) {
        return fetch && !(user && (world->cr4 & CR4_SMEP));
    }
    if (user && (world->cr4 & CR4_SMAP) && !(access->flags & FLAGS_AC)) {
        return false;
    }
    return what != OP_WRITE || write || !(world->cr0 & CR0_WP);
}

static enum outcome fault(const struct world *world, const struct access *access, uint32_t cause,
                          struct landing *landing)
{
    uint32_t what = access->kind & ~OP_USER;
    bool told = (world->cr4 & CR4_SMEP) || ((world->cr4 & CR4_PAE) && (world->efer & EFER_NXE));

    landing->error = cause | (access->kind & OP_USER ? ERROR_USER : 0) |
                     (what == OP_WRITE ? ERROR_WRITE : 0) |
                     (what == OP_FETCH && told ? ERROR_FETCH : 0);
    return OUTCOME_FAULT;
}

enum outcome model_access(const struct world *world, bool gigabyte_pages,
                          const struct access *access, bool mark, struct landing *landing)
{
    unsigned kind = kind_of(world), bits = kind == TABLES_32 ? 10 : 9, level = kind + 1;
    unsigned size = kind == TABLES_32 ? 4 : 8, used = 0;
    uint64_t table = world->cr3 & (kind == TABLES_PAE ? 0xffffffe0 : 0xfffff000), entry;
    bool write = true, user = true, fetch = true, large;
    uint32_t *marked[LEVELS];

    if (!(world->cr0 & CR0_PG)) {
        landing->gpa = access->linear;
        return model_has(access->linear, 8) ? OUTCOME_DONE : OUTCOME_UNKNOWN;
    }
    for (;; level--) {
        unsigned shift = 12 + bits * level;
        void *place =
            entry_at(table + (access->linear >> shift & ((1UL << bits) - 1)) * size, size);

        if (!place) {
            return OUTCOME_UNKNOWN;
        }
        entry = size == 4 ? *(uint32_t *)place : *(uint64_t *)place;
        if (!(entry & ENTRY_PRESENT)) {
            return fault(world, access, 0, landing);
        }
        large = is_large(world, kind, level, entry);
        if (is_unknown(kind, level, entry, large, gigabyte_pages)) {
            return OUTCOME_UNKNOWN;
        }
        if (is_reserved(world, kind, level, entry, large, shift)) {
            return fault(world, access, ERROR_PRESENT | ERROR_RESERVED, landing);
        }
        if (!(kind == TABLES_PAE && level == 2)) {
            write &= (entry & ENTRY_WRITE) != 0;
            user &= (entry & ENTRY_USER) != 0;
            fetch &= size == 4 || !(entry & ENTRY_NX);
            marked[used++] = place;
        }
        if (level == 0 || large) {
            uint64_t mask = (1UL << shift) - 1;

            landing->gpa = (entry & ADDRESS & ~mask) | (access->linear & mask);
            break;
        }
        table = entry & ADDRESS;
    }
    if (!may(world, access, write, user, fetch)) {
        return fault(world, access, ERROR_PRESENT, landing);
    }
    if (!model_has(landing->gpa, 8)) {
        return OUTCOME_UNKNOWN;
    }
    for (unsigned i = 0; mark && i < used; i++) {
        bool last = i == used - 1 && (access->kind & ~OP_USER) == OP_WRITE;

        *marked[i] |= ENTRY_ACCESSED | (last ? ENTRY_DIRTY : 0);
    }
    return OUTCOME_DONE;
}
