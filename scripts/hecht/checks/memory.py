# SPDX-License-Identifier: Apache-2.0
"""The memory of partitions, against the machine's."""

from __future__ import annotations

from collections.abc import Iterator

from hecht.checks.core import Look, check
from hecht.errors import Problem
from hecht.model import LARGE_PAGE, MIB, Partition

# What GRUB, firmware, kernel image and alignment take of the emulated machine beside the rest.
MACHINE_SLACK = 24 * MIB
VM_LEAST = 4 * MIB
PARTITION_MOST = 8192 * MIB
EMULATOR_LEAST, EMULATOR_MOST = 64 * MIB, 16384 * MIB
_LOW_END = 3 << 30  # what both emulators have below 4 GiB at most


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


def _places(look: Look, machine: int) -> list[list[int]]:
    """[start, end) of what is free for partitions in an emulated machine with that much memory;
    what PCI devices take below 4 GiB is not RAM, and the rest of it stands above."""
    low = min(machine, _LOW_END)
    below = [MIB, low - look.model.kernel_memory - MACHINE_SLACK
             - sum(channel.memory for channel in look.channels)]
    return [below] + ([[4 << 30, (4 << 30) + machine - low]] if machine > low else [])


def _not_placed(look: Look, machine: int) -> list[Partition]:
    """As σ0 does it: in the order of the table, each into the lowest place that holds it whole."""
    places, left = _places(look, machine), []
    for partition in look.model.partitions:
        for place in places:
            start = -(-place[0] // LARGE_PAGE) * LARGE_PAGE
            if start + partition.memory <= place[1]:
                place[0] = start + partition.memory
                break
        else:
            left.append(partition)
    return left


@check("MEM-005", "A partition's memory is in one piece, and the machine's is not: below 4 GiB "
       "there is a hole for devices.")
def one_piece(look: Look) -> Iterator[Problem]:
    machine = look.model.emulator.memory
    if machine <= _LOW_END:
        return  # one piece: MEM-004
    for partition in _not_placed(look, machine):
        symbol = partition.prefix + "MEMORY_MIB"
        enough = next((more for more in range(machine // MIB, EMULATOR_MOST // MIB + 1, 64)
                       if not _not_placed(look, more * MIB)), None)
        changes = {"EMULATOR_MEMORY_MIB": str(enough)} if enough else {symbol: "4"}
        yield look.problem(f"no piece of the machine's memory holds the {partition.memory // MIB} "
                           f"MiB of {partition.name} beside the others", symbol,
                           "EMULATOR_MEMORY_MIB", *look.of_partitions("MEMORY_MIB"), **changes)


@check("MEM-006", "Firmware and GRUB do not start in less; more than 16 GiB have never been tried.")
def emulator_memory(look: Look) -> Iterator[Problem]:
    if not EMULATOR_LEAST <= look.model.emulator.memory <= EMULATOR_MOST:
        yield look.problem(f"the emulated machine has {EMULATOR_LEAST // MIB} to "
                           f"{EMULATOR_MOST // MIB} MiB", "EMULATOR_MEMORY_MIB",
                           EMULATOR_MEMORY_MIB="512")


@check("MEM-007", "An emulator counts its memory in mebibytes.")
def emulator_mebibytes(look: Look) -> Iterator[Problem]:
    if look.model.emulator.memory % MIB:
        yield look.problem("the emulated machine's memory is no whole number of MiB",
                           "EMULATOR_MEMORY_MIB",
                           EMULATOR_MEMORY_MIB=str(look.model.emulator.memory // MIB + 1))
