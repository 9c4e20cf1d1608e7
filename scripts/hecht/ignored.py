# SPDX-License-Identifier: Apache-2.0
"""What kconfiglib ignored of a .config, and only warns of: each an error, in our words. It would
silently become a default otherwise."""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING

from hecht.errors import Problem, quoted

if TYPE_CHECKING:
    from hecht.config import Config

_PLACE = re.compile(r"(?:(?P<file>[^\n]*):(?P<line>\d+): )?warning: (?P<text>.*)", re.DOTALL)
_SYMBOL = r"(?P<symbol>\w+) \(defined at [^)]*\)"
_VALUE = r"'(?P<value>.*)'"
# What kconfiglib says, and what is said instead. "remedy" where no value can be named.
_FORMS = [(re.compile(form, re.DOTALL), words) for form, words in (
    (rf"user value (?P<value>\S+) on the \w+ symbol {_SYMBOL} ignored due to being outside the "
     r"active range \(\[(?P<low>\w+), (?P<high>\w+)\]\).*",
     "{value} is outside the range from {low} to {high}"),
    (rf"the value {_VALUE} is invalid for {_SYMBOL}, which has type (?P<type>\w+).*",
     "{value} is {type}"),
    (rf"{_VALUE} is not a valid value for the (?P<type>\w+) symbol {_SYMBOL}.*",
     "{value} is {type}"),
    (rf'{_SYMBOL} set more than once. Old value "(?P<old>.*)", new value "(?P<value>.*)".',
     "set twice, first to {old}"),
    (rf"malformed string literal in assignment to {_SYMBOL}.*",
     "a text that is not between quotes, or not with every quote in it after a backslash"),
    (rf"ignoring malformed line {_VALUE}", "this is no assignment and no comment: {value}"),
    (rf"attempt to assign the value {_VALUE} to the undefined symbol (?P<unknown>.*)",
     "there is no symbol CONFIG_{unknown}"),
)]
_TYPES = {"int": "no whole number", "hex": "no hexadecimal number", "bool": "neither y nor n",
          "string": "no text"}
_SHOWN = 60


def _shown(text: str) -> str:
    """Printable, whatever it is, and short."""
    return ascii(text if len(text) <= _SHOWN else text[:_SHOWN] + "...")[1:-1]


def _nearest(config: Config, unknown: str) -> str:
    names = difflib.get_close_matches(unknown, config.symbols(), 3)
    return ("perhaps " + " or ".join(f"CONFIG_{name}" for name in names) + "; " if names else "") \
        + "`make olddefconfig` takes out what does not exist"


def _good(config: Config, symbol: str, parts: dict[str, str]) -> str:
    """A value that it takes: the nearest, or the default."""
    if "low" in parts:
        low, high = parts["low"], parts["high"]
        base = 16 if low.startswith("0x") else 10
        return low if int(parts["value"], base) < int(low, base) else high
    if parts.get("type") == "bool":
        return config.default(symbol) or "n"
    return config.default(symbol) if "type" in parts else quoted(config.default(symbol))


def problem(config: Config, warning: str) -> Problem | None:
    """None: it does no harm, a symbol that does not exist and is not set."""
    place = _PLACE.fullmatch(warning)
    text = place["text"] if place else warning
    where = f"{ascii(place['file'])[1:-1]}:{place['line']}: " if place and place["file"] else ""
    for form, words in _FORMS:
        if match := form.fullmatch(text):
            break
    else:
        return Problem(where + _shown(text))
    parts = match.groupdict()
    if "unknown" in parts:
        if parts["value"] == "n":
            return None
        return Problem(where + words.format(unknown=_shown(parts["unknown"])),
                       remedy=_nearest(config, parts["unknown"]))
    said = where + words.format(**{name: _TYPES.get(part, _shown(part))
                                   for name, part in parts.items()})
    if "symbol" not in parts:
        return Problem(said)
    symbol = parts["symbol"]
    at = [(symbol, _shown(parts.get("value", "...")), config.place(symbol))]
    if "old" in parts:
        return Problem(said, at, remedy="one of the lines has to go")
    return Problem(said, at, changes={symbol: _good(config, symbol, parts)})
