# SPDX-License-Identifier: Apache-2.0
"""Linux says the same on its console with nested paging and under the vTLB, but for the time."""

from __future__ import annotations

import re

import pytest
from conftest import ROOT, build
from console import PROMPT, Console
from hecht.emulator import Machine, Settings

START_TIME = 1_700_000_000
STAMP = re.compile(r"^\[ *\d+\.\d+\] ", re.MULTILINE)
# What is computed of the time stamp counter's frequency, or tells the time.
OF_TIME = re.compile(r"MHz|BogoMIPS|clocksource: tsc|sched_clock|audit\(|hecht-guest: tsc|crng"
                     r"|clocksource:  |watchdog|setting system clock")
TARGETS = {"qemu-svm": ("qemu", "max", 120), "bochs-vmx": ("bochs", "corei7_haswell_4770", 600)}


def lines(name: str, target: str) -> list[str]:
    """The guest's, from its first to the shell's prompt."""
    emulator, cpu, limit = TARGETS[target]
    build(name)
    settings = Settings(iso=ROOT / f"images/{name}.iso", emulator=emulator, cpu=cpu,
                        memory_mib=512, count=emulator == "qemu", start_time=START_TIME)
    log = ROOT / "build/tests" / f"{name}-{target}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with Machine(settings) as machine:
        console = Console(machine, limit, log)
        try:
            console.expect("Linux version")
            console.expect(re.escape(PROMPT))
        finally:
            console.close()
    text = STAMP.sub("", console.since_last().replace("\r", ""))
    return [line for line in text.splitlines() if not OF_TIME.search(line)]


@pytest.mark.parametrize("target", TARGETS)
def test_linux_says_the_same(target: str, request: pytest.FixtureRequest) -> None:
    if target.startswith("bochs") and not request.config.getoption("--full"):
        pytest.skip("in make check-full only")
    nested, vtlb = (lines(f"{paging}_linux", target) for paging in ("nested", "vtlb"))
    if target.startswith("bochs"):  # a slow machine, whose threads change at other places
        nested, vtlb = sorted(nested), sorted(vtlb)
    assert len(nested) > 200 and vtlb == nested
