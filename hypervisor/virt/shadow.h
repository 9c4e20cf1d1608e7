/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The tables of a vTLB. A shadow table stands for one of the guest's, seen with the rights of the
 * entries above it; tables that several of the guest's processes share are shared here as well.
 * Beside each entry that is present stands the guest's entry that it came of. When the guest loads
 * CR3 the two are compared, for all that its new tables reach, and what differs goes: that is all
 * the synchronization there is. docs/memory-virtualization.md says why it suffices.
 */
#include "lib/walk.h"
#include "virt/vcpu.h"

/* Tables of a vCPU at most; beyond that the oldest process's go. */
#define SHADOW_MAX 192u
_Static_assert(SHADOW_MAX % 64 == 0 && SHADOW_MAX < 256, "sets of whole words, numbers of a byte");
/* It has these from the beginning: enough for any one translation. */
#define SHADOW_MIN 12u

#define SHADOW_PRESENT (1UL << 0)
#define SHADOW_WRITE (1UL << 1)
#define SHADOW_USER (1UL << 2)
#define SHADOW_ACCESSED (1UL << 5) /* set from the beginning, as is dirty: nobody asks for them, */
#define SHADOW_DIRTY (1UL << 6)    /* and the processor changes no entry */
#define SHADOW_LARGE (1UL << 7)
#define SHADOW_NO_EXECUTE (1UL << 63)

#define SHADOW_LEVELS 4
/* Bits that each level of shadow tables leaves to those below: 0 is the last. */
#define SHADOW_SHIFT(level) (PAGE_SHIFT + 9 * (level))

/* Tables, a bit for each. */
struct shadow_set {
    uint64_t word[SHADOW_MAX / 64];
};

struct shadow {
    uint64_t key;       /* shadow.c */
    uint64_t *table;    /* a frame: what the processor reads */
    uint64_t *source;   /* a frame: the guest's entries that the present ones came of */
    phys_addr guest;    /* the guest's table; 0: these are pieces of one page */
    uint64_t check[8];  /* a bit for each entry that a load of CR3 has to look at */
    struct shadow_set below; /* all that entries have led to since it was made */
    uint32_t checked;   /* the last pass that has looked at its entries */
    uint8_t number;     /* its own */
    uint8_t next;       /* in its bucket: 1 + its number, or 0 */
    bool globals;       /* it may have global pages */
    uint8_t words;      /* of `check`: those that may not be zero */
};
_Static_assert(sizeof(struct shadow) <= 128, "32 in a frame");
#define SHADOWS_PER_FRAME (PAGE_SIZE / sizeof(struct shadow))
#define SHADOW_FRAMES ((SHADOW_MAX + SHADOWS_PER_FRAME - 1) / SHADOWS_PER_FRAME)

/* The guest's kinds of tables (SDM vol 3, 4.1.1). */
enum shadow_mode { SHADOW_FLAT, SHADOW_32, SHADOW_PAE, SHADOW_LONG };

struct shadows {
    struct quota *quota;
    const struct arch_space *gpa;
    enum shadow_mode mode;
    bool large_4m, globals; /* CR4.PSE, CR4.PGE */
    bool stale;             /* the processor may remember what is so no longer */
    bool unchecked;         /* it can reach what the last pass has not looked at */
    uint32_t now;           /* that pass */
    uint32_t invalidated;   /* the one after which INVLPG came last, */
    uint32_t missed;        /* and the one after which it did so and found no way */
    uint32_t held;          /* tables with frames */
    struct shadow_set used[SHADOW_LEVELS]; /* those of them that stand for something */
    struct shadow_set dying;   /* those that nobody leads to any more */
    struct shadow_set looked;  /* those that this pass has looked at, */
    struct shadow_set doubted; /* and those at whose global pages the next one has to look as well */
    struct shadow *at;      /* being looked at, as far as this word */
    unsigned word;
    uint8_t bucket[256];    /* of those: 0, or 1 + its number */
    struct shadow *block[SHADOW_FRAMES];
};

/* Takes what SHADOW_MIN needs. The quota allows it. */
void shadow_create(struct shadows *all);
#define SHADOW_CREATE_FRAMES (2 * SHADOW_MIN + 1)
/* Gives back some; true when none is left. */
bool shadow_destroy(struct shadows *all);

/* All tables are forgotten. */
void shadow_forget(struct shadows *all);
/* The first table for this CR3. NULL: one process uses all tables, forget them. */
struct shadow *shadow_root(struct shadows *all, uint64_t cr3);
/* Another load of CR3: what was compared before is to be compared again. */
void shadow_begin_pass(struct shadows *all);
/*
 * Compares what `root` reaches with the guest's, for some *budget instructions, and drops what is
 * not so any more; with `global`, global pages as well. True when it has seen everything; else it
 * wants to be called again before the guest runs. `pass`: that of the calls before, or a greater
 * one.
 */
bool shadow_check(struct shadows *all, struct shadow *root, uint32_t pass, bool global,
                  unsigned *budget);
/* Each step takes one new table at most. */
enum shadow_result {
    SHADOW_DONE,
    SHADOW_AGAIN, /* the next step is another call's */
    SHADOW_FULL,  /* one process uses all tables: forget them, and try again */
};
/* Puts `leaf`, without an address, at `linear` for a page of the guest's that walk() has found, and
 * what it takes above; `memory` is where the page is. With all->unchecked, shadow_check for the
 * last pass is to come before the guest runs. */
enum shadow_result shadow_fill(struct shadows *all, struct shadow *root, uint64_t linear,
                 const struct walk_result *page, const struct mapping *memory, uint64_t leaf);
/* Where the processor finds what stands at `linear`; false: nowhere. */
bool shadow_lookup(const struct shadows *all, const struct shadow *root, uint64_t linear,
                   phys_addr *physical);
/* Drops what is on the way to `linear` and is not so any more. */
void shadow_invalidate(struct shadows *all, struct shadow *root, uint64_t linear);

/* A window on the guest's memory, for `rights`; NULL: it has none there, or not with these. */
void *shadow_window(const struct arch_space *gpa, uint64_t address, unsigned rights);
