# SPDX-License-Identifier: Apache-2.0
"""Which board a configuration has: a file of configs/boards/, or one of the user's own."""

from __future__ import annotations

from pathlib import Path

from hecht import board, slots
from hecht.board import Board, BoardError
from hecht.config import Config
from hecht.errors import ConfigError, Problem

FOLDER = slots.ROOT / "configs/boards"
NAMES = ("generic_pc", "qemu_i440fx", "qemu_q35", "bochs")  # CONFIG_BOARD_*, files of FOLDER


def symbol(config: Config) -> str:
    """That says which board it is."""
    return next((f"BOARD_{name.upper()}" for name in NAMES
                 if config.is_on(f"BOARD_{name.upper()}")), "BOARD_FILE")


def chosen(config: Config) -> Board:
    """Raises ConfigError."""
    name = symbol(config)
    if name != "BOARD_FILE":
        path = FOLDER / f"{name.removeprefix('BOARD_').lower()}.toml"
    else:
        path = slots.ROOT / config.text(name)
    try:
        return board.load(Path(path))
    except (BoardError, ValueError) as error:
        raise ConfigError([Problem(f"the board file is not good: {error}",
                                   [(name, ascii(config.text(name)), config.place(name))],
                                   "take another board, or mend the file (docs/model.md)"
                                   )]) from None
