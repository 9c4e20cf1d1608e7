# SPDX-License-Identifier: Apache-2.0
"""Reads a .config: values together with where they stand in the menus."""

from __future__ import annotations

import os
from pathlib import Path

import kconfiglib

from hecht import ignored, slots
from hecht.errors import ConfigError, Problem


def parse_menus(kconfig: Path) -> kconfiglib.Kconfig:
    """All symbols, with their defaults."""
    slots.expand_all()
    os.environ["srctree"] = str(slots.ROOT)  # where `source` looks
    menus = kconfiglib.Kconfig(str(kconfig.resolve()), warn_to_stderr=False)
    menus.warn_assign_undef = True
    return menus


class Config:
    """The values of one .config. Symbols are named without their prefix CONFIG_."""

    def __init__(self, kconfig: Path, config: Path | None) -> None:
        """Without a .config, the defaults."""
        self._kconf = parse_menus(kconfig)
        if config is None:
            return
        if not os.path.isfile(config):
            raise ConfigError([Problem(f"{config} is missing; run: make qemu_svm_defconfig")])
        try:
            self._kconf.load_config(str(config))
        except UnicodeDecodeError as error:
            raise ConfigError([Problem(f"{config} is no UTF-8 text: {error.reason}")]) from None
        except (OSError, kconfiglib.KconfigError) as error:
            reason = next((line for line in str(error).splitlines() if line.strip()), "")
            raise ConfigError([Problem(f"{config} cannot be read: {reason}")]) from None
        self._refuse_what_was_ignored()

    def _refuse_what_was_ignored(self) -> None:
        for symbol in self._kconf.unique_defined_syms:
            _ = symbol.str_value  # a value out of range is found when it is asked for
        problems = [found for warning in self._kconf.warnings
                    if (found := ignored.problem(self, warning))]
        if problems:
            raise ConfigError(problems)

    def symbols(self) -> list[str]:
        """All, in the menus' order."""
        return [symbol.name for symbol in self._kconf.unique_defined_syms]

    def is_on(self, symbol: str) -> bool:
        return self._kconf.syms[symbol].str_value == "y"

    def text(self, symbol: str) -> str:
        return self._kconf.syms[symbol].str_value

    def number(self, symbol: str, absent: int = 0) -> int:
        """`absent` when the symbol's menu is not there."""
        value = self._kconf.syms[symbol].str_value
        base = 16 if self._kconf.syms[symbol].orig_type == kconfiglib.HEX else 10
        return int(value, base) if value else absent

    def default(self, symbol: str) -> str:
        for value, condition in self._kconf.syms[symbol].defaults:
            if kconfiglib.expr_value(condition):
                return value.str_value
        return ""

    def place(self, symbol: str) -> str:
        """The way to it through the menus: 'Board > Console > Speed of the serial port'."""
        node = self._kconf.syms[symbol].nodes[0]
        path = []
        while node is not None and node is not self._kconf.top_node:
            if node.prompt:
                path.append(node.prompt[0])
            node = node.parent
        return " > ".join(reversed(path))
