# SPDX-License-Identifier: Apache-2.0
"""Configurations by the dozen, in this process: the menus are parsed once."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import kconfiglib
from conftest import ROOT
from hecht.checks import all_checks
from hecht.checks.core import Look, run
from hecht.config import Config, parse_menus
from hecht.errors import Problem
from hecht.model import Model


@cache
def _menus() -> kconfiglib.Kconfig:
    return parse_menus(ROOT / "Kconfig")


class CheapConfig(Config):
    """Holds until the next one is made: all share the parsed menus."""

    def __init__(self, path: Path) -> None:  # pylint: disable=super-init-not-called
        self._kconf = _menus()
        self._kconf.warnings.clear()
        self._kconf.load_config(str(path))
        self._refuse_what_was_ignored()


def config_of(values: Mapping[str, str], path: Path) -> CheapConfig:
    """`values` as in .config; `path` is written."""
    lines = [f"# CONFIG_{name} is not set" if value == "n" else f"CONFIG_{name}={value}"
             for name, value in values.items()]
    path.write_text("\n".join(lines) + "\n")
    return CheapConfig(path)


def found(config: Config, model: Model, files: bool = True) -> list[Problem]:
    """What all checks find; they look for files from the project's folder."""
    here = os.getcwd()
    os.chdir(ROOT)
    try:
        return run(Look(config, model), [check for check in all_checks()
                                         if files or not check.files])
    finally:
        os.chdir(here)
