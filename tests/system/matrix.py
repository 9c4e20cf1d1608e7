# SPDX-License-Identifier: Apache-2.0
"""Reads tests/matrix."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
MATRIX = ROOT / "tests/matrix"


@dataclass(frozen=True)
class Row:
    name: str
    config: str
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
    def iso(self) -> Path:
        return ROOT / "images" / f"{self.config}.iso"


def read(path: Path = MATRIX) -> list[Row]:
    rows = []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        if len(words) != 9:
            raise ValueError(f"{path}:{number}: 9 words are wanted, not {len(words)}")
        name, config, emulator, cpu, medium, firmware, script, group, limit = words
        emulator, _, memory = emulator.partition(":")
        rows.append(Row(name, config, emulator.removesuffix("-count"), cpu, medium, firmware,
                        script, group, int(limit), int(memory) if memory else None,
                        emulator.endswith("-count")))
    if len({row.name for row in rows}) != len(rows):
        raise ValueError(f"{path}: a name stands there twice")
    return rows
