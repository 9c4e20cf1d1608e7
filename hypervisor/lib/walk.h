/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A guest's own address translation (SDM vol 3, chapter 4): from a linear address to a
 * guest-physical one, or the page fault that the processor would raise.
 *
 * A pure function of the registers given and of the tables read through a callback. Not known:
 * 5-level paging (refused), protection keys and shadow stacks, which no guest is shown.
 */
#include <stdbool.h>
#include <stdint.h>

/* What is tried, and as whom; also what a translation allows. The values are those of a page
 * fault's error code. */
enum walk_access {
    WALK_READ = 0,
    WALK_WRITE = 1 << 1,
    WALK_USER = 1 << 2,     /* CPL 3 */
    WALK_FETCH = 1 << 4,
    WALK_IMPLICIT = 1 << 8, /* of a descriptor table and the like: supervisor's, whatever AC is */
};

/* Error code of a page fault, beside the bits of the access. */
enum walk_error { WALK_ERROR_PRESENT = 1 << 0, WALK_ERROR_RESERVED = 1 << 3 };

enum walk_status {
    WALK_DONE,
    WALK_FAULT,         /* #PF with out->error_code */
    WALK_NON_CANONICAL, /* #GP or #SS, no page fault */
    WALK_UNREADABLE,    /* there is no memory where an entry should be: out->gpa */
    WALK_CHANGED,       /* the entry at out->gpa changed before it could be marked: try again */
    WALK_UNSUPPORTED,   /* 5-level paging */
};

struct walk_registers {
    uint64_t cr0, cr3, cr4, efer;
    uint64_t rflags;       /* AC counts, under SMAP */
    uint8_t physical_bits; /* MAXPHYADDR, 32 to 52: bits above are reserved */
    bool gigabyte_pages;   /* 1 GiB pages with 4-level paging; otherwise their bit is reserved */
};

/* `gpa` is aligned to `size`, 4 or 8 bytes. False: that is no memory. */
struct walk_memory {
    bool (*read)(void *context, uint64_t gpa, unsigned size, uint64_t *value);
    /* Replaces `expected` by `desired` in one locked step, to set accessed and dirty bits. False:
     * something else stands there. NULL: no bits are set. */
    bool (*replace)(void *context, uint64_t gpa, unsigned size, uint64_t expected,
                    uint64_t desired);
    void *context;
};

#define WALK_LEVELS 4

/* An entry that was used, with the bits that the walk has set. */
struct walk_step {
    uint64_t gpa, entry;
};

struct walk_result {
    uint64_t gpa;
    uint32_t error_code; /* of WALK_FAULT */
    uint8_t page_shift;  /* 12, 21, 22 or 30 */
    uint8_t rights;      /* WALK_WRITE, WALK_USER, WALK_FETCH: what all entries together say,
                            before CR0.WP, SMEP and SMAP */
    bool dirty;          /* of the page, after this access; true without paging */
    bool global;         /* the entry's G, whatever CR4.PGE says */
    uint8_t steps;       /* of WALK_DONE: how many tables it took, 0 without paging ... */
    struct walk_step step[WALK_LEVELS]; /* ... from the first one's on */
};

/* Translates `linear` for `access`, a set of enum walk_access. Without long mode, the upper half
 * of `linear` is ignored. Accessed and dirty bits are set only when the access is allowed. */
enum walk_status walk(const struct walk_registers *registers, const struct walk_memory *memory,
                      uint64_t linear, unsigned access, struct walk_result *out);
