/* SPDX-License-Identifier: Apache-2.0 */
#include "virt/virt.h"

#include "abi/config.h"
#include "kernel/calls.h"
#include "kernel/log.h"

const struct virt_ops *virt;

uint32_t virt_init(struct cpu *cpu, struct quota *quota)
{
    for (const struct virt_ops *const *backend = virt_backends; *backend; backend++) {
        uint32_t caps = 0;
        const char *missing = (*backend)->probe(&caps);

        if (missing) {
            log_line("hecht: no %s: %s\n", (*backend)->name, missing);
            continue;
        }
        if ((*backend)->cpu_enable(cpu, quota) != STATUS_OK) {
            log_line("hecht: no %s: it could not be turned on\n", (*backend)->name);
            continue;
        }
        virt = *backend;
        log_line("hecht: virtualization by %s%s%s\n", virt->name,
                 caps & VIRT_NESTED_PAGING ? ", nested paging" : "",
                 caps & VIRT_INSN_LENGTH ? ", instruction lengths" : "");
        return caps | VIRT_PRESENT;
    }
    refuse("this CPU has no virtualization that this image can use");
}

void virt_end(struct cpu *cpu)
{
    if (virt) {
        virt->cpu_disable(cpu);
    }
}
