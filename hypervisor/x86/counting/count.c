/* SPDX-License-Identifier: Apache-2.0 */
#include "count.h"

#include "kernel/log.h"

uint64_t counts[COUNT_NUMBER];

void count_report(void)
{
    static const char *const names[COUNT_NUMBER] = {
        [COUNT_exit] = "exit",       [COUNT_cr3] = "cr3",         [COUNT_wrmsr] = "wrmsr",
        [COUNT_rdmsr] = "rdmsr",     [COUNT_vmread] = "vmread",   [COUNT_vmwrite] = "vmwrite",
        [COUNT_vmptrld] = "vmptrld", [COUNT_vmload] = "vmload",   [COUNT_flush] = "flush",
        [COUNT_xsave] = "xsave",     [COUNT_xsetbv] = "xsetbv",
        [COUNT_fill] = "fill",       [COUNT_load] = "load",
    };

    for (unsigned i = 0; i < COUNT_NUMBER; i++) {
        log_line("count: %s %lu\n", names[i], counts[i]);
    }
    longest_report();
}
