# SPDX-License-Identifier: Apache-2.0
"""A machine's console as a person sees it: text to wait for, lines to type."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pexpect.fdpexpect
import pytest
from hecht.emulator import BOCHS_IPS, Machine

PROMPT = "linux# "
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Hung(AssertionError):
    """The time is up, and nothing has happened that would explain it."""


class Console:
    def __init__(self, machine: Machine, limit: float, log: Path) -> None:
        self.machine = machine
        self.log = log
        self._until = time.monotonic() + limit
        self._file = log.open("w", encoding="utf-8", errors="replace")
        self._spawn = pexpect.fdpexpect.fdspawn(machine.console, encoding="utf-8",
                                                codec_errors="replace", timeout=None)
        self._spawn.logfile_read = self._file

    def close(self) -> None:
        self._file.close()

    def expect(self, pattern: str) -> re.Match[str]:
        """Waits for it until the test's limit; returns the match. A hypervisor that stops
        ends the wait at once."""
        ends = [pattern, r"hecht: PANIC [^\r\n]*[\r\n]", r"hecht: cannot start[^\r\n]*[\r\n]",
                pexpect.EOF, pexpect.TIMEOUT]
        # At the same place in the text the first of them is taken: what is wanted.
        found = self._spawn.expect(ends, timeout=max(self._until - time.monotonic(), 1))
        self._file.flush()
        if found == 0:
            return self._spawn.match
        why = {3: "the machine is off", 4: "time is up"}.get(found) or self._spawn.after
        kind = Hung if found == 4 else AssertionError
        raise kind(f"waited for {pattern!r}, but {why}; the console: {self.log}\n"
                   + self.machine.last_words(5))

    def groups(self) -> tuple[str, ...]:
        """Of the last match."""
        return self._spawn.match.groups()

    def expect_refusal(self, reason: str) -> None:
        """The kernel says in one line why it cannot start, and stops."""
        with pytest.raises(AssertionError, match="cannot start.*" + reason):
            self.expect("end status")

    def since_last(self) -> str:
        """What came between the last two things that were waited for."""
        return self._spawn.before

    def expect_off(self) -> None:
        assert self.machine.wait(max(self._until - time.monotonic(), 1)), "it did not turn off"

    def type(self, line: str) -> None:
        self._spawn.send(line + "\n")

    def operator(self, key: str) -> None:
        """A key for σ0 (docs/health.md)."""
        self._spawn.send("\x1c" + key)

    def command(self, line: str) -> str:
        """Types a command at the prompt and returns what it prints."""
        mark = f"done-{len(line)}"
        self.type(f"{line}; echo {mark[:4]}''{mark[4:]}")
        self.expect(f"{mark}\r*\n")
        printed = _ESCAPES.sub("", self._spawn.before).replace("\r", "")
        self.expect(re.escape(PROMPT))
        return printed.split("\n", 1)[-1]

    def ticks(self) -> int:
        """The guest's time-stamp counter. On Bochs that is emulated time."""
        return int(re.search(r"tsc 0x([0-9a-f]{16})", self.command("tsc"))[1], 16)

    def seconds_of(self, line: str) -> float:
        """How long a command takes by the emulator's clock: the wall's on QEMU."""
        if self.machine.settings.emulator == "qemu":
            start = time.monotonic()
            self.command(line)
            return time.monotonic() - start
        start_ticks = self.ticks()
        self.command(line)
        return (self.ticks() - start_ticks) / BOCHS_IPS
