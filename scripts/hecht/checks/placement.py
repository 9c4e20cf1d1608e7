# SPDX-License-Identifier: Apache-2.0
"""What the allocator computed: where memory stands, what a VM sees, and rights. The first part
looks whether it can be; the second, in the group model, works it out a second time."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from hecht import boards
from hecht.allocate import LOADER_END, GuestRange, PhysicalRange
from hecht.checks.consistency import differs
from hecht.checks.core import Look, check
from hecht.errors import Problem
from hecht.model import (IO_PORTS, IRQ_LINES, LARGE_PAGE, MIB, PAGE, PORT_OWN, PROGRAM_OWN,
                         VCPU_OWN, VTLB_OWN, VM_OWN, Channel, Partition)

_ANEW = "make the model anew: scripts/generate"
_KERNEL_END = 4 << 30
_PAGING = ("automatic", "nested", "vtlb")  # enum vm_paging


def _symbols(look: Look, entry: PhysicalRange) -> list[str]:
    """Of whom a range of the machine's memory is."""
    of_partition = [partition.prefix + "MEMORY_MIB" for partition in look.model.partitions
                    if entry.use == "ram" and partition.name == entry.owner]
    of_channel = [channel.prefix + "NAME" for channel in look.channels
                  if entry.use == "channel" and channel.name == entry.owner]
    return of_partition or of_channel or ["KERNEL_MEMORY_MIB"]


# ---- Physical memory ------------------------------------------------------------------------


@check("MEM-008", "On a board whose memory map is known all memory is placed by the build; what "
       "found no place would be refused at boot.")
def unplaced(look: Look) -> Iterator[Problem]:
    for entry in look.model.memory if look.model.board.fixed else ():
        if entry.base == 0:
            symbols = _symbols(look, entry)
            machine = look.model.board.emulated
            more = min(16384, (look.model.emulator.memory + 2 * entry.size + LOADER_END) // MIB)
            changes = {"EMULATOR_MEMORY_MIB": str(more)} if machine else \
                {symbols[0]: "16"} if not symbols[0].endswith("NAME") else {}
            yield look.problem(f"the board has no place for {entry.size // 1024} KiB in one piece "
                               f"({entry.use} {entry.owner})".replace(" )", ")"), *symbols,
                               boards.symbol(look.config), "EMULATOR_MEMORY_MIB",
                               remedy="less memory for others", **changes)


@check("MEM-010", "Memory belongs to one partition, or to one channel, or to the kernel.")
def physical_overlap(look: Look) -> Iterator[Problem]:
    placed = sorted((entry for entry in look.model.memory if entry.base),
                    key=lambda entry: entry.base)
    for index, entry in enumerate(placed[1:], 1):
        before = max(placed[:index], key=lambda other: other.base + other.size)
        if entry.base < before.base + before.size:
            yield look.problem(f"two ranges of memory overlap from 0x{entry.base:x} on",
                               *_symbols(look, before), *_symbols(look, entry), remedy=_ANEW)


@check("MEM-011", "Only what the board's map calls RAM is memory; below 64 MiB GRUB puts the "
       "image, and the kernel maps its own below 4 GiB.")
def outside_ram(look: Look) -> Iterator[Problem]:
    for entry in look.model.memory:
        end = entry.base + entry.size
        inside = any(max(ram.base, LOADER_END) <= entry.base and end <= ram.end
                     for ram in look.model.board.ram)
        if entry.base and look.model.board.fixed and not (
                inside and (entry.use != "kernel" or end <= _KERNEL_END)):
            yield look.problem(f"0x{entry.base:x} to 0x{end:x} is no free RAM of the board",
                               *_symbols(look, entry), boards.symbol(look.config), remedy=_ANEW)


@check("MEM-012", "Memory is mapped by pages, and a partition's by large ones: it begins at one.")
def physical_aligned(look: Look) -> Iterator[Problem]:
    for entry in look.model.memory:
        if entry.align <= 0 or entry.base % entry.align:
            yield look.problem(f"0x{entry.base:x} is no multiple of 0x{entry.align:x}",
                               *_symbols(look, entry), remedy=_ANEW)


@check("MEM-013", "Where the memory map is not known the system software places all memory; an "
       "address of the build's would be a guess.")
def placed_unknown(look: Look) -> Iterator[Problem]:
    for entry in look.model.memory:
        if entry.base and not look.model.board.fixed:
            yield look.problem(f"{entry.use} {entry.owner} would stand at 0x{entry.base:x} of a "
                               "board whose memory nobody knows", *_symbols(look, entry),
                               boards.symbol(look.config), remedy=_ANEW)


@check("MEM-014", "A guest-physical address leads to one thing.")
def guest_overlap(look: Look) -> Iterator[Problem]:
    for partition in look.model.vms:
        assert partition.vm
        space = sorted(partition.vm.space, key=lambda entry: entry.base)
        for one, other in zip(space, space[1:]):
            if other.base < one.base + one.size:
                yield look.problem(f"{one.use} and {other.use} overlap at guest-physical "
                                   f"0x{other.base:x}", partition.prefix + "MEMORY_MIB",
                                   partition.prefix + "UART_MMIO", remedy=_ANEW)


# ---- Rights ---------------------------------------------------------------------------------


@check("RGT-010", "A VM runs on what its VMM holds: the kernel would refuse to map more RAM, "
       "another channel or a vCPU elsewhere.")
def beyond_vmm(look: Look) -> Iterator[Problem]:
    for partition in look.model.vms:
        assert partition.vm
        for entry in partition.vm.space:
            held = partition.rights.channels_write if "w" in entry.rights else \
                partition.rights.channels_read
            if entry.use == "ram" and entry.base + entry.size > partition.memory \
                    or entry.use == "shared" and entry.channel not in held:
                yield look.problem(f"the VM {partition.name} would have {entry.use} that its VMM "
                                   "does not hold", partition.prefix + "MEMORY_MIB", remedy=_ANEW)
        if not set(partition.vm.vcpu_processors) <= set(partition.processors or [0]):
            yield look.problem(f"the VM {partition.name} would have a virtual CPU where its VMM "
                               "may not run", partition.prefix + "PROCESSORS", remedy=_ANEW)


@check("RGT-011", "σ0 can give away only what it has itself.")
def beyond_parent(look: Look) -> Iterator[Problem]:
    for partition in look.model.partitions:
        for ranges, limit, name in ((partition.rights.io_ports, IO_PORTS, "IO_PORTS"),
                                    (partition.rights.irqs, IRQ_LINES, "IRQS")):
            if any(first < 0 or count < 1 or first + count > limit for first, count in ranges):
                yield look.problem(f"{partition.name} would get more than there is",
                                   partition.prefix + name, remedy=_ANEW)


@check("RGT-012", "A right to signal somebody, or to read a module, names who or what it is.")
def unknown_names(look: Look) -> Iterator[Problem]:
    names = {partition.name for partition in look.model.partitions}
    modules = {module.name for module in look.model.modules}
    channels = {channel.name for channel in look.channels}
    for partition in look.model.partitions:
        rights = partition.rights
        wrong = (set(rights.peers) - names | set(rights.call) - names - {"sigma0"}
                 | set(rights.modules_read) - modules
                 | set(rights.channels_read + rights.channels_write) - channels)
        for name in sorted(wrong):
            yield look.problem(f"{partition.name} has a right to {ascii(name)}, which there is "
                               "not", partition.prefix + "NAME", remedy=_ANEW)


# ---- A second time --------------------------------------------------------------------------


@check("MDL-032", "The model holds the board's facts as the board file says them.")
def board_facts(look: Look) -> Iterator[Problem]:
    file = boards.chosen(look.config).sized(look.model.emulator.memory, look.model.processors)
    is_, should = dataclasses.asdict(look.model.board), dataclasses.asdict(file)
    for field in should:
        yield from differs(look, f"board: {field}", is_[field], should[field],
                           boards.symbol(look.config), "EMULATOR_MEMORY_MIB", "PROCESSORS")


@check("MDL-033", "The kernel's own memory is what it needs for itself, each processor and each "
       "ready queue.")
def kernel_items(look: Look) -> Iterator[Problem]:
    model = look.model
    number = 1 + max([0] + [partition.time_partition for partition in model.partitions]
                     + [window.time_partition for schedule in model.schedules
                        for window in schedule.windows])
    yield from differs(look, "the kernel's own memory",
                       [(item.name, item.pages) for item in model.kernel_items],
                       [("kernel", 128), ("processors", 24 * model.processors),
                        ("ready queues", 2 * number * model.processors)], "PROCESSORS")


def _mapped(size: int) -> int:
    """Tables for `size` bytes by pages of 4 KiB: one for each 2 MiB, one above for each GiB."""
    lowest = (size + LARGE_PAGE - 1) // LARGE_PAGE
    return lowest + (lowest + 511) // 512 + 3


def _quota(look: Look, partition: Partition) -> list[tuple[str, int]]:
    size = partition.memory
    if partition.vm:
        found = [("task, VMM and first vCPU", VM_OWN),
                 ("tables of the RAM in the VMM", _mapped(size)),
                 ("tables of the RAM in the guest", _mapped(size)),
                 ("tables of the boot modules", (size + 4 * MIB - 1) // (4 * MIB) + 8)]
        if not look.config.is_on(partition.prefix + "PAGING_NESTED"):
            found.append(("vTLBs of its vCPUs", VTLB_OWN * len(partition.processors)))
        if len(partition.processors) > 1:
            found.append(("further vCPUs", VCPU_OWN * (len(partition.processors) - 1)))
    else:
        extra = int(look.config.text(partition.prefix + "KERNEL_EXTRA_KIB") or "0") // 4
        found = [("task and threads", PROGRAM_OWN), ("tables of the memory", _mapped(size))]
        found += [("threads and tasks of its own", extra)] if extra else []
    ends = [channel for channel in look.channels
            if partition.slot in [channel.source] + channel.destinations]
    for channel in ends:
        found.append((f"tables of channel {channel.name}",
                      PORT_OWN if channel.kind != "memory" else
                      _mapped(channel.size) * (2 if partition.vm else 1)))
    return found + ([("tables above its channels", PORT_OWN)] if ends else [])


@check("MDL-034", "A partition's kernel memory is the sum of what it needs.")
def quota_items(look: Look) -> Iterator[Problem]:
    for partition in look.model.partitions:
        symbol, items = partition.prefix + "MEMORY_MIB", partition.quota
        yield from differs(look, f"{partition.prefix}: kernel memory",
                           [(item.name, item.pages) for item in items], _quota(look, partition),
                           symbol)
        yield from differs(look, f"{partition.prefix}: the sum of its kernel memory",
                           partition.kernel_quota, sum(item.pages for item in items), symbol)


def _span(channel: Channel) -> int:
    """Bytes of a channel: header of 64, slots of 16 and the message, whole pages, and a page for
    the reader of a queue."""
    if channel.kind == "memory":
        return channel.size
    count = channel.message_count if channel.kind == "queuing" else 4
    bytes_ = 64 + count * (16 + (channel.message_size + 15) // 16 * 16)
    return (bytes_ + PAGE - 1) // PAGE * PAGE + PAGE * (channel.kind == "queuing")


@check("MDL-035", "σ0 places all memory in the order of the model's list.")
def memory_list(look: Look) -> Iterator[Problem]:
    model = look.model
    should = [("kernel", "", model.kernel_memory, LARGE_PAGE)]
    should += [("channel", channel.name, _span(channel),
                LARGE_PAGE if channel.kind == "memory" and _span(channel) >= LARGE_PAGE else PAGE)
               for channel in look.channels]
    should += [("ram", partition.name, partition.memory, LARGE_PAGE)
               for partition in model.partitions if partition.memory]
    yield from differs(look, "the list of memory", [(entry.use, entry.owner, entry.size,
                                                     entry.align) for entry in model.memory],
                       should, "KERNEL_MEMORY_MIB", *look.of_partitions("MEMORY_MIB"))


@check("MDL-036", "An address stands in the model twice: with its owner, and in the list.")
def bases(look: Look) -> Iterator[Problem]:
    at = {(entry.use, entry.owner): entry.base for entry in look.model.memory}
    yield from differs(look, "the kernel's base", look.model.kernel_base, at.get(("kernel", "")),
                       "KERNEL_MEMORY_MIB")
    for partition in look.model.partitions:
        yield from differs(look, f"{partition.prefix}: base", partition.ram_base,
                           at.get(("ram", partition.name), 0), partition.prefix + "MEMORY_MIB")
    for channel in look.channels:
        yield from differs(look, f"{channel.prefix}: base", channel.base,
                           at.get(("channel", channel.name)), channel.prefix + "NAME")


@check("MDL-037", "A channel takes as much memory as its messages and their headers.")
def spans(look: Look) -> Iterator[Problem]:
    for channel in look.channels:
        yield from differs(look, f"{channel.prefix}: span", channel.span, _span(channel),
                           channel.prefix + "NAME")


@check("MDL-038", "The n-th virtual CPU runs on the n-th processor of the partition.")
def vcpu_processors(look: Look) -> Iterator[Problem]:
    for partition in look.model.vms:
        assert partition.vm
        yield from differs(look, f"{partition.prefix}: processors of its virtual CPUs",
                           partition.vm.vcpu_processors, sorted(partition.processors) or [0],
                           partition.prefix + "PROCESSORS")


_PORTS = {"pic": ((0x20, 2), (0xa0, 2), (0x4d0, 2)), "pit": ((0x40, 4), (0x61, 1)),
          "uart": ((0x3f8, 8),), "rtc": ((0x70, 2),),
          "keyboard_controller": ((0x60, 1), (0x64, 1), (0x92, 1)), "pci": ((0xcf8, 8),)}


@check("MDL-039", "A VM's ports are those of the devices that it has, as on every PC.")
def vm_ports(look: Look) -> Iterator[Problem]:
    for partition in look.model.vms:
        assert partition.vm
        should = [(first, device, count) for device, ranges in _PORTS.items()
                  if partition.vm.devices.get(device) for first, count in ranges]
        should += [(0x80, "post", 1)] + [(0xf4, "exit", 4)] * (partition.kind == "mini")
        yield from differs(look, f"{partition.prefix}: ports",
                           [(port.first, port.device, port.count) for port in partition.vm.ports],
                           sorted(should), partition.prefix + "PIC")


@check("MDL-040", "A VM's interrupt lines are those of the devices that it has, and lead to its "
       "interrupt controllers.")
def vm_irqs(look: Look) -> Iterator[Problem]:
    for partition in look.model.vms:
        assert partition.vm
        present = partition.vm.devices
        should = [(device, line) for device, line in (("pit", 0), ("uart", 4), ("rtc", 8))
                  if present.get(device) and present.get("pic")]
        yield from differs(look, f"{partition.prefix}: lines",
                           [(irq.device, irq.line) for irq in partition.vm.irqs], should,
                           partition.prefix + "PIC")


@check("MDL-041", "A VM's space holds its RAM, the registers that are configured, and the memory "
       "that it shares.")
def vm_space(look: Look) -> Iterator[Problem]:
    for partition in look.model.vms:
        vm = partition.vm
        assert vm
        should = [GuestRange("ram", 0, partition.memory, "rwx")]
        should += [GuestRange("uart", vm.uart_mmio, 8, "rw")] * (vm.uart_mmio != 0)
        should += [GuestRange("shared", channel.gpa, channel.size,
                              "rw" if channel.source == partition.slot
                              or channel.destinations_write else "r", channel.name)
                   for channel in look.channels if channel.kind == "memory"
                   and partition.slot in [channel.source] + channel.destinations]
        yield from differs(look, f"{partition.prefix}: guest-physical space", vm.space,
                           sorted(should, key=lambda entry: entry.base),
                           partition.prefix + "MEMORY_MIB")


@check("MDL-042", "A partition has the rights that follow from its channels, its modules and its "
       "lists of ports and lines, and no others.")
def rights(look: Look) -> Iterator[Problem]:
    slots = {partition.slot: partition.name for partition in look.model.partitions}
    for partition in look.model.partitions:
        slot, peers, read, write = partition.slot, set(), [], []
        for channel in look.channels:
            ends = [channel.source] + channel.destinations
            if slot not in ends:
                continue
            shared = channel.kind == "memory"
            writes = slot == channel.source or channel.destinations_write
            read += [channel.name] * (shared or not writes)
            write += [channel.name] * writes
            if not shared:
                others = channel.destinations if slot == channel.source else [channel.source]
                peers |= {slots[other] for other in others if other in slots and other != slot}
        native, vm = partition.native, partition.vm
        should = (native.io_ports if native else [], native.irqs if native else [],
                  sorted(peers), ["sigma0"], sorted(read), sorted(write),
                  [module.name for module in (vm.kernel, vm.initrd) if module] if vm else [])
        is_ = partition.rights
        yield from differs(look, f"{partition.prefix}: rights",
                           (is_.io_ports, is_.irqs, is_.peers, is_.call, is_.channels_read,
                            is_.channels_write, is_.modules_read), should,
                           partition.prefix + "NAME")


@check("MDL-043", "A VM's memory is translated in one of the ways that there are.")
def paging(look: Look) -> Iterator[Problem]:
    for partition in look.model.vms:
        if partition.vm and partition.vm.paging not in _PAGING:
            yield look.problem(f"the memory of {partition.name} is translated by "
                               f"{ascii(partition.vm.paging)}; there are {', '.join(_PAGING)}",
                               *(f"{partition.prefix}PAGING_{way.upper()}" for way in _PAGING),
                               **{f"{partition.prefix}PAGING_AUTOMATIC": "y"})
