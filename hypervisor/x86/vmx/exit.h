/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* From an exit's raw fields to its neutral reason. No instructions: tested on the host. */
#include "virt/virt_ops.h"

/* Which fields an exit reason needs. The hardware fills others too, or leaves them stale; what is
 * not read costs nothing. */
enum vmx_exit_reads {
    READ_QUALIFICATION = 1,
    READ_LENGTH = 2,
    READ_INTERRUPTION = 4, /* with its error code, when it has one */
    READ_GPA = 8,
    READ_VECTORING = 16,   /* likewise: the exit may have interrupted an event's delivery */
    READ_MORE = 32,        /* the backend has to look closer: vmx_exit.c, finish */
};

struct vmx_exit_rule {
    uint8_t reason; /* enum exit_reason */
    uint8_t reads;  /* enum vmx_exit_reads */
};
#define VMX_EXIT_RULES 64
extern const struct vmx_exit_rule vmx_exit_rules[VMX_EXIT_RULES];
extern const struct vmx_exit_rule vmx_exit_unknown;

/* What becomes of an exit for this reason, as VMCS_EXIT_REASON holds it. */
static inline const struct vmx_exit_rule *vmx_exit_rule(uint32_t reason)
{
    const struct vmx_exit_rule *rule = &vmx_exit_rules[reason % VMX_EXIT_RULES];

    return reason < VMX_EXIT_RULES && rule->reason != EXIT_NONE ? rule : &vmx_exit_unknown;
}

/* Fields that were not read are 0. */
struct vmx_raw_exit {
    uint32_t reason;
    uint32_t insn_length;
    uint64_t qualification;
    uint64_t gpa;
    uint32_t interruption, interruption_error;
    uint32_t vectoring, vectoring_error;
    uint32_t vectoring_length; /* of a software event that was interrupted */
};

/* Fills all of *exit, and all of *event when an event's delivery was interrupted; else leaves
 * it alone. */
void vmx_decode_raw(const struct vmx_raw_exit *raw, struct vcpu_exit *exit,
                    struct vcpu_event *event);
/* Did an IRET that took an exit unblock NMIs before (SDM vol 3, 27.2.2 and 27.2.3)? Then they
 * have to be blocked again: the IRET will be repeated. */
bool vmx_nmi_unblocked(const struct vmx_raw_exit *raw);
