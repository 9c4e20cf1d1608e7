/* SPDX-License-Identifier: Apache-2.0 */
#include "cr.h"

#include "lib/registers.h"

#define CR0_ET (UINT64_C(1) << 4)
#define CR0_KNOWN UINT64_C(0xe005003f)
#define CR0_LMSW (CR0_PE | CR0_MP | CR0_EM | CR0_TS)

#define CS_LONG 0x200u /* L, in vcpu_segment.attributes */
#define CR3_RESERVED (UINT64_C(0xfff) << 52)
#define CR3_PCID UINT64_C(0xfff)

/* SDM vol 2, "MOV - Move to/from Control Registers"; vol 3, 4.1.2 and 9.8.5. */
static bool write_cr0(struct vcpu_state *state, uint64_t value)
{
    bool paging = value & CR0_PG, was_paging = state->cr0 & CR0_PG;
    bool code_is_long = state->segment[SEG_CS].attributes & CS_LONG;

    if (value >> 32 || (paging && !(value & CR0_PE)) || ((value & CR0_NW) && !(value & CR0_CD))) {
        return false;
    }
    if (paging && !was_paging && (state->efer & EFER_LME)) {
        if (!(state->cr4 & CR4_PAE) || code_is_long) {
            return false;
        }
        state->efer |= EFER_LMA;
    }
    if (!paging && was_paging && (state->efer & EFER_LMA)) {
        if (code_is_long || (state->cr4 & CR4_PCIDE)) {
            return false;
        }
        state->efer &= ~EFER_LMA;
    }
    state->cr0 = (value & CR0_KNOWN) | CR0_ET;
    return true;
}

static bool write_cr4(struct vcpu_state *state, uint64_t shown, uint64_t value)
{
    bool long_mode = state->efer & EFER_LMA, pcids_begin = value & ~state->cr4 & CR4_PCIDE;

    if ((value & ~shown) || (!(value & CR4_PAE) && long_mode) ||
        (pcids_begin && (!long_mode || (state->cr3 & CR3_PCID)))) {
        return false;
    }
    state->cr4 = value;
    return true;
}

/* With PCIDE, a value that is to invalidate nothing may invalidate all the same. */
static bool write_cr3(struct vcpu_state *state, uint64_t value)
{
    value &= state->cr4 & CR4_PCIDE ? ~CR3_KEEP : UINT64_MAX;
    if (value & CR3_RESERVED) {
        return false;
    }
    state->cr3 = value;
    return true;
}

bool cr_write(struct vcpu_state *state, uint64_t cr4, unsigned number, uint64_t value)
{
    bool good = number == 0   ? write_cr0(state, value)
                : number == 3 ? write_cr3(state, value)
                : number == 4 ? write_cr4(state, cr4, value)
                              : false;
    if (good) {
        state->dirty |= STATE_CONTROL;
    }
    return good;
}

/* ---- Decoding ----------------------------------------------------------------------------- */

#define REX_B 0x1u
#define REX_R 0x4u

bool cr_decode(const uint8_t *code, unsigned length, bool long_mode, struct cr_access *access)
{
    unsigned at = 0, rex = 0;
    bool lock = false;

    for (; at < length; at++) {
        bool is_rex = long_mode && (code[at] & 0xf0) == 0x40;
        bool is_legacy = (code[at] & 0xe7) == 0x26 || (code[at] & 0xfc) == 0x64 ||
                         code[at] == 0xf0 || (code[at] & 0xfe) == 0xf2;
        if (!is_rex && !is_legacy) {
            break;
        }
        lock |= code[at] == 0xf0;
        rex = is_rex ? code[at] : 0; /* only one right before the opcode counts */
    }
    if (at + 2 > length || code[at] != 0x0f) {
        return false;
    }
    uint8_t opcode = code[at + 1];
    if (opcode == 0x06) {
        *access = (struct cr_access){ .kind = CR_CLTS, .length = (uint8_t)(at + 2) };
        return true;
    }
    if (at + 3 > length) {
        return false;
    }
    uint8_t modrm = code[at + 2];
    *access = (struct cr_access){ .gpr = (uint8_t)((modrm & 7) | (rex & REX_B ? 8 : 0)),
                                  .length = (uint8_t)(at + 3) };
    if (opcode == 0x01) {
        access->kind = CR_LMSW;
        return (modrm & 0xf8) == 0xf0; /* /6, register */
    }
    /* AMD: LOCK MOV CR0 is MOV CR8 (APM vol 3, "MOV CRn"). */
    access->kind = opcode == 0x22 ? CR_MOV_TO : CR_MOV_FROM;
    access->number = (uint8_t)((modrm >> 3 & 7) | (rex & REX_R || lock ? 8 : 0));
    return opcode == 0x20 || opcode == 0x22;
}
