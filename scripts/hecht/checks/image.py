# SPDX-License-Identifier: Apache-2.0
"""What the boot image holds."""

from __future__ import annotations

from collections.abc import Iterator

from hecht.checks.core import KINDS, Look, check
from hecht.errors import Problem
from hecht.model import MODULES_MAX


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
