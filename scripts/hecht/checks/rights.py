# SPDX-License-Identifier: Apache-2.0
"""What a partition may do: priorities, time partitions, and what its errors do."""

from __future__ import annotations

from collections.abc import Iterator

from hecht.checks.core import Look, check
from hecht.errors import Problem

PRIORITIES = (2, 200)
TIME_PARTITIONS = 32


@check("RGT-001", "Priority 1 is the worker's that restarts partitions, and a virtual CPU runs one "
       "below its VMM; above 200 are σ0's own threads.")
def priority(look: Look) -> Iterator[Problem]:
    for partition in look.model.partitions:
        symbol = partition.prefix + "PRIORITY"
        if not PRIORITIES[0] <= partition.priority <= PRIORITIES[1]:
            yield look.problem(f"a priority is {PRIORITIES[0]} to {PRIORITIES[1]}", symbol,
                               **{symbol: "100"})


@check("RGT-002", "The kernel has 32 time partitions, 0 included.")
def time_partition(look: Look) -> Iterator[Problem]:
    for partition in look.model.partitions:
        symbol = partition.prefix + "TIME_PARTITION"
        if not 0 <= partition.time_partition < TIME_PARTITIONS:
            yield look.problem(f"time partitions are 0 to {TIME_PARTITIONS - 1}", symbol,
                               **{symbol: "0"})


@check("RGT-003", "The kernel refuses to switch to a schedule that is not in its table: the error "
       "would have no effect but the partition's stop.")
def action_schedule(look: Look) -> Iterator[Problem]:
    for partition in look.model.partitions:
        prefix, count = partition.prefix, len(look.model.schedules)
        switch = [error for error, action in partition.actions.items()
                  if action == "SWITCH_SCHEDULE"]
        if switch and not 0 <= partition.action_schedule < count:
            yield look.problem(f"there is no schedule {partition.action_schedule} to switch to",
                               prefix + "ACTION_SCHEDULE",
                               *(f"{prefix}ON_{error}_SWITCH_SCHEDULE" for error in switch),
                               "SCHEDULES",
                               SCHEDULES=str(partition.action_schedule + 1))
