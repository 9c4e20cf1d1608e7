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
#include "virt/shadow_set.h"
#include "virt/vcpu.h"

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

/* First tables, each with a PCID of its own, that are good for a load of CR3 which invalidates
 * nothing. Linux has six processes a processor, and with PTI two PCIDs for each. */
#define SHADOW_KEPT 16u

/* What was true when the guest loaded another CR3. */
struct shadow_kept {
    struct shadow *root; /* NULL: not in use */
    struct shadow_set looked;
    bool invalidated;
};

struct shadow {
    uint64_t key;       /* shadow.c */
    uint64_t *table;    /* a frame: what the processor reads */
    uint64_t *source;   /* a frame: the guest's entries that the present ones came of */
    phys_addr guest;    /* the guest's table; 0: these are pieces of one page */
    uint64_t check[8];  /* a bit for each entry that a load of CR3 has to look at */
    struct shadow_set below; /* itself, and all that entries have led to since it was made */
    uint32_t loaded;    /* a first table: the load of CR3 that was the last to want it */
    uint8_t number;     /* its own */
    uint8_t next;       /* in its bucket: 1 + its number, or 0 */
    uint8_t words;      /* of `check`: those that may not be zero */
    bool filled : 1;    /* some entry was, since it was made */
    bool dirty : 1;     /* the frame is another table's still */
};
#define SHADOWS_PER_FRAME (PAGE_SIZE / sizeof(struct shadow))
_Static_assert(SHADOWS_PER_FRAME == 32, "half a word of a set");
#define SHADOW_FRAMES ((SHADOW_MAX + SHADOWS_PER_FRAME - 1) / SHADOWS_PER_FRAME)
_Static_assert(SHADOW_FRAMES % 2 == 0, "in two steps: note_below");

/* The guest's kinds of tables (SDM vol 3, 4.1.1). */
enum shadow_mode { SHADOW_FLAT, SHADOW_32, SHADOW_PAE, SHADOW_LONG };

struct shadows {
    struct quota *quota;
    const struct arch_space *gpa;
    enum shadow_mode mode;
    bool large_4m, globals, pcids; /* CR4.PSE, CR4.PGE, CR4.PCIDE */
    bool stale;             /* the processor may remember what is so no longer */
    bool unchecked;         /* it can reach what was not looked at */
    bool full;              /* there was no table to take */
    bool invalidated;       /* some page was, by INVLPG, since CR3 was loaded */
    uint32_t loads;         /* of CR3, so far */
    uint32_t held;          /* tables with frames */
    struct shadow_set used[SHADOW_LEVELS]; /* those of them that stand for something */
    struct shadow_set dying;   /* those that nobody leads to any more */
    struct shadow_set looked;  /* those that were looked at for this load of CR3 */
    struct shadow_set filled;  /* those with new entries since then */
    struct shadow_set global;  /* those that may have global pages, */
    struct shadow_set doubted; /* and those whose global pages have to be looked at as well */
    struct shadow *at;      /* being looked at, from this entry on */
    unsigned next;
    uint32_t noting, noted; /* note_below's: whom, and how far it is with that */
    struct shadow_kept kept[SHADOW_KEPT], *current; /* and that of the CR3 that is loaded, or NULL */
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
/* Nothing holds any more of what loads of CR3 do not invalidate: global pages, and other PCIDs. */
void shadow_forget_global(struct shadows *all);
/* With all->full this comes first. False: one process uses all tables, forget them. */
bool shadow_make_room(struct shadows *all);
/*
 * The guest has loaded CR3: its first table. What it reaches is to be compared; with `keep`, only
 * what was not when another was loaded. NULL: not in this step.
 */
struct shadow *shadow_load(struct shadows *all, uint64_t cr3, bool keep);
/*
 * Compares what `root` reaches with the guest's, for some *budget instructions, and drops what is
 * not so any more. True when it has seen everything; else it wants to be called again before the
 * guest runs.
 */
bool shadow_check(struct shadows *all, struct shadow *root, unsigned *budget);
/*
 * Puts `leaf`, without an address, at `linear` for a page of the guest's that walk() has found;
 * `memory` is where the page is. Taking a table, clearing it and noting what it will be below are
 * steps of their own, not for a caller who is `tired`: the guest faults again. With
 * all->unchecked, shadow_check is to come before it runs.
 */
void shadow_fill(struct shadows *all, struct shadow *root, uint64_t linear,
                 const struct walk_result *page, const struct mapping *memory, uint64_t leaf,
                 bool tired);
/* Where the processor finds what stands at `linear`; false: nowhere. */
bool shadow_lookup(const struct shadows *all, const struct shadow *root, uint64_t linear,
                   phys_addr *physical);
/* Drops what is on the way to `linear` and is not so any more. */
void shadow_invalidate(struct shadows *all, struct shadow *root, uint64_t linear);

/* A window on the guest's memory, for `rights`; NULL: it has none there, or not with these. */
void *shadow_window(const struct arch_space *gpa, uint64_t address, unsigned rights);
