# SPDX-License-Identifier: Apache-2.0
"""
How long building takes, in seconds of the wall clock: from a change of one symbol to a new ISO,
and everything but the guests. In a copy of the sources, so that what is there stays as it is.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CHANGE_LIMIT = 10.0
FULL_LIMIT = 60.0
# What an integrator changes: symbol, another value.
CHANGES = {
    "command line": ("PART0_CMDLINE", '"console=ttyS0 nokaslr acpi=off nolapic noapic pci=off x"'),
    "memory": ("PART0_MEMORY_MIB", "192"),
    "priority": ("PART0_PRIORITY", "77"),
    "a device": ("PART0_RTC", "n"),
    "a name": ("PART0_NAME", '"another"'),
    "kernel memory": ("KERNEL_MEMORY_MIB", "24"),
    "paging": ("PART0_PAGING_VTLB", "y"),
    "counting": ("COUNT", "y"),
}


class BuildError(Exception):
    """make failed; what it said."""


def _make(folder: Path, *words: str) -> float:
    environment = {key: value for key, value in os.environ.items()
                   if key not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS", "CONFIG", "KCONFIG_CONFIG")}
    start = time.monotonic()
    done = subprocess.run(["make", "-s", f"-j{os.cpu_count() or 1}", *words], cwd=folder,
                          capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        raise BuildError(done.stdout + done.stderr)
    return time.monotonic() - start


@contextmanager
def copy_of(root: Path) -> Iterator[Path]:
    """The sources and the guests, nothing that was built."""
    with tempfile.TemporaryDirectory(prefix="hecht-build-") as name:
        folder = Path(name) / "hecht"
        shutil.copytree(root, folder, symlinks=True, ignore=lambda at, names: [
            entry for entry in names if entry.endswith(".iso") or
            (Path(at) == root and entry in ("build", ".git", ".config"))])
        for part in ("guest", "cache"):
            if (root / "build" / part).is_dir():
                shutil.copytree(root / "build" / part, folder / "build" / part)
        _make(folder, "build/guest/lock", "CONFIG=qemu_svm")
        yield folder


def full(folder: Path) -> float:
    """All of it but the guests, in such a copy."""
    shutil.rmtree(folder / "build/obj", ignore_errors=True)
    for name in ("qemu_svm", "configs", "kconfig", "font"):
        shutil.rmtree(folder / "build" / name, ignore_errors=True)
    return _make(folder, "CONFIG=qemu_svm", "iso")


def change(folder: Path, symbol: str, value: str) -> float:
    """From a new value to a new ISO; the one before was made, and nothing of the new one."""
    for objects in (folder / "build/obj").glob("kernel-counting-*"):
        shutil.rmtree(objects)
    config = folder / "build/configs/change.config"
    _make(folder, "CONFIG=qemu_svm", "iso")
    text = (folder / "build/configs/qemu_svm.config").read_text()
    config.write_text(text.replace('CONFIG_NAME="qemu_svm"', 'CONFIG_NAME="change"'))
    words = (f"KCONFIG_CONFIG={config.relative_to(folder)}", "iso")
    _make(folder, *words)
    iso = folder / "images/change.iso"
    before = iso.read_bytes()
    changed = re.sub(rf"(?m)^(?:CONFIG_{symbol}=.*|# CONFIG_{symbol} is not set)$",
                     lambda _: f"CONFIG_{symbol}={value}", config.read_text())
    if symbol.startswith("PART0_PAGING_"):
        changed = changed.replace("CONFIG_PART0_PAGING_AUTOMATIC=y\n", "")
    config.write_text(changed)
    seconds = _make(folder, *words)
    if iso.read_bytes() == before:
        raise BuildError(f"CONFIG_{symbol}={value} makes no other image")
    return seconds
