# SPDX-License-Identifier: Apache-2.0
"""Random configurations, from fixed seeds: each is refused with a symbol's name, or its tables
compile. RANDOM_CONFIGS=N runs more of them, FIRST_SEED=N others."""

from __future__ import annotations

import os
import random
import re
from pathlib import Path

import kconfiglib
import pytest
from conftest import ROOT, Project, quoted
from hecht import slots
from test_tables import compiles

FIRST = int(os.environ.get("FIRST_SEED", "1"))
SEEDS = range(FIRST, FIRST + int(os.environ.get("RANDOM_CONFIGS", "20")))
TEXTS = {
    "_NAME": ["a", "b-1", "linux", "x" * 31],
    "_KERNEL": ["build/guest/vmlinuz"], "_INITRD": ["build/guest/initrd", ""],
    "_MINI": ["hello", "smp"], "_CMDLINE": ["", "console=ttyS0", "$(x) `y` \\ \""],
    "_PROGRAM": ["tests/system/hostile/cli", "tests/system/hostile/map"],
    "_ARGUMENTS": ["", "frames=7"], "_PROCESSORS": ["0", "1", "0-1", "0,2", "3"],
    "_IO_PORTS": ["", "", "0x40-0x43,0x61", "0x61", "0x3f8"], "_IRQS": ["", "", "2", "2,8"],
    "_DESTINATIONS": ["0", "1", "1,2", "3", ""], "_CPU": ["max"],
}


@pytest.fixture(scope="module")
def kconf() -> kconfiglib.Kconfig:
    slots.expand_all()
    os.environ["srctree"] = str(ROOT)
    return kconfiglib.Kconfig(str(ROOT / "Kconfig"), warn=False)


def number(symbol: kconfiglib.Symbol, seeded: random.Random) -> str:
    """Mostly small ones: those get further."""
    low, high = next(((int(low.str_value, 0), int(high.str_value, 0)) for low, high, condition
                      in symbol.ranges if kconfiglib.expr_value(condition)), (0, 1 << 20))
    value = seeded.choice([low, high, seeded.randint(low, high), min(high, low + 2),
                           min(high, low + seeded.randrange(4))])
    return hex(value) if symbol.orig_type == kconfiglib.HEX else str(value)


def randomize(kconf: kconfiglib.Kconfig, seeded: random.Random) -> None:
    """Few changes at a time, in the menus' order, so that what a choice shows can follow it."""
    often = seeded.choice([0.02, 0.1, 0.5])
    kconf.unset_values()
    for symbol in kconf.unique_defined_syms:
        if not symbol.visibility or seeded.random() > often:
            continue
        if symbol.orig_type == kconfiglib.BOOL:
            symbol.set_value(2 if symbol.choice else seeded.choice([0, 2]))
        elif symbol.orig_type == kconfiglib.STRING:
            for ending, texts in TEXTS.items():
                if symbol.name.endswith(ending):
                    symbol.set_value(seeded.choice(texts))
        else:
            symbol.set_value(number(symbol, seeded))


@pytest.mark.parametrize("seed", SEEDS)
def test_refused_or_compiled(kconf: kconfiglib.Kconfig, tmp_path: Path, seed: int) -> None:
    seeded = random.Random(seed)
    project = Project(tmp_path)
    randomize(kconf, seeded)
    for slot in range(slots.PARTITIONS):
        kconf.syms[f"PART{slot}_KERNEL"].set_value(str(tmp_path / "vmlinuz"))
        kconf.syms[f"PART{slot}_INITRD"].set_value(str(tmp_path / "initrd"))
    kconf.write_config(str(tmp_path / "random"))
    lines = (tmp_path / "random").read_text().splitlines()
    project.values = dict(line.removeprefix("CONFIG_").split("=", 1) for line in lines
                          if line.startswith("CONFIG_"))
    project.values |= {line.split()[1].removeprefix("CONFIG_"): "n" for line in lines
                       if line.endswith(" is not set")}
    done = project.generate(NAME=quoted(f"random-{seed}"))
    assert "Traceback" not in done.stderr, done.stderr
    if done.returncode:
        assert "error" in done.stderr and "CONFIG_" in done.stderr
    else:
        assert compiles(project)


def test_a_fixed_board_has_room_for_whole_large_pages(project: Project) -> None:
    """The kernel's memory is used in pages of 2 MiB: an odd number of MiB leaves room for one
    more, below what the firmware keeps."""
    done = project.generate(BOARD_QEMU_I440FX="y", EMULATOR_QEMU="y", KERNEL_MEMORY_MIB="9",
                            EMULATOR_MEMORY_MIB="190", PART0_KIND_NONE="y")
    assert done.returncode == 0, done.stderr
    base = int(re.search(r"\.memory_base = (0x[0-9a-f]+)",
                         project.table("kernel_config.c"))[1], 16)
    assert base + (10 << 20) <= (190 << 20) - 0x20000
