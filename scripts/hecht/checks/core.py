# SPDX-License-Identifier: Apache-2.0
"""
The register of all checks, and what they share. A check is a function that gets a Look and yields
a Problem for each place where one thing is wrong. It looks at that thing only: what other checks
refuse may be in the model too.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

from hecht.config import Config
from hecht.errors import ConfigError, Problem
from hecht.model import Channel, Model, Partition

GROUPS = {
    "TXT": "text", "MEM": "memory", "GST": "guests", "DEV": "devices", "INT": "interrupts",
    "SCH": "schedule", "CHN": "channels", "PRC": "processors", "RGT": "rights", "KRN": "kernel",
    "BRD": "board", "IMG": "image", "MDL": "model",
}
KINDS = {"linux": "KIND_LINUX", "mini": "KIND_MINI", "program": "KIND_PROGRAM"}

SHOWN_MOST = 200  # characters of a value; the menus show the rest
_IDENTIFIER = re.compile(r"([A-Z]{3})-\d{3}")


class Look:
    """A configuration and its model, and words for what is wrong in them."""

    def __init__(self, config: Config, model: Model) -> None:
        self.config = config
        self.model = model

    def problem(self, what: str, *symbols: str, remedy: str = "", **changes: str) -> Problem:
        """`symbols` without repetition, with their values and places in the menus. `changes`:
        symbol → value of .config that would do; `remedy`: the same, or more, in words."""
        return Problem(what, [(symbol, self.shown(symbol), self.config.place(symbol))
                              for symbol in dict.fromkeys(symbols)], remedy, changes)

    def shown(self, symbol: str) -> str:
        """The value as .config has it, with nothing in it that a terminal would obey."""
        value = self.config.text(symbol)
        if len(value) > SHOWN_MOST:
            value = f"{value[:SHOWN_MOST]}... ({len(value)} characters)"
        if not (value.isascii() and value.isprintable()):
            return ascii(value)
        if re.fullmatch(r"y|n|0x[0-9a-f]+|\d+", value):
            return value
        return f'"{value}"'

    def partition(self, slot: int) -> Partition | None:
        return next((partition for partition in self.model.partitions
                     if partition.slot == slot), None)

    def kind(self, slot: int) -> str:
        """The symbol that says what is in a slot."""
        partition = self.partition(slot)
        return f"PART{slot}_" + (KINDS[partition.kind] if partition else "KIND_NONE")

    def of_partitions(self, name: str) -> list[str]:
        return [partition.prefix + name for partition in self.model.partitions]

    @property
    def channels(self) -> list[Channel]:
        return self.model.channels


Function = Callable[[Look], Iterator[Problem]]


@dataclass(frozen=True)
class Check:
    identifier: str
    reason: str  # why it is refused
    function: Function
    files: bool  # it reads the guests' files

    @property
    def group(self) -> str:
        return GROUPS[self.identifier[:3]]


REGISTRY: dict[str, Check] = {}


def check(identifier: str, reason: str, files: bool = False) -> Callable[[Function], Function]:
    """Registers a check under its identifier, which names its group and never changes its
    meaning."""
    match = _IDENTIFIER.fullmatch(identifier)
    if not match or match[1] not in GROUPS or identifier in REGISTRY or not reason:
        raise ValueError(f"{identifier}: no check can be registered like that")

    def register(function: Function) -> Function:
        REGISTRY[identifier] = Check(identifier, reason, function, files)
        return function
    return register


def run(look: Look, checks: Iterable[Check]) -> list[Problem]:
    """What they find. A check that cannot run has found something too."""
    found: list[Problem] = []
    for one in checks:
        try:
            found += [replace(problem, identifier=one.identifier)
                      for problem in one.function(look)]
        except Exception as error:  # pylint: disable=broad-exception-caught
            found.append(Problem(f"this check cannot run: {type(error).__name__}: "
                                 f"{ascii(str(error))[1:-1]}",
                                 remedy="that is a bug of the generator, or a model that it did "
                                 "not make", identifier=one.identifier))
    return found


def raise_any(problems: list[Problem]) -> None:
    if problems:
        raise ConfigError(problems)
