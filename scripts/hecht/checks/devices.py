# SPDX-License-Identifier: Apache-2.0
"""Devices of VMs, and I/O ports of native programs: each has one owner, the kernel's among them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations

from hecht import numbers
from hecht.checks.core import Look, check, quoted
from hecht.errors import Problem
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
