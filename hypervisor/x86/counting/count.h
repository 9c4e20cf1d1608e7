/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Counts what real processors charge hundreds of cycles for, and no emulator shows
 * (docs/measuring.md). In images with CONFIG_COUNT only. */
#include <stdint.h>

enum count {
    COUNT_exit,     /* entries into a guest, each with its exit */
    COUNT_cr3,      /* loads of CR3 */
    COUNT_wrmsr,    /* WRMSR */
    COUNT_rdmsr,    /* RDMSR */
    COUNT_vmread,
    COUNT_vmwrite,
    COUNT_vmptrld,  /* VMPTRLD, VMCLEAR */
    COUNT_vmload,   /* VMLOAD, VMSAVE */
    COUNT_flush,    /* INVEPT, INVVPID, flushes asked for by the VMCB, INVLPG */
    COUNT_xsave,    /* XSAVE, XRSTOR and what they fall back to */
    COUNT_xsetbv,
    COUNT_fill,     /* page faults that the vTLB has entered a translation for */
    COUNT_load,     /* loads of CR3 by a guest that it has followed */
    COUNT_NUMBER
};

extern uint64_t counts[COUNT_NUMBER];

#define COUNT(what) ((void)counts[COUNT_##what]++)

/* One line per counter on the console. */
void count_report(void);
/* How long the kernel kept the processor at the most, for each way into it (longest.c). */
void longest_report(void);
