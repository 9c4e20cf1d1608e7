# SPDX-License-Identifier: Apache-2.0
"""An image that lacks a boot module, and a machine that lacks memory: one line names what."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from conftest import ROOT, build


def without(module: str, folder: Path) -> Path:
    """mini_hello's image with the module's line taken out of GRUB's menu."""
    build("mini_hello")
    whole, image, menu = ROOT / "images/mini_hello.iso", folder / "image.iso", folder / "grub.cfg"
    subprocess.run(["xorriso", "-indev", whole, "-osirrox", "on", "-extract",
                    "/boot/grub/grub.cfg", menu], check=True, capture_output=True)
    menu.chmod(0o644)
    lines = menu.read_text().splitlines(keepends=True)
    kept = [line for line in lines if not line.rstrip().endswith(f" {module}")]
    assert len(kept) == len(lines) - 1
    menu.write_text("".join(kept))
    subprocess.run(["xorriso", "-indev", whole, "-outdev", image, "-boot_image", "any", "replay",
                    "-rm", "/boot/grub/grub.cfg", "--", "-map", menu, "/boot/grub/grub.cfg"],
                   check=True, capture_output=True)
    return image


def run(config: str, image: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([ROOT / "scripts/run", "--limit", "60", *options,
                           f"build/configs/{config}.config", image], cwd=ROOT, text=True,
                          stdin=subprocess.DEVNULL, capture_output=True, check=False)


@pytest.mark.parametrize(("module", "line"), [
    ("sigma0", "hecht: cannot start: boot module sigma0 is missing"),
    ("vmm:hello", "σ0: boot module vmm:hello is missing"),
    ("kernel:hello", "σ0: boot module kernel:hello is missing"),
])
def test_missing_module(module: str, line: str, tmp_path: Path) -> None:
    done = run("mini_hello", without(module, tmp_path))
    assert done.returncode == 1
    assert done.stderr.strip() == f"run: {line}"
    assert line in done.stdout


def test_too_little_memory_for_the_vm() -> None:
    """Enough for the kernel; what the VM needs and what there is stands on the console."""
    build("hostile")
    done = run("hostile", ROOT / "images/hostile.iso", "--memory", "200")
    assert done.returncode == 1
    assert "run: σ0: linux needs 256 MiB of RAM in one piece" in done.stderr
    assert "σ0: linux cannot start: too little memory" in done.stdout
    assert "σ0: hostile-map ended: code 0" in done.stdout  # the others go on
