/* sources: vmm/emulate.c vmm/emulate_string.c vmm/arithmetic.c hypervisor/lib/insn.c */
/* libs: -lunicorn */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Emulated instructions beside Unicorn: the same random instruction on the same registers and
 * memory must leave the same registers, flags and memory. Then what Unicorn cannot say.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <unicorn/unicorn.h>

#include "emulate.h"

#define ROUNDS 15000 /* for each mode */

#define DEVICE 0x8000u /* linear: also 16-bit code reaches it */
#define DEVICE_SIZE 0x4000u
#define DEVICE_GPA 0xfee00000u /* of linear 0 */
#define CODE 0x1000u
#define CODE_SIZE 0x1000u

#define CF 0x001u
#define PF 0x004u
#define AF 0x010u
#define ZF 0x040u
#define SF 0x080u
#define DF 0x400u
#define OF 0x800u
#define STATUS (CF | PF | AF | ZF | SF | OF)

/* Unicorn does not give back all that it took. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:libunicorn";
}

static uint64_t random_state = 1;

static uint32_t random_number(void)
{
    random_state = random_state * 6364136223846793005 + 1442695040888963407;
    return (uint32_t)(random_state >> 33);
}

static bool chance(unsigned of)
{
    return random_number() % of == 0;
}

/* Often one of the values at which flags change. */
static uint64_t random_value(void)
{
    static const uint64_t edges[] = { 0,          1,          0x7f,       0x80,       0xff,
                                      0x7fff,     0x8000,     0xffff,     0x7fffffff, 0x80000000,
                                      0xffffffff, 0x7fffffffffffffff, 0x8000000000000000,
                                      0xffffffffffffffff };
    uint64_t value = (uint64_t)random_number() << 42 ^ (uint64_t)random_number() << 21 ^
                     random_number();

    return chance(3) ? edges[random_number() % (sizeof(edges) / sizeof(edges[0]))] : value;
}

/* ---- Our side ----------------------------------------------------------------------------- */

static struct bench {
    struct vcpu_state state;
    uint8_t device[DEVICE_SIZE];
    unsigned accesses, ports;
    bool refuse_linear, refuse_write, refuse_access;
} ours, before;

static bool touch(uint64_t linear, unsigned size, bool write, uint64_t *value)
{
    assert_in_range(linear, DEVICE, DEVICE + DEVICE_SIZE - size);
    ours.accesses++;
    if (write) {
        assert_true(size == 8 || *value >> 8 * size == 0);
        memcpy(ours.device + (linear - DEVICE), value, size);
    } else {
        *value = 0;
        memcpy(value, ours.device + (linear - DEVICE), size);
    }
    return true;
}

static bool access_device(void *context, uint64_t gpa, unsigned size, bool write, uint64_t *value)
{
    assert_ptr_equal(context, &ours);
    assert_true((gpa & 0xfff) + size <= 0x1000);
    return !(write ? ours.refuse_write : ours.refuse_access) &&
           touch(gpa - DEVICE_GPA, size, write, value);
}

static bool access_linear(void *context, uint64_t linear, unsigned size, bool write,
                          uint64_t *value)
{
    assert_ptr_equal(context, &ours);
    return !ours.refuse_linear && touch(linear, size, write, value);
}

static bool may_write(void *context, uint64_t linear, unsigned size)
{
    (void)context;
    assert_in_range(linear, DEVICE, DEVICE + DEVICE_SIZE - size);
    return !ours.refuse_write;
}

static uint32_t port_value(unsigned count)
{
    return count * 0x9e3779b9u;
}

static bool access_port(void *context, uint16_t port, unsigned size, bool write, uint64_t *value)
{
    (void)context;
    assert_int_equal(port, (uint16_t)ours.state.gpr[GPR_RDX]);
    assert_true(size == 1 || size == 2 || size == 4);
    uint32_t mask = UINT32_MAX >> (32 - 8 * size);
    if (write) {
        assert_int_equal(*value & ~(uint64_t)mask, 0);
    } else {
        *value = port_value(ours.ports) & mask;
    }
    ours.ports++;
    return true;
}

static const struct emulate_ops ops = { access_device, access_linear, may_write, access_port,
                                        &ours };

/* ---- Unicorn's side ----------------------------------------------------------------------- */

static const int registers[GPR_COUNT] = {
    UC_X86_REG_RAX, UC_X86_REG_RCX, UC_X86_REG_RDX, UC_X86_REG_RBX, UC_X86_REG_RSP,
    UC_X86_REG_RBP, UC_X86_REG_RSI, UC_X86_REG_RDI, UC_X86_REG_R8,  UC_X86_REG_R9,
    UC_X86_REG_R10, UC_X86_REG_R11, UC_X86_REG_R12, UC_X86_REG_R13, UC_X86_REG_R14,
    UC_X86_REG_R15,
};
static const int registers_32[8] = { UC_X86_REG_EAX, UC_X86_REG_ECX, UC_X86_REG_EDX,
                                     UC_X86_REG_EBX, UC_X86_REG_ESP, UC_X86_REG_EBP,
                                     UC_X86_REG_ESI, UC_X86_REG_EDI };

static unsigned theirs_ports;

static uint32_t their_in(uc_engine *uc, uint32_t port, int size, void *unused)
{
    (void)uc;
    (void)port;
    (void)unused;
    return port_value(theirs_ports++) & (UINT32_MAX >> (32 - 8 * size));
}

static void their_out(uc_engine *uc, uint32_t port, int size, uint32_t value, void *unused)
{
    (void)uc;
    (void)port;
    (void)size;
    (void)value;
    (void)unused;
    theirs_ports++;
}

static uc_engine *start(enum insn_mode mode)
{
    static const uc_mode modes[] = { UC_MODE_16, UC_MODE_32, UC_MODE_64 };
    uc_engine *uc;
    uc_hook hook;

    assert_int_equal(uc_open(UC_ARCH_X86, modes[mode], &uc), UC_ERR_OK);
    assert_int_equal(uc_mem_map(uc, 0, 0x10000, UC_PROT_ALL), UC_ERR_OK);
    uc_hook_add(uc, &hook, UC_HOOK_INSN, (void *)(uintptr_t)their_in, NULL, 1, 0, UC_X86_INS_IN);
    uc_hook_add(uc, &hook, UC_HOOK_INSN, (void *)(uintptr_t)their_out, NULL, 1, 0,
                UC_X86_INS_OUT);
    return uc;
}

static bool run_theirs(uc_engine *uc, const struct vcpu_state *state, enum insn_mode mode,
                       const uint8_t *code, unsigned length)
{
    for (unsigned i = 0; i < (mode == INSN_64 ? 16 : 8); i++) {
        uc_reg_write(uc, mode == INSN_64 ? registers[i] : registers_32[i], &state->gpr[i]);
    }
    uc_reg_write(uc, UC_X86_REG_EFLAGS, &state->rflags);
    if (mode == INSN_64) {
        uc_reg_write(uc, UC_X86_REG_FS_BASE, &state->segment[SEG_FS].base);
        uc_reg_write(uc, UC_X86_REG_GS_BASE, &state->segment[SEG_GS].base);
    }
    theirs_ports = 0;
    uc_mem_write(uc, DEVICE, before.device, DEVICE_SIZE);
    uc_mem_write(uc, state->rip, code, length);
    uc_ctl_remove_cache(uc, state->rip, state->rip + length);
    return uc_emu_start(uc, state->rip, state->rip + length, 0, 0) == UC_ERR_OK;
}

static void show(const struct insn *insn, const uint8_t *code)
{
    print_message("mode %d:", 16 << insn->mode);
    for (unsigned i = 0; i < insn->length; i++) {
        print_message(" %02x", code[i]);
    }
    print_message("\n");
}

/* Unicorn's CMPXCHG writes EAX, and with it clears the upper half, when it compares equal, too;
 * the manual's leaves RAX alone then. */
static bool clears_rax_needlessly(const struct insn *insn)
{
    return insn->map == MAP_0F && insn->opcode == 0xb1 && insn->operand_size == 4 &&
           (ours.state.rflags & ZF);
}

static void compare(uc_engine *uc, const struct insn *insn, const uint8_t *code,
                    uint64_t undefined)
{
    uint8_t device[DEVICE_SIZE];
    uint64_t rflags = 0, rip = 0;
    bool wide = insn->mode == INSN_64, same = true;

    for (unsigned i = 0; i < (wide ? 16 : 8); i++) {
        uint64_t value = 0, mine = ours.state.gpr[i];
        uc_reg_read(uc, wide ? registers[i] : registers_32[i], &value);
        mine = wide ? mine : (uint32_t)mine;
        value = wide ? value : (uint32_t)value;
        if (i == GPR_RAX && clears_rax_needlessly(insn)) {
            mine = (uint32_t)mine;
        }
        if (mine != value) {
            print_message("register %u: %lx, Unicorn %lx\n", i, mine, value);
            same = false;
        }
    }
    uc_reg_read(uc, UC_X86_REG_EFLAGS, &rflags);
    if ((ours.state.rflags ^ rflags) & (STATUS | DF) & ~undefined) {
        print_message("flags: %lx, Unicorn %lx\n", ours.state.rflags, rflags);
        same = false;
    }
    uc_reg_read(uc, wide ? UC_X86_REG_RIP : UC_X86_REG_EIP, &rip);
    same &= ours.state.rip == rip;
    uc_mem_read(uc, DEVICE, device, DEVICE_SIZE);
    if (!same || memcmp(device, ours.device, DEVICE_SIZE) != 0) {
        show(insn, code);
        for (unsigned i = 0; i < DEVICE_SIZE; i++) {
            if (device[i] != ours.device[i]) {
                print_message("at %x: %x, Unicorn %x\n", i, ours.device[i], device[i]);
            }
        }
        fail();
    }
}

/* ---- Random instructions ------------------------------------------------------------------ */

/* Opcodes with a ModRM; above 0xff, of the map 0f. */
static const uint16_t opcodes[] = {
    0x00,  0x01,  0x02,  0x03,  0x08,  0x09,  0x0a,  0x0b,  0x10,  0x11,  0x12,  0x13,
    0x18,  0x19,  0x1a,  0x1b,  0x20,  0x21,  0x22,  0x23,  0x28,  0x29,  0x2a,  0x2b,
    0x30,  0x31,  0x32,  0x33,  0x38,  0x39,  0x3a,  0x3b,  0x63,  0x80,  0x81,  0x82,
    0x83,  0x84,  0x85,  0x86,  0x87,  0x88,  0x89,  0x8a,  0x8b,  0xc6,  0xc7,  0xf6,
    0xf7,  0xfe,  0xff,  0x1a3, 0x1ab, 0x1b3, 0x1bb, 0x1ba, 0x1b0, 0x1b1, 0x1b6, 0x1b7,
    0x1be, 0x1bf, 0x1c0, 0x1c1, 0x1c3,
};

static bool is_0f(const struct insn *insn, uint8_t mask, uint8_t opcode)
{
    return insn->map == MAP_0F && (insn->opcode & mask) == opcode;
}

static bool is_bit_string(const struct insn *insn)
{
    return is_0f(insn, 0xe7, 0xa3);
}

/* Flags that the manual leaves undefined (SDM vol 1, appendix A). */
static uint64_t undefined_flags(const struct insn *insn)
{
    uint8_t opcode = insn->opcode;

    if (is_bit_string(insn) || is_0f(insn, 0xff, 0xba)) {
        return OF | SF | AF | PF;
    }
    if (insn->map != MAP_ONE_BYTE) {
        return 0;
    }
    unsigned operation = (opcode & 0xfc) == 0x80 ? insn->reg & 7 : opcode >> 3;
    bool logic = operation == 1 || operation == 4 || operation == 6;
    bool test = (opcode & 0xfe) == 0x84 || ((opcode & 0xfe) == 0xf6 && (insn->reg & 7) < 2);
    return (logic && (opcode < 0x40 || (opcode & 0xfc) == 0x80)) || test ? AF : 0;
}

static unsigned random_prefixes(uint8_t *code, enum insn_mode mode)
{
    unsigned at = 0;

    if (mode == INSN_64 && chance(4)) {
        code[at++] = chance(2) ? 0x64 : 0x65;
    }
    if (chance(4)) {
        code[at++] = 0x66;
    }
    if (chance(6)) {
        code[at++] = 0x67;
    }
    if (mode == INSN_64 && chance(2)) {
        code[at++] = (uint8_t)(0x40 | (random_number() & 0xf));
    }
    return at;
}

static unsigned random_code(uint8_t *code, enum insn_mode mode)
{
    unsigned at = random_prefixes(code, mode);
    uint16_t opcode = opcodes[random_number() % (sizeof(opcodes) / sizeof(opcodes[0]))];

    if (chance(20)) { /* MOV and an address */
        code[at++] = (uint8_t)(0xa0 + random_number() % 4);
        return at;
    }
    if (opcode > 0xff) {
        code[at++] = 0x0f;
    }
    code[at++] = (uint8_t)opcode;
    for (unsigned i = 0; i < 14; i++) {
        code[at + i] = (uint8_t)random_number();
    }
    if (code[at] >= 0xc0) {
        code[at] &= 0x7f;
    }
    if ((opcode & 0xfe) == 0xf6 && (code[at] & 0x38) == 0x08) { /* TEST, unknown to Unicorn */
        code[at] &= 0xc7;
    }
    return at;
}

/* Changes base register or displacement so that the operand stands at `target`. */
static void aim(struct insn *insn, uint8_t *code, unsigned modrm, uint64_t target)
{
    struct vcpu_state *state = &ours.state;
    bool fs_gs = insn->memory.segment == INSN_FS || insn->memory.segment == INSN_GS;
    uint64_t base = fs_gs ? state->segment[insn->memory.segment].base : 0;
    uint64_t is = insn_offset(insn, state->gpr, state->rip);
    uint64_t delta = target - base - is;

    if (insn->memory.base != INSN_NO_REGISTER) {
        state->gpr[insn->memory.base] += delta;
        return;
    }
    bool sib = insn->has_modrm && insn->address_size != 2 && (insn->rm & 7) == 4;
    if (sib && insn->memory.index != INSN_NO_REGISTER) {
        state->gpr[insn->memory.index] &= 0xff;
        delta = target - base - insn_offset(insn, state->gpr, state->rip);
    }
    uint64_t displacement = insn->memory.displacement + delta;
    unsigned size = !insn->has_modrm ? insn->address_size : insn->address_size == 2 ? 2 : 4;
    memcpy(code + modrm + insn->has_modrm + sib, &displacement, size);
}

static void random_state_of(enum insn_mode mode)
{
    static const uint16_t code_attributes[] = { 0x09b, 0xc9b, 0xa9b };
    struct vcpu_state *state = &ours.state;

    memset(&ours, 0, sizeof(ours));
    for (unsigned i = 0; i < GPR_COUNT; i++) {
        state->gpr[i] = mode == INSN_64 ? random_value() : (uint32_t)random_value();
    }
    state->rip = CODE + random_number() % (CODE_SIZE - 15);
    state->rflags = 2 | (random_number() & (STATUS | DF));
    state->efer = mode == INSN_64 ? 0x500 : 0;
    state->segment[SEG_CS].attributes = code_attributes[mode];
    if (mode == INSN_64) {
        state->segment[SEG_FS].base = random_number() % 0x4000;
        state->segment[SEG_GS].base = -(uint64_t)(random_number() % 0x4000);
        state->segment[SEG_DS].base = 0x123000; /* which counts for nothing */
    }
    for (unsigned i = 0; i < DEVICE_SIZE; i += 8) {
        uint64_t value = random_value();
        memcpy(ours.device + i, &value, sizeof(value));
    }
}

static uint64_t random_target(void)
{
    uint64_t target = DEVICE + 0x1000 + random_number() % (DEVICE_SIZE - 0x2000);

    return chance(3) ? (target & ~0xfffu) - random_number() % 10 : target & ~(uint64_t)7;
}

/* A bit within a few hundred bytes of the operand. */
static void limit_bit_number(const struct insn *insn)
{
    uint64_t *gpr = &ours.state.gpr[insn->reg];
    uint64_t keep = insn->operand_size == 2 ? ~UINT64_C(0xffff) : 0;
    uint64_t number = (uint64_t)((int64_t)(random_number() % 4096) - 2048);

    if (ours.state.efer == 0 || insn->operand_size == 4) {
        number &= UINT32_MAX;
    }
    *gpr = (*gpr & keep) | (number & ~keep);
}

/* Comparison succeeds now and then. */
static void help_cmpxchg(uint64_t target)
{
    if (chance(2)) {
        memcpy(ours.device + (target - DEVICE), &ours.state.gpr[GPR_RAX], 8);
    }
}

/* False: that became nothing, or nothing that can be aimed. */
static bool random_operation(struct insn *insn, uint8_t *code, enum insn_mode mode)
{
    uint64_t target = random_target();
    unsigned modrm = random_code(code, mode);

    random_state_of(mode);
    if (insn_decode(insn, code, 15, mode) < 0 || !insn->has_memory) {
        return false;
    }
    if (is_bit_string(insn)) {
        limit_bit_number(insn);
    }
    aim(insn, code, modrm, target);
    if (insn_decode(insn, code, 15, mode) < 0) {
        return false;
    }
    if (is_0f(insn, 0xfe, 0xb0)) {
        help_cmpxchg(target);
    }
    uint64_t linear = emulate_linear(&ours.state, mode, insn->memory.segment,
                                     insn_offset(insn, ours.state.gpr, ours.state.rip));
    return linear == target;
}

static uint64_t random_gpa(uint64_t linear)
{
    return (linear & ~0xfffu) + DEVICE_GPA + random_number() % 0x1000;
}

static void operations_in(enum insn_mode mode)
{
    uc_engine *uc = start(mode);
    unsigned compared = 0, unknown = 0;

    for (unsigned i = 0; i < ROUNDS; i++) {
        uint8_t code[32] = { 0 };
        struct insn insn;

        if (!random_operation(&insn, code, mode)) {
            continue;
        }
        uint64_t linear = emulate_linear(&ours.state, mode, insn.memory.segment,
                                         insn_offset(&insn, ours.state.gpr, ours.state.rip));
        if (is_bit_string(&insn)) { /* where the processor really goes */
            int64_t bit = insn.operand_size == 8   ? (int64_t)ours.state.gpr[insn.reg]
                          : insn.operand_size == 4 ? (int32_t)ours.state.gpr[insn.reg]
                                                   : (int16_t)ours.state.gpr[insn.reg];
            linear += (uint64_t)((bit >> 3) & -(int64_t)insn.operand_size);
            if (insn.reg == insn.memory.base || linear - DEVICE > DEVICE_SIZE - 8) {
                continue;
            }
        }
        before = ours;
        if (emulate_mmio(&ours.state, &insn, &ops, random_gpa(linear)) == EMULATE_UNKNOWN) {
            assert_memory_equal(&ours, &before, sizeof(ours));
            unknown++;
            continue;
        }
        if (!run_theirs(uc, &before.state, mode, code, insn.length)) {
            if ((insn.opcode & 0xfe) == 0xc6 && (insn.rex & INSN_REX_R)) {
                continue; /* Unicorn takes REX.R for a part of the opcode */
            }
            show(&insn, code);
            fail();
        }
        compare(uc, &insn, code, undefined_flags(&insn));
        assert_true(ours.state.dirty & STATE_IP);
        assert_true(ours.state.gpr[GPR_RSP] == before.state.gpr[GPR_RSP] ||
                    (ours.state.dirty & STATE_RSP));
        compared++;
    }
    assert_true(compared > ROUNDS / 2);
    assert_true(unknown < ROUNDS / 8);
    uc_close(uc);
}

static void operations_16(void **unused)
{
    (void)unused;
    operations_in(INSN_16);
}

static void operations_32(void **unused)
{
    (void)unused;
    operations_in(INSN_32);
}

static void operations_64(void **unused)
{
    (void)unused;
    operations_in(INSN_64);
}

/* ---- Strings ------------------------------------------------------------------------------ */

static unsigned random_string(uint8_t *code, enum insn_mode mode)
{
    static const uint8_t strings[] = { 0xa4, 0xa5, 0xaa, 0xab, 0xac, 0xad,
                                       0x6c, 0x6d, 0x6e, 0x6f };
    unsigned at = 0;

    if (chance(2)) {
        code[at++] = chance(2) ? 0xf3 : 0xf2;
    }
    at += random_prefixes(code + at, mode);
    code[at++] = strings[random_number() % sizeof(strings)];
    return at;
}

/* An index register: in the device, and with what its address size hides above. */
static void set_index(const struct insn *insn, enum vcpu_gpr number, uint64_t linear)
{
    uint64_t hidden = insn->address_size == 8 ? 0 : ~(UINT64_MAX >> (64 - 8 * insn->address_size));

    ours.state.gpr[number] = (ours.state.gpr[number] & hidden) | (linear & ~hidden);
    if (insn->mode != INSN_64) {
        ours.state.gpr[number] &= UINT32_MAX;
    }
}

static void strings_in(enum insn_mode mode)
{
    uc_engine *uc = start(mode);

    for (unsigned i = 0; i < ROUNDS / 4; i++) {
        uint8_t code[32] = { 0 };
        struct insn insn;
        enum emulate_result result;

        random_state_of(mode);
        unsigned length = random_string(code, mode);
        assert_int_equal(insn_decode(&insn, code, length, mode), length);
        uint64_t fs_gs = insn.segment == INSN_NO_REGISTER ? 0
                                                          : ours.state.segment[insn.segment].base;
        set_index(&insn, GPR_RSI, random_target() - fs_gs);
        set_index(&insn, GPR_RDI, random_target());
        set_index(&insn, GPR_RCX, chance(8) ? 0 : random_number() % 200);
        uint64_t source = ours.state.gpr[GPR_RSI] & (UINT64_MAX >> (64 - 8 * insn.address_size));
        if (mode == INSN_64 && source + fs_gs - DEVICE >= DEVICE_SIZE) {
            continue; /* the base is out of reach for this address size */
        }
        before = ours;
        bool port = (insn.opcode & 0xfc) == 0x6c, load = (insn.opcode & 0xfe) == 0xac;
        unsigned calls = 0;
        do {
            uint64_t linear = emulate_linear(
                &ours.state, mode, load ? insn.memory.segment : (unsigned)SEG_ES,
                ours.state.gpr[load ? GPR_RSI : GPR_RDI] &
                    (UINT64_MAX >> (64 - 8 * insn.address_size)));
            result = port ? emulate_string_io(&ours.state, &insn, &ops)
                          : emulate_mmio(&ours.state, &insn, &ops, random_gpa(linear));
            assert_int_equal(result, EMULATE_DONE);
            calls++;
        } while (ours.state.rip == before.state.rip && calls < 10);
        assert_true(run_theirs(uc, &before.state, mode, code, length));
        compare(uc, &insn, code, 0);
        if (port) {
            assert_int_equal(ours.ports, theirs_ports);
        }
    }
    uc_close(uc);
}

static void strings(void **unused)
{
    (void)unused;
    strings_in(INSN_16);
    strings_in(INSN_32);
    strings_in(INSN_64);
}

/* ---- Single cases ------------------------------------------------------------------------- */

static enum emulate_result run(const char *code, size_t size)
{
    struct insn insn;
    enum insn_mode mode = emulate_mode(&ours.state);

    assert_int_equal(insn_decode(&insn, (const uint8_t *)code, size, mode), size);
    before = ours;
    return emulate_mmio(&ours.state, &insn, &ops, DEVICE_GPA + DEVICE + 0x1000);
}

static void fresh(enum insn_mode mode)
{
    random_state_of(mode);
    ours.state.rflags = 2;
    ours.state.gpr[GPR_RBX] = DEVICE + 0x1008;
}

static void unchanged(void)
{
    assert_memory_equal(&ours.state, &before.state, sizeof(ours.state));
}

static void not_known(void **unused)
{
    (void)unused;
    static const char *const codes[] = {
        "\x0f\x10\x03",     /* MOVUPS */
        "\xc5\xf8\x10\x03", /* and with VEX */
        "\xd9\x03",         /* FLD */
        "\x0f\x38\xf0\x03", /* MOVBE */
        "\xf7\x23",         /* MUL */
        "\xff\x13",         /* CALL */
        "\x0f\xba\x1b\x01",
        "\x66\x63\x03",     /* MOVSXD of 16 bits, of which the vendors disagree */
        "\x01\xc3",         /* no memory */
        "\x90",
    };
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        fresh(INSN_64);
        assert_int_equal(run(codes[i], strlen(codes[i])), EMULATE_UNKNOWN);
        unchanged();
        assert_int_equal(ours.accesses, 0);
    }
    struct insn insn;
    insn_decode(&insn, (const uint8_t *)"\xa5", 1, INSN_64);
    assert_int_equal(emulate_string_io(&ours.state, &insn, &ops), EMULATE_UNKNOWN);
}

/* The second encoding of TEST. */
static void test_twice(void **unused)
{
    (void)unused;
    fresh(INSN_64);
    ours.state.rflags |= CF | OF;
    ours.device[0x1008] = 0xf0;
    assert_int_equal(run("\xf6\x0b\x0f", 3), EMULATE_DONE);
    assert_int_equal(ours.state.rflags, 2 | ZF | PF);
    assert_int_equal(ours.accesses, 1);
}

/* Bit -1 of an operand just behind the start of a page: the four bytes before cross it. */
static void bit_before(void **unused)
{
    (void)unused;
    fresh(INSN_64);
    ours.state.gpr[GPR_RBX] = DEVICE + 0x1002;
    ours.state.gpr[GPR_RAX] = 0x12345678ffffffff;
    ours.device[0x1001] = 0;
    assert_int_equal(run("\x0f\xab\x03", 3), EMULATE_DONE); /* BTS [RBX], EAX */
    assert_int_equal(ours.device[0x1001], 0x80);
    assert_int_equal(ours.state.rflags, 2);
}

static void faults_change_nothing(void **unused)
{
    (void)unused;
    fresh(INSN_64);
    ours.refuse_access = true;
    assert_int_equal(run("\x03\x03", 2), EMULATE_FAULT);
    unchanged();
    fresh(INSN_64);
    ours.refuse_write = true;
    assert_int_equal(run("\xf0\x0f\xc1\x03", 4), EMULATE_FAULT); /* XADD */
    unchanged();
    /* A source is not read when the destination cannot be written. */
    fresh(INSN_64);
    ours.refuse_write = true;
    ours.state.gpr[GPR_RSI] = ours.state.gpr[GPR_RDI] = DEVICE;
    assert_int_equal(run("\xa5", 1), EMULATE_FAULT);
    unchanged();
    assert_int_equal(ours.accesses, 0);
    struct insn insn;
    insn_decode(&insn, (const uint8_t *)"\xf3\x6d", 2, INSN_64);
    assert_int_equal(emulate_string_io(&ours.state, &insn, &ops), EMULATE_FAULT);
    unchanged();
    assert_int_equal(ours.ports, 0);
    /* What was moved before stays moved. */
    fresh(INSN_64);
    ours.refuse_linear = true;
    ours.state.gpr[GPR_RCX] = 4;
    ours.state.gpr[GPR_RDI] = DEVICE + 0x1fea; /* the sixth eight bytes cross the page */
    ours.state.gpr[GPR_RCX] = 6;
    assert_int_equal(run("\xf3\x48\xab", 3), EMULATE_FAULT);
    assert_int_equal(ours.state.gpr[GPR_RDI], DEVICE + 0x1ffa);
    assert_int_equal(ours.state.gpr[GPR_RCX], 4);
    assert_int_equal(ours.state.rip, before.state.rip);
}

/* A long string is done in parts, between which the guest may take its interrupts. */
static void long_strings(void **unused)
{
    (void)unused;
    fresh(INSN_64);
    ours.state.gpr[GPR_RCX] = 0x1001;
    ours.state.gpr[GPR_RDI] = DEVICE + 0x1000;
    assert_int_equal(run("\xf3\xaa", 2), EMULATE_DONE);
    assert_in_range(ours.accesses, 1, 0x1000);
    assert_int_equal(ours.state.gpr[GPR_RDI], DEVICE + 0x1000 + ours.accesses);
    assert_int_equal(ours.state.gpr[GPR_RCX], 0x1001 - ours.accesses);
    assert_int_equal(ours.state.rip, before.state.rip);
}

static void instruction_pointer(void **unused)
{
    (void)unused;
    fresh(INSN_16);
    ours.state.rip = 0xffff;
    ours.state.rflags |= 0x10000; /* RF */
    ours.state.interruptibility = BLOCKED_BY_STI_OR_MOV_SS | BLOCKED_BY_NMI;
    assert_int_equal(run("\x8a\x07", 2), EMULATE_DONE); /* MOV AL, [BX] */
    assert_int_equal(ours.state.rip, 1);
    assert_int_equal(ours.state.rflags, 2);
    assert_int_equal(ours.state.interruptibility, BLOCKED_BY_NMI);
    assert_int_equal(ours.state.dirty, STATE_IP);
    fresh(INSN_32);
    ours.state.rip = 0xfffffffe;
    assert_int_equal(run("\x8a\x03", 2), EMULATE_DONE);
    assert_int_equal(ours.state.rip, 0);
    fresh(INSN_64);
    ours.state.rip = 0xfffffffe;
    assert_int_equal(run("\x8b\x23", 2), EMULATE_DONE); /* MOV ESP, [RBX] */
    assert_int_equal(ours.state.rip, 0x100000000);
    assert_int_equal(ours.state.dirty, STATE_IP | STATE_RSP);
}

static void segment_bases(void **unused)
{
    (void)unused;
    fresh(INSN_16);
    ours.state.segment[SEG_DS].base = 0xfffff000; /* wraps at 4 GiB */
    ours.state.segment[SEG_SS].base = 0x10;
    ours.state.gpr[GPR_RBX] = DEVICE + 0x2008;
    ours.state.gpr[GPR_RBP] = DEVICE + 0x1018;
    ours.device[0x1008] = 0x5a;
    ours.device[0x1028] = 0xa5;
    assert_int_equal(run("\x8a\x07", 2), EMULATE_DONE);
    assert_int_equal(ours.state.gpr[GPR_RAX] & 0xff, 0x5a);
    assert_int_equal(run("\x8a\x46\x00", 3), EMULATE_DONE); /* [BP]: SS */
    assert_int_equal(ours.state.gpr[GPR_RAX] & 0xff, 0xa5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(operations_16), cmocka_unit_test(operations_32),
        cmocka_unit_test(operations_64), cmocka_unit_test(strings),
        cmocka_unit_test(not_known),     cmocka_unit_test(test_twice),
        cmocka_unit_test(long_strings),  cmocka_unit_test(faults_change_nothing),
        cmocka_unit_test(segment_bases), cmocka_unit_test(instruction_pointer),
        cmocka_unit_test(bit_before),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
