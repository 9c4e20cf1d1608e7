# SPDX-License-Identifier: Apache-2.0
"""What is wrong with a configuration, in words for the person who wrote it."""

from __future__ import annotations

from dataclasses import dataclass, field


def quoted(text: str) -> str:
    """As .config has a string."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong: what, at which symbols (with their values), what would do."""
    what: str
    symbols: list[tuple[str, str, str]] = field(default_factory=list)  # name, value, menu place
    remedy: str = ""
    changes: dict[str, str] = field(default_factory=dict)  # symbol → value as in .config
    identifier: str = ""  # of the check that found it

    def __str__(self) -> str:
        mark = f"[{self.identifier}]" if self.identifier else ""
        lines = [f"error{mark}: {self.what}"]
        lines += [f"  CONFIG_{name}={value}  ({place})" for name, value, place in self.symbols]
        would_do = " with ".join(f"CONFIG_{name}={value}" for name, value in self.changes.items())
        if would_do:
            lines.append(f"  {would_do} would do" + (f", or {self.remedy}" if self.remedy else ""))
        elif self.remedy:
            lines.append(f"  {self.remedy}")
        return "\n".join(lines)


class ConfigError(Exception):
    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems
