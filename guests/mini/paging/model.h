/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What an access must come to: a walk of the tables as the manual has it (SDM vol 3, chapter 4),
 * over a copy of the ground that the random tables and their pages stand on.
 */
#include "run.h"

/* The ground, and its copy. Tables stand in its first pages. */
#define GROUND 0x400000u
#define GROUND_SIZE 0x400000u
#define COPY 0x800000u
#define TABLES 16u
#define DIRECTORIES (GROUND + TABLES * 0x1000u) /* PAE's first tables: a page of them */
#define PAGES (DIRECTORIES + 0x1000u)           /* from here on there are none */
#define DATA_PAGES 48u                          /* that entries lead to */

#define CR0_PE 0x1u
#define CR0_WP 0x10000u
#define CR0_PG 0x80000000u
#define CR4_PSE 0x10u
#define CR4_PAE 0x20u
#define CR4_PGE 0x80u
#define CR4_SMEP 0x100000u
#define CR4_SMAP 0x200000u
#define EFER_NXE 0x800u
#define FLAGS_AC 0x40000u

#define ENTRY_PRESENT 0x1u
#define ENTRY_WRITE 0x2u
#define ENTRY_USER 0x4u
#define ENTRY_ACCESSED 0x20u
#define ENTRY_DIRTY 0x40u
#define ENTRY_LARGE 0x80u
#define ENTRY_GLOBAL 0x100u
#define ENTRY_NX (1UL << 63)

#define ERROR_PRESENT 0x1u
#define ERROR_WRITE 0x2u
#define ERROR_USER 0x4u
#define ERROR_RESERVED 0x8u
#define ERROR_FETCH 0x10u

enum outcome {
    OUTCOME_DONE,
    OUTCOME_FAULT,
    OUTCOME_UNKNOWN, /* off the ground, or not the same on all processors */
};

struct access {
    uint64_t linear;
    uint32_t kind;  /* OP_READ, OP_WRITE, OP_FETCH, with OP_USER or not */
    uint32_t flags; /* FLAGS_AC */
};

struct landing {
    uint64_t gpa;   /* OUTCOME_DONE */
    uint32_t error; /* OUTCOME_FAULT: error code */
};

/* With `mark`, an access that is DONE sets accessed and dirty bits in the copy. */
enum outcome model_access(const struct world *world, bool gigabyte_pages,
                          const struct access *access, bool mark, struct landing *landing);

/* Is it on the ground, and there in a page that is in use? The others stay empty. */
bool model_has(uint64_t gpa, uint64_t size);
/* A word of the copy. */
uint32_t *model_word(uint64_t gpa);
