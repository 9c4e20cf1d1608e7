# SPDX-License-Identifier: Apache-2.0
"""A message between tasks takes the same way through the kernel with virtualization and without."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from conftest import ROOT, build

# The way of a call, of its answer, and of what both enter and leave the kernel by.
PATH = ("syscall_entry", "kernel_syscall", "call_ipc_call", "call_ipc_reply_wait",
        "ipc_wait_and_run", "arch_resume_user")
ADDRESS = re.compile(r"(?:0x)?f+8[0-9a-f]{7}\b|-0x7f[0-9a-f]{6}\b")


def disassembly(kernel: Path) -> dict[str, list[str]]:
    """Function → its instructions, with symbols' names in place of addresses."""
    text = subprocess.run(["objdump", "-d", "--no-show-raw-insn", kernel], capture_output=True,
                          text=True, check=True).stdout
    functions: dict[str, list[str]] = {}
    for name, body in re.findall(r"^[0-9a-f]+ <([^>]+)>:\n((?:.+\n)*)", text, re.MULTILINE):
        lines = (line.split("\t", 1)[1].split("#")[0].strip()
                 for line in body.splitlines() if "\t" in line)
        functions[name] = [ADDRESS.sub("ADDRESS", line) for line in lines]
        while functions[name] and re.match(r"(nop|cs nop|data16|xchg +%ax,%ax)",
                                           functions[name][-1]):
            functions[name].pop()  # up to the next function
    return functions


def test_the_way_of_a_message_is_the_same() -> None:
    build("ping")
    build("ping_virt")
    without, virt = (disassembly(ROOT / f"build/{config}/kernel.elf")
                     for config in ("ping", "ping_virt"))
    for name in PATH:
        assert len(without[name]) > 5, name
        assert without[name] == virt[name], name


def medians(config: str) -> dict[str, str]:
    done = subprocess.run([ROOT / "scripts/run", "--count", "--cpu", "max", "--limit", "60",
                           f"build/configs/{config}.config", f"images/{config}.iso"], cwd=ROOT,
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return dict(re.findall(r"ping: (.*): 1000 samples, min \d+, median (\d+)", done.stdout))


def test_a_message_costs_the_same() -> None:
    build("ping")
    build("ping_virt")
    without = medians("ping")
    assert len(without) == 6 and without == medians("ping_virt")
