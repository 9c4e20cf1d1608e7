/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Basic exit reasons (SDM vol 3, appendix C): those that can happen with the controls in use. */

enum vmx_reason {
    REASON_EXCEPTION_OR_NMI = 0,
    REASON_EXTERNAL_INTERRUPT = 1,
    REASON_TRIPLE_FAULT = 2,
    REASON_INIT = 3,
    REASON_IRQ_WINDOW = 7,
    REASON_TASK_SWITCH = 9,
    REASON_CPUID = 10,
    REASON_GETSEC = 11,
    REASON_HLT = 12,
    REASON_INVD = 13,
    REASON_INVLPG = 14,
    REASON_RDPMC = 15,
    REASON_VMCALL = 18,
    REASON_VMCLEAR = 19, /* and all others of VMX up to */
    REASON_VMXON = 27,
    REASON_CR_ACCESS = 28,
    REASON_IO = 30,
    REASON_RDMSR = 31,
    REASON_WRMSR = 32,
    REASON_ENTRY_GUEST_STATE = 33, /* with REASON_ENTRY_FAILED */
    REASON_MWAIT = 36,
    REASON_MONITOR = 39,
    REASON_ENTRY_MACHINE_CHECK = 41,
    REASON_EPT_VIOLATION = 48,
    REASON_EPT_MISCONFIGURATION = 49,
    REASON_INVEPT = 50,
    REASON_INVVPID = 53,
    REASON_WBINVD = 54,
    REASON_XSETBV = 55,
    REASON_VMFUNC = 59,
};
