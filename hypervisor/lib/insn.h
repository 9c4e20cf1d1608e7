/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * x86 instructions taken apart (SDM vol 2, chapter 2): how long one is, and where its memory
 * operand stands. What it does is the caller's to know.
 *
 * Lengths are right for whatever is defined; of what is not, only the one- and two-byte maps are
 * refused. Where Intel and AMD differ (0x66 on a near branch in 64-bit mode) Intel is followed.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define INSN_MAX_LENGTH 15

/* The size of the code segment: L and D of its descriptor. */
enum insn_mode { INSN_16, INSN_32, INSN_64 };

/* What insn_decode returns instead of a length. */
enum insn_error {
    INSN_TRUNCATED = -1, /* goes on behind the bytes that there are */
    INSN_TOO_LONG = -2,  /* more than 15 bytes: #GP */
    INSN_UNDEFINED = -3, /* #UD */
};

enum insn_prefix {
    INSN_LOCK = 1,
    INSN_REPNE = 2, /* 0xf2; of several, the last of 0xf2 and 0xf3 counts */
    INSN_REP = 4,   /* 0xf3 */
    INSN_OPERAND_SIZE = 8,
    INSN_ADDRESS_SIZE = 16,
};

enum insn_rex { INSN_REX = 0x40, INSN_REX_W = 8, INSN_REX_R = 4, INSN_REX_X = 2, INSN_REX_B = 1 };

enum insn_encoding { INSN_LEGACY, INSN_VEX, INSN_EVEX, INSN_XOP };

/* Opcode maps, as VEX, EVEX and XOP number them. */
enum insn_map { MAP_ONE_BYTE = 0, MAP_0F = 1, MAP_0F38 = 2, MAP_0F3A = 3, MAP_3DNOW = 16 };

/* Segment registers in the hardware's encoding. */
enum insn_segment { INSN_ES, INSN_CS, INSN_SS, INSN_DS, INSN_FS, INSN_GS };

#define INSN_NO_REGISTER 0xffu

/* Offset: base + index * scale + displacement, cut to the address size; general registers are in
 * the hardware's encoding. Of vector instructions the index may be a vector register, and the
 * displacement is not yet scaled (EVEX). */
struct insn_memory {
    uint8_t segment; /* enum insn_segment: the override, or what the base implies */
    uint8_t base;    /* or INSN_NO_REGISTER */
    uint8_t index;   /* or INSN_NO_REGISTER */
    uint8_t scale;   /* 1, 2, 4 or 8 */
    bool rip_relative;
    uint64_t displacement; /* sign-extended */
};

struct insn {
    uint8_t length;
    uint8_t mode;     /* enum insn_mode */
    uint8_t prefixes; /* enum insn_prefix */
    uint8_t segment;  /* the override, enum insn_segment, or INSN_NO_REGISTER */
    uint8_t rex;      /* enum insn_rex: 0 when there is none; of VEX and EVEX, its bits only */
    uint8_t encoding; /* enum insn_encoding */
    uint8_t map;      /* enum insn_map */
    uint8_t opcode;   /* of MAP_3DNOW: the suffix is the immediate */

    uint8_t operand_size; /* 1, 2, 4, 8 bytes; with two sizes (MOVZX), the larger's */
    uint8_t address_size; /* 2, 4, 8 */

    bool has_modrm;
    uint8_t mod; /* 0 to 3 */
    uint8_t reg; /* 0 to 15, with REX.R; & 7 where it extends the opcode */
    uint8_t rm;  /* 0 to 15, with REX.B */

    bool has_memory; /* a ModRM with memory, or MOV's address in the instruction */
    struct insn_memory memory;

    uint8_t immediate_size; /* bytes; 0: none */
    uint64_t immediate;     /* sign-extended; of far pointers, the offset */
    uint16_t immediate2;    /* selector of a far pointer, nesting of ENTER, second of EXTRQ */
};

/* Decodes the instruction at `bytes`, of which `available` can be read. Returns its length, 1 to
 * 15, or an enum insn_error with *out undefined. */
int insn_decode(struct insn *out, const uint8_t *bytes, size_t available, enum insn_mode mode);

/* The offset of the memory operand in its segment. `gpr`: 16 registers in the hardware's
 * encoding; `rip`: of this instruction. */
uint64_t insn_offset(const struct insn *insn, const uint64_t *gpr, uint64_t rip);
