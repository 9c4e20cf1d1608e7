# SPDX-License-Identifier: Apache-2.0
"""Where the VMs at the ends of a shared memory have it in their guest-physical space."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hecht.model import Channel, Partition

PAGE, LARGE_PAGE = 1 << 12, 1 << 21
# Above it are I/O APIC, local APICs and firmware on every PC.
END = 0xfec00000
# From here on, or from the end of the RAM, addresses are given out.
FIRST = 0xc0000000


def vms_of(channel: Channel, partitions: list[Partition]) -> list[Partition]:
    """The VMs among its ends."""
    return [partition for partition in partitions
            if partition.vm and partition.slot in (channel.source, *channel.destinations)]


def taken(vm: Partition, channels: list[Channel]) -> Iterator[tuple[int, int, str]]:
    """Start, end and symbol of what has a place in that VM's space: RAM, registers, memory."""
    yield 0, vm.memory, vm.prefix + "MEMORY_MIB"
    assert vm.vm
    if vm.vm.uart_mmio:
        yield vm.vm.uart_mmio, vm.vm.uart_mmio + PAGE, vm.prefix + "UART_MMIO"
    for channel in channels:
        if channel.kind == "memory" and channel.gpa \
                and vm.slot in (channel.source, *channel.destinations):
            yield channel.gpa, channel.gpa + channel.size, channel.prefix + "SIZE_KIB"


def free_address(channel: Channel, channels: list[Channel], partitions: list[Partition]) -> int:
    """The lowest that is free in all its VMs, the same in each; 0: there is none."""
    others = [other for other in channels if other is not channel]
    used = sorted((start, end) for vm in vms_of(channel, partitions)
                  for start, end, _ in taken(vm, others))
    align = LARGE_PAGE if channel.size >= LARGE_PAGE else PAGE
    address = FIRST
    for start, end in used:
        if start < address + channel.size and address < end:
            address = -(-end // align) * align
    return address if address + channel.size <= END else 0


def place(channels: list[Channel], partitions: list[Partition]) -> None:
    """Those whose address is configured have it already; the others follow, in their order."""
    for channel in channels:
        if channel.kind == "memory" and not channel.gpa and vms_of(channel, partitions):
            channel.gpa = free_address(channel, channels, partitions)
