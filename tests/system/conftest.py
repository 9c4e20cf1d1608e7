# SPDX-License-Identifier: Apache-2.0
"""System tests boot images; what they saw on the console lies in build/tests/."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "scripts"))
os.chdir(ROOT)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--full", action="store_true", help="also what takes long")
    parser.addoption("--config", metavar="NAME", help="rows of the matrix with this one only")
    parser.addoption("--backend", choices=["svm", "vmx"], help="rows of the matrix with it only")


def make(*words: str) -> subprocess.CompletedProcess[str]:
    """make in the project, one at a time: two could build the same image."""
    (ROOT / "build").mkdir(exist_ok=True)
    environment = {key: value for key, value in os.environ.items()
                   if key not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")}
    with (ROOT / "build/tests.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return subprocess.run(["make", "-s", *words], cwd=ROOT, capture_output=True, text=True,
                              check=False, env=environment)


def build(config: str) -> None:
    done = make(f"CONFIG={config}", "iso")
    assert done.returncode == 0, done.stdout + done.stderr
