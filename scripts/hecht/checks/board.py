# SPDX-License-Identifier: Apache-2.0
"""The board: its console, its processors and its memory."""

from __future__ import annotations

from collections.abc import Iterator

from hecht.checks.core import Look, check
from hecht.errors import Problem

_SERIAL_CLOCK = 115200  # baud with a divisor of 1


@check("BRD-001", "Without a console nobody would ever see what the hypervisor says.")
def console(look: Look) -> Iterator[Problem]:
    if not look.model.consoles:
        yield look.problem("the board has no console", "CONSOLE_SERIAL", "CONSOLE_SCREEN",
                           remedy="CONFIG_CONSOLE_SCREEN=y", CONSOLE_SERIAL="y")


@check("BRD-002", "A 16550 decodes three address lines: its registers begin at a multiple of 8.")
def serial_aligned(look: Look) -> Iterator[Problem]:
    if "serial" in look.model.consoles and look.model.serial_port % 8:
        yield look.problem("the serial port's base is no multiple of 8", "SERIAL_PORT",
                           SERIAL_PORT=f"0x{look.model.serial_port & ~7:x}")


@check("BRD-003", "A 16550 divides 115,200 baud by a whole number; at another speed the far end "
       "would read nothing.")
def serial_speed(look: Look) -> Iterator[Problem]:
    baud = look.model.serial_baud
    if "serial" in look.model.consoles and (baud < 1 or _SERIAL_CLOCK % baud):
        divisor = _SERIAL_CLOCK // baud if 0 < baud <= _SERIAL_CLOCK else 1
        while _SERIAL_CLOCK % divisor:
            divisor += 1
        yield look.problem("the speed is no divisor of 115200", "SERIAL_BAUD",
                           SERIAL_BAUD=str(_SERIAL_CLOCK // divisor))
