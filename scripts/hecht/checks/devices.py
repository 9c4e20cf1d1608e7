# SPDX-License-Identifier: Apache-2.0
"""Devices of VMs, and I/O ports of native programs: each has one owner, the kernel's among them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import combinations

from hecht import boards, numbers
from hecht.checks.core import Look, check
from hecht.errors import Problem, quoted
from hecht.model import IO_PORTS, PAGE, Partition

Ranges = Sequence[tuple[int, int]]  # first, count


def pairs(partitions: list[Partition]) -> Iterator[tuple[Partition, Partition]]:
    yield from combinations(partitions, 2)


def overlaps(one: Ranges, other: Ranges) -> list[tuple[int, int]]:
    """(first, count) of what is in both."""
    found = []
    for first, count in one:
        for second, length in other:
            start, end = max(first, second), min(first + count, second + length)
            if start < end:
                found.append((start, end - start))
    return found


def without(ranges: Ranges, taken: Ranges, hexadecimal: bool = True) -> str:
    """The list that is left, as .config has it."""
    left: list[tuple[int, int]] = []
    for first, count in ranges:
        at = first
        for start, length in sorted(overlaps([(first, count)], taken)):
            if start > at:
                left.append((at, start - at))
            at = max(at, start + length)
        if at < first + count:
            left.append((at, first + count - at))
    form = "0x{:x}" if hexadecimal else "{}"
    return quoted(",".join(form.format(first) + ("" if count == 1 else
                                                 "-" + form.format(first + count - 1))
                           for first, count in left))


def _programs(look: Look) -> Iterator[tuple[Ranges, str]]:
    for partition in look.model.programs:
        assert partition.native
        yield partition.native.io_ports, partition.prefix + "IO_PORTS"


def _reserved(look: Look, reserved: Ranges, what: str, *symbols: str) -> Iterator[Problem]:
    for ranges, symbol in _programs(look):
        found = overlaps(ranges, reserved)
        if found:
            yield look.problem(f"I/O port 0x{found[0][0]:x} {what}", *symbols, symbol,
                               **{symbol: without(ranges, reserved)})


# ---- I/O ports ------------------------------------------------------------------------------


@check("DEV-001", "What is no list of numbers names no I/O ports.")
def no_list(look: Look) -> Iterator[Problem]:
    for _, symbol in _programs(look):
        parsed = numbers.ranges(look.config.text(symbol), IO_PORTS)
        if isinstance(parsed, str):
            yield look.problem(f"this is no list of I/O ports: {parsed}", symbol,
                               **{symbol: '""'})


@check("DEV-002", "Two drivers at one register spoil each other's work, and one partition could "
       "harm another by it.")
def port_owned_twice(look: Look) -> Iterator[Problem]:
    for one, other in pairs(look.model.programs):
        assert one.native and other.native
        found = overlaps(one.native.io_ports, other.native.io_ports)
        if found:
            first, second = one.prefix + "IO_PORTS", other.prefix + "IO_PORTS"
            yield look.problem(f"I/O port 0x{found[0][0]:x} would belong to two partitions",
                               first, second,
                               **{second: without(other.native.io_ports, one.native.io_ports)})


@check("DEV-003", "The kernel masks the interrupt controllers once at boot; whoever writes there "
       "could make interrupts that nobody expects.")
def port_of_pic(look: Look) -> Iterator[Problem]:
    yield from _reserved(look, ((0x20, 2), (0xa0, 2), (0x4d0, 2)),
                         "would belong to the kernel's interrupt controllers and a partition")


@check("DEV-004", "The serial port is the kernel's console.")
def port_of_console(look: Look) -> Iterator[Problem]:
    if "serial" in look.model.consoles:
        yield from _reserved(look, ((look.model.serial_port, 8),),
                             "would belong to the kernel's console and a partition",
                             "SERIAL_PORT")


@check("DEV-005", "There are 65,536 I/O ports: the kernel refuses to give others.")
def port_beyond(look: Look) -> Iterator[Problem]:
    for ranges, symbol in _programs(look):
        if any(first < 0 or count < 1 or first + count > IO_PORTS for first, count in ranges):
            yield look.problem(f"I/O ports are 0x0 to 0x{IO_PORTS - 1:x}", symbol,
                               **{symbol: '""'})


@check("DEV-006", "By the configuration space of PCI a partition could move the registers of any "
       "device, and let any device write any memory: no IOMMU stands between. It resets the "
       "machine too.")
def port_of_pci(look: Look) -> Iterator[Problem]:
    yield from _reserved(look, ((0xcf8, 8),), "is the configuration space of PCI, by which a "
                         "device reaches all memory")


@check("DEV-007", "A write there resets the machine, with all its partitions.")
def port_of_reset(look: Look) -> Iterator[Problem]:
    yield from _reserved(look, ((0x64, 1), (0x92, 1)), "resets the machine")


@check("DEV-008", "Bit 7 of port 0x70 keeps NMIs from the processor, which the kernel relies on.")
def port_of_nmi(look: Look) -> Iterator[Problem]:
    yield from _reserved(look, ((0x70, 1),), "masks NMIs, which are the kernel's")


@check("DEV-009", "The ISA DMA controllers write wherever they are told, the kernel's memory "
       "included: no IOMMU stands between.")
def port_of_dma(look: Look) -> Iterator[Problem]:
    yield from _reserved(look, ((0x00, 16), (0xc0, 32)),
                         "is an ISA DMA controller's, which reaches all memory")


@check("DEV-010", "The kernel writes its console to the screen; whoever changes the adapter's mode "
       "makes it disappear.")
def port_of_screen(look: Look) -> Iterator[Problem]:
    if "screen" in look.model.consoles:
        yield from _reserved(look, ((0x3b0, 48),), "would belong to the kernel's screen and a "
                             "partition", "CONSOLE_SCREEN")


@check("DEV-011", "A write there calls the firmware's system management mode, which stops all "
       "processors for as long as it likes.")
def port_of_smi(look: Look) -> Iterator[Problem]:
    yield from _reserved(look, ((0xb2, 2),), "calls the firmware (SMI)")


@check("DEV-012", "By the power management registers a partition could turn the machine off; the "
       "kernel does so itself when all have ended.")
def port_of_power(look: Look) -> Iterator[Problem]:
    base = 0xb000 if look.model.emulator.name == "bochs" else 0x600
    yield from _reserved(look, ((base, 0x40),), "turns the emulated machine off (ACPI)",
                         f"EMULATOR_{look.model.emulator.name.upper()}")


@check("DEV-013", "QEMU's firmware interface has DMA: it writes wherever it is told.")
def port_of_firmware(look: Look) -> Iterator[Problem]:
    if look.model.emulator.name == "qemu":
        yield from _reserved(look, ((0x510, 12),), "is QEMU's firmware interface, which reaches "
                             "all memory", "EMULATOR_QEMU")


@check("DEV-014", "By its registers a PCI device is told where to write: without an IOMMU it "
       "reaches all memory, and the kernel can confine none yet.")
def port_of_pci_device(look: Look) -> Iterator[Problem]:
    for device in look.model.board.pci:
        bars = [(bar.base, bar.size) for bar in device.bars if bar.kind == "port"]
        yield from _reserved(look, bars, f"is a register of the PCI device {device.bdf}, which "
                             "reaches all memory" + ("" if look.model.board.iommus else
                                                     ": the board has no IOMMU"),
                             boards.symbol(look.config))


# ---- Devices of VMs -------------------------------------------------------------------------


@check("DEV-020", "Registers in memory are trapped by pages: they begin at one.")
def mmio_aligned(look: Look) -> Iterator[Problem]:
    for partition in look.model.vms:
        assert partition.vm
        symbol = partition.prefix + "UART_MMIO"
        if partition.vm.uart_mmio % PAGE:
            yield look.problem("the registers must begin at a multiple of 4096", symbol,
                               **{symbol: hex(partition.vm.uart_mmio & ~(PAGE - 1))})


@check("DEV-021", "Registers inside the VM's RAM would never be reached: the RAM is mapped there.")
def mmio_in_ram(look: Look) -> Iterator[Problem]:
    for partition in look.model.vms:
        assert partition.vm
        symbol = partition.prefix + "UART_MMIO"
        if 0 < partition.vm.uart_mmio < partition.memory:
            yield look.problem("the registers must begin outside the VM's RAM", symbol,
                               partition.prefix + "MEMORY_MIB",
                               **{symbol: "0xd0000000" if partition.memory <= 0xd0000000
                                  else "0x0"})


@check("DEV-022", "The registers of a device that is not there lead nowhere.")
def mmio_of_nothing(look: Look) -> Iterator[Problem]:
    for partition in look.model.vms:
        assert partition.vm
        symbol = partition.prefix + "UART"
        if partition.vm.uart_mmio and not partition.vm.devices["uart"]:
            yield look.problem("COM1's registers stand in memory, but there is no COM1", symbol,
                               partition.prefix + "UART_MMIO", **{symbol: "y"})


@check("DEV-023", "The last page below 4 GiB is the highest that the menus offer and that was "
       "tried.")
def mmio_range(look: Look) -> Iterator[Problem]:
    for partition in look.model.vms:
        assert partition.vm
        symbol = partition.prefix + "UART_MMIO"
        if not 0 <= partition.vm.uart_mmio <= 0xfffff000:
            yield look.problem("the registers must begin below 4 GiB", symbol,
                               **{symbol: "0xd0000000"})


def _linux_needs(look: Look, device: str, why: str) -> Iterator[Problem]:
    for partition in look.model.vms:
        assert partition.vm
        symbol = partition.prefix + device.upper()
        if partition.kind == "linux" and not partition.vm.devices[device]:
            yield look.problem(why, symbol, partition.prefix + "KIND_LINUX", **{symbol: "y"})


@check("DEV-024", "Every interrupt of a VM comes through its 8259As: without them Linux waits for "
       "its first timer tick for ever.")
def linux_pic(look: Look) -> Iterator[Problem]:
    yield from _linux_needs(look, "pic", "Linux needs the interrupt controllers")


@check("DEV-025", "The 8254 is the only timer that a VM has: without it Linux stops while it finds "
       "out how fast the CPU is.")
def linux_pit(look: Look) -> Iterator[Problem]:
    yield from _linux_needs(look, "pit", "Linux needs the interval timer")


@check("DEV-026", "The command line says that COM1 is the console; without it nobody sees what "
       "the guest says.")
def linux_uart(look: Look) -> Iterator[Problem]:
    for partition in look.model.vms:
        assert partition.vm
        symbol, cmdline = partition.prefix + "UART", partition.prefix + "CMDLINE"
        if partition.kind == "linux" and not partition.vm.devices["uart"] \
                and re.search(r"(?:^|\s)(?:console|earlyprintk)=\S*ttyS0", partition.vm.cmdline):
            yield look.problem("the command line names COM1, which the VM does not have", cmdline,
                               symbol, **{symbol: "y"})


@check("DEV-027", "What is typed reaches a VM by its serial port. Without one it would swallow all "
       "that is typed for others.")
def input_without_uart(look: Look) -> Iterator[Problem]:
    for partition in look.model.vms:
        assert partition.vm
        symbol, typed = partition.prefix + "UART", partition.prefix + "CONSOLE_INPUT"
        if partition.console_input and not partition.vm.devices["uart"]:
            yield look.problem("the VM gets what is typed, but has no serial port", typed, symbol,
                               remedy=f"CONFIG_{typed}=n", **{symbol: "y"})


# What the small guests use beside the exit port, as they were written.
MINI_DEVICES: dict[str, tuple[str, ...]] = {
    "bench": ("pic", "uart"), "fault": ("keyboard_controller", "pic", "rtc", "uart"),
    "hello": ("uart",), "paging": ("pic", "uart"), "repeat": ("pic", "uart"),
    "selftest": ("pic", "pit", "uart", "rtc", "keyboard_controller", "pci"),
    "share": ("pic", "uart"), "smp": ("keyboard_controller", "pic", "rtc", "uart"),
}


@check("DEV-028", "A small guest does not look whether a device is there: it waits for it, or says "
       "that it failed.")
def mini_devices(look: Look) -> Iterator[Problem]:
    for partition in look.model.vms:
        assert partition.vm
        guest = partition.prefix + "MINI"
        for device in MINI_DEVICES.get(look.config.text(guest), ("uart",)) \
                if partition.kind == "mini" else ():
            symbol = partition.prefix + device.upper()
            if not partition.vm.devices[device]:
                yield look.problem("this small guest needs the device", guest, symbol,
                                   **{symbol: "y"})
