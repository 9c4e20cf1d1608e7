# SPDX-License-Identifier: Apache-2.0
"""What a partition may do: priorities, time partitions, and what its errors do."""

from __future__ import annotations

from collections.abc import Iterator

from hecht import slots
from hecht.checks.core import Look, check
from hecht.checks.schedule import reachable
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


@check("RGT-004", "σ0 takes an action that is not meant for an error as a stop; who reads the "
       "configuration would believe something else.")
def action_offered(look: Look) -> Iterator[Problem]:
    for partition in look.model.partitions:
        for error in slots.HEALTH_ERRORS:
            action = partition.actions.get(error.name)
            if action is not None and action not in (*error.actions, error.default):
                yield look.problem(f"{error.name} cannot have the action {ascii(action)}",
                                   f"{partition.prefix}ON_{error.name}_{error.default}",
                                   remedy="one of " + ", ".join(error.actions))


@check("RGT-005", "What the module's table holds beside the actions that there are is taken as a "
       "stop of the machine.")
def module_action(look: Look) -> Iterator[Problem]:
    for error, action in look.model.module_actions.items():
        if action not in slots.ACTIONS:
            yield look.problem(f"the module has no action {ascii(action)} for {error}", "NAME",
                               remedy="make the model anew: scripts/generate")


@check("RGT-006", "The schedule that runs anyway is the only one that can: the error would stop "
       "the partition and nothing else.")
def action_changes_nothing(look: Look) -> Iterator[Problem]:
    for partition in look.model.partitions:
        switch = [error for error, action in partition.actions.items()
                  if action == "SWITCH_SCHEDULE"]
        if switch and reachable(look) <= {partition.action_schedule}:
            yield look.problem(f"schedule {partition.action_schedule} runs already, and no other "
                               "ever does", partition.prefix + "ACTION_SCHEDULE", "SCHEDULES",
                               *(f"{partition.prefix}ON_{error}_SWITCH_SCHEDULE"
                                 for error in switch),
                               **{f"{partition.prefix}ON_{error}_STOP_MODULE": "y"
                                  for error in switch})


@check("RGT-007", "In time partition 0 such a program takes time from all windows, and from σ0's "
       "service thread, which has the priority of the highest VMM: health monitor and operator "
       "would have to wait for it.")
def program_above(look: Look) -> Iterator[Problem]:
    highest = max((partition.priority for partition in look.model.vms), default=None)
    for partition in look.model.programs:
        symbol = partition.prefix + "PRIORITY"
        if highest is not None and partition.time_partition == 0 and partition.priority > highest:
            vms = [vm for vm in look.model.vms if vm.priority == highest]
            yield look.problem(f"the program's priority is {partition.priority}, that of the "
                               f"highest VMM {highest}, and it has no windows of its own",
                               symbol, partition.prefix + "TIME_PARTITION",
                               *(vm.prefix + "PRIORITY" for vm in vms),
                               remedy="windows of a time partition of its own",
                               **{symbol: str(highest)})


@check("RGT-008", "Where no error switches the schedule, its number is 0; another would be a "
       "switch that the menus do not show.")
def schedule_unused(look: Look) -> Iterator[Problem]:
    for partition in look.model.partitions:
        if partition.action_schedule and "SWITCH_SCHEDULE" not in partition.actions.values():
            yield look.problem(f"schedule {partition.action_schedule} is to run after no error",
                               partition.prefix + "NAME",
                               remedy="make the model anew: scripts/generate")
