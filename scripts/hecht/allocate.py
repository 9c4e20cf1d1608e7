# SPDX-License-Identifier: Apache-2.0
"""
Computes what nobody should have to type: physical and guest-physical ranges, the ports and lines
of virtual devices, rights, and kernel memory item by item. model.py puts it into the model; the
rules stand in docs/model.md.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING


if TYPE_CHECKING:
    from hecht.board import Board
    from hecht.model import Channel, Model, Partition

MIB = 1 << 20
PAGE = 4096
LARGE_PAGE = 2 * MIB
ENTRIES = 512  # of a page table
UART_REGISTERS = 8

# Below this GRUB puts the kernel's image and the boot modules, and σ0 the programs.
LOADER_END = 64 * MIB
KERNEL_BELOW = 4 << 30  # LOW_MAPPED of hypervisor/x86/main.c

# Kernel memory in pages, beside page tables (docs/model.md).
KERNEL_OWN = 128      # the kernel's own quota and its bookkeeping
PROCESSOR_OWN = 8 + 4 * 4  # of each processor: its struct and tables, four stacks
READY_QUEUES = 2      # of each processor and time partition
SIGMA0_OWN = 512      # σ0's image and stack, and its map of the machine's memory
VM_OWN = 96           # VMM's image tables, threads, state page, vCPU with its intercept maps
VTLB_OWN = 2 + 6 + 2 * 192  # virt/shadow.h: itself, an empty table, and its tables
VCPU_OWN = 24         # each further vCPU, with its handler thread and state page
PORT_OWN = 2          # tables that map one end of a channel
PROGRAM_OWN = 96      # image tables and some threads of a native program

# Of hypervisor/abi/channel.h.
SAMPLING_SLOTS = 4
SLOT_HEADER = 16
WRITER_HEADER = 64

# vmm/machine.c: the ports of each device, and its line of the 8259A pair.
DEVICE_PORTS = {
    "pic": [(0x20, 2), (0xa0, 2), (0x4d0, 2)],
    "pit": [(0x40, 4), (0x61, 1)],
    "uart": [(0x3f8, 8)],
    "rtc": [(0x70, 2)],
    "keyboard_controller": [(0x60, 1), (0x64, 1), (0x92, 1)],
    "pci": [(0xcf8, 8)],
}
DEVICE_IRQS = {"pit": 0, "uart": 4, "rtc": 8}
POST_PORT, EXIT_PORTS = (0x80, 1), (0xf4, 4)


@dataclass
class QuotaItem:
    """A part of somebody's kernel memory."""
    name: str
    pages: int


@dataclass
class PhysicalRange:
    """Memory of the machine. What the build does not place, σ0 places in the order of this list:
    the lowest free range that holds it."""
    use: str    # kernel, ram, channel, or what each first task has: info, console, stack
    owner: str  # name of the partition or channel; "" of the kernel's
    base: int   # physical; 0: placed by σ0 (of the kernel's: by the kernel)
    size: int   # bytes
    align: int


@dataclass
class GuestRange:
    """Part of a VM's guest-physical space. What is in no range is an empty place on the bus."""
    use: str     # ram, uart, shared
    base: int
    size: int    # bytes
    rights: str  # r, w, x, as the guest has them
    channel: str = ""  # of shared memory


@dataclass
class DevicePorts:
    """I/O ports of a virtual device."""
    device: str
    first: int
    count: int


@dataclass
class DeviceIrq:
    """The line of a virtual device at the VM's 8259A pair."""
    device: str
    line: int


@dataclass
class Rights:
    """What a partition's first task may do beside using its own memory and time."""
    io_ports: list[tuple[int, int]] = field(default_factory=list)  # first, count
    irqs: list[tuple[int, int]] = field(default_factory=list)
    peers: list[str] = field(default_factory=list)  # partitions it may signal and call
    call: list[str] = field(default_factory=lambda: ["sigma0"])  # who takes its messages
    channels_read: list[str] = field(default_factory=list)
    channels_write: list[str] = field(default_factory=list)
    modules_read: list[str] = field(default_factory=list)  # boot modules


# ---- Kernel memory ----------------------------------------------------------------------------


def tables(memory: int) -> int:
    """Pages of page tables that map it once by pages of 4 KiB, with all levels above."""
    lowest = -(-memory // (PAGE * ENTRIES))
    return lowest + 3 + -(-lowest // ENTRIES)


def vm_quota(memory: int, vcpus: int, vtlb: bool) -> list[QuotaItem]:
    """A VM's RAM is mapped twice, by its VMM and by the guest, in the worst case by pages of
    4 KiB; boot modules are mapped once more by the VMM."""
    items = [QuotaItem("task, VMM and first vCPU", VM_OWN),
             QuotaItem("tables of the RAM in the VMM", tables(memory)),
             QuotaItem("tables of the RAM in the guest", tables(memory)),
             QuotaItem("tables of the boot modules", -(-memory // (PAGE * ENTRIES * 2)) + 8)]
    if vtlb:
        items.append(QuotaItem("vTLBs of its vCPUs", vcpus * VTLB_OWN))
    return items + [QuotaItem("further vCPUs", (vcpus - 1) * VCPU_OWN)] * (vcpus > 1)


def program_quota(memory: int, extra: int) -> list[QuotaItem]:
    """`extra`: bytes for threads and tasks of its own."""
    items = [QuotaItem("task and threads", PROGRAM_OWN),
             QuotaItem("tables of the memory", tables(memory))]
    return items + [QuotaItem("threads and tasks of its own", extra // PAGE)] * (extra > 0)


def port_quota(partition: Partition, channel: Channel) -> QuotaItem:
    """Tables for one end of a channel; a VM's space maps shared memory once more."""
    pages = (tables(channel.size) * (2 if partition.vm else 1) if channel.kind == "memory"
             else PORT_OWN)
    return QuotaItem(f"tables of channel {channel.name}", pages)


def quota(partition: Partition, channels: list[Channel], extra: int) -> list[QuotaItem]:
    """All of a partition's; `extra`: bytes for threads and tasks of a program's own."""
    items = (vm_quota(partition.memory, partition.vm.vcpus, partition.vm.paging != "nested")
             if partition.vm else
             program_quota(partition.memory, extra))
    items += [port_quota(partition, channels[port.channel]) for port in partition.ports]
    return items + [QuotaItem("tables above its channels", PORT_OWN)] * bool(partition.ports)


def kernel_items(processors: int, time_partitions: int) -> list[QuotaItem]:
    return [QuotaItem("kernel", KERNEL_OWN),
            QuotaItem("processors", processors * PROCESSOR_OWN),
            QuotaItem("ready queues", processors * READY_QUEUES * time_partitions)]


# ---- Physical memory --------------------------------------------------------------------------


def channel_span(channel: Channel) -> int:
    """Bytes of physical memory: the writer's part and the reader's (hypervisor/lib/channel.c)."""
    if channel.kind == "memory":
        return channel.size
    queuing = channel.kind == "queuing"
    count = channel.message_count if queuing else SAMPLING_SLOTS
    slot = SLOT_HEADER + -(-channel.message_size // 16) * 16
    return -(-(WRITER_HEADER + count * slot) // PAGE) * PAGE + (PAGE if queuing else 0)


class Free:
    """Free RAM above LOADER_END; given out from the top."""

    def __init__(self, board: Board) -> None:
        self._ranges = sorted((max(entry.base, LOADER_END), entry.end) for entry in board.ram
                              if entry.end > LOADER_END)

    def take(self, size: int, align: int, below: int = 1 << 64) -> int:
        """The highest aligned place; 0: there is none."""
        for index in reversed(range(len(self._ranges))):
            start, end = self._ranges[index]
            base = (min(end, below) - size) // align * align
            if base >= start:
                self._ranges[index:index + 1] = [(start, base), (base + size, end)]
                return base
        return 0


def _wanted(partitions: list[Partition], channels: list[Channel]) -> list[PhysicalRange]:
    """In the order in which σ0 places it."""
    found = []
    for channel in channels:
        span = channel_span(channel)
        large = channel.kind == "memory" and span >= LARGE_PAGE
        found.append(PhysicalRange("channel", channel.name, 0, span,
                                   LARGE_PAGE if large else PAGE))
    for partition in partitions:
        if partition.memory:
            found.append(PhysicalRange("ram", partition.name, 0, partition.memory, LARGE_PAGE))
    return found


def physical(board: Board, kernel_memory: int, partitions: list[Partition],
             channels: list[Channel]) -> list[PhysicalRange]:
    """All that is placed as a whole. On a fixed board, at addresses: the kernel's memory where
    the kernel would choose it, below it the rest, the largest first."""
    kernel = PhysicalRange("kernel", "", 0, kernel_memory, LARGE_PAGE)
    wanted = _wanted(partitions, channels)
    if board.fixed:
        free = Free(board)
        # The kernel takes whole pages of 2 MiB (hypervisor/x86/main.c).
        whole = -(-kernel.size // LARGE_PAGE) * LARGE_PAGE
        kernel.base = free.take(whole, kernel.align, KERNEL_BELOW)
        for entry in sorted(wanted, key=lambda entry: -entry.size):
            entry.base = free.take(entry.size, entry.align)
    return [kernel, *wanted]


# ---- A VM's own view --------------------------------------------------------------------------


def device_ports(boot: str, devices: dict[str, bool]) -> list[DevicePorts]:
    found = [DevicePorts(device, first, count) for device, present in devices.items() if present
             for first, count in DEVICE_PORTS[device]]
    found.append(DevicePorts("post", *POST_PORT))
    if boot == "mini":
        found.append(DevicePorts("exit", *EXIT_PORTS))
    return sorted(found, key=lambda entry: entry.first)


def device_irqs(devices: dict[str, bool]) -> list[DeviceIrq]:
    """Without the 8259A pair no line leads anywhere."""
    return [DeviceIrq(device, line) for device, line in DEVICE_IRQS.items()
            if devices["pic"] and devices[device]]


def guest_space(partition: Partition, channels: list[Channel]) -> list[GuestRange]:
    assert partition.vm
    found = [GuestRange("ram", 0, partition.memory, "rwx")]
    if partition.vm.uart_mmio:
        found.append(GuestRange("uart", partition.vm.uart_mmio, UART_REGISTERS, "rw"))
    for port in partition.ports:
        channel = channels[port.channel]
        if channel.kind == "memory":
            found.append(GuestRange("shared", port.gpa, channel.size,
                                    "rw" if port.source else "r", channel.name))
    return sorted(found, key=lambda entry: entry.base)


# ---- Rights -----------------------------------------------------------------------------------


def _peers(partition: Partition, partitions: list[Partition],
           channels: list[Channel]) -> list[str]:
    """The other ends of its message channels (hypervisor/system/ports.c, connect)."""
    ends = {(port.channel, port.source) for port in partition.ports
            if channels[port.channel].kind != "memory"}
    return sorted(other.name for other in partitions if other is not partition
                  and any((port.channel, not port.source) in ends for port in other.ports))


def rights(partition: Partition, partitions: list[Partition],
           channels: list[Channel]) -> Rights:
    native = partition.native
    return Rights(
        io_ports=list(native.io_ports) if native else [],
        irqs=list(native.irqs) if native else [],
        peers=_peers(partition, partitions, channels),
        channels_read=sorted(port.name for port in partition.ports
                             if not port.source or channels[port.channel].kind == "memory"),
        channels_write=sorted(port.name for port in partition.ports if port.source),
        modules_read=[module.name for module in partition.modules],
    )


def allocate(model: Model) -> None:
    """Fills in all that follows from what is in the model already."""
    model.memory = physical(model.board, model.kernel_memory, model.partitions, model.channels)
    placed = {(entry.use, entry.owner): entry.base for entry in model.memory}
    model.kernel_base = placed["kernel", ""]
    model.kernel_items = kernel_items(model.processors, model.time_partitions)
    for channel in model.channels:
        channel.span = channel_span(channel)
        channel.base = placed["channel", channel.name]
    for partition in model.partitions:
        partition.ram_base = placed.get(("ram", partition.name), 0)
        partition.rights = rights(partition, model.partitions, model.channels)
        if partition.vm:
            partition.vm.vcpu_processors = partition.processors or [0]
            partition.vm.ports = device_ports(partition.vm.boot, partition.vm.devices)
            partition.vm.irqs = device_irqs(partition.vm.devices)
            partition.vm.space = guest_space(partition, model.channels)
