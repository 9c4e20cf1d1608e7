# SPDX-License-Identifier: Apache-2.0
"""What the generator refuses: it names the symbol, its value and its place, and writes nothing."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from conftest import ROOT, Project, bzimage, channel, memory, program, quoted, windows

# What each check refuses stands in firing.py; here the generator itself is called.
REFUSED = {
    # what is set → symbols that the error must name, and a word of it
    "name with a slash": ({"NAME": quoted("a/b")}, ["NAME"], "letters"),
    "memory out of range": ({"PART0_MEMORY_MIB": "1"}, ["PART0_MEMORY_MIB"], "range"),
    "memory no number": ({"PART0_MEMORY_MIB": "much"}, ["PART0_MEMORY_MIB"], "much"),
    "wrong path": ({"PART0_KERNEL": quoted("/nowhere/vmlinuz")}, ["PART0_KERNEL"], "no such file"),
    "window of time partition 0": (windows(0, (0, 0, 0, 1000)), ["SCHED0_WIN0_PARTITION"],
                                   "range"),
    "port owned twice": (program(1, IO_PORTS=quoted("0x40-0x43"))
                         | program(2, IO_PORTS=quoted("0x42")),
                         ["PART1_IO_PORTS", "PART2_IO_PORTS"], "0x42"),
    "message of no bytes": (program(1) | program(2) | channel(0, 1, "2", MESSAGE_SIZE="0"),
                            ["CHAN0_MESSAGE_SIZE"], "range"),
    "priority out of range": ({"PART0_PRIORITY": "201"}, ["PART0_PRIORITY"], "range"),
}


def assert_refused(done, symbols: list[str], word: str) -> None:
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert word in done.stderr
    for symbol in symbols:
        assert symbol in done.stderr


@pytest.mark.parametrize("case", REFUSED)
def test_refused(project: Project, case: str) -> None:
    values, symbols, word = REFUSED[case]
    assert_refused(project.generate(**values), symbols, word)
    assert not (project.out / "model.json").exists()


def test_all_problems_at_once(project: Project) -> None:
    done = project.generate(NAME=quoted("A"), PART0_NAME=quoted("B"), SERIAL_BAUD="100000")
    assert done.stderr.count("error[") == 3


def test_missing_config(tmp_path: Path) -> None:
    done = subprocess.run([ROOT / "scripts/generate", tmp_path / "config"], capture_output=True,
                          text=True, check=False)
    assert_refused(done, [], "is missing")


def test_many_ports(project: Project) -> None:
    """Sixteen channels at one partition are the most, and are as many as there are."""
    values = program(1) | program(2)
    for slot in range(16):
        values |= channel(slot, 1, "2")
    assert project.generate(**values).returncode == 0


def test_a_window_in_any_schedule_is_enough(project: Project) -> None:
    values = {"SCHEDULES": "2", "PART0_TIME_PARTITION": "3"} | windows(1, (3, 0, 0, 1000))
    assert project.generate(**values, **program(1)).returncode == 0


def test_windows_of_two_processors_do_not_overlap(project: Project) -> None:
    values = {"PROCESSORS": "2"} | program(1, TIME_PARTITION="1", PROCESSORS=quoted("0-1")) \
        | program(2, TIME_PARTITION="2") \
        | windows(0, (1, 0, 0, 1000), (1, 1, 500, 1000), (2, 0, 1000, 9000))
    assert project.generate(**values).returncode == 0
