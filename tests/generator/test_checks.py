# SPDX-License-Identifier: Apache-2.0
"""Every check fires where it should, names the symbols, and what it says would do does."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from cheap import config_of, found
from conftest import ROOT, bzimage, quoted
from firing import CASES, Case
from hecht.checks import all_checks, core, describe
from hecht.checks.core import Look, check, run
from hecht.checks.devices import MINI_DEVICES
from hecht.errors import Problem
from hecht.model import make_model


def base(folder: Path) -> dict[str, str]:
    """A good configuration, with files of its own."""
    (folder / "vmlinuz").write_bytes(bzimage())
    (folder / "initrd").write_bytes(b"070701")
    values = {"NAME": quoted("test")}
    for slot in range(16):
        values |= {f"PART{slot}_KERNEL": quoted(str(folder / "vmlinuz")),
                   f"PART{slot}_INITRD": quoted(str(folder / "initrd"))}
    return values


def problems(case: Case, folder: Path, values: dict[str, str], broken: bool) -> list[Problem]:
    config = config_of(values, folder / "config")
    model = make_model(config)
    if case.model and broken:
        case.model(model)
    return [problem for problem in found(config, model)
            if problem.identifier == case.identifier]


def applied(values: dict[str, str], changes: dict[str, str], folder: Path) -> dict[str, str]:
    """In .config the last member of a choice counts. The packaged guest may not be made yet."""
    (folder / "good-vmlinuz").write_bytes(bzimage())
    (folder / "good-initrd").write_bytes(b"070701")
    good = {quoted(f"build/guest/{name}"): quoted(str(folder / f"good-{name}"))
            for name in ("vmlinuz", "initrd")}
    kept = {symbol: value for symbol, value in values.items() if symbol not in changes}
    return kept | {symbol: good.get(value, value) for symbol, value in changes.items()}


@pytest.mark.parametrize("number", range(len(CASES)),
                         ids=[f"{case.identifier}-{n}" for n, case in enumerate(CASES)])
def test_fires_and_is_mended(number: int, tmp_path: Path) -> None:
    case = CASES[number]
    values = base(tmp_path) | case.values
    if case.files:
        case.files(tmp_path)
    fired = problems(case, tmp_path, values, broken=True)
    assert fired, "it does not fire"
    text = "\n".join(map(str, fired))
    assert "cannot run" not in text and case.word in text
    assert f"error[{case.identifier}]: " in text
    for symbol in case.symbols.split():
        assert f"  CONFIG_{symbol}=" in text
    changes: dict[str, str] = {}
    for problem in fired:
        assert problem.changes or problem.remedy
        changes |= problem.changes
    left = problems(case, tmp_path, applied(values, changes, tmp_path), broken=False)
    assert not left, "what would do does not"


def test_base_is_good(tmp_path: Path) -> None:
    config = config_of(base(tmp_path), tmp_path / "config")
    assert not found(config, make_model(config))


@pytest.mark.parametrize("path", sorted([*ROOT.glob("configs/*_defconfig"),
                                         *ROOT.glob("tests/configs/*_defconfig")]),
                         ids=lambda path: path.name.removesuffix("_defconfig"))
def test_named_configurations_are_good(path: Path, tmp_path: Path) -> None:
    values = dict(line.removeprefix("CONFIG_").split("=", 1)
                  for line in path.read_text().splitlines() if line.startswith("CONFIG_"))
    values |= {line.split()[1].removeprefix("CONFIG_"): "n"
               for line in path.read_text().splitlines() if line.endswith(" is not set")}
    config = config_of(values, tmp_path / "config")
    assert not found(config, make_model(config), files=False)


def test_every_check_has_a_case() -> None:
    assert {case.identifier for case in CASES} == {check.identifier for check in all_checks()}


def test_number_of_checks() -> None:
    assert len(all_checks()) >= 120
    assert {check.group for check in all_checks()} >= {
        "memory", "guests", "devices", "interrupts", "schedule", "channels", "processors",
        "rights", "kernel", "board", "image"}


def test_reasons() -> None:
    reasons = [check.reason for check in all_checks()]
    assert len(set(reasons)) == len(reasons)
    for one in all_checks():
        assert one.reason.endswith(".") and len(one.reason) >= 30, one.identifier


def test_needs_of_all_small_guests_are_known() -> None:
    assert set(MINI_DEVICES) == {path.stem for path in (ROOT / "guests/mini").glob("*.c")}


def test_identifiers_are_unique() -> None:
    with pytest.raises(ValueError):
        check("MEM-001", "A second one of the same name.")
    with pytest.raises(ValueError):
        check("XXX-001", "A group that there is not.")


def test_page_is_fresh() -> None:
    assert (ROOT / "docs/checks.md").read_text() == describe(), \
        "run: scripts/generate --checks >docs/checks.md"


def test_a_check_that_cannot_run_stops_the_build(tmp_path: Path) -> None:
    config = config_of(base(tmp_path), tmp_path / "config")
    model = make_model(config)
    del model.emulator
    stopped = [problem for problem in run(Look(config, model), core.REGISTRY.values())
               if "cannot run" in problem.what]
    assert "MEM-004" in {problem.identifier for problem in stopped}


@pytest.mark.parametrize("place", ["partitions", "schedules", "consoles", "channels", "backends"])
def test_a_missing_table_is_no_good_model(tmp_path: Path, place: str) -> None:
    config = config_of(base(tmp_path), tmp_path / "config")
    model = dataclasses.replace(make_model(config), **{place: None})
    assert found(config, model)
