/* SPDX-License-Identifier: Apache-2.0 */
#include "virt/virt.h"

#include "abi/config.h"
#include "kernel/calls.h"
#include "kernel/cpu.h"
#include "kernel/log.h"
#include "kernel/virtualization.h"
#include "lib/format.h"

const struct virt_ops *virt;
bool virt_nested;

/* Tries one backend; returns NULL, or why it cannot be used. */
static const char *try_backend(const struct virt_ops *backend, struct cpu *cpu,
                               struct quota *quota, uint32_t *caps)
{
    const char *missing = backend->probe(caps);

    if (missing) {
        return missing;
    }
    switch (backend->cpu_enable(cpu, quota)) {
    case STATUS_OK:
        return NULL;
    case STATUS_NO_MEMORY:
        return "no memory of the kernel's to turn it on";
    default:
        return "its virtualization is not the boot processor's";
    }
}

uint32_t virt_init(struct cpu *cpu, struct quota *quota)
{
    char reasons[160] = "";
    size_t length = 0;

    for (const struct virt_ops *const *backend = virt_backends; *backend; backend++) {
        uint32_t caps = 0;
        const char *missing = try_backend(*backend, cpu, quota, &caps);

        if (!missing) {
            virt = *backend;
            virt_nested = (caps & VIRT_NESTED_PAGING) != 0;
            log_line("hecht: virtualization by %s%s%s\n", virt->name,
                     virt_nested ? ", nested paging" : ", vTLB",
                     caps & VIRT_INSN_LENGTH ? ", instruction lengths" : "");
            return caps | VIRT_PRESENT;
        }
        length += format_line(reasons + length, sizeof(reasons) - length, "%s%s: %s",
                              length > 0 ? "; " : "", (*backend)->name, missing);
    }
    refuse("%s", reasons);
}

void virt_start(struct cpu *cpu, struct quota *quota)
{
    uint32_t caps;
    const char *missing = try_backend(virt, cpu, quota, &caps);

    if (missing) {
        refuse("processor %u: %s", cpu->id, missing);
    }
}

void virt_end(struct cpu *cpu)
{
    if (virt) {
        virt->cpu_disable(cpu);
    }
}
