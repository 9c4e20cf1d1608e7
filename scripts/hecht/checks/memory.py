# SPDX-License-Identifier: Apache-2.0
"""The memory of partitions, against the machine's."""

from __future__ import annotations

from collections.abc import Iterator

from hecht.checks.core import Look, check
from hecht.errors import Problem
from hecht.model import LARGE_PAGE, MIB

# What GRUB, firmware, kernel image and alignment take of the emulated machine beside the rest.
MACHINE_SLACK = 24 * MIB
VM_LEAST = 4 * MIB
PARTITION_MOST = 8192 * MIB


@check("MEM-001", "A partition's memory is granted in pages of 2 MiB.")
def whole_pages(look: Look) -> Iterator[Problem]:
    for partition in look.model.partitions:
        symbol = partition.prefix + "MEMORY_MIB"
        if partition.memory % LARGE_PAGE:
            above = -(-partition.memory // LARGE_PAGE) * LARGE_PAGE // MIB
            yield look.problem("a partition's memory is granted in pages of 2 MiB", symbol,
                               **{symbol: str(above)})


@check("MEM-002", "A VM's loader puts tables into the first megabyte and the guest at the second; "
       "with less memory there is no place for them.")
def vm_least(look: Look) -> Iterator[Problem]:
    for partition in look.model.vms:
        symbol = partition.prefix + "MEMORY_MIB"
        if partition.memory < VM_LEAST:
            yield look.problem(f"a VM has at least {VM_LEAST // MIB} MiB", symbol,
                               **{symbol: str(VM_LEAST // MIB)})


@check("MEM-003", "More memory than the menus offer has never been tried; page tables of the "
       "kernel's quota are computed for this much at most.")
def partition_most(look: Look) -> Iterator[Problem]:
    for partition in look.model.partitions:
        symbol = partition.prefix + "MEMORY_MIB"
        if not 0 <= partition.memory <= PARTITION_MOST:
            yield look.problem(f"a partition has at most {PARTITION_MOST // MIB} MiB", symbol,
                               **{symbol: str(PARTITION_MOST // MIB)})


@check("MEM-004", "The machine must hold the kernel's memory, the partitions' and the channels', "
       "and 24 MiB for firmware, GRUB and images.")
def machine_holds_all(look: Look) -> Iterator[Problem]:
    model = look.model
    needed = (model.kernel_memory + MACHINE_SLACK
              + sum(part.memory for part in [*model.partitions, *model.channels]))
    if needed > model.emulator.memory:
        yield look.problem("the emulated machine is too small for the kernel and the partitions: "
                           f"they need {-(-needed // MIB)} MiB",
                           "EMULATOR_MEMORY_MIB", "KERNEL_MEMORY_MIB",
                           *look.of_partitions("MEMORY_MIB"),
                           EMULATOR_MEMORY_MIB=str(max(64, -(-needed // MIB))))
