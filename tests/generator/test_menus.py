# SPDX-License-Identifier: Apache-2.0
"""The targets of make that show and change a configuration, as a person uses them."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pexpect
import pytest
from conftest import ROOT

PATIENCE = 60  # seconds, on a slow machine


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return tmp_path / ".config"


def environment(config: Path) -> dict[str, str]:
    gone = ("MAKEFLAGS", "MAKELEVEL", "MFLAGS", "CONFIG")
    return {**{key: value for key, value in os.environ.items() if key not in gone},
            "KCONFIG_CONFIG": str(config), "TERM": "xterm", "LINES": "40", "COLUMNS": "120"}


def make(config: Path, *words: str) -> str:
    done = subprocess.run(["make", "-s", *words], cwd=ROOT, capture_output=True, text=True,
                          check=False, env=environment(config), stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("target, leave", [
    ("menuconfig", ["\x1bOC", "\r"]),  # right, to Exit
    ("nconfig", ["\x1bOX", "\x1b[20~"]),  # F9
])
def test_menus_are_shown(config: Path, target: str, leave: list[str]) -> None:
    menu = pexpect.spawn("make", ["-s", target], cwd=str(ROOT), env=environment(config),
                         timeout=PATIENCE, dimensions=(40, 120), encoding="utf-8",
                         codec_errors="replace")
    try:
        look_and_leave(menu, leave)
    finally:
        menu.close(force=True)  # left alone with no terminal, it would read that for ever
    assert menu.exitstatus == 0
    assert 'CONFIG_NAME="qemu_svm"' in config.read_text()  # what `make` alone would build


def look_and_leave(menu: pexpect.spawn, leave: list[str]) -> None:
    menu.expect("Hecht configuration")
    menu.expect("artitions")  # the P is a hotkey, and has another colour
    for keys in leave:
        menu.send(keys)
    menu.expect(pexpect.EOF)


def test_a_configuration_comes_and_goes(config: Path) -> None:
    make(config, "realtime_defconfig")
    assert 'CONFIG_NAME="realtime"' in config.read_text()
    before = config.read_text()
    make(config, "olddefconfig")
    assert config.read_text() == before
    differs = make(config, "diffconfig")
    assert "CONFIG_NAME: hecht → realtime  (Board > Name of this configuration)" in differs
    assert make(config, "diffconfig", f"TO={config}") == ""
    make(config, "randconfig", "SEED=1")
    drawn = config.read_text()
    assert drawn != before
    make(config, "randconfig", "SEED=1")
    assert config.read_text() == drawn


def test_savedefconfig_is_enough(config: Path, tmp_path: Path) -> None:
    make(config, "realtime_defconfig")
    before = config.read_text()
    saved = tmp_path / "saved_defconfig"
    make(config, "savedefconfig", f"SAVED={saved}")
    assert saved.read_text() == (ROOT / "configs/realtime_defconfig").read_text()
    subprocess.run(["kconfig-conf", f"--defconfig={saved}", "Kconfig"], cwd=ROOT, check=True,
                   env=environment(config), stdout=subprocess.DEVNULL)
    assert config.read_text() == before
