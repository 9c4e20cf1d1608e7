# SPDX-License-Identifier: Apache-2.0
"""Windows within the major frame, and that every partition has its time."""

from __future__ import annotations

from collections.abc import Iterator

from hecht import slots
from hecht.checks.core import Look, check
from hecht.errors import Problem
from hecht.model import Partition, Schedule, Window

WINDOW_LEAST_US = 20     # the kernel's longest path with interrupts off fits into it well
FRAME_US = (100, 10_000_000)
SLICE_US = (100, 1_000_000)
TIME_PARTITIONS = 32


def _prefix(number: int, window: Window) -> str:
    return f"SCHED{number}_WIN{window.slot}_"


def _windows(look: Look) -> Iterator[tuple[int, Schedule, Window, str]]:
    for number, schedule in enumerate(look.model.schedules):
        for window in schedule.windows:
            yield number, schedule, window, _prefix(number, window)


def _neighbours(look: Look) -> Iterator[tuple[int, Window, Window]]:
    """Windows of one processor, each with the one before it that ends last."""
    for number, schedule in enumerate(look.model.schedules):
        for processor in sorted({window.processor for window in schedule.windows}):
            ordered = sorted(schedule.on(processor), key=lambda window: window.start_us)
            for index in range(1, len(ordered)):
                yield (number, max(ordered[:index], key=lambda window: window.end_us),
                       ordered[index])


def reachable(look: Look) -> set[int]:
    """The schedules that can ever run: the one at boot, those that an action switches to, and all
    of them where the operator has keys, on the serial console."""
    if "serial" in look.model.consoles:
        return set(range(len(look.model.schedules)))
    return {0} | {partition.action_schedule for partition in look.model.partitions
                  if "SWITCH_SCHEDULE" in partition.actions.values()}


def _runs(look: Look, partition: Partition, processor: int, schedules: set[int]) -> bool:
    return any(window.time_partition == partition.time_partition
               for number in schedules if number < len(look.model.schedules)
               for window in look.model.schedules[number].on(processor))


@check("SCH-001", "A window on a processor that the kernel does not use never begins.")
def window_processor(look: Look) -> Iterator[Problem]:
    for _, _, window, prefix in _windows(look):
        if not 0 <= window.processor < look.model.processors:
            yield look.problem(f"there is no processor {window.processor} for this window: they "
                               f"are 0 to {look.model.processors - 1}",
                               prefix + "PROCESSOR", "PROCESSORS",
                               remedy=f"CONFIG_{prefix}PROCESSOR=0",
                               PROCESSORS=str(window.processor + 1))


@check("SCH-002", "All windows begin again with the major frame; what is left of one is lost.")
def window_in_frame(look: Look) -> Iterator[Problem]:
    for number, schedule, window, prefix in _windows(look):
        if window.end_us > schedule.frame_us:
            frame = f"SCHED{number}_FRAME_US"
            length = schedule.frame_us - window.start_us
            good = {frame: str(window.end_us)} if window.end_us <= FRAME_US[1] else \
                {prefix + "START_US": "0", prefix + "LENGTH_US": str(min(
                    window.length_us, schedule.frame_us))}
            yield look.problem(f"the window ends at {window.end_us} us, after the major frame",
                               prefix + "START_US", prefix + "LENGTH_US", frame,
                               remedy=f"CONFIG_{prefix}LENGTH_US={length}"
                               if length >= WINDOW_LEAST_US else "", **good)


@check("SCH-003", "Only one time partition has a window of a processor at a time.")
def windows_overlap(look: Look) -> Iterator[Problem]:
    for number, before, window in _neighbours(look):
        if window.start_us < before.end_us:
            first, second = _prefix(number, before), _prefix(number, window)
            yield look.problem(f"two windows of processor {window.processor} overlap from "
                               f"{window.start_us} us to {min(before.end_us, window.end_us)} us",
                               first + "START_US", first + "LENGTH_US",
                               second + "START_US", second + "LENGTH_US",
                               **{second + "START_US": str(before.end_us)})


@check("SCH-004", "The kernel's longest path with interrupts off would take such a window whole.")
def window_least(look: Look) -> Iterator[Problem]:
    for _, _, window, prefix in _windows(look):
        if window.length_us < WINDOW_LEAST_US:
            yield look.problem(f"a window is at least {WINDOW_LEAST_US} us long",
                               prefix + "LENGTH_US",
                               **{prefix + "LENGTH_US": str(WINDOW_LEAST_US)})


@check("SCH-005", "A partition whose time partition has no window on any of its processors, in any "
       "schedule, never runs.")
def never_runs(look: Look) -> Iterator[Problem]:
    everything = set(range(len(look.model.schedules)))
    for partition in look.model.partitions:
        if partition.time_partition and partition.processors and not any(
                _runs(look, partition, processor, everything)
                for processor in partition.processors):
            yield from _without_window(look, partition, partition.processors[0],
                                       "would never run")


@check("SCH-006", "A thread stays on its processor: where its time partition has no window, in any "
       "schedule, it waits for ever.")
def never_runs_there(look: Look) -> Iterator[Problem]:
    everything = set(range(len(look.model.schedules)))
    for partition in look.model.partitions:
        ran = [processor for processor in partition.processors
               if _runs(look, partition, processor, everything)]
        for processor in partition.processors if partition.time_partition and ran else ():
            if processor not in ran:
                yield from _without_window(look, partition, processor,
                                           "would never run there")


def _without_window(look: Look, partition: Partition, processor: int,
                    what: str) -> Iterator[Problem]:
    number, prefix = partition.time_partition, partition.prefix
    yield look.problem(f"time partition {number} has no window on processor {processor}, so the "
                       f"partition {partition.name} {what}",
                       prefix + "TIME_PARTITION", prefix + "PROCESSORS", "SCHED0_WINDOWS",
                       remedy=f"a window with CONFIG_SCHED0_WINn_PARTITION={number} and "
                       f"CONFIG_SCHED0_WINn_PROCESSOR={processor}",
                       **{prefix + "TIME_PARTITION": "0"})


@check("SCH-007", "The kernel computes with frames of 100 microseconds to 10 seconds; in a shorter "
       "one nothing but switching would be done.")
def frame_range(look: Look) -> Iterator[Problem]:
    for number, schedule in enumerate(look.model.schedules):
        if not FRAME_US[0] <= schedule.frame_us <= FRAME_US[1]:
            symbol = f"SCHED{number}_FRAME_US"
            yield look.problem(f"a major frame has {FRAME_US[0]} to {FRAME_US[1]} us", symbol,
                               **{symbol: "10000"})


@check("SCH-008", "Time partition 0 runs in all windows anyway; those of 32 and above have no "
       "queue in the kernel.")
def window_time_partition(look: Look) -> Iterator[Problem]:
    for _, _, window, prefix in _windows(look):
        if not 1 <= window.time_partition < TIME_PARTITIONS:
            yield look.problem(f"a window belongs to a time partition from 1 to "
                               f"{TIME_PARTITIONS - 1}", prefix + "PARTITION",
                               **{prefix + "PARTITION": "1"})


@check("SCH-009", "A window that begins after the frame never begins.")
def window_start(look: Look) -> Iterator[Problem]:
    for number, schedule, window, prefix in _windows(look):
        if not 0 <= window.start_us < schedule.frame_us:
            yield look.problem(f"the window begins at {window.start_us} us, outside the major "
                               "frame", prefix + "START_US", f"SCHED{number}_FRAME_US",
                               **{prefix + "START_US": "0"})


@check("SCH-010", "A shorter time slice is spent on switching; a longer one than a second lets "
       "a neighbour of the same priority wait as if it had none.")
def time_slice(look: Look) -> Iterator[Problem]:
    if not SLICE_US[0] <= look.model.time_slice_us <= SLICE_US[1]:
        yield look.problem(f"a time slice has {SLICE_US[0]} to {SLICE_US[1]} us", "TIME_SLICE_US",
                           TIME_SLICE_US="10000")


def _members(look: Look, number: int) -> list[Partition]:
    return [partition for partition in look.model.partitions
            if partition.time_partition == number]


@check("SCH-011", "Nobody can switch to such a schedule: no action names it, and without a serial "
       "console there are no operator's keys.")
def unreachable(look: Look) -> Iterator[Problem]:
    for number in range(len(look.model.schedules)):
        if number not in reachable(look):
            yield look.problem(f"nobody switches to schedule {number}", "SCHEDULES",
                               "CONSOLE_SERIAL", remedy="an action that switches to it",
                               SCHEDULES=str(number))


@check("SCH-012", "A partition that has windows only in schedules to which nobody can switch "
       "never runs.")
def waits_for_ever(look: Look) -> Iterator[Problem]:
    everything = set(range(len(look.model.schedules)))
    for partition in look.model.partitions:
        if partition.time_partition and any(
                _runs(look, partition, processor, everything)
                for processor in partition.processors) and not any(
                _runs(look, partition, processor, reachable(look))
                for processor in partition.processors):
            prefix = partition.prefix
            yield look.problem(f"the partition {partition.name} has windows only in schedules to "
                               "which nobody switches", prefix + "TIME_PARTITION", "SCHEDULES",
                               "CONSOLE_SERIAL", **{prefix + "TIME_PARTITION": "0"})


@check("SCH-013", "A window for a time partition without members is time that only time "
       "partition 0 can use: most often a number is wrong.")
def no_members(look: Look) -> Iterator[Problem]:
    for number, _, window, prefix in _windows(look):
        if not _members(look, window.time_partition):
            good = sorted({partition.time_partition for partition in look.model.partitions
                           if partition.time_partition})
            yield look.problem(f"no partition is in time partition {window.time_partition}",
                               prefix + "PARTITION", f"SCHED{number}_WINDOWS",
                               *look.of_partitions("TIME_PARTITION"),
                               remedy="a partition in that time partition",
                               **({prefix + "PARTITION": str(good[0])} if good else
                                  {f"SCHED{number}_WINDOWS": "0"}))


@check("SCH-014", "None of the time partition's members may run on the window's processor: it is "
       "time for nobody.")
def no_members_there(look: Look) -> Iterator[Problem]:
    for _, _, window, prefix in _windows(look):
        members = _members(look, window.time_partition)
        there = sorted({processor for member in members for processor in member.processors})
        if there and window.processor < look.model.processors \
                and window.processor not in there:
            yield look.problem(f"no partition of time partition {window.time_partition} runs on "
                               f"processor {window.processor}", prefix + "PROCESSOR",
                               *(member.prefix + "PROCESSORS" for member in members),
                               remedy=f"CONFIG_{members[0].prefix}PROCESSORS with "
                               f"{window.processor} in it",
                               **{prefix + "PROCESSOR": str(there[0])})


@check("SCH-015", "Between two windows time partition 0 runs alone; the kernel's longest path with "
       "interrupts off would take so short a gap whole, and make the next window late.")
def gap_least(look: Look) -> Iterator[Problem]:
    for number, before, window in _neighbours(look):
        if 0 < window.start_us - before.end_us < WINDOW_LEAST_US:
            first, second = _prefix(number, before), _prefix(number, window)
            yield look.problem(f"the gap between two windows of processor {window.processor} is "
                               f"{window.start_us - before.end_us} us; it is 0 or at least "
                               f"{WINDOW_LEAST_US}", first + "START_US", first + "LENGTH_US",
                               second + "START_US",
                               **{first + "LENGTH_US": str(window.start_us - before.start_us)})


@check("SCH-016", "In such a schedule nothing would run, and nothing could have an error that "
       "switches to another.")
def dead_schedule(look: Look) -> Iterator[Problem]:
    partitions = look.model.partitions
    if not partitions or _members(look, 0):
        return
    for number in range(len(look.model.schedules)):
        if not any(_runs(look, partition, processor, {number})
                   for partition in partitions for processor in partition.processors) and any(
                partition.processors for partition in partitions):
            symbol = partitions[0].prefix + "TIME_PARTITION"
            yield look.problem(f"in schedule {number} no partition has a window, and none is in "
                               "time partition 0", f"SCHED{number}_WINDOWS",
                               *look.of_partitions("TIME_PARTITION"), **{symbol: "0"})


@check("SCH-017", "At the frame's end time partition 0 runs alone; so short an end would be spent "
       "on switching, and make the next frame late.")
def end_least(look: Look) -> Iterator[Problem]:
    for number, schedule in enumerate(look.model.schedules):
        for processor in sorted({window.processor for window in schedule.windows}):
            last = max(schedule.on(processor), key=lambda window: window.end_us)
            left = schedule.frame_us - last.end_us
            if 0 < left < WINDOW_LEAST_US:
                prefix = _prefix(number, last)
                yield look.problem(f"{left} us are left between the last window of processor "
                                   f"{processor} and the frame's end; it is 0 or at least "
                                   f"{WINDOW_LEAST_US}", prefix + "START_US",
                                   prefix + "LENGTH_US", f"SCHED{number}_FRAME_US",
                                   **{prefix + "LENGTH_US": str(last.length_us + left)})


@check("SCH-018", "The machine begins with schedule 0; the kernel's table has places for four.")
def schedule_count(look: Look) -> Iterator[Problem]:
    if not 1 <= len(look.model.schedules) <= slots.SCHEDULES:
        yield look.problem(f"there are 1 to {slots.SCHEDULES} schedules", "SCHEDULES",
                           SCHEDULES="1")
