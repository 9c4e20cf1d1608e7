/* sources: hypervisor/lib/insn.c */
/* libs: -lZydis */
/* SPDX-License-Identifier: Apache-2.0 */
/* The instruction decoder beside Zydis, and what Zydis cannot say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <Zydis/Zydis.h>

#include "lib/insn.h"

#define SEED 1
#define ROUNDS 1000000

static const struct {
    enum insn_mode mode;
    ZydisMachineMode machine;
    ZydisStackWidth stack;
} modes[] = {
    { INSN_16, ZYDIS_MACHINE_MODE_LEGACY_16, ZYDIS_STACK_WIDTH_16 },
    { INSN_32, ZYDIS_MACHINE_MODE_LEGACY_32, ZYDIS_STACK_WIDTH_32 },
    { INSN_64, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64 },
};

/* ---- Random encodings --------------------------------------------------------------------- */

static uint64_t random_state;

static uint32_t random_number(void)
{
    random_state = random_state * 6364136223846793005 + 1442695040888963407;
    return (uint32_t)(random_state >> 33);
}

/* Bytes that are likely to mean something: a few prefixes, then often an escape. */
static void random_bytes(uint8_t *bytes)
{
    static const uint8_t prefixes[] = { 0x66, 0x67, 0xf2, 0xf3, 0xf0, 0x2e, 0x36, 0x26, 0x3e,
                                        0x64, 0x65, 0x48, 0x41, 0x4f, 0x44, 0x42, 0x40 };
    unsigned at = 0, count = random_number() % 4;

    for (unsigned i = 0; i < INSN_MAX_LENGTH; i++) {
        bytes[i] = (uint8_t)random_number();
    }
    if (random_number() % 256 == 0) {
        count = random_number() % INSN_MAX_LENGTH;
    }
    while (at < count) {
        bytes[at++] = prefixes[random_number() % sizeof(prefixes)];
    }
    if (at > 11) {
        return;
    }
    switch (random_number() % 12) {
    case 0:
    case 1:
    case 2:
    case 3:
        bytes[at] = 0x0f;
        break;
    case 4:
        bytes[at++] = 0x0f;
        bytes[at] = random_number() & 1 ? 0x38 : 0x3a;
        break;
    case 5: /* VEX */
        bytes[at++] = 0xc4;
        bytes[at] = (uint8_t)((bytes[at] & 0xe0) | (random_number() % 4));
        break;
    case 6:
        bytes[at] = 0xc5;
        break;
    case 7: /* EVEX */
        bytes[at++] = 0x62;
        bytes[at] = (uint8_t)((bytes[at] & 0xf0) | (random_number() % 7));
        bytes[at + 1] |= 4;
        break;
    case 8: /* XOP */
        bytes[at++] = 0x8f;
        bytes[at] = (uint8_t)((bytes[at] & 0xe0) | (8 + random_number() % 3));
        break;
    }
}

static void show(const uint8_t *bytes, enum insn_mode mode, int length, unsigned expected)
{
    print_message("mode %d:", 16 << mode);
    for (unsigned i = 0; i < INSN_MAX_LENGTH; i++) {
        print_message(" %02x", bytes[i]);
    }
    print_message(": %d instead of %u\n", length, expected);
}

/* ---- Operands ----------------------------------------------------------------------------- */

static uint8_t number_of(ZydisRegister name)
{
    return name == ZYDIS_REGISTER_NONE ? INSN_NO_REGISTER : (uint8_t)ZydisRegisterGetId(name);
}

static void check_memory(const struct insn *insn, const ZydisDecodedInstruction *zydis,
                         const ZydisDecodedOperandMem *memory)
{
    /* A SIB without base; Zydis 4.0 heeds REX.B there, which is not decoded (SDM vol 2, table
     * 2-5). */
    bool no_base = zydis->raw.modrm.mod == 0 && zydis->raw.sib.offset && zydis->raw.sib.base == 5;
    bool rip = ZydisRegisterGetClass(memory->base) == ZYDIS_REGCLASS_IP;

    assert_true(insn->has_memory);
    assert_int_equal(insn->memory.rip_relative, rip);
    assert_int_equal(insn->memory.base, rip || no_base ? INSN_NO_REGISTER
                                                       : number_of(memory->base));
    assert_int_equal(insn->memory.index, number_of(memory->index));
    assert_int_equal(insn->memory.displacement,
                     zydis->raw.disp.size ? zydis->raw.disp.value : 0);
    if (memory->index != ZYDIS_REGISTER_NONE) {
        assert_int_equal(insn->memory.scale, memory->scale);
    }
    if (memory->type == ZYDIS_MEMOP_TYPE_MEM) { /* LEA and NOP have no segment */
        assert_int_equal(insn->memory.segment, number_of(memory->segment));
    }
}

static bool is_general(const ZydisDecodedInstruction *zydis)
{
    return zydis->encoding == ZYDIS_INSTRUCTION_ENCODING_LEGACY &&
           (zydis->opcode_map == ZYDIS_OPCODE_MAP_DEFAULT ||
            zydis->opcode_map == ZYDIS_OPCODE_MAP_0F);
}

/* Branches on vector masks and MVEX, which no other processor has. */
static bool is_knights_corner(const ZydisDecodedInstruction *zydis)
{
    return zydis->mnemonic == ZYDIS_MNEMONIC_JKZD || zydis->mnemonic == ZYDIS_MNEMONIC_JKNZD ||
           zydis->encoding == ZYDIS_INSTRUCTION_ENCODING_MVEX;
}

/* The first operand that the encoding names and that stands in memory. */
static const ZydisDecodedOperandMem *find_memory(const ZydisDecodedInstruction *zydis,
                                                 const ZydisDecodedOperand *operands)
{
    for (unsigned i = 0; i < zydis->operand_count_visible; i++) {
        ZydisOperandEncoding encoding = operands[i].encoding;
        if (operands[i].type == ZYDIS_OPERAND_TYPE_MEMORY &&
            (encoding == ZYDIS_OPERAND_ENCODING_MODRM_RM ||
             encoding == ZYDIS_OPERAND_ENCODING_DISP16_32_64)) {
            return &operands[i].mem;
        }
    }
    return NULL;
}

static void check_operands(const struct insn *insn, const ZydisDecodedInstruction *zydis,
                           const ZydisDecodedOperand *operands)
{
    const ZydisDecodedOperandMem *memory = find_memory(zydis, operands);

    assert_int_equal(insn->opcode, zydis->opcode);
    assert_int_equal(insn->map,
                     zydis->opcode_map == ZYDIS_OPCODE_MAP_0F ? MAP_0F : MAP_ONE_BYTE);
    assert_int_equal(insn->has_modrm, (zydis->attributes & ZYDIS_ATTRIB_HAS_MODRM) != 0);
    if (insn->has_modrm) {
        assert_int_equal(insn->mod == 3 ? 3 : zydis->raw.modrm.mod, insn->mod);
        assert_int_equal(insn->reg & 7, zydis->raw.modrm.reg);
        assert_int_equal(insn->rm & 7, zydis->raw.modrm.rm);
    }
    if (memory) {
        assert_int_equal(insn->address_size * 8, zydis->address_width);
        check_memory(insn, zydis, memory);
    }
    if (zydis->raw.imm[0].size && insn->map == MAP_ONE_BYTE && zydis->raw.imm[1].size == 0) {
        unsigned shift = 64u - 8u * insn->immediate_size;
        assert_int_equal(insn->immediate_size * 8, zydis->raw.imm[0].size);
        assert_int_equal(insn->immediate << shift, zydis->raw.imm[0].value.u << shift);
    }
}

/* A prefix of an instruction is never taken for one. */
static void check_truncated(const uint8_t *bytes, unsigned length, enum insn_mode mode)
{
    for (unsigned available = 0; available < length; available++) {
        uint8_t *exact = malloc(available ? available : 1); /* the sanitizer guards its end */
        struct insn insn;
        memcpy(exact, bytes, available);
        assert_int_equal(insn_decode(&insn, exact, available, mode), INSN_TRUNCATED);
        free(exact);
    }
}

static void beside_zydis(void **unused)
{
    (void)unused;
    unsigned valid[3] = { 0 };

    random_state = SEED;
    for (unsigned i = 0; i < 3; i++) {
        ZydisDecoder decoder;
        ZydisDecoderInit(&decoder, modes[i].machine, modes[i].stack);
        /* MPX ignores the address size, CET takes the DS prefix for another. */
        ZydisDecoderEnableMode(&decoder, ZYDIS_DECODER_MODE_MPX, ZYAN_FALSE);
        ZydisDecoderEnableMode(&decoder, ZYDIS_DECODER_MODE_CET, ZYAN_FALSE);
        for (unsigned round = 0; round < ROUNDS; round++) {
            ZydisDecodedInstruction zydis;
            ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
            uint8_t bytes[INSN_MAX_LENGTH];
            struct insn insn;

            random_bytes(bytes);
            int length = insn_decode(&insn, bytes, sizeof(bytes), modes[i].mode);
            if (ZYAN_FAILED(ZydisDecoderDecodeFull(&decoder, bytes, sizeof(bytes), &zydis,
                                                   operands)) ||
                is_knights_corner(&zydis)) {
                continue;
            }
            valid[i]++;
            if (length != zydis.length) {
                show(bytes, modes[i].mode, length, zydis.length);
                fail();
            }
            if (is_general(&zydis)) {
                check_operands(&insn, &zydis, operands);
            }
            if (round % 64 == 0) {
                check_truncated(bytes, (unsigned)length, modes[i].mode);
            }
        }
        assert_true(valid[i] > ROUNDS / 4);
    }
}

/* Each opcode of the one- and two-byte maps with each ModRM and with the prefixes that matter. */
static void every_opcode(void **unused)
{
    (void)unused;
    static const uint8_t prefixes[] = { 0x90, 0x66, 0x67, 0xf2, 0xf3, 0x48 };

    for (unsigned i = 0; i < 3; i++) {
        ZydisDecoder decoder;
        ZydisDecoderInit(&decoder, modes[i].machine, modes[i].stack);
        for (unsigned n = 0; n < 2u * sizeof(prefixes) << 16; n++) {
            ZydisDecodedInstruction zydis;
            uint8_t bytes[INSN_MAX_LENGTH] = { 0 };
            uint8_t prefix = prefixes[(n >> 17) % sizeof(prefixes)];
            unsigned at = 0;
            struct insn insn;

            if (prefix != 0x90) {
                bytes[at++] = prefix;
            }
            if (n & 0x10000) {
                bytes[at++] = 0x0f;
            }
            bytes[at++] = (uint8_t)(n >> 8);
            bytes[at] = (uint8_t)n;
            int length = insn_decode(&insn, bytes, sizeof(bytes), modes[i].mode);
            if (ZYAN_SUCCESS(ZydisDecoderDecodeInstruction(&decoder, NULL, bytes, sizeof(bytes),
                                                           &zydis)) &&
                length != zydis.length) {
                show(bytes, modes[i].mode, length, zydis.length);
                fail();
            }
        }
    }
}

/* ---- Single cases ------------------------------------------------------------------------- */

static int decode(struct insn *insn, enum insn_mode mode, const char *bytes, size_t size)
{
    return insn_decode(insn, (const uint8_t *)bytes, size, mode);
}

static void refused(void **unused)
{
    (void)unused;
    struct insn insn;

    assert_int_equal(decode(&insn, INSN_64, "", 0), INSN_TRUNCATED);
    assert_int_equal(decode(&insn, INSN_64, "\x0f\x0b", 2), 2); /* UD2 is an instruction */
    assert_int_equal(decode(&insn, INSN_64, "\x06", 1), INSN_UNDEFINED);
    assert_int_equal(decode(&insn, INSN_32, "\x06", 1), 1);
    assert_int_equal(decode(&insn, INSN_64, "\x0f\x04", 2), INSN_UNDEFINED);
    assert_int_equal(decode(&insn, INSN_64, "\x8f\xcb\x00\x00\x00", 5), INSN_UNDEFINED);
    assert_int_equal(decode(&insn, INSN_64, "\x66\xc5\xf8\x77", 4), INSN_UNDEFINED);
    assert_int_equal(decode(&insn, INSN_64, "\xc5\xf8\x77", 3), 3);
    /* 15 bytes are an instruction, 16 are none. */
    const char longest[] = "\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x90";
    assert_int_equal(decode(&insn, INSN_64, longest + 1, 15), 15);
    assert_int_equal(decode(&insn, INSN_64, longest, 15), INSN_TOO_LONG);
    assert_int_equal(decode(&insn, INSN_64, longest, 16), INSN_TOO_LONG);
    assert_int_equal(decode(&insn, INSN_64, longest, 14), INSN_TRUNCATED);
}

static void prefixes(void **unused)
{
    (void)unused;
    struct insn insn;

    /* A REX before a legacy prefix is void; of 0xf2 and 0xf3 the last counts. */
    assert_int_equal(decode(&insn, INSN_64, "\x48\x66\xf2\xf3\x89\x00", 6), 6);
    assert_int_equal(insn.rex, 0);
    assert_int_equal(insn.operand_size, 2);
    assert_int_equal(insn.prefixes, INSN_OPERAND_SIZE | INSN_REP);
    assert_int_equal(insn.segment, INSN_NO_REGISTER);
    /* 64-bit mode knows FS and GS only, and they hold against what follows. */
    assert_int_equal(decode(&insn, INSN_64, "\x65\x3e\x48\x89\x00", 5), 5);
    assert_int_equal(insn.segment, INSN_GS);
    assert_int_equal(insn.memory.segment, INSN_GS);
    assert_int_equal(insn.operand_size, 8);
    assert_int_equal(decode(&insn, INSN_32, "\x65\x3e\x89\x45\x00", 5), 5);
    assert_int_equal(insn.memory.segment, INSN_DS);
    assert_int_equal(decode(&insn, INSN_32, "\x89\x45\x00", 3), 3);
    assert_int_equal(insn.memory.segment, INSN_SS);
    assert_int_equal(decode(&insn, INSN_64, "\xf0\x0f\xc1\x00", 4), 4);
    assert_int_equal(insn.prefixes, INSN_LOCK);
}

static void operand_sizes(void **unused)
{
    (void)unused;
    static const struct { enum insn_mode mode; uint8_t expected; const char *bytes; } rows[] = {
        { INSN_16, 2, "\x89\x07" },         { INSN_16, 4, "\x66\x89\x07" },
        { INSN_32, 4, "\x89\x07" },         { INSN_32, 2, "\x66\x89\x07" },
        { INSN_64, 4, "\x89\x07" },         { INSN_64, 2, "\x66\x89\x07" },
        { INSN_64, 8, "\x48\x89\x07" },     { INSN_64, 8, "\x66\x48\x89\x07" },
        { INSN_64, 1, "\x48\x88\x07" },     { INSN_64, 8, "\xff\x37" }, /* PUSH */
        { INSN_64, 2, "\x66\xff\x37" },     { INSN_64, 4, "\xff\x07" }, /* INC */
        { INSN_32, 4, "\xff\x37" },         { INSN_64, 8, "\x8f\x07" }, /* POP */
        { INSN_64, 1, "\xf6\x17" },         { INSN_64, 4, "\x0f\xb6\x07" },
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct insn insn;
        assert_true(decode(&insn, rows[i].mode, rows[i].bytes, strlen(rows[i].bytes)) > 0);
        assert_int_equal(insn.operand_size, rows[i].expected);
    }
}

static void offsets(void **unused)
{
    (void)unused;
    uint64_t gpr[16];
    struct insn insn;

    for (unsigned i = 0; i < 16; i++) {
        gpr[i] = 0x1111000011110000u * i + 0x100 * i;
    }
    decode(&insn, INSN_64, "\x8b\x44\x8b\xfc", 4); /* [rbx + rcx * 4 - 4] */
    assert_int_equal(insn_offset(&insn, gpr, 0), gpr[3] + gpr[1] * 4 - 4);
    decode(&insn, INSN_64, "\x67\x43\x8b\x04\xa7", 5); /* [r15d + r12d * 4] */
    assert_int_equal(insn_offset(&insn, gpr, 0), (uint32_t)(gpr[15] + gpr[12] * 4));
    decode(&insn, INSN_64, "\x41\x8b\x04\x25\x04\x03\x02\x81", 8); /* no base, REX.B or not */
    assert_int_equal(insn_offset(&insn, gpr, 0), 0xffffffff81020304);
    decode(&insn, INSN_64, "\x8b\x05\xf0\xff\xff\xff", 6); /* [rip - 16] */
    assert_int_equal(insn_offset(&insn, gpr, 0x1000), 0x1000 + 6 - 16);
    decode(&insn, INSN_64, "\xc7\x05\x10\x00\x00\x00\x01\x02\x03\x04", 10);
    assert_int_equal(insn_offset(&insn, gpr, 0x1000), 0x1000 + 10 + 16);
    assert_int_equal(insn.immediate, 0x04030201);
    decode(&insn, INSN_32, "\x8b\x05\xf0\xff\xff\xff", 6); /* [0xfffffff0] */
    assert_int_equal(insn_offset(&insn, gpr, 0x1000), 0xfffffff0);
    decode(&insn, INSN_16, "\x8b\x40\xff", 3); /* [bx + si - 1] */
    assert_int_equal(insn_offset(&insn, gpr, 0), (uint16_t)(gpr[3] + gpr[6] - 1));
    decode(&insn, INSN_16, "\x8b\x0e\x34\xf2", 4); /* [0xf234] */
    assert_int_equal(insn_offset(&insn, gpr, 0), 0xf234);
    decode(&insn, INSN_64, "\xa1\x88\x77\x66\x55\x44\x33\x22\x11", 9);
    assert_int_equal(insn_offset(&insn, gpr, 0), 0x1122334455667788);
    decode(&insn, INSN_32, "\xc8\x34\x12\x03", 4); /* ENTER 0x1234, 3 */
    assert_int_equal(insn.immediate, 0x1234);
    assert_int_equal(insn.immediate2, 3);
    decode(&insn, INSN_32, "\x9a\x78\x56\x34\x12\xcd\xab", 7);
    assert_int_equal(insn.immediate, 0x12345678);
    assert_int_equal(insn.immediate2, 0xabcd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(beside_zydis),  cmocka_unit_test(every_opcode),
        cmocka_unit_test(refused),       cmocka_unit_test(prefixes),
        cmocka_unit_test(operand_sizes), cmocka_unit_test(offsets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
