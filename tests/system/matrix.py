# SPDX-License-Identifier: Apache-2.0
"""Reads tests/matrix. As a program, with --jobs: the jobs of a continuous integration, as JSON."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
MATRIX = ROOT / "tests/matrix"


@dataclass(frozen=True)
class Row:
    name: str
    config: str
    board: str
    emulator: str
    cpu: str
    medium: str
    firmware: str
    script: str
    group: str
    limit: int
    memory: int | None = None  # MiB; as emulator:MEMORY in the file
    count: bool = False  # as qemu-count in the file

    @property
    def backend(self) -> str:
        """What the CPU has: Bochs's Core processors have VMX, all others SVM or nothing."""
        return "vmx" if self.cpu.startswith("core") else "svm"

    @property
    def iso(self) -> Path:
        return ROOT / "images" / f"{self.config}.iso"


def read(path: Path = MATRIX) -> list[Row]:
    rows = []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        if len(words) != 10:
            raise ValueError(f"{path}:{number}: 10 words are wanted, not {len(words)}")
        name, config, board, emulator, cpu, medium, firmware, script, group, limit = words
        emulator, _, memory = emulator.partition(":")
        rows.append(Row(name, config, board, emulator.removesuffix("-count"), cpu, medium, firmware,
                        script, group, int(limit), int(memory) if memory else None,
                        emulator.endswith("-count")))
    if len({row.name for row in rows}) != len(rows):
        raise ValueError(f"{path}: a name stands there twice")
    return rows


def jobs(rows: list[Row]) -> list[dict[str, str]]:
    """One for each configuration and backend that has rows in the group check."""
    pairs = {(row.config, row.backend) for row in rows if row.group == "check"}
    return [{"config": config, "backend": backend} for config, backend in sorted(pairs)]


if __name__ == "__main__":
    if sys.argv[1:] != ["--jobs"]:
        sys.exit("usage: matrix.py --jobs")
    print(json.dumps(jobs(read())))
