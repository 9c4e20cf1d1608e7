/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The opcode maps as tables of attributes (SDM vol 2, appendix A; APM vol 3, appendix A), and
 * the one way through prefixes, opcode, ModRM, displacement and immediate that they steer.
 */
#include "lib/insn.h"

/* ---- Opcode maps -------------------------------------------------------------------------- */

enum attribute {
    /* What follows opcode and ModRM: the low four bits. */
    I1 = 1,  /* one byte */
    I2 = 2,  /* two bytes */
    IZ = 3,  /* operand size, at most four bytes */
    IV = 4,  /* operand size */
    IA = 5,  /* address size: MOV's memory operand */
    IP = 6,  /* far pointer */
    IE = 7,  /* ENTER: two bytes and one */
    II = 8,  /* EXTRQ, INSERTQ: one byte and one */
    JZ = 9,  /* near branch: as IZ, but four bytes in 64-bit mode */
    PF = 14, /* no opcode: prefix or escape */
    UD = 15, /* undefined */
    IMMEDIATE = 15,

    M = 0x10, /* ModRM */
    B = 0x20, /* byte operands */
    D = 0x40, /* 64-bit mode: the operand size is 64 bits without REX.W */
    X = 0x80, /* 64-bit mode: undefined */
};

static const uint8_t map_one_byte[256] = {
    /* clang-format off */
    /* 00 ADD, OR */
    M|B, M, M|B, M, B|I1, IZ, X, X,         M|B, M, M|B, M, B|I1, IZ, X, PF,
    /* 10 ADC, SBB */
    M|B, M, M|B, M, B|I1, IZ, X, X,         M|B, M, M|B, M, B|I1, IZ, X, X,
    /* 20 AND, SUB */
    M|B, M, M|B, M, B|I1, IZ, PF, X,        M|B, M, M|B, M, B|I1, IZ, PF, X,
    /* 30 XOR, CMP */
    M|B, M, M|B, M, B|I1, IZ, PF, X,        M|B, M, M|B, M, B|I1, IZ, PF, X,
    /* 40 INC, DEC; REX */
    0, 0, 0, 0, 0, 0, 0, 0,                 0, 0, 0, 0, 0, 0, 0, 0,
    /* 50 PUSH, POP */
    D, D, D, D, D, D, D, D,                 D, D, D, D, D, D, D, D,
    /* 60 PUSHA, POPA, BOUND, ARPL/MOVSXD; PUSH, IMUL, INS, OUTS */
    X, X, M|X, M, PF, PF, PF, PF,           D|IZ, M|IZ, D|I1, M|I1, B, 0, B, 0,
    /* 70 Jcc */
    D|I1, D|I1, D|I1, D|I1, D|I1, D|I1, D|I1, D|I1,
    D|I1, D|I1, D|I1, D|I1, D|I1, D|I1, D|I1, D|I1,
    /* 80 group 1, TEST, XCHG; MOV, LEA, POP */
    M|B|I1, M|IZ, M|B|I1|X, M|I1, M|B, M, M|B, M,  M|B, M, M|B, M, M, M, M, M|D,
    /* 90 XCHG; CBW, CWD, CALLF, FWAIT, PUSHF, POPF, SAHF, LAHF */
    0, 0, 0, 0, 0, 0, 0, 0,                 0, 0, X|IP, 0, D, D, 0, 0,
    /* a0 MOV, MOVS, CMPS; TEST, STOS, LODS, SCAS */
    B|IA, IA, B|IA, IA, B, 0, B, 0,         B|I1, IZ, B, 0, B, 0, B, 0,
    /* b0 MOV */
    B|I1, B|I1, B|I1, B|I1, B|I1, B|I1, B|I1, B|I1,  IV, IV, IV, IV, IV, IV, IV, IV,
    /* c0 group 2, RET, LES, LDS, group 11; ENTER, LEAVE, RETF, INT, IRET */
    M|B|I1, M|I1, D|I2, D, M|X, M|X, M|B|I1, M|IZ,   D|IE, D, I2, 0, 0, I1, X, 0,
    /* d0 group 2, AAM, AAD, SALC, XLAT; x87 */
    M|B, M, M|B, M, X|I1, X|I1, X, B,       M, M, M, M, M, M, M, M,
    /* e0 LOOP, JCXZ, IN, OUT; CALL, JMP, IN, OUT */
    D|I1, D|I1, D|I1, D|I1, B|I1, I1, B|I1, I1,      D|JZ, D|JZ, X|IP, D|I1, B, 0, B, 0,
    /* f0 INT1, HLT, CMC, group 3; flags, groups 4 and 5 */
    PF, 0, PF, PF, 0, 0, M|B, M,            0, 0, 0, 0, 0, 0, M|B, M,
    /* clang-format on */
};

static const uint8_t map_0f[256] = {
    /* clang-format off */
    /* 00 groups 6 and 7, LAR, LSL, SYSCALL, CLTS, SYSRET; INVD, WBINVD, UD2, PREFETCH, FEMMS */
    M, M, M, M, UD, 0, 0, 0,                0, 0, UD, 0, UD, M, 0, M|I1,
    /* 10 moves; hints */
    M, M, M, M, M, M, M, M,                 M, M, M, M, M, M, M, M,
    /* 20 MOV CR, DR; moves, conversions */
    M, M, M, M, UD, UD, UD, UD,             M, M, M, M, M, M, M, M,
    /* 30 WRMSR, RDTSC, RDMSR, RDPMC, SYSENTER, SYSEXIT, GETSEC; escapes */
    0, 0, 0, 0, 0, 0, UD, 0,                PF, UD, PF, UD, UD, UD, UD, UD,
    /* 40 CMOVcc */
    M, M, M, M, M, M, M, M,                 M, M, M, M, M, M, M, M,
    /* 50, 60 vectors */
    M, M, M, M, M, M, M, M,                 M, M, M, M, M, M, M, M,
    M, M, M, M, M, M, M, M,                 M, M, M, M, M, M, M, M,
    /* 70 shuffles and shifts, EMMS; VMREAD, VMWRITE */
    M|I1, M|I1, M|I1, M|I1, M, M, M, 0,     M, M, UD, UD, M, M, M, M,
    /* 80 Jcc */
    D|JZ, D|JZ, D|JZ, D|JZ, D|JZ, D|JZ, D|JZ, D|JZ,
    D|JZ, D|JZ, D|JZ, D|JZ, D|JZ, D|JZ, D|JZ, D|JZ,
    /* 90 SETcc */
    M|B, M|B, M|B, M|B, M|B, M|B, M|B, M|B, M|B, M|B, M|B, M|B, M|B, M|B, M|B, M|B,
    /* a0 PUSH, POP, CPUID, BT, SHLD; PUSH, POP, RSM, BTS, SHRD, group 15, IMUL */
    D, D, 0, M, M|I1, M, M, M,              D, D, 0, M, M|I1, M, M, M,
    /* b0 CMPXCHG, LSS, BTR, LFS, LGS, MOVZX; POPCNT, UD1, group 8, BTC, BSF, BSR, MOVSX */
    M|B, M, M, M, M, M, M, M,               M, M, M|I1, M, M, M, M, M,
    /* c0 XADD, CMPPS, MOVNTI, PINSRW, PEXTRW, SHUFPS, group 9; BSWAP */
    M|B, M, M|I1, M, M|I1, M|I1, M|I1, M,   0, 0, 0, 0, 0, 0, 0, 0,
    /* d0, e0, f0 vectors; UD0 */
    M, M, M, M, M, M, M, M,                 M, M, M, M, M, M, M, M,
    M, M, M, M, M, M, M, M,                 M, M, M, M, M, M, M, M,
    M, M, M, M, M, M, M, M,                 M, M, M, M, M, M, M, M,
    /* clang-format on */
};

/* VEX, EVEX and XOP: the maps are regular. */
static uint8_t vector_attributes(uint8_t encoding, uint8_t map, uint8_t opcode)
{
    bool xop = encoding == INSN_XOP;

    switch (map) {
    case MAP_0F:
        if (opcode == 0x77) { /* VZEROUPPER */
            return 0;
        }
        return (opcode >= 0x70 && opcode <= 0x73) || opcode == 0xc2 ||
                       (opcode >= 0xc4 && opcode <= 0xc6)
                   ? M | I1
                   : M;
    case MAP_0F38:
        return M;
    case MAP_0F3A:
        return M | I1;
    case 5: /* half precision */
    case 6:
        return encoding == INSN_EVEX ? M : UD;
    case 8:
        return xop ? M | I1 : UD;
    case 9:
        return xop ? M : UD;
    case 10:
        return xop ? M | IZ : UD;
    default:
        return UD;
    }
}

/* ---- Bytes -------------------------------------------------------------------------------- */

struct cursor {
    const uint8_t *bytes;
    unsigned at, end;
    bool exhausted; /* zeros were taken in place of what is not there */
};

static uint8_t peek(struct cursor *cursor)
{
    if (cursor->at == cursor->end) {
        cursor->exhausted = true;
        return 0;
    }
    return cursor->bytes[cursor->at];
}

static uint8_t take_byte(struct cursor *cursor)
{
    uint8_t byte = peek(cursor);

    cursor->at += !cursor->exhausted;
    return byte;
}

/* A number of 0, 1, 2, 4 or 8 bytes, sign-extended. */
static uint64_t take(struct cursor *cursor, unsigned size)
{
    uint64_t value = 0;

    for (unsigned i = 0; i < size; i++) {
        value |= (uint64_t)take_byte(cursor) << 8 * i;
    }
    if (size == 0 || size == 8) {
        return value;
    }
    uint64_t sign = UINT64_C(1) << (8 * size - 1);
    return (value ^ sign) - sign;
}

/* ---- Prefixes ----------------------------------------------------------------------------- */

/* 64-bit mode has no overrides of ES, CS, SS and DS. */
static void override_segment(struct insn *insn, uint8_t segment)
{
    if (insn->mode != INSN_64 || segment >= INSN_FS) {
        insn->segment = segment;
    }
}

static bool take_legacy_prefix(struct insn *insn, uint8_t byte)
{
    switch (byte) {
    case 0x26:
    case 0x2e:
    case 0x36:
    case 0x3e:
        override_segment(insn, byte >> 3 & 3);
        return true;
    case 0x64:
    case 0x65:
        override_segment(insn, byte & 7);
        return true;
    case 0x66:
        insn->prefixes |= INSN_OPERAND_SIZE;
        return true;
    case 0x67:
        insn->prefixes |= INSN_ADDRESS_SIZE;
        return true;
    case 0xf0:
        insn->prefixes |= INSN_LOCK;
        return true;
    case 0xf2:
    case 0xf3:
        insn->prefixes &= (uint8_t)~(INSN_REPNE | INSN_REP);
        insn->prefixes |= byte == 0xf2 ? INSN_REPNE : INSN_REP;
        return true;
    default:
        return false;
    }
}

/* A REX that does not stand right before the opcode is void. */
static void take_prefixes(struct insn *insn, struct cursor *cursor)
{
    for (;; take_byte(cursor)) {
        uint8_t byte = peek(cursor);
        if (insn->mode == INSN_64 && (byte & 0xf0) == INSN_REX) {
            insn->rex = byte;
        } else if (take_legacy_prefix(insn, byte)) {
            insn->rex = 0;
        } else {
            return;
        }
    }
}

/* Is this the first byte of VEX, EVEX or XOP? Outside of 64-bit mode LDS, LES and BOUND are told
 * from them by their ModRM, which cannot be a register; POP by its extension of the opcode. */
static uint8_t vector_encoding(const struct insn *insn, uint8_t first, uint8_t second)
{
    bool vex = insn->mode == INSN_64 || second >= 0xc0;

    switch (first) {
    case 0x62:
        return vex ? INSN_EVEX : INSN_LEGACY;
    case 0x8f:
        return (second & 0x1f) >= 8 ? INSN_XOP : INSN_LEGACY;
    case 0xc4:
    case 0xc5:
        return vex ? INSN_VEX : INSN_LEGACY;
    default:
        return INSN_LEGACY;
    }
}

/* SDM vol 2, 2.3.5 and 2.7.1: R, X and B are inverted; W is not. */
static uint8_t take_vector_prefix(struct insn *insn, uint8_t first, struct cursor *cursor)
{
    bool evex = insn->encoding == INSN_EVEX;
    uint8_t low = take_byte(cursor), high = 0, extension = (uint8_t)~low >> 5;

    if (insn->rex || (insn->prefixes & (uint8_t)~INSN_ADDRESS_SIZE)) {
        return UD;
    }
    if (first == 0xc5) {
        insn->map = MAP_0F;
        extension &= INSN_REX_R;
    } else {
        insn->map = low & (evex ? 7 : 0x1f);
        high = take_byte(cursor);
        if (evex) {
            take_byte(cursor);
        }
    }
    if (insn->mode == INSN_64) {
        insn->rex = (uint8_t)(extension | (high & 0x80 ? INSN_REX_W : 0));
    }
    insn->opcode = take_byte(cursor);
    if (evex && !(high & 4)) { /* fixed */
        return UD;
    }
    return vector_attributes(insn->encoding, insn->map, insn->opcode);
}

/* ---- Opcode ------------------------------------------------------------------------------- */

static uint8_t take_escaped_opcode(struct insn *insn, struct cursor *cursor)
{
    insn->map = MAP_0F;
    insn->opcode = take_byte(cursor);
    switch (insn->opcode) {
    case 0x0f:
        insn->map = MAP_3DNOW;
        break;
    case 0x38:
        insn->map = MAP_0F38;
        insn->opcode = take_byte(cursor);
        return M;
    case 0x3a:
        insn->map = MAP_0F3A;
        insn->opcode = take_byte(cursor);
        return M | I1;
    case 0x78: /* SSE4a's EXTRQ and INSERTQ, beside VMREAD */
        return insn->prefixes & (INSN_OPERAND_SIZE | INSN_REPNE) ? M | II : M;
    }
    return map_0f[insn->opcode];
}

/* Takes the opcode with its escapes. Returns its attributes. */
static uint8_t take_opcode(struct insn *insn, struct cursor *cursor)
{
    uint8_t first = take_byte(cursor);

    if (first == 0x0f) {
        return take_escaped_opcode(insn, cursor);
    }
    if (first == 0x62 || first == 0x8f || first == 0xc4 || first == 0xc5) {
        insn->encoding = vector_encoding(insn, first, peek(cursor));
        if (insn->encoding != INSN_LEGACY) {
            return take_vector_prefix(insn, first, cursor);
        }
    }
    insn->opcode = first;
    return map_one_byte[first];
}

static bool is(const struct insn *insn, uint8_t map, uint8_t opcode)
{
    return insn->encoding == INSN_LEGACY && insn->map == map && insn->opcode == opcode;
}

/* Groups whose members differ in what the tables say. */
static uint8_t group_attributes(const struct insn *insn, uint8_t attributes)
{
    uint8_t extension = insn->reg & 7;

    if (is(insn, MAP_ONE_BYTE, 0xf6) && extension <= 1) { /* TEST */
        return attributes | I1;
    }
    if (is(insn, MAP_ONE_BYTE, 0xf7) && extension <= 1) {
        return attributes | IZ;
    }
    if (is(insn, MAP_ONE_BYTE, 0xff)) { /* CALL, JMP, PUSH */
        return extension == 2 || extension == 4 || extension == 6 ? attributes | D : attributes;
    }
    if (is(insn, MAP_ONE_BYTE, 0x8f) && extension != 0) {
        return UD;
    }
    return attributes;
}

/* ---- Operands ----------------------------------------------------------------------------- */

static uint8_t address_size(const struct insn *insn)
{
    bool toggled = insn->prefixes & INSN_ADDRESS_SIZE;

    switch (insn->mode) {
    case INSN_64:
        return toggled ? 4 : 8;
    case INSN_32:
        return toggled ? 2 : 4;
    default:
        return toggled ? 4 : 2;
    }
}

static uint8_t operand_size(const struct insn *insn, uint8_t attributes)
{
    bool toggled = insn->prefixes & INSN_OPERAND_SIZE;

    if (attributes & B) {
        return 1;
    }
    if (insn->mode == INSN_64 && ((insn->rex & INSN_REX_W) || ((attributes & D) && !toggled))) {
        return 8;
    }
    return toggled == (insn->mode == INSN_16) ? 4 : 2;
}

/* SDM vol 2, table 2-1. Returns the size of the displacement. */
static unsigned memory_16(const struct insn *insn, struct insn_memory *memory)
{
    static const uint8_t bases[8] = { 3, 3, 5, 5, 6, 7, 5, 3 }; /* BX BX BP BP SI DI BP BX */
    bool indexed = insn->rm < 4;

    if (insn->mod == 0 && insn->rm == 6) {
        return 2;
    }
    memory->base = bases[insn->rm];
    if (indexed) {
        memory->index = insn->rm & 1 ? 7 : 6; /* DI, SI */
    }
    memory->segment = memory->base == 5 ? INSN_SS : INSN_DS;
    return insn->mod;
}

/* SDM vol 2, tables 2-2 and 2-3. */
static unsigned memory_32(const struct insn *insn, struct insn_memory *memory,
                          struct cursor *cursor)
{
    uint8_t base = insn->rm;
    bool sib = (base & 7) == 4;

    if (sib) {
        uint8_t byte = take_byte(cursor);
        uint8_t index = (uint8_t)((byte >> 3 & 7) | (insn->rex & INSN_REX_X ? 8 : 0));
        base = (uint8_t)((byte & 7) | (insn->rex & INSN_REX_B ? 8 : 0));
        memory->scale = (uint8_t)(1u << (byte >> 6));
        memory->index = index == 4 ? INSN_NO_REGISTER : index;
    }
    if (insn->mod == 0 && (base & 7) == 5) {
        memory->rip_relative = !sib && insn->mode == INSN_64;
        return 4;
    }
    memory->base = base;
    memory->segment = base == 4 || base == 5 ? INSN_SS : INSN_DS; /* RSP, RBP */
    return insn->mod == 2 ? 4 : insn->mod;
}

static void take_memory(struct insn *insn, struct cursor *cursor)
{
    unsigned size = insn->address_size == 2 ? memory_16(insn, &insn->memory)
                                            : memory_32(insn, &insn->memory, cursor);

    insn->has_memory = true;
    insn->memory.displacement = take(cursor, size);
}

static void take_modrm(struct insn *insn, struct cursor *cursor)
{
    uint8_t byte = take_byte(cursor);

    insn->has_modrm = true;
    insn->mod = byte >> 6;
    insn->reg = (uint8_t)((byte >> 3 & 7) | (insn->rex & INSN_REX_R ? 8 : 0));
    insn->rm = (uint8_t)((byte & 7) | (insn->rex & INSN_REX_B ? 8 : 0));
    /* MOV to and from CR and DR: registers, whatever `mod` says. */
    if (is(insn, MAP_0F, insn->opcode) && (insn->opcode & 0xfc) == 0x20) {
        insn->mod = 3;
    }
    if (insn->mod != 3) {
        take_memory(insn, cursor);
    }
}

static uint8_t immediate_size(const struct insn *insn, uint8_t attributes)
{
    uint8_t operand = operand_size(insn, attributes);

    switch (attributes & IMMEDIATE) {
    case I1:
    case II:
        return 1;
    case I2:
    case IE:
        return 2;
    case JZ:
        return insn->mode == INSN_64 || operand != 2 ? 4 : 2;
    case IZ: /* of XOP, whose 0x66 is no prefix, always four */
        return operand == 2 && insn->encoding == INSN_LEGACY ? 2 : 4;
    case IP:
        return operand == 2 ? 2 : 4;
    case IV:
        return operand;
    default:
        return 0;
    }
}

static void take_immediate(struct insn *insn, uint8_t attributes, struct cursor *cursor)
{
    unsigned kind = attributes & IMMEDIATE;

    if (kind == IA) {
        insn->has_memory = true;
        insn->memory.displacement = take(cursor, insn->address_size);
        return;
    }
    insn->immediate_size = immediate_size(insn, attributes);
    insn->immediate = take(cursor, insn->immediate_size);
    if (kind == IP) {
        insn->immediate2 = (uint16_t)take(cursor, 2);
    } else if (kind == IE || kind == II) {
        insn->immediate2 = take_byte(cursor);
    }
}

/* ---- The way through ---------------------------------------------------------------------- */

int insn_decode(struct insn *out, const uint8_t *bytes, size_t available, enum insn_mode mode)
{
    unsigned end = available < INSN_MAX_LENGTH ? (unsigned)available : INSN_MAX_LENGTH;
    struct cursor cursor = { .bytes = bytes, .end = end };

    *out = (struct insn){ .mode = (uint8_t)mode,
                          .segment = INSN_NO_REGISTER,
                          .memory = { .segment = INSN_DS,
                                      .base = INSN_NO_REGISTER,
                                      .index = INSN_NO_REGISTER,
                                      .scale = 1 } };
    take_prefixes(out, &cursor);
    out->address_size = address_size(out);
    uint8_t attributes = take_opcode(out, &cursor);
    if (attributes & M) {
        take_modrm(out, &cursor);
        attributes = group_attributes(out, attributes);
    }
    out->operand_size = operand_size(out, attributes);
    if ((attributes & IMMEDIATE) != UD) {
        take_immediate(out, attributes, &cursor);
    }
    if (out->segment != INSN_NO_REGISTER) {
        out->memory.segment = out->segment;
    }
    if (cursor.exhausted) {
        return end < INSN_MAX_LENGTH ? INSN_TRUNCATED : INSN_TOO_LONG;
    }
    if ((attributes & IMMEDIATE) == UD || ((attributes & X) && mode == INSN_64)) {
        return INSN_UNDEFINED;
    }
    out->length = (uint8_t)cursor.at;
    return (int)cursor.at;
}

uint64_t insn_offset(const struct insn *insn, const uint64_t *gpr, uint64_t rip)
{
    const struct insn_memory *memory = &insn->memory;
    uint64_t offset = memory->displacement;

    if (memory->rip_relative) {
        offset += rip + insn->length;
    }
    if (memory->base != INSN_NO_REGISTER) {
        offset += gpr[memory->base & 15];
    }
    if (memory->index != INSN_NO_REGISTER) {
        offset += gpr[memory->index & 15] * memory->scale;
    }
    return insn->address_size == 8   ? offset
           : insn->address_size == 4 ? (uint32_t)offset
                                     : (uint16_t)offset;
}
