# SPDX-License-Identifier: Apache-2.0
"""Every check fires, names the symbol, its value and its place, and nothing is written."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from conftest import ROOT, Project, bzimage, channel, memory, program, quoted, windows

REFUSED = {
    # what is set → symbols that the error must name, and a word of it
    "name with a slash": ({"NAME": quoted("a/b")}, ["NAME"], "letters"),
    "name with capitals": ({"NAME": quoted("Test")}, ["NAME"], "lower-case"),
    "empty name": ({"NAME": '""'}, ["NAME"], "1 to 31"),
    "long name": ({"NAME": quoted("x" * 32)}, ["NAME"], "1 to 31"),
    "name of dots": ({"NAME": quoted("..")}, ["NAME"], "letters"),
    "VM name": ({"PART0_NAME": quoted("my vm")}, ["PART0_NAME"], "letters"),
    "odd memory": ({"PART0_MEMORY_MIB": "65"}, ["PART0_MEMORY_MIB"], "PART0_MEMORY_MIB=66"),
    "memory out of range": ({"PART0_MEMORY_MIB": "1"}, ["PART0_MEMORY_MIB"], "range"),
    "memory no number": ({"PART0_MEMORY_MIB": "much"}, ["PART0_MEMORY_MIB"], "much"),
    "machine too small": ({"EMULATOR_MEMORY_MIB": "128"},
                          ["EMULATOR_MEMORY_MIB", "PART0_MEMORY_MIB"], "too small"),
    "kernel memory too small": ({"KERNEL_MEMORY_MIB": "4", "PART0_MEMORY_MIB": "1024",
                                 "EMULATOR_MEMORY_MIB": "2048"},
                                ["KERNEL_MEMORY_MIB", "PART0_MEMORY_MIB"], "would do"),
    "no console": ({"CONSOLE_SERIAL": "n", "CONSOLE_SCREEN": "n"},
                   ["CONSOLE_SERIAL", "CONSOLE_SCREEN"], "no console"),
    "serial port unaligned": ({"SERIAL_PORT": "0x3f9"}, ["SERIAL_PORT"], "0x3f8"),
    "baud no divisor": ({"SERIAL_BAUD": "100000"}, ["SERIAL_BAUD"], "divisor"),
    "no backend": ({"SVM": "n", "VMX": "n"}, ["SVM", "VMX"], "backend"),
    "CPU model": ({"EMULATOR_QEMU_CPU": quoted("max; reboot")}, ["EMULATOR_QEMU_CPU"], "CPU"),
    "control character": ({"PART0_CMDLINE": quoted("a\tb")}, ["PART0_CMDLINE"], "U+0009"),
    "umlaut": ({"PART0_CMDLINE": quoted("ä")}, ["PART0_CMDLINE"], "U+00E4"),
    "long command line": ({"PART0_CMDLINE": quoted("x" * 2048)}, ["PART0_CMDLINE"], "2048"),
    "registers in RAM": ({"PART0_UART_MMIO": "0x100000"}, ["PART0_UART_MMIO"], "outside"),
    "registers unaligned": ({"PART0_UART_MMIO": "0xd0000008"}, ["PART0_UART_MMIO"], "multiple"),
    "no kernel": ({"PART0_KERNEL": '""'}, ["PART0_KERNEL"], "missing"),
    "wrong path": ({"PART0_KERNEL": quoted("/nowhere/vmlinuz")}, ["PART0_KERNEL"], "no such file"),
    "kernel is a folder": ({"PART0_KERNEL": quoted("/")}, ["PART0_KERNEL"], "no file"),
    "wrong initrd": ({"PART0_INITRD": quoted("/nowhere/initrd")}, ["PART0_INITRD"], "no such file"),
    "kernel does not fit": ({"PART0_MEMORY_MIB": "16"}, ["PART0_MEMORY_MIB", "PART0_KERNEL"],
                            "PART0_MEMORY_MIB=20"),
    "no such small guest": ({"PART0_KIND_MINI": "y", "PART0_MINI": quoted("nothing")},
                            ["PART0_MINI"], "there are: "),
    "no processors": ({"PART0_PROCESSORS": '""'}, ["PART0_PROCESSORS"], "empty"),
    "processors in words": ({"PART0_PROCESSORS": quoted("all")}, ["PART0_PROCESSORS"], "'all'"),
    "processors backwards": ({"PART0_PROCESSORS": quoted("1-0")}, ["PART0_PROCESSORS"], "ends"),
    "processor twice": ({"PART0_PROCESSORS": quoted("0,0")}, ["PART0_PROCESSORS"], "twice"),
    "processor that is not": ({"PART0_PROCESSORS": quoted("1")},
                              ["PART0_PROCESSORS", "PROCESSORS"], "PROCESSORS=2"),
    "processor beyond all": ({"PART0_PROCESSORS": quoted("32")}, ["PART0_PROCESSORS"], "31"),
    "Linux on two": ({"PROCESSORS": "2", "PART0_PROCESSORS": quoted("0-1")},
                     ["PART0_PROCESSORS", "PART0_KIND_LINUX"], "one virtual CPU"),
    "small guest on nine": ({"PROCESSORS": "9", "PART0_KIND_MINI": "y",
                             "PART0_PROCESSORS": quoted("0-8")}, ["PART0_PROCESSORS"],
                            'PART0_PROCESSORS="0,1,2,3,4,5,6,7"'),
    "many processors on Bochs": ({"PROCESSORS": "16", "EMULATOR_BOCHS": "y"},
                                 ["PROCESSORS", "EMULATOR_BOCHS"], "PROCESSORS=15"),
    "kernel memory of processors": ({"PROCESSORS": "32", "KERNEL_MEMORY_MIB": "4"},
                                    ["KERNEL_MEMORY_MIB", "PROCESSORS"], "would do"),
    "same name twice": (program(1, NAME=quoted("linux")), ["PART0_NAME", "PART1_NAME"],
                        'PART1_NAME="linux-1"'),
    "never runs": ({"PART0_TIME_PARTITION": "1"}, ["PART0_TIME_PARTITION", "PART0_PROCESSORS"],
                   "no window on processor 0"),
    "never runs on one processor": (
        {"PROCESSORS": "2"} | program(1, TIME_PARTITION="1", PROCESSORS=quoted("0-1"))
        | windows(0, (1, 0, 0, 1000)), ["PART1_TIME_PARTITION", "PART1_PROCESSORS"],
        "no window on processor 1"),
    "window beyond the frame": (windows(0, (1, 0, 9500, 1000)),
                                ["SCHED0_WIN0_START_US", "SCHED0_WIN0_LENGTH_US",
                                 "SCHED0_FRAME_US"], "SCHED0_FRAME_US=10500"),
    "windows overlap": (windows(0, (1, 0, 0, 1000), (2, 0, 999, 1000)),
                        ["SCHED0_WIN0_START_US", "SCHED0_WIN1_START_US"],
                        "SCHED0_WIN1_START_US=1000"),
    "window inside another": (windows(0, (2, 0, 4000, 100), (1, 0, 0, 5000), (3, 0, 4500, 100)),
                              ["SCHED0_WIN0_START_US", "SCHED0_WIN1_LENGTH_US",
                               "SCHED0_WIN2_START_US"], "overlap"),
    "window on no processor": (windows(0, (1, 1, 0, 1000)),
                               ["SCHED0_WIN0_PROCESSOR", "PROCESSORS"], "PROCESSORS=2"),
    "window of time partition 0": (windows(0, (0, 0, 0, 1000)), ["SCHED0_WIN0_PARTITION"],
                                   "range"),
    "window in the second schedule": (
        {"SCHEDULES": "2"} | windows(1, (1, 0, 9999, 1000)),
        ["SCHED1_WIN0_START_US", "SCHED1_FRAME_US"], "SCHED1_FRAME_US=10999"),
    "schedule that is not": ({"PART0_ON_VM_SHUTDOWN_SWITCH_SCHEDULE": "y",
                              "PART0_ACTION_SCHEDULE": "1"},
                             ["PART0_ACTION_SCHEDULE", "SCHEDULES",
                              "PART0_ON_VM_SHUTDOWN_SWITCH_SCHEDULE"], "SCHEDULES=2"),
    "ports no list": (program(1, IO_PORTS=quoted("0x40:0x43")), ["PART1_IO_PORTS"],
                      "'0x40:0x43'"),
    "port beyond all": (program(1, IO_PORTS=quoted("0x10000")), ["PART1_IO_PORTS"], "65535"),
    "port owned twice": (program(1, IO_PORTS=quoted("0x40-0x43"))
                         | program(2, IO_PORTS=quoted("0x42")),
                         ["PART1_IO_PORTS", "PART2_IO_PORTS"], "0x42"),
    "the console's port": (program(1, IO_PORTS=quoted("0x3fa")),
                           ["SERIAL_PORT", "PART1_IO_PORTS"], "0x3fa"),
    "the interrupt controller's port": (program(1, IO_PORTS=quoted("0x10-0x30")),
                                        ["PART1_IO_PORTS"], "0x20"),
    "line owned twice": (program(1, IRQS=quoted("2,8")) | program(2, IRQS=quoted("8")),
                         ["PART1_IRQS", "PART2_IRQS"], "line 8"),
    "the console's line": (program(1, IRQS=quoted("4")), ["SERIAL_PORT", "PART1_IRQS"],
                           "line 4"),
    "line beyond all": (program(1, IRQS=quoted("128")), ["PART1_IRQS"], "127"),
    "program elsewhere": (program(1, PROGRAM=quoted("../x")), ["PART1_PROGRAM"], "no name"),
    "program with a space": (program(1, PROGRAM=quoted("a b")), ["PART1_PROGRAM"], "no name"),
    "no such program": (program(1, PROGRAM=quoted("nothing")), ["PART1_PROGRAM"],
                        "guests/native/nothing.c"),
    "long arguments": (program(1, ARGUMENTS=quoted("x" * 128)), ["PART1_ARGUMENTS"], "127"),
    "odd arguments": (program(1, ARGUMENTS=quoted("ä")), ["PART1_ARGUMENTS"], "U+00E4"),
    "half a page": (program(1, KERNEL_EXTRA_KIB="5"), ["PART1_KERNEL_EXTRA_KIB"],
                    "KERNEL_EXTRA_KIB=8"),
    "quota of a program": (program(1, KERNEL_EXTRA_KIB="65536"),
                           ["KERNEL_MEMORY_MIB", "PART1_MEMORY_MIB"], "would do"),
    "channel to itself": (program(1) | channel(0, 1, "1"),
                          ["CHAN0_SOURCE", "CHAN0_DESTINATIONS"], "itself"),
    "channel from nowhere": (program(1) | channel(0, 2, "1"),
                             ["CHAN0_SOURCE", "PART2_KIND_NONE"], "is empty"),
    "channel to nowhere": (program(1) | channel(0, 1, "2"),
                           ["CHAN0_DESTINATIONS", "PART2_KIND_NONE"], "is empty"),
    "channel to a VM": (program(1) | channel(0, 1, "0"),
                        ["CHAN0_DESTINATIONS", "PART0_KIND_LINUX"], "VM"),
    "channel without destination": (program(1) | channel(0, 1, ""), ["CHAN0_DESTINATIONS"],
                                    "empty"),
    "destination no slot": (program(1) | channel(0, 1, "16"), ["CHAN0_DESTINATIONS"], "15"),
    "queue with two ends": (
        program(1) | program(2) | program(3)
        | channel(0, 1, "2,3", KIND_SAMPLING="n", KIND_QUEUING="y"),
        ["CHAN0_DESTINATIONS", "CHAN0_KIND_QUEUING"], "one partition"),
    "message of no bytes": (program(1) | program(2) | channel(0, 1, "2", MESSAGE_SIZE="0"),
                            ["CHAN0_MESSAGE_SIZE"], "range"),
    "large queue": (
        program(1) | program(2) | channel(0, 1, "2", KIND_SAMPLING="n", KIND_QUEUING="y",
                                          MESSAGE_SIZE="8192", MESSAGE_COUNT="512"),
        ["CHAN0_MESSAGE_SIZE", "CHAN0_MESSAGE_COUNT"], "MESSAGE_COUNT=128"),
    "channels of one name": (
        program(1) | program(2) | channel(0, 1, "2", NAME=quoted("a"))
        | channel(1, 2, "1", NAME=quoted("a")), ["CHAN0_NAME", "CHAN1_NAME"], "same name"),
    "channel's name": (program(1) | program(2) | channel(0, 1, "2", NAME=quoted("a b")),
                       ["CHAN0_NAME"], "letters"),
    "half a page shared": (program(1) | memory(0, 1, "0", SIZE_KIB="6"), ["CHAN0_SIZE_KIB"],
                           "SIZE_KIB=8"),
    "no memory shared": (program(1) | memory(0, 1, "0", SIZE_KIB="0"), ["CHAN0_SIZE_KIB"],
                         "range"),
    "shared with nobody": (program(1) | memory(0, 1, "2"),
                           ["CHAN0_DESTINATIONS", "PART2_KIND_NONE"], "is empty"),
    "shared with itself": (memory(0, 0, "0"), ["CHAN0_SOURCE", "CHAN0_DESTINATIONS"], "itself"),
    "shared at half a page": (program(1) | memory(0, 1, "0", ADDRESS="0xc0000800"),
                              ["CHAN0_ADDRESS"], "ADDRESS=0xc0000000"),
    "shared in RAM": (program(1) | memory(0, 1, "0", ADDRESS="0xffff000"),
                      ["CHAN0_ADDRESS", "PART0_MEMORY_MIB"], "ADDRESS=0xc0000000"),
    "shared at the registers": (
        program(1) | memory(0, 1, "0", ADDRESS="0xcffff000") | {"PART0_UART_MMIO": "0xd0000000"},
        ["CHAN0_ADDRESS", "PART0_UART_MMIO"], "0xd0000000 on"),
    "shared twice": (
        program(1) | memory(0, 1, "0", NAME=quoted("a"), ADDRESS="0xc0010000")
        | memory(1, 1, "0", NAME=quoted("b"), ADDRESS="0xc001f000"),
        ["CHAN0_SIZE_KIB", "CHAN1_ADDRESS"], "0xc001f000 on"),
    "shared at the end": (program(1) | memory(0, 1, "0", ADDRESS="0xfebf1000"),
                          ["CHAN0_ADDRESS", "CHAN0_SIZE_KIB", "PART0_MEMORY_MIB"], "no room"),
    "no room to share": (
        program(1) | memory(0, 1, "0", SIZE_KIB="2048") | {"PART0_MEMORY_MIB": "4076",
                                                           "EMULATOR_MEMORY_MIB": "8192",
                                                           "KERNEL_MEMORY_MIB": "64"},
        ["CHAN0_SIZE_KIB", "PART0_MEMORY_MIB"], "no room"),
    "kernel memory of what is shared": (
        program(1) | memory(0, 1, "0", SIZE_KIB="262144") | {"KERNEL_MEMORY_MIB": "4",
                                                            "EMULATOR_MEMORY_MIB": "1024"},
        ["KERNEL_MEMORY_MIB"], "would do"),
    "machine too small to share": (program(1) | memory(0, 1, "0", SIZE_KIB="262144"),
                                   ["EMULATOR_MEMORY_MIB"], "too small"),
    "priority out of range": ({"PART0_PRIORITY": "201"}, ["PART0_PRIORITY"], "range"),
    "small guest elsewhere": ({"PART0_KIND_MINI": "y", "PART0_MINI": quoted("../x")},
                              ["PART0_MINI"], "no name"),
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


@pytest.mark.parametrize("changes, word", [
    ({"magic": 0}, "no bzImage"), ({"boot_flag": 0}, "no bzImage"),
    ({"version": 0x20b}, "2.11"), ({"xloadflags": 0}, "64-bit"), ({"setup_sects": 64}, "short"),
    ({"cmdline_size": 10}, "takes 10"), ({"init_size": 0xe0000000}, "PART0_MEMORY_MIB="),
    ({"pref_address": 1 << 40}, "out of range"),
])
def test_kernel_file(project: Project, changes: dict[str, int], word: str) -> None:
    (project.folder / "vmlinuz").write_bytes(bzimage(**changes))
    done = project.generate()
    assert_refused(done, ["CONFIG_PART0_KERNEL", str(project.folder / "vmlinuz")], word)


def test_short_and_empty_files(project: Project) -> None:
    (project.folder / "vmlinuz").write_bytes(bzimage()[:0x210])
    assert_refused(project.generate(), ["PART0_KERNEL"], "no bzImage")
    (project.folder / "vmlinuz").write_bytes(b"")
    assert_refused(project.generate(), ["PART0_KERNEL"], "file is empty")


def test_initrd_does_not_fit(project: Project) -> None:
    with (project.folder / "initrd").open("wb") as file:
        file.truncate(300 << 20)
    assert_refused(project.generate(), ["PART0_INITRD", "PART0_MEMORY_MIB"], "does not fit")


def test_the_remedy_for_memory_is_one(project: Project) -> None:
    with (project.folder / "initrd").open("wb") as file:
        file.truncate(300 << 20)
    done = project.generate()
    enough = done.stderr.split("PART0_MEMORY_MIB=")[-1].split()[0]
    assert project.generate(PART0_MEMORY_MIB=enough,
                            EMULATOR_MEMORY_MIB="1024").returncode == 0


def test_all_problems_at_once(project: Project) -> None:
    done = project.generate(NAME=quoted("A"), PART0_NAME=quoted("B"), SERIAL_BAUD="100000")
    assert done.stderr.count("error[") == 3


def test_missing_config(tmp_path: Path) -> None:
    done = subprocess.run([ROOT / "scripts/generate", tmp_path / "config"], capture_output=True,
                          text=True, check=False)
    assert_refused(done, [], "is missing")


def test_stale_symbols_do_no_harm(project: Project) -> None:
    assert project.generate(LONG_GONE="y").returncode == 0


def test_many_modules(project: Project) -> None:
    values: dict[str, str] = {"KERNEL_MEMORY_MIB": "64", "EMULATOR_MEMORY_MIB": "8192"}
    for slot in range(11):
        values |= {f"PART{slot}_KIND_LINUX": "y",
                   f"PART{slot}_KERNEL": quoted(str(project.folder / "vmlinuz")),
                   f"PART{slot}_INITRD": quoted(str(project.folder / "initrd"))}
    assert_refused(project.generate(**values), ["PART0_KIND_LINUX", "PART10_KIND_LINUX"],
                   "34 boot modules")


def test_many_ports(project: Project) -> None:
    """Sixteen channels at one partition are the most, and are as many as there are."""
    values = program(1) | program(2)
    for slot in range(16):
        values |= channel(slot, 1, "2")
    assert project.generate(**values).returncode == 0


def test_a_window_in_any_schedule_is_enough(project: Project) -> None:
    values = {"SCHEDULES": "2", "PART0_TIME_PARTITION": "3"} | windows(1, (3, 0, 0, 1000))
    assert project.generate(**values).returncode == 0


def test_windows_of_two_processors_do_not_overlap(project: Project) -> None:
    values = {"PROCESSORS": "2"} | windows(0, (1, 0, 0, 1000), (1, 1, 500, 1000),
                                           (2, 0, 1000, 9000))
    assert project.generate(**values).returncode == 0
