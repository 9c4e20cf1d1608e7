# SPDX-License-Identifier: Apache-2.0
"""The kernel's memory, what of it each partition gets, and the backends."""

from __future__ import annotations

from collections.abc import Iterator

from hecht.checks.core import Look, check
from hecht.errors import Problem
from hecht.model import MIB, PAGE

KERNEL_MIB = (4, 1024)


@check("KRN-001", "Page tables, tasks, threads and virtual CPUs of all partitions are made in the "
       "kernel's memory; a partition must not find its quota taken.")
def quotas_fit(look: Look) -> Iterator[Problem]:
    model = look.model
    pages = (model.kernel_own + model.sigma0_quota
             + sum(partition.kernel_quota for partition in model.partitions))
    if pages * PAGE > model.kernel_memory:
        yield look.problem("the kernel's memory cannot hold what the partitions may need of it: "
                           + " + ".join([f"{model.kernel_own} (kernel)",
                                         f"{model.sigma0_quota} (σ0)"]
                                        + [f"{partition.kernel_quota} ({partition.name})"
                                           for partition in model.partitions])
                           + f" = {pages} pages of 4 KiB",
                           "KERNEL_MEMORY_MIB", "PROCESSORS", *look.of_partitions("MEMORY_MIB"),
                           KERNEL_MEMORY_MIB=str(-(-pages * PAGE // MIB)))


@check("KRN-002", "A kernel with less memory cannot make σ0; more than a gibibyte has never been "
       "tried.")
def kernel_memory(look: Look) -> Iterator[Problem]:
    if not KERNEL_MIB[0] * MIB <= look.model.kernel_memory <= KERNEL_MIB[1] * MIB:
        yield look.problem(f"the kernel has {KERNEL_MIB[0]} to {KERNEL_MIB[1]} MiB",
                           "KERNEL_MEMORY_MIB", KERNEL_MEMORY_MIB="16")


@check("KRN-003", "Kernel memory comes in pages of 4 KiB.")
def extra_pages(look: Look) -> Iterator[Problem]:
    for partition in look.model.programs:
        symbol = partition.prefix + "KERNEL_EXTRA_KIB"
        kib = look.config.number(symbol)
        if kib * 1024 % PAGE:
            yield look.problem("kernel memory comes in pages of 4 KiB", symbol,
                               **{symbol: str(-(-kib // 4) * 4)})


@check("KRN-004", "A virtual machine runs by a backend for the CPU's vendor.")
def backend(look: Look) -> Iterator[Problem]:
    if look.model.vms and not look.model.backends:
        yield look.problem("there are virtual machines but no backend that could run them",
                           "VIRT", "SVM", "VMX",
                           **{"VMX" if look.model.emulator.name == "bochs" else "SVM": "y"})
