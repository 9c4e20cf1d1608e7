# SPDX-License-Identifier: Apache-2.0
"""Names: what they may hold, and that they differ."""

from __future__ import annotations

import re
from collections.abc import Iterator

from hecht.checks.core import Look, check
from hecht.errors import Problem, quoted
from hecht.model import NAME_MAX

NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")
_CPU = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.,+=-]*")

# What build/ holds beside the folders of configurations, and what will be a name there.
_OF_THE_BUILD = ("cache", "check", "clang", "configs", "fuzz", "gcc", "guest", "kconfig", "tests",
                 "unit")
# Who speaks on the board's console beside the partitions (scripts/hecht/protocol.py).
_SPEAKERS = ("hecht", "module", "sigma0")


def _characters(look: Look, symbol: str) -> Iterator[Problem]:
    value = look.config.text(symbol)
    if value and not NAME.fullmatch(value):
        yield look.problem("a name may hold lower-case letters, digits, '_' and '-' only, and must "
                           "begin with a letter or digit", symbol,
                           **{symbol: quoted(look.config.default(symbol))})


def _length(look: Look, symbol: str) -> Iterator[Problem]:
    value = look.config.text(symbol)
    if not 1 <= len(value) <= NAME_MAX:
        yield look.problem(f"a name has 1 to {NAME_MAX} characters, this one {len(value)}", symbol,
                           **{symbol: quoted(look.config.default(symbol))})


def _differ(look: Look, what: str, symbols: list[str]) -> Iterator[Problem]:
    first: dict[str, str] = {}
    for symbol in symbols:
        name = look.config.text(symbol)
        other = first.setdefault(name, symbol)
        if other != symbol:
            number = "".join(c for c in symbol if c.isdigit())
            yield look.problem(f"two {what} have the same name", other, symbol,
                               **{symbol: quoted(f"{name[:NAME_MAX - 3]}-{number}")})


def _partitions(look: Look) -> list[str]:
    return look.of_partitions("NAME")


def _channels(look: Look) -> list[str]:
    return [channel.prefix + "NAME" for channel in look.channels]


@check("TXT-001", "The configuration's name becomes the name of files and folders and a word for "
       "make; other characters mean something there.")
def configuration_characters(look: Look) -> Iterator[Problem]:
    yield from _characters(look, "NAME")


@check("TXT-002", "The kernel prints the configuration's name from a record of 32 bytes.")
def configuration_length(look: Look) -> Iterator[Problem]:
    yield from _length(look, "NAME")


@check("TXT-003", "build/NAME/ would be a folder that the build uses for something else, and would "
       "be overwritten.")
def configuration_taken(look: Look) -> Iterator[Problem]:
    if look.model.name in _OF_THE_BUILD:
        yield look.problem("the build itself has a folder of this name", "NAME",
                           NAME=quoted(f"my-{look.model.name}"))


@check("TXT-004", "A partition's name becomes the name of files in the image and of boot modules, "
       "and stands on the console before what it prints.")
def partition_characters(look: Look) -> Iterator[Problem]:
    for symbol in _partitions(look):
        yield from _characters(look, symbol)


@check("TXT-005", "A partition's name has 32 bytes in its information page, the end included.")
def partition_length(look: Look) -> Iterator[Problem]:
    for symbol in _partitions(look):
        yield from _length(look, symbol)


@check("TXT-006", "Boot modules and lines of the console are told apart by the partition's name.")
def partitions_differ(look: Look) -> Iterator[Problem]:
    yield from _differ(look, "partitions", _partitions(look))


@check("TXT-007", "The hypervisor speaks under this name: a partition's lines could not be told "
       "from the hypervisor's own.")
def partition_speaker(look: Look) -> Iterator[Problem]:
    for symbol in _partitions(look):
        if look.config.text(symbol) in _SPEAKERS:
            yield look.problem("the hypervisor itself speaks under this name", symbol,
                               **{symbol: quoted(look.config.default(symbol))})


@check("TXT-008", "Programs find their ports by the channel's name, which stands in C tables and "
       "in records of 32 bytes.")
def channel_characters(look: Look) -> Iterator[Problem]:
    for symbol in _channels(look):
        yield from _characters(look, symbol)


@check("TXT-009", "A port's name has 32 bytes in the partition's information page, the end "
       "included.")
def channel_length(look: Look) -> Iterator[Problem]:
    for symbol in _channels(look):
        yield from _length(look, symbol)


@check("TXT-010", "A program could not tell two ports of one name apart.")
def channels_differ(look: Look) -> Iterator[Problem]:
    yield from _differ(look, "channels", _channels(look))


@check("TXT-011", "The CPU model is a word of the emulator's command line.")
def cpu_characters(look: Look) -> Iterator[Problem]:
    symbol = f"EMULATOR_{look.model.emulator.name.upper()}_CPU"
    if not _CPU.fullmatch(look.model.emulator.cpu):
        yield look.problem("this is no name of a CPU model", symbol,
                           **{symbol: quoted(look.config.default(symbol))})
