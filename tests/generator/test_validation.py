# SPDX-License-Identifier: Apache-2.0
"""Every check fires, names the symbol, its value and its place, and nothing is written."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from conftest import ROOT, Project, bzimage, quoted

REFUSED = {
    # what is set → symbols that the error must name, and a word of it
    "name with a slash": ({"NAME": quoted("a/b")}, ["NAME"], "letters"),
    "name with capitals": ({"NAME": quoted("Test")}, ["NAME"], "lower-case"),
    "empty name": ({"NAME": '""'}, ["NAME"], "1 to 31"),
    "long name": ({"NAME": quoted("x" * 32)}, ["NAME"], "1 to 31"),
    "name of dots": ({"NAME": quoted("..")}, ["NAME"], "letters"),
    "VM name": ({"VM0_NAME": quoted("my vm")}, ["VM0_NAME"], "letters"),
    "odd memory": ({"VM0_MEMORY_MIB": "65"}, ["VM0_MEMORY_MIB"], "VM0_MEMORY_MIB=66"),
    "memory out of range": ({"VM0_MEMORY_MIB": "1"}, ["VM0_MEMORY_MIB"], "range"),
    "memory no number": ({"VM0_MEMORY_MIB": "much"}, ["VM0_MEMORY_MIB"], "much"),
    "machine too small": ({"EMULATOR_MEMORY_MIB": "128"},
                          ["EMULATOR_MEMORY_MIB", "VM0_MEMORY_MIB"], "too small"),
    "kernel memory too small": ({"KERNEL_MEMORY_MIB": "4", "VM0_MEMORY_MIB": "1024",
                                 "EMULATOR_MEMORY_MIB": "2048"},
                                ["KERNEL_MEMORY_MIB", "VM0_MEMORY_MIB"], "would do"),
    "no console": ({"CONSOLE_SERIAL": "n", "CONSOLE_SCREEN": "n"},
                   ["CONSOLE_SERIAL", "CONSOLE_SCREEN"], "no console"),
    "serial port unaligned": ({"SERIAL_PORT": "0x3f9"}, ["SERIAL_PORT"], "0x3f8"),
    "baud no divisor": ({"SERIAL_BAUD": "100000"}, ["SERIAL_BAUD"], "divisor"),
    "no backend": ({"SVM": "n", "VMX": "n"}, ["SVM", "VMX"], "backend"),
    "CPU model": ({"EMULATOR_QEMU_CPU": quoted("max; reboot")}, ["EMULATOR_QEMU_CPU"], "CPU"),
    "control character": ({"VM0_CMDLINE": quoted("a\tb")}, ["VM0_CMDLINE"], "U+0009"),
    "umlaut": ({"VM0_CMDLINE": quoted("ä")}, ["VM0_CMDLINE"], "U+00E4"),
    "long command line": ({"VM0_CMDLINE": quoted("x" * 2048)}, ["VM0_CMDLINE"], "2048"),
    "registers in RAM": ({"VM0_UART_MMIO": "0x100000"}, ["VM0_UART_MMIO"], "outside"),
    "registers unaligned": ({"VM0_UART_MMIO": "0xd0000008"}, ["VM0_UART_MMIO"], "multiple"),
    "no kernel": ({"VM0_KERNEL": '""'}, ["VM0_KERNEL"], "missing"),
    "wrong path": ({"VM0_KERNEL": quoted("/nowhere/vmlinuz")}, ["VM0_KERNEL"], "no such file"),
    "kernel is a folder": ({"VM0_KERNEL": quoted("/")}, ["VM0_KERNEL"], "no file"),
    "wrong initrd": ({"VM0_INITRD": quoted("/nowhere/initrd")}, ["VM0_INITRD"], "no such file"),
    "kernel does not fit": ({"VM0_MEMORY_MIB": "16"}, ["VM0_MEMORY_MIB", "VM0_KERNEL"],
                            "VM0_MEMORY_MIB=22"),
    "no such small guest": ({"VM0_BOOT_MINI": "y", "VM0_MINI": quoted("nothing")},
                            ["VM0_MINI"], "there are: "),
    "small guest elsewhere": ({"VM0_BOOT_MINI": "y", "VM0_MINI": quoted("../x")},
                              ["VM0_MINI"], "no name"),
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
    ({"cmdline_size": 10}, "takes 10"), ({"init_size": 0xffffffff}, "VM0_MEMORY_MIB="),
    ({"pref_address": 1 << 40}, "VM0_MEMORY_MIB="),
])
def test_kernel_file(project: Project, changes: dict[str, int], word: str) -> None:
    (project.folder / "vmlinuz").write_bytes(bzimage(**changes))
    done = project.generate()
    assert_refused(done, ["CONFIG_VM0_KERNEL", str(project.folder / "vmlinuz")], word)


def test_short_and_empty_files(project: Project) -> None:
    (project.folder / "vmlinuz").write_bytes(bzimage()[:0x210])
    assert_refused(project.generate(), ["VM0_KERNEL"], "no bzImage")
    (project.folder / "vmlinuz").write_bytes(b"")
    assert_refused(project.generate(), ["VM0_KERNEL"], "empty")


def test_initrd_does_not_fit(project: Project) -> None:
    with (project.folder / "initrd").open("wb") as file:
        file.truncate(300 << 20)
    assert_refused(project.generate(), ["VM0_INITRD", "VM0_MEMORY_MIB"], "does not fit")


def test_the_remedy_for_memory_is_one(project: Project) -> None:
    with (project.folder / "initrd").open("wb") as file:
        file.truncate(300 << 20)
    done = project.generate()
    enough = done.stderr.split("VM0_MEMORY_MIB=")[-1].split()[0]
    assert project.generate(VM0_MEMORY_MIB=enough,
                            EMULATOR_MEMORY_MIB="1024").returncode == 0


def test_all_problems_at_once(project: Project) -> None:
    done = project.generate(NAME=quoted("A"), VM0_NAME=quoted("B"), SERIAL_BAUD="100000")
    assert done.stderr.count("error: ") == 3


def test_missing_config(tmp_path: Path) -> None:
    done = subprocess.run([ROOT / "scripts/generate", tmp_path / "config"], capture_output=True,
                          text=True, check=False)
    assert_refused(done, [], "is missing")


def test_stale_symbols_do_no_harm(project: Project) -> None:
    assert project.generate(LONG_GONE="y").returncode == 0
