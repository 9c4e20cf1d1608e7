# SPDX-License-Identifier: Apache-2.0
"""
Checks a model: one module for each group, one function for each check. check_model() needs
nothing but the configuration and the model; check_files() reads the guests' files.
"""

from __future__ import annotations

from hecht.checks import (board, channels, consistency, devices, guests,  # noqa: F401
                          image, interrupts, kernel, memory, placement, processors, rights,
                          schedule, text)
from hecht.checks.core import GROUPS, REGISTRY, Check, Look, raise_any, run
from hecht.config import Config
from hecht.model import Model

__all__ = ["REGISTRY", "all_checks", "check_files", "check_model", "describe"]


def all_checks() -> list[Check]:
    """In the order of their groups and numbers."""
    groups = list(GROUPS)
    return sorted(REGISTRY.values(),
                  key=lambda check: (groups.index(check.identifier[:3]), check.identifier))


def check_model(config: Config, model: Model) -> None:
    """What a wrong configuration would make wrong in the model is looked at when it is right."""
    look, checks = Look(config, model), [check for check in all_checks() if not check.files]
    raise_any(run(look, [check for check in checks if check.group != "model"]))
    raise_any(run(look, [check for check in checks if check.group == "model"]))


def check_files(config: Config, model: Model) -> None:
    raise_any(run(Look(config, model), [check for check in all_checks() if check.files]))


def describe() -> str:
    """docs/checks.md"""
    lines = ["# Checks", "",
             "What is refused before anything is built, and why. This page is made by "
             "`scripts/generate --checks`; a test says when it is stale. Those marked * look at "
             "the guests' files.", ""]
    for letters, group in GROUPS.items():
        rows = [check for check in all_checks() if check.identifier.startswith(letters)]
        lines += [f"## {group.capitalize()}", "", "| identifier | why it is refused |",
                  "| --- | --- |"]
        lines += [f"| {check.identifier}{'*' if check.files else ''} | {check.reason} |"
                  for check in rows]
        lines.append("")
    lines.append(f"{len(REGISTRY)} checks in {len(GROUPS)} groups.")
    return "\n".join(lines) + "\n"
