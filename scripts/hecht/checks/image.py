# SPDX-License-Identifier: Apache-2.0
"""What the boot image holds."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from hecht.checks.core import KINDS, Look, check
from hecht.checks.memory import EMULATOR_MOST, MACHINE_SLACK
from hecht.errors import Problem
from hecht.model import MIB, MODULES_MAX, Module


@check("IMG-001", "The kernel's table of boot modules has 32 places; GRUB would load the others "
       "for nothing.")
def module_count(look: Look) -> Iterator[Problem]:
    count = len(look.model.modules)
    if count > MODULES_MAX:
        partitions = look.model.partitions
        last = next(iter(sorted(partitions, key=lambda one: -len(one.modules))))
        changes = {}
        for partition in reversed(partitions):
            if count <= MODULES_MAX:
                break
            changes[partition.prefix + "KIND_NONE"] = "y"
            count -= 1 + len(partition.modules)
        yield look.problem(f"the image would have {len(look.model.modules)} boot modules; "
                           f"{MODULES_MAX} is the most",
                           *(partition.prefix + KINDS[partition.kind]
                             for partition in partitions),
                           remedy="fewer others: a Linux VM has three, a small guest two, a native "
                           f"program one, the system one; {last.name} has "
                           f"{1 + len(last.modules)}", **changes)


_FILE_MOST = (4 << 30) - 2048  # ISO 9660: a file's length has 32 bits
_GRUB_SLACK = MACHINE_SLACK - 8 * MIB  # of that, what small files may take


def _sizes(look: Look) -> Iterator[tuple[Module, str, int]]:
    """The guests' files that are there already, with their symbols and bytes."""
    for partition in look.model.partitions:
        if partition.kind == "linux" and partition.vm:
            for module, name in ((partition.vm.kernel, "KERNEL"), (partition.vm.initrd, "INITRD")):
                if module and module.source and os.path.isfile(module.source):
                    yield module, partition.prefix + name, Path(module.source).stat().st_size


@check("IMG-002", "A file in the image is shorter than 4 GiB, as ISO 9660 counts.", files=True)
def file_size(look: Look) -> Iterator[Problem]:
    for _, symbol, size in _sizes(look):
        if size > _FILE_MOST:
            name = "vmlinuz" if symbol.endswith("KERNEL") else "initrd"
            yield look.problem(f"the file has {size} bytes; {_FILE_MOST} is the most", symbol,
                               **{symbol: f'"build/guest/{name}"'})


@check("IMG-003", "GRUB loads all modules into memory before the kernel starts; they stay there "
       "beside the partitions.", files=True)
def modules_fit(look: Look) -> Iterator[Problem]:
    model = look.model
    sizes = list(_sizes(look))
    files = sum(size for _, _, size in sizes)
    needed = (model.kernel_memory + max(MACHINE_SLACK, MACHINE_SLACK - _GRUB_SLACK + files)
              + sum(part.memory for part in [*model.partitions, *model.channels]))
    if needed > model.emulator.memory and files > _GRUB_SLACK and needed <= EMULATOR_MOST:
        yield look.problem(f"the guests' files have {files} bytes, and the emulated machine has no "
                           "room for them beside kernel and partitions",
                           "EMULATOR_MEMORY_MIB", *(symbol for _, symbol, _ in sizes),
                           EMULATOR_MEMORY_MIB=str(-(-needed // MIB)))


@check("IMG-004", "Boot modules stand below 4 GiB, in at most 3 GiB that both emulators have "
       "there, beside the kernel's memory.", files=True)
def modules_low(look: Look) -> Iterator[Problem]:
    sizes = list(_sizes(look))
    files = sum(size for _, _, size in sizes)
    room = (3 << 30) - look.model.kernel_memory - MACHINE_SLACK
    if files > room:
        _, symbol, _ = max(sizes, key=lambda entry: entry[2])
        name = "vmlinuz" if symbol.endswith("KERNEL") else "initrd"
        yield look.problem(f"the guests' files have {files} bytes; {room} is the most",
                           *(symbol for _, symbol, _ in sizes),
                           **{symbol: f'"build/guest/{name}"'})
