# SPDX-License-Identifier: Apache-2.0
"""
Kconfig has no loops: what there is several times of stands once in configs/template/ and is
expanded into build/kconfig/ before a parser reads it. How many slots there are stands here only.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import jinja2

PARTITIONS = 16
CHANNELS = 16
SCHEDULES = 4
WINDOWS = 16  # of a schedule

ROOT = Path(__file__).resolve().parent.parent.parent
TEMPLATES = ROOT / "configs/template"

# What may be done about an error (hypervisor/abi/health.h): prompt, help.
ACTIONS = {
    "IGNORE": ("Ignore", "Nothing is done, nothing is logged."),
    "LOG": ("Log", "The log says so; every other action but Ignore logs too."),
    "STOP": ("Stop the partition", "All its threads end; the others go on."),
    "RESTART_COLD": ("Restart the partition, cold",
                     "It is loaded anew, and all its memory is zero before."),
    "RESTART_WARM": ("Restart the partition, warm",
                     "It is loaded anew; what stands in its RAM stays."),
    "SWITCH_SCHEDULE": ("Stop the partition and switch the schedule",
                        "The machine goes over to the schedule that is named below."),
    "STOP_MODULE": ("Stop the machine", "The machine ends, with all partitions."),
}
_RESTARTS = ["RESTART_COLD", "RESTART_WARM", "SWITCH_SCHEDULE", "STOP_MODULE"]
_FATAL = ["STOP", *_RESTARTS]
_RAISED = ["IGNORE", "LOG", "STOP", *_RESTARTS]


@dataclass(frozen=True)
class HealthError:
    """One of enum health_error, and what the menus offer for it; the first condition is a kind of
    partition that can have it (empty: all)."""
    name: str
    prompt: str
    help: str
    default: str
    actions: list[str]
    kinds: tuple[str, ...] = ()


HEALTH_ERRORS = (
    HealthError("EXCEPTION", "An exception that nobody handles",
                "A thread of the partition divided by zero, used an instruction that it may not "
                "use, or the like.", "STOP", _FATAL),
    HealthError("MEMORY_VIOLATION", "Access to memory that is not its own",
                "A thread of the partition touched an address that it does not have.",
                "STOP", _FATAL),
    HealthError("STACK_OVERFLOW", "Overflow of a stack",
                "A thread of the partition touched the page below its stack.", "STOP", _FATAL),
    HealthError("DEADLINE_MISSED", "A missed deadline",
                "The program says that it did not finish in time.", "LOG", _RAISED, ("PROGRAM",)),
    HealthError("APPLICATION", "An error that the program reports",
                "What it means is the program's own matter.", "LOG", _RAISED, ("PROGRAM",)),
    HealthError("VM_SHUTDOWN", "Shutdown of the VM",
                "The guest had a triple fault, or did what no VM can go on after.",
                "STOP", _FATAL, ("LINUX", "MINI")),
    HealthError("PARTITION_ENDED", "The partition's end",
                "It ended by itself: the guest powered off, the program is done.",
                "LOG", ["LOG", *_RESTARTS]),
    HealthError("CONFIGURATION", "It cannot be made as configured",
                "Memory in one piece, a boot module or a right is not there when the partition "
                "is to start.", "STOP", ["STOP", "SWITCH_SCHEDULE", "STOP_MODULE"]),
)


def write(path: Path, text: str) -> None:
    """In one step, and only if something changes."""
    if path.is_file() and path.read_text() == text:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(text)
    os.replace(temporary, path)


def expand(template: str) -> str:
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, trim_blocks=True,
                                     lstrip_blocks=True, keep_trailing_newline=True)
    return environment.from_string(template).render(
        partitions=PARTITIONS, channels=CHANNELS, schedules=SCHEDULES, windows=WINDOWS,
        health_errors=HEALTH_ERRORS, actions=ACTIONS)


def expand_all(root: Path = ROOT) -> None:
    """configs/template/NAME.kconfig.in → build/kconfig/NAME.kconfig"""
    for template in sorted(TEMPLATES.glob("*.kconfig.in")):
        write(root / "build/kconfig" / template.stem, expand(template.read_text()))
