# SPDX-License-Identifier: Apache-2.0
"""Which processors there are, and on which of them a partition runs."""

from __future__ import annotations

from collections.abc import Iterator

from hecht import numbers
from hecht.checks.core import Look, check
from hecht.emulator import BOCHS_PROCESSORS_MAX
from hecht.errors import Problem
from hecht.model import PROCESSORS_MAX, VCPUS_MAX


@check("PRC-001", "The kernel's tables have room for 32 processors, and the first one is always "
       "there.")
def processor_count(look: Look) -> Iterator[Problem]:
    if not 1 <= look.model.processors <= PROCESSORS_MAX:
        yield look.problem(f"there are 1 to {PROCESSORS_MAX} processors", "PROCESSORS",
                           PROCESSORS="1")


@check("PRC-002", "Bochs stops at once with more processors.")
def bochs_processors(look: Look) -> Iterator[Problem]:
    if look.model.emulator.name == "bochs" and look.model.processors > BOCHS_PROCESSORS_MAX:
        yield look.problem(f"Bochs has at most {BOCHS_PROCESSORS_MAX} processors",
                           "PROCESSORS", "EMULATOR_BOCHS",
                           remedy="CONFIG_EMULATOR_QEMU=y",
                           PROCESSORS=str(BOCHS_PROCESSORS_MAX))


@check("PRC-003", "What is no list of numbers names no processors.")
def no_list(look: Look) -> Iterator[Problem]:
    for symbol in look.of_partitions("PROCESSORS"):
        parsed = numbers.ranges(look.config.text(symbol), PROCESSORS_MAX)
        if isinstance(parsed, str):
            yield look.problem(f"this is no list of processors: {parsed}", symbol,
                               **{symbol: '"0"'})


@check("PRC-004", "A partition without a processor never runs.")
def no_processor(look: Look) -> Iterator[Problem]:
    for partition in look.model.partitions:
        symbol = partition.prefix + "PROCESSORS"
        parsed = numbers.ranges(look.config.text(symbol), PROCESSORS_MAX)
        if not partition.processors and not isinstance(parsed, str):
            yield look.problem("the partition has no processor: the list is empty", symbol,
                               **{symbol: '"0"'})


@check("PRC-005", "A thread can only run on a processor that the kernel uses.")
def unknown_processor(look: Look) -> Iterator[Problem]:
    count = look.model.processors
    for partition in look.model.partitions:
        symbol = partition.prefix + "PROCESSORS"
        wrong = [number for number in partition.processors if not 0 <= number < count]
        if wrong:
            yield look.problem(f"there is no processor {wrong[-1]}: they are 0 to {count - 1}",
                               symbol, "PROCESSORS",
                               remedy=f"CONFIG_PROCESSORS={max(wrong) + 1}", **{symbol: '"0"'})


@check("PRC-006", "Linux starts further processors by a local APIC, which no VM has yet.")
def linux_processors(look: Look) -> Iterator[Problem]:
    for partition in look.model.partitions:
        symbol = partition.prefix + "PROCESSORS"
        if partition.kind == "linux" and len(partition.processors) > 1:
            yield look.problem("a Linux VM can have one virtual CPU only, today, and so one "
                               "processor", symbol, partition.prefix + "KIND_LINUX",
                               **{symbol: f'"{partition.processors[0]}"'})


@check("PRC-007", "The VMM has a stack for each virtual CPU, eight of them.")
def vm_processors(look: Look) -> Iterator[Problem]:
    for partition in look.model.vms:
        symbol = partition.prefix + "PROCESSORS"
        if partition.kind != "linux" and len(partition.processors) > VCPUS_MAX:
            few = ",".join(map(str, partition.processors[:VCPUS_MAX]))
            yield look.problem(f"a VM has at most {VCPUS_MAX} virtual CPUs, one on each processor",
                               symbol, **{symbol: f'"{few}"'})
