# SPDX-License-Identifier: Apache-2.0
"""Lists of numbers in a string, as for processors and I/O ports: "0", "0-1", "0x40-0x43,0x61"."""

from __future__ import annotations

import re

_NUMBER = r"\s*(0[xX][0-9a-fA-F]{1,8}|\d{1,9})\s*"
_RANGE = re.compile(f"{_NUMBER}(?:-{_NUMBER})?", re.ASCII)


def ranges(text: str, limit: int) -> list[tuple[int, int]] | str:
    """(first, count) of each, ascending, of numbers below `limit`; or what is wrong, in words."""
    found: list[tuple[int, int]] = []
    if not text.strip():
        return found
    for word in text.split(","):
        match = _RANGE.fullmatch(word)
        if not match:
            return (f"{ascii(word.strip()[:40])} is neither a number nor a range such as 0-1"
                    if word.strip() else "a number is missing at a comma")
        first = _number(match[1])
        last = _number(match[2]) if match[2] else first
        if last < first:
            return f"the range {word.strip()} ends before it begins"
        if last >= limit:
            return f"{word.strip()} is beyond the last, {limit - 1}"
        found.append((first, last - first + 1))
    found.sort()
    for (first, count), (second, _) in zip(found, found[1:]):
        if second < first + count:
            return f"{second} stands there twice"
    return found


def _number(text: str) -> int:
    return int(text, 16 if text.lower().startswith("0x") else 10)


def each(parsed: list[tuple[int, int]] | str) -> list[int]:
    """All numbers of ranges(); none of what was wrong."""
    if isinstance(parsed, str):
        return []
    return [number for first, count in parsed for number in range(first, first + count)]


def good(parsed: list[tuple[int, int]] | str) -> list[tuple[int, int]]:
    return [] if isinstance(parsed, str) else parsed
