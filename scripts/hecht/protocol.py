# SPDX-License-Identifier: Apache-2.0
"""
What the hypervisor says on its console when things end (docs/boot.md). The lines decide how a run
ended; an emulator's exit status says nothing.

    hecht: end status=N       σ0, before it turns the machine off; 0: every partition ended well
    hecht: PANIC ...          the kernel found a bug of its own and stopped
    hecht: cannot start: ...  this machine lacks something, or the image does
    σ0: NAME ...              what happened to a partition
"""

from __future__ import annotations

import re

_END = re.compile(rb"^hecht: end status=(\d+)")
_STOPPED = re.compile(rb"^hecht: (PANIC|cannot start)")
# All but the good news; the first of them tells what went wrong.
_REPORT = re.compile(r"^σ0: (?!.* ended: code 0$)".encode())
_LINE_MAX = 4096


def printable(line: bytes) -> str:
    return "".join(c if c.isprintable() else "?" for c in line.decode(errors="replace"))


class Watcher:
    """Reads along. `ended` is None while the machine runs, then the run's status."""

    def __init__(self) -> None:
        self._line = b""
        self._report = ""
        self.ended: int | None = None
        self.reason = ""

    @property
    def stopped(self) -> bool:
        """The kernel stopped without turning the machine off."""
        return self.reason.startswith("hecht: ")

    def feed(self, data: bytes) -> None:
        *lines, rest = (self._line + data).split(b"\n")
        self._line = rest[-_LINE_MAX:]
        for line in lines:
            self._read(line.strip(b"\r"))

    def _read(self, line: bytes) -> None:
        if not self._report and _REPORT.match(line):
            self._report = printable(line)
        if _STOPPED.match(line):
            self.ended, self.reason = 1, printable(line)
        elif (match := _END.match(line)) and self.ended is None:
            self.ended = min(int(match[1]), 255)
            if self.ended:
                self.reason = self._report or "a partition failed"
