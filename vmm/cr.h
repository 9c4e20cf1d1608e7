/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The rules of the control registers, as pure functions on a vCPU's state. */
#include <stdbool.h>
#include <stdint.h>

#include "abi/vcpu.h"

/*
 * MOV to CR0, CR3 or CR4: changes `state` (and EFER.LMA with CR0.PG) and marks it dirty. `cr4`: the
 * bits that CPUID shows (cpuid_cr4). False: the processor answers such a value with #GP(0); nothing
 * has changed. STATE_CONTROL and STATE_CODE are valid.
 */
bool cr_write(struct vcpu_state *state, uint64_t cr4, unsigned number, uint64_t value);

/* The instruction of an EXIT_CR_ACCESS. */
struct cr_access {
    enum { CR_MOV_TO, CR_MOV_FROM, CR_CLTS, CR_LMSW } kind;
    uint8_t number;
    uint8_t gpr;    /* enum vcpu_gpr; of MOV and LMSW */
    uint8_t length; /* bytes */
};

/* Decodes MOV to and from a control register, CLTS, and LMSW from a register. False: it is none
 * of them (LMSW from memory included). */
bool cr_decode(const uint8_t *code, unsigned length, bool long_mode, struct cr_access *access);
