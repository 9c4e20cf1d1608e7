# SPDX-License-Identifier: Apache-2.0
"""Every row of tests/matrix."""

from __future__ import annotations

import warnings
from pathlib import Path

import matrix
import pytest
import scripts
from conftest import ROOT, build
from console import Console, Hung
from hecht.config import Config
from hecht.emulator import Machine, Settings
from hecht.model import MIB, make_model

COUNT_SHIFT = 4  # 16 ticks are one instruction: a machine of 62.5 MHz, so that time passes quickly
START_TIME = 1_700_000_000  # Bochs's clock: any will do, if it is not today


@pytest.mark.parametrize("row", matrix.read(), ids=lambda row: row.name)
def test_row(row: matrix.Row, request: pytest.FixtureRequest) -> None:
    if row.group == "full" and not request.config.getoption("--full"):
        pytest.skip("in make check-full only")
    for option in ("config", "backend"):
        if request.config.getoption(f"--{option}") not in (None, getattr(row, option)):
            pytest.skip(f"another {option} was asked for")
    build(row.config)
    model = make_model(Config(ROOT / "Kconfig", ROOT / f"build/configs/{row.config}.config"))
    assert model.board.name == row.board
    settings = Settings(
        iso=row.iso, emulator=row.emulator, cpu=row.cpu, medium=row.medium,
        firmware=row.firmware, memory_mib=row.memory or model.emulator.memory // MIB,
        machine=model.machine, processors=model.processors, count=row.count,
        shift=COUNT_SHIFT if row.count else 0,
        start_time=START_TIME if row.emulator == "bochs" else None)
    log = ROOT / "build/tests" / f"{row.name}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    try:
        run(row, settings, log)
    except Hung:
        if row.emulator != "qemu" or row.count:
            raise
        # QEMU may lose an interrupt where its time is the wall's (docs/limits.md): told, and tried
        # once more. Whatever else goes wrong fails at once.
        hung = log.replace(log.with_suffix(".hung.log"))
        warnings.warn(f"{row.name} hung, and was tried again; its console: {hung}")
        run(row, settings, log)


def run(row: matrix.Row, settings: Settings, log: Path) -> None:
    with Machine(settings) as machine:
        console = Console(machine, row.limit, log)
        try:
            getattr(scripts, row.script)(console)
        finally:
            console.close()


def test_jobs_are_all_rows() -> None:
    """Each row of the group check is run by exactly one job of .github/workflows/ci.yml."""
    jobs = matrix.jobs(matrix.read())
    assert len(jobs) == len({tuple(job.values()) for job in jobs})
    for row in matrix.read():
        if row.group == "check":
            assert {"config": row.config, "backend": row.backend} in jobs
    workflow = (ROOT / ".github/workflows/ci.yml").read_text()
    for option in ("--jobs", "--config", "--backend", "matrix.job.config", "matrix.job.backend"):
        assert option in workflow
