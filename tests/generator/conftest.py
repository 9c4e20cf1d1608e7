# SPDX-License-Identifier: Apache-2.0
"""What the generator's tests share: configurations and kernel files made on the spot."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
from pathlib import Path

import hypothesis
import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "scripts"))
hypothesis.settings.register_profile("repeatable", derandomize=True, database=None)
hypothesis.settings.load_profile("repeatable")


_HEADER = {  # value, offset, form
    "setup_sects": (3, 0x1f1, "<B"), "syssize": (384, 0x1f4, "<I"),
    "boot_flag": (0xaa55, 0x1fe, "<H"), "header_length": (0x6a, 0x201, "<B"),
    "magic": (0x53726448, 0x202, "<I"), "version": (0x20f, 0x206, "<H"),
    "loadflags": (1, 0x211, "<B"), "initrd_addr_max": (0x7fffffff, 0x22c, "<I"),
    "alignment": (2 << 20, 0x230, "<I"), "relocatable": (1, 0x234, "<B"),
    "xloadflags": (1, 0x236, "<H"), "cmdline_size": (2047, 0x238, "<I"),
    "pref_address": (1 << 24, 0x258, "<Q"), "init_size": (4 << 20, 0x260, "<I"),
}


def bzimage(**changes: int) -> bytes:
    """A file that looks like a 64-bit kernel; `changes` are values of single fields."""
    image = bytearray(8192)
    for name, (value, offset, form) in _HEADER.items():
        struct.pack_into(form, image, offset, changes.get(name, value))
    return bytes(image)


def quoted(text: str) -> str:
    """As kconfig writes a string."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def program(slot: int, **values: str) -> dict[str, str]:
    """A slot with a native program that stands in the tree for tests; `values` as in .config."""
    return {f"PART{slot}_{name}": value for name, value in
            ({"KIND_PROGRAM": "y", "PROGRAM": quoted("tests/system/hostile/cli")}
             | values).items()}


def channel(slot: int, source: int, destinations: str, **values: str) -> dict[str, str]:
    return {f"CHAN{slot}_{name}": value for name, value in
            ({"KIND_SAMPLING": "y", "SOURCE": str(source), "DESTINATIONS": quoted(destinations)}
             | values).items()}


def memory(slot: int, source: int, destinations: str, **values: str) -> dict[str, str]:
    """A channel that is shared memory."""
    return channel(slot, source, destinations,
                   **({"KIND_SAMPLING": "n", "KIND_MEMORY": "y"} | values))


def windows(schedule: int, *rows: tuple[int, int, int, int]) -> dict[str, str]:
    """Of each row: time partition, processor, start and length in microseconds."""
    values = {f"SCHED{schedule}_WINDOWS": str(len(rows))}
    for slot, row in enumerate(rows):
        values |= {f"SCHED{schedule}_WIN{slot}_{name}": str(value) for name, value in
                   zip(("PARTITION", "PROCESSOR", "START_US", "LENGTH_US"), row)}
    return values


class Project:
    """A configuration in a folder of its own, given to the real generator."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.out = folder / "out"
        self.values = {"NAME": quoted("test"), "PART0_KERNEL": quoted(str(folder / "vmlinuz")),
                       "PART0_INITRD": quoted(str(folder / "initrd"))}
        (folder / "vmlinuz").write_bytes(bzimage())
        (folder / "initrd").write_bytes(b"070701")

    def generate(self, **values: str) -> subprocess.CompletedProcess[str]:
        config = self.folder / "config"
        lines = [f"# CONFIG_{name} is not set" if value == "n" else f"CONFIG_{name}={value}"
                 for name, value in (self.values | values).items()]
        config.write_text("\n".join(lines) + "\n")
        return subprocess.run(
            [ROOT / "scripts/generate", config, "--makefile", self.out / "config.mk",
             "--tables", self.out],
            cwd=ROOT, capture_output=True, text=True, check=False, timeout=60,
            env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"})

    def table(self, name: str) -> str:
        return (self.out / "generated" / name).read_text()


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)
