/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What RDMSR and WRMSR do in the VM. The policy is a table in msr.c; an MSR that it does not
 * name does not exist: the guest gets #GP(0), as on a processor without it.
 */
#include <stdbool.h>
#include <stdint.h>

#include "abi/vcpu.h"

struct msr_rule;

/* The rule for an MSR, or NULL. intel: whether CPUID shows an Intel processor. */
const struct msr_rule *msr_find(uint32_t index, bool intel);

/* The state groups (enum vcpu_state_group) that must be valid for reading or writing it. */
uint32_t msr_groups(const struct msr_rule *rule);

/* Reads. `tsc` is the guest's time-stamp counter now. False: #GP(0). */
bool msr_read(const struct msr_rule *rule, const struct vcpu_state *state, uint64_t tsc,
              uint64_t *value);

/* Writes; changes `state` and marks it dirty where a guest register is meant. False: #GP(0),
 * and nothing has changed. */
bool msr_write(const struct msr_rule *rule, struct vcpu_state *state, uint64_t value);
