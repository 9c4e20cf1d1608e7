# SPDX-License-Identifier: Apache-2.0
"""Interrupt lines of native programs."""

from __future__ import annotations

from collections.abc import Iterator

from hecht import boards, numbers
from hecht.checks.core import Look, check
from hecht.checks.devices import overlaps, pairs, without
from hecht.errors import Problem
from hecht.model import IRQ_LINES

_SERIAL_IRQS = {0x3f8: 4, 0x2f8: 3}


@check("INT-001", "What is no list of numbers names no interrupt lines.")
def no_list(look: Look) -> Iterator[Problem]:
    for partition in look.model.programs:
        symbol = partition.prefix + "IRQS"
        parsed = numbers.ranges(look.config.text(symbol), IRQ_LINES)
        if isinstance(parsed, str):
            yield look.problem(f"this is no list of interrupt lines: {parsed}", symbol,
                               **{symbol: '""'})


@check("INT-002", "A line is granted to one thread at a time: two partitions would take it from "
       "each other.")
def owned_twice(look: Look) -> Iterator[Problem]:
    for one, other in pairs(look.model.programs):
        assert one.native and other.native
        first, second = one.prefix + "IRQS", other.prefix + "IRQS"
        for number, _ in overlaps(one.native.irqs, other.native.irqs):
            yield look.problem(f"interrupt line {number} would belong to two partitions",
                               first, second,
                               **{second: without(other.native.irqs, one.native.irqs, False)})


@check("INT-003", "The kernel's console takes the interrupts of its serial port itself.")
def console_line(look: Look) -> Iterator[Problem]:
    line = _SERIAL_IRQS.get(look.model.serial_port)
    if "serial" not in look.model.consoles or line is None:
        return
    for partition in look.model.programs:
        assert partition.native
        symbol = partition.prefix + "IRQS"
        if overlaps(partition.native.irqs, [(line, 1)]):
            yield look.problem(f"interrupt line {line} would belong to the kernel's console and a "
                               "partition", "SERIAL_PORT", symbol,
                               **{symbol: without(partition.native.irqs, [(line, 1)], False)})


@check("INT-004", "The kernel has vectors for 128 lines.")
def beyond(look: Look) -> Iterator[Problem]:
    for partition in look.model.programs:
        assert partition.native
        symbol = partition.prefix + "IRQS"
        if any(first < 0 or count < 1 or first + count > IRQ_LINES
               for first, count in partition.native.irqs):
            yield look.problem(f"interrupt lines are 0 to {IRQ_LINES - 1}", symbol,
                               **{symbol: '""'})


@check("INT-005", "A line that is no input of an I/O APIC never comes, and the kernel refuses who "
       "waits for it.")
def no_input(look: Look) -> Iterator[Problem]:
    inputs = [(ioapic.gsi_base, ioapic.inputs) for ioapic in look.model.board.ioapics]
    for partition in look.model.programs if look.model.board.fixed and inputs else ():
        assert partition.native
        symbol = partition.prefix + "IRQS"
        good = overlaps(partition.native.irqs, inputs)
        if sum(count for _, count in good) < sum(count for _, count in partition.native.irqs):
            last = max(first + count for first, count in inputs) - 1
            yield look.problem(f"the board's I/O APICs have no such line: the last is {last}",
                               symbol, boards.symbol(look.config),
                               **{symbol: without(good, [], False)})
