/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Runs a list of accesses in another world: with other control registers, in 64-bit mode or in
 * 32-bit protected mode, with and without paging. The world's tables map this guest as setup.c
 * says (the fixed part); all else in them is the caller's.
 */
#ifndef __ASSEMBLER__
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#endif

/* What an op does. User accesses are made in ring 3. */
#define OP_END 0
#define OP_READ 1   /* 4 bytes at `address`, which go to `result` */
#define OP_WRITE 2  /* 4 bytes, `value` */
#define OP_FETCH 3  /* calls `address`, where a RET stands */
#define OP_USER 4u  /* added to one of these */
#define OP_CR0 8    /* MOV of `value` */
#define OP_CR3 9
#define OP_CR4 10
#define OP_INVLPG 11

#define OP_DONE 0u       /* `vector`: it went well */
#define OP_OTHER 255u    /* an exception that nobody expects */
#define OP_PAGE_FAULT 14u

#define OP_SIZE 48
#define OP_FLAGS 4
#define OP_ADDRESS 8
#define OP_VALUE 16
#define OP_VECTOR 24
#define OP_ERROR 28
#define OP_CR2 32
#define OP_RESULT 40

#define WORLD_CR0 0
#define WORLD_CR3 8
#define WORLD_CR4 16
#define WORLD_EFER 24
#define WORLD_LONG 32

#define SELECTOR_CODE64 0x08
#define SELECTOR_DATA 0x10
#define SELECTOR_CODE32 0x18
#define SELECTOR_USER_DATA 0x23
#define SELECTOR_USER_CODE32 0x2b
#define SELECTOR_USER_CODE64 0x33
#define SELECTOR_TSS32 0x38
#define SELECTOR_TSS64 0x40

#define VECTOR_BACK 6 /* #UD: from ring 3 */

#ifndef __ASSEMBLER__
struct op {
    uint32_t kind;
    uint32_t flags; /* RFLAGS of an access: 2, with or without AC */
    uint64_t address, value;
    uint32_t vector, error; /* what has become of it */
    uint64_t cr2, result;
};
_Static_assert(sizeof(struct op) == OP_SIZE && offsetof(struct op, flags) == OP_FLAGS &&
                   offsetof(struct op, address) == OP_ADDRESS &&
                   offsetof(struct op, value) == OP_VALUE &&
                   offsetof(struct op, vector) == OP_VECTOR &&
                   offsetof(struct op, error) == OP_ERROR && offsetof(struct op, cr2) == OP_CR2 &&
                   offsetof(struct op, result) == OP_RESULT,
               "run.S");

struct world {
    uint64_t cr0, cr3, cr4;
    uint64_t efer;    /* without LMA and LME: these follow from the next */
    uint64_t is_long; /* 0: 32-bit */
};
_Static_assert(offsetof(struct world, is_long) == WORLD_LONG &&
                   offsetof(struct world, efer) == WORLD_EFER,
               "run.S");

/* Runs the ops up to OP_END, and comes back. */
void run_ops(const struct world *world, struct op *ops);

/* ---- What setup.c makes ---------------------------------------------------------------------- */

/* The linear addresses below this are the guest's own in each world, identical and writable for
 * the supervisor: the image, and what the random tables are made in. */
#define FIXED_SIZE 0x800000u
/* Tables that map it. They stand outside of what the accesses may reach. */
#define FIXED_TABLES 0x3f0000u
#define FIXED_PDPT (FIXED_TABLES + 0x0000u)
#define FIXED_DIRECTORY (FIXED_TABLES + 0x1000u)
#define FIXED_TABLE (FIXED_TABLES + 0x2000u)
#define FIXED_TABLES_32 (FIXED_TABLES + 0x3000u) /* two */
#define FIXED_TABLES_END (FIXED_TABLES + 0x5000u)

/* Descriptor tables, and the tables above. */
void run_setup(void);
#endif
