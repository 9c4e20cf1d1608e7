# SPDX-License-Identifier: Apache-2.0
"""Channels and the partitions at their ends."""

from __future__ import annotations

from collections.abc import Iterator

from hecht import numbers, shared, slots
from hecht.checks.core import Look, check
from hecht.errors import Problem
from hecht.model import (CHANNEL_BYTES_MAX, PAGE, PARTITION_PORTS_MAX, Channel, Partition,
                         Schedule, Window)

MESSAGE_BYTES = (1, 8192)
MESSAGES = (1, 512)
SHARED_MOST = 262144 << 10


def _other_program(look: Look, without: set[int]) -> str:
    """Which slots an end could name instead."""
    there = [str(partition.slot) for partition in look.model.programs
             if partition.slot not in without]
    return f"another end: there are native programs in the slots {', '.join(there)}" \
        if there else ""


def _end(look: Look, channel: Channel, name: str, slot: int, empty: bool) -> Iterator[Problem]:
    """An end at which no native program is: at an empty slot, or at a VM."""
    partition = look.partition(slot)
    if (partition is None) != empty or (partition and (partition.native
                                                       or channel.kind == "memory")):
        return
    what = "is empty" if empty else "is a VM, which has no ports"
    yield look.problem(f"slot {slot}, at an end of the channel, {what}; a native program has to be "
                       "there", channel.prefix + name, look.kind(slot),
                       remedy=_other_program(look, {slot}),
                       **{f"PART{slot}_KIND_PROGRAM": "y"})


@check("CHN-001", "What is no list of numbers names no receivers.")
def no_list(look: Look) -> Iterator[Problem]:
    for channel in look.channels:
        symbol = channel.prefix + "DESTINATIONS"
        parsed = numbers.ranges(look.config.text(symbol), slots.PARTITIONS)
        if isinstance(parsed, str):
            good = next((str(partition.slot) for partition in look.model.programs
                         if partition.slot != channel.source), "1")
            yield look.problem(f"this is no list of partitions that receive: {parsed}", symbol,
                               **{symbol: f'"{good}"'})


@check("CHN-002", "A channel that nobody reads is of no use, and a queue would fill for ever.")
def no_destination(look: Look) -> Iterator[Problem]:
    for channel in look.channels:
        symbol = channel.prefix + "DESTINATIONS"
        parsed = numbers.ranges(look.config.text(symbol), slots.PARTITIONS)
        if not channel.destinations and not isinstance(parsed, str):
            good = next((str(partition.slot) for partition in look.model.programs
                         if partition.slot != channel.source), "1")
            yield look.problem("nobody receives: the list is empty", symbol,
                               **{symbol: f'"{good}"'})


@check("CHN-003", "A queue has one reading end; who takes a message takes it from all others.")
def queue_destinations(look: Look) -> Iterator[Problem]:
    for channel in look.channels:
        symbol = channel.prefix + "DESTINATIONS"
        if channel.kind == "queuing" and len(channel.destinations) > 1:
            good = next(slot for slot in channel.destinations)
            yield look.problem("a queuing channel has one partition that receives", symbol,
                               channel.prefix + "KIND_QUEUING",
                               remedy=f"CONFIG_{channel.prefix}KIND_SAMPLING=y",
                               **{symbol: f'"{good}"'})


@check("CHN-004", "A channel connects two partitions; within one there is memory.")
def to_itself(look: Look) -> Iterator[Problem]:
    for channel in look.channels:
        if channel.source in channel.destinations:
            source, symbol = channel.prefix + "SOURCE", channel.prefix + "DESTINATIONS"
            others = [str(slot) for slot in channel.destinations if slot != channel.source] or \
                [str(partition.slot) for partition in look.model.programs
                 if partition.slot != channel.source][:1]
            yield look.problem("a channel leads from a partition to itself", source, symbol,
                               remedy="" if others else "another partition's slot would do for "
                               "one of them",
                               **({symbol: '"' + ",".join(others) + '"'} if others else {}))


@check("CHN-005", "Nobody would ever write into a channel whose source is an empty slot.")
def source_empty(look: Look) -> Iterator[Problem]:
    for channel in look.channels:
        yield from _end(look, channel, "SOURCE", channel.source, True)


@check("CHN-006", "A VMM has no ports yet: nothing a guest does would reach the channel.")
def source_vm(look: Look) -> Iterator[Problem]:
    for channel in look.channels:
        yield from _end(look, channel, "SOURCE", channel.source, False)


@check("CHN-007", "What is sent to an empty slot is read by nobody.")
def destination_empty(look: Look) -> Iterator[Problem]:
    for channel in look.channels:
        for slot in channel.destinations:
            yield from _end(look, channel, "DESTINATIONS", slot, True)


@check("CHN-008", "A VMM has no ports yet: its guest would never get a message.")
def destination_vm(look: Look) -> Iterator[Problem]:
    for channel in look.channels:
        for slot in channel.destinations:
            yield from _end(look, channel, "DESTINATIONS", slot, False)


@check("CHN-009", "A channel stands in a place of fixed size in each task's space; its messages "
       "take a mebibyte at most.")
def messages_fit(look: Look) -> Iterator[Problem]:
    for channel in look.channels:
        if channel.kind == "queuing" and channel.memory > CHANNEL_BYTES_MAX:
            count = channel.prefix + "MESSAGE_COUNT"
            yield look.problem(f"the channel's messages take {channel.memory} bytes; "
                               f"{CHANNEL_BYTES_MAX} is the most",
                               channel.prefix + "MESSAGE_SIZE", count,
                               **{count: str(CHANNEL_BYTES_MAX // channel.message_size)})


@check("CHN-010", "A message has at least one byte, and is copied in one go: the kernel does not "
       "wait for the end of a large one.")
def message_size(look: Look) -> Iterator[Problem]:
    for channel in look.channels:
        symbol = channel.prefix + "MESSAGE_SIZE"
        if channel.kind != "memory" and \
                not MESSAGE_BYTES[0] <= channel.message_size <= MESSAGE_BYTES[1]:
            yield look.problem(f"a message has {MESSAGE_BYTES[0]} to {MESSAGE_BYTES[1]} bytes",
                               symbol, **{symbol: "64"})


@check("CHN-011", "A queue without a place for a message takes none; more than 512 have never been "
       "tried.")
def message_count(look: Look) -> Iterator[Problem]:
    for channel in look.channels:
        symbol = channel.prefix + "MESSAGE_COUNT"
        if channel.kind == "queuing" and not MESSAGES[0] <= channel.message_count <= MESSAGES[1]:
            yield look.problem(f"a queue holds {MESSAGES[0]} to {MESSAGES[1]} messages",
                               symbol, **{symbol: "8"})


@check("CHN-012", "A partition's information page describes sixteen ports.")
def port_count(look: Look) -> Iterator[Problem]:
    for partition in look.model.partitions:
        mine = [channel for channel in look.channels
                if partition.slot in (channel.source, *channel.destinations)]
        if max(len(mine), len(partition.ports)) > PARTITION_PORTS_MAX:
            yield look.problem(f"the partition {partition.name} is at "
                               f"{max(len(mine), len(partition.ports))} ends of channels; "
                               f"{PARTITION_PORTS_MAX} is the most",
                               *(channel.prefix + "KIND_NONE" for channel in mine),
                               remedy="fewer channels with the partition at an end",
                               **{channel.prefix + "KIND_NONE": "y"
                                  for channel in mine[PARTITION_PORTS_MAX:]})


@check("CHN-013", "A sampling channel's reader never finds a valid message when each is too old "
       "before the next frame's can be written, and its own window begins later than that.")
def never_valid(look: Look) -> Iterator[Problem]:
    schedule = look.model.schedules[0]
    for channel in look.channels:
        writer = look.partition(channel.source)
        if channel.kind != "sampling" or not channel.refresh_us or writer is None:
            continue
        for slot in channel.destinations:
            reader = look.partition(slot)
            if reader is None or not _can_read(schedule, writer, reader, channel.refresh_us):
                symbol = channel.prefix + "REFRESH_US"
                if reader is not None:
                    yield look.problem(f"in schedule 0 the partition {reader.name} has no window "
                                       f"within {channel.refresh_us} us after one of "
                                       f"{writer.name}", symbol, writer.prefix + "TIME_PARTITION",
                                       reader.prefix + "TIME_PARTITION",
                                       **{symbol: str(max(schedule.frame_us,
                                                          channel.refresh_us))})


def _can_read(schedule: Schedule, writer: Partition, reader: Partition, refresh_us: int) -> bool:
    """Is a message that the writer writes in one of its windows ever young in one of the
    reader's? Who has none runs at any time, or is another check's matter."""
    writes = _windows(schedule, writer)
    reads = _windows(schedule, reader)
    return not writes or not reads or any(
        (window.start_us - other.end_us) % schedule.frame_us < refresh_us
        or window.start_us < other.end_us and other.start_us < window.end_us
        for window in reads for other in writes)


def _windows(schedule: Schedule, partition: Partition) -> list[Window]:
    return [window for window in schedule.windows
            if partition.time_partition == window.time_partition
            and window.processor in partition.processors]


# ---- Shared memory --------------------------------------------------------------------------


def _shared(look: Look) -> list[Channel]:
    return [channel for channel in look.channels if channel.kind == "memory"]


@check("CHN-020", "Memory is granted in pages of 4 KiB.")
def shared_pages(look: Look) -> Iterator[Problem]:
    for channel in _shared(look):
        symbol = channel.prefix + "SIZE_KIB"
        if channel.size % PAGE or channel.size < PAGE:
            yield look.problem("memory is shared in pages of 4 KiB", symbol,
                               **{symbol: str(max(1, -(-channel.size // PAGE)) * 4)})


@check("CHN-021", "Memory is mapped by pages of 4 KiB: it begins at one.")
def shared_aligned(look: Look) -> Iterator[Problem]:
    for channel in _shared(look):
        symbol = channel.prefix + "ADDRESS"
        if channel.gpa % PAGE:
            yield look.problem("a guest-physical address of shared memory is a multiple of 4096",
                               symbol, **{symbol: f"0x{channel.gpa // PAGE * PAGE:x}"})


def _free(look: Look, channel: Channel) -> dict[str, str]:
    """Where it would fit."""
    others = [other for other in look.channels if other is not channel]
    free = shared.free_address(channel, others, look.model.partitions)
    return {channel.prefix + "ADDRESS": f"0x{free:x}"} if free else \
        {channel.prefix + "SIZE_KIB": "64", channel.prefix + "ADDRESS": "0x0"}


@check("CHN-022", "All VMs at its ends have it at one address, below the I/O APIC, local APICs and "
       "firmware of every PC.")
def shared_placed(look: Look) -> Iterator[Problem]:
    for channel in _shared(look):
        for vm in shared.vms_of(channel, look.model.partitions):
            if not channel.gpa or channel.gpa + channel.size > shared.END:
                yield look.problem(f"the VM {vm.name} has no room for the shared memory between "
                                   f"its RAM and 0x{shared.END:x}", channel.prefix + "ADDRESS",
                                   channel.prefix + "SIZE_KIB", vm.prefix + "MEMORY_MIB",
                                   **_free(look, channel))


@check("CHN-023", "A guest-physical address leads to one thing: RAM, registers or one shared "
       "memory.")
def shared_overlaps(look: Look) -> Iterator[Problem]:
    for channel in _shared(look):
        others = [other for other in look.channels if other is not channel]
        for vm in shared.vms_of(channel, look.model.partitions):
            for start, end, symbol in shared.taken(vm, others) if channel.gpa else ():
                if start < channel.gpa + channel.size and channel.gpa < end:
                    yield look.problem(f"the VM {vm.name} would have two things from "
                                       f"0x{max(start, channel.gpa):x} on",
                                       channel.prefix + "ADDRESS", symbol,
                                       **_free(look, channel))


@check("CHN-024", "Shared memory stands in a task's space at a place of fixed size.")
def shared_size(look: Look) -> Iterator[Problem]:
    for channel in _shared(look):
        symbol = channel.prefix + "SIZE_KIB"
        if channel.size > SHARED_MOST:
            yield look.problem(f"{SHARED_MOST >> 10} KiB is the most that can be shared", symbol,
                               **{symbol: str(SHARED_MOST >> 10)})
