/* SPDX-License-Identifier: Apache-2.0 */
#include "virt/exit.h"

#include "virt/vcpu.h"
#include "virt/virt.h"
#include "virt/vtlb.h"

static bool keep_host_event(struct vcpu *vcpu, struct vcpu_exit *exit)
{
    virt->host_event(vcpu, exit);
    return true;
}

/* The backend has dealt with it while decoding, or does when it is asked before the next entry
 * (EXIT_IRQ_WINDOW: vcpu.c, deliver). */
static bool keep_nothing(struct vcpu *vcpu, struct vcpu_exit *exit)
{
    (void)vcpu;
    (void)exit;
    return true;
}

/* What finding the instruction takes, to decode it. */
#define STATE_FETCH (STATE_CONTROL | STATE_CODE)

const struct exit_rule exit_rules[EXIT_REASON_COUNT] = {
    [EXIT_NONE] = {.keep = keep_nothing},
    [EXIT_CPUID] = {.groups = STATE_IP, .decode = STATE_FETCH},
    [EXIT_HLT] = {.groups = STATE_IP, .decode = STATE_FETCH},
    [EXIT_IO] = {.groups = STATE_IP, .decode = STATE_FETCH},
    [EXIT_MSR_READ] = {.groups = STATE_IP, .decode = STATE_FETCH},
    [EXIT_MSR_WRITE] = {.groups = STATE_IP, .decode = STATE_FETCH},
    [EXIT_MEMORY] = {.groups = STATE_IP | STATE_RSP, .decode = STATE_FETCH},
    [EXIT_HYPERCALL] = {.groups = STATE_IP, .decode = STATE_FETCH},
    [EXIT_XSETBV] = {.groups = STATE_IP | STATE_CONTROL, .decode = STATE_FETCH},
    [EXIT_CR_ACCESS] = {.keep = vtlb_cr_access,
                        .groups = STATE_IP | STATE_RSP | STATE_CONTROL | STATE_CODE},
    [EXIT_CACHE] = {.groups = STATE_IP, .decode = STATE_FETCH},
    [EXIT_MONITOR] = {.groups = STATE_IP},
    [EXIT_VIRTUALIZATION] = {.groups = STATE_IP},
    [EXIT_EXCEPTION] = {.groups = STATE_IP},
    [EXIT_TASK_SWITCH] = {.groups = STATE_ALL},
    [EXIT_SHUTDOWN] = {.groups = STATE_ALL},
    [EXIT_RECALL] = {.groups = STATE_IP},
    [EXIT_INVALID_STATE] = {.groups = STATE_ALL},
    [EXIT_UNKNOWN] = {.groups = STATE_ALL},

    [EXIT_HOST_INTERRUPT] = {.keep = keep_host_event},
    [EXIT_NMI] = {.keep = keep_host_event},
    [EXIT_MACHINE_CHECK] = {.keep = keep_host_event},
    [EXIT_IRQ_WINDOW] = {.keep = keep_nothing},
    [EXIT_PAGE_FAULT] = {.keep = vtlb_page_fault},
    [EXIT_INVLPG] = {.keep = vtlb_invlpg},
};
