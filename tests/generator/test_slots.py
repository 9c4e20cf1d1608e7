# SPDX-License-Identifier: Apache-2.0
"""The templates, expanded, are menus that both parsers read, and alike."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import kconfiglib
import pytest
from conftest import ROOT, Project, quoted
from hecht import numbers, slots
from hypothesis import given
from hypothesis import strategies as st

DEFCONFIGS = sorted([*ROOT.glob("configs/*_defconfig"), *ROOT.glob("tests/configs/*_defconfig")])


@pytest.fixture(scope="module")
def kconf() -> kconfiglib.Kconfig:
    slots.expand_all()
    os.environ["srctree"] = str(ROOT)
    return kconfiglib.Kconfig(str(ROOT / "Kconfig"), warn_to_stderr=False)


def values(config: str) -> dict[str, str]:
    found = dict(re.findall(r"(?m)^CONFIG_(\w+)=(.*)$", config))
    return found | {name: "n" for name in re.findall(r"(?m)^# CONFIG_(\w+) is not set$", config)}


def test_number_of_slots(kconf: kconfiglib.Kconfig) -> None:
    for prefix, last, count in (("PART", "_NAME", slots.PARTITIONS),
                                ("CHAN", "_NAME", slots.CHANNELS),
                                ("SCHED", "_FRAME_US", slots.SCHEDULES),
                                ("SCHED0_WIN", "_START_US", slots.WINDOWS)):
        there = [name for name in kconf.syms if re.fullmatch(rf"{prefix}\d+{last}", name)
                 and kconf.syms[name].nodes]
        assert len(there) == count


def test_no_symbol_without_help(kconf: kconfiglib.Kconfig) -> None:
    for item in [*kconf.unique_defined_syms, *kconf.unique_choices]:
        for node in item.nodes:
            assert node.help and node.prompt, item
    for symbol in kconf.unique_defined_syms:
        if re.search("_(US|MIB|KIB)$", symbol.name):
            assert re.search("microseconds|MiB|KiB", symbol.nodes[0].prompt[0]), symbol.name


def test_nothing_is_told_twice_or_unknown(kconf: kconfiglib.Kconfig) -> None:
    assert kconf.warnings == []
    assert all(len(symbol.nodes) == 1 for symbol in kconf.unique_defined_syms)
    used = {name for name, symbol in kconf.syms.items()
            if not symbol.nodes and not symbol.is_constant}
    assert {name for name in used if not re.fullmatch(r"(0x)?[0-9a-f]+", name)} == {"MODULES"}


@pytest.mark.parametrize("defconfig", DEFCONFIGS, ids=lambda path: path.stem)
def test_both_parsers_agree(kconf: kconfiglib.Kconfig, tmp_path: Path, defconfig: Path) -> None:
    config = tmp_path / "config"
    done = subprocess.run(["kconfig-conf", f"--defconfig={defconfig}", "Kconfig"], cwd=ROOT,
                          env=os.environ | {"KCONFIG_CONFIG": str(config)}, capture_output=True,
                          text=True, check=False)
    assert done.returncode == 0 and "warning" not in done.stderr, done.stderr
    kconf.load_config(str(defconfig))
    kconf.write_config(str(tmp_path / "other"))
    theirs, ours = values(config.read_text()), values((tmp_path / "other").read_text())
    assert theirs == ours
    # Every line of it is the name of something, and is heard.
    for name, value in values(defconfig.read_text()).items():
        assert ours.get(name, "n") == value, name


def test_a_slot_shows_only_what_its_kind_has(kconf: kconfiglib.Kconfig) -> None:
    def shown(*lines: str) -> set[str]:
        kconf.unset_values()
        for line in lines:
            kconf.syms[line].set_value(2)
        return {symbol.name for symbol in kconf.unique_defined_syms if symbol.visibility
                and symbol.name.startswith("PART5_") and "KIND" not in symbol.name}

    assert not shown("PART5_KIND_NONE")
    linux, mini, native = (shown(f"PART5_KIND_{kind}") for kind in ("LINUX", "MINI", "PROGRAM"))
    assert "PART5_KERNEL" in linux - mini - native
    assert "PART5_MINI" in mini - linux - native
    assert {"PART5_PROGRAM", "PART5_ARGUMENTS", "PART5_IO_PORTS"} <= native - linux - mini
    assert {"PART5_NAME", "PART5_PRIORITY", "PART5_PROCESSORS"} <= linux & mini & native
    assert "PART5_PIT" in linux & mini - native
    assert "PART5_ACTION_SCHEDULE" not in linux
    assert "PART5_ACTION_SCHEDULE" in shown("PART5_KIND_LINUX",
                                            "PART5_ON_EXCEPTION_SWITCH_SCHEDULE")


def test_health_errors_are_those_of_the_contract() -> None:
    text = (ROOT / "hypervisor/abi/health.h").read_text()
    errors = re.findall(r"(?m)^    HEALTH_(\w+),", text.partition("enum health_error")[2]
                        .partition("}")[0])
    actions = re.findall(r"(?m)^    HEALTH_(\w+),", text.partition("enum health_action")[2]
                         .partition("}")[0])
    assert [error.name for error in slots.HEALTH_ERRORS] == errors
    assert list(slots.ACTIONS) == actions
    for error in slots.HEALTH_ERRORS:
        assert error.default in error.actions and set(error.actions) <= set(actions)


def test_bounds_are_those_of_the_contract() -> None:
    # pylint: disable-next=import-outside-toplevel
    from hecht import model
    text = "".join(path.read_text() for path in [*(ROOT / "hypervisor/abi").glob("*.h"),
                                                 ROOT / "vmm/vm.h"])
    for name, value in {"BOOT_MODULES_MAX": model.MODULES_MAX,
                        "PARTITION_PORTS_MAX": model.PARTITION_PORTS_MAX,
                        "PARTITION_ARGUMENTS_MAX": model.ARGUMENTS_MAX + 1,
                        "PROCESSORS_MAX": model.PROCESSORS_MAX, "PORT_COUNT": model.IO_PORTS,
                        "IRQ_LINES": model.IRQ_LINES, "VM_VCPUS_MAX": model.VCPUS_MAX,
                        "TIME_PARTITIONS_MAX": 32}.items():
        assert int(re.search(rf"#define {name} (\w+?)u?\b", text)[1].rstrip("u"), 0) == value
    # A partition has at most one port of a channel.
    assert slots.CHANNELS <= model.PARTITION_PORTS_MAX
    assert slots.PARTITIONS <= int(re.search(r"#define PARTITIONS_MAX (\d+)", text)[1])


@given(st.text())
def test_lists_of_numbers_never_fail(text: str) -> None:
    parsed = numbers.ranges(text, 100)
    assert isinstance(parsed, str) or all(0 <= first < first + count <= 100
                                          for first, count in parsed)


@given(st.sets(st.integers(0, 63), min_size=1))
def test_lists_of_numbers(wanted: set[int]) -> None:
    text = ",".join(str(number) if number % 2 else hex(number) for number in wanted)
    assert numbers.each(numbers.ranges(text, 64)) == sorted(wanted)


def test_ranges_of_numbers() -> None:
    assert numbers.ranges("0x61, 0x40-0x43", 256) == [(0x40, 4), (0x61, 1)]
    assert numbers.ranges("", 8) == []
    for wrong in (",", "1,", "-1", "1-", "0-8", "3-2", "2,1-3", "x", "1 2", "\u0663"):
        assert isinstance(numbers.ranges(wrong, 8), str), wrong


def test_the_example_of_the_documentation(project: Project) -> None:
    text = (ROOT / "docs/configuration.md").read_text().split("```")[1]
    values = dict(re.findall(r"(?m)^CONFIG_(\w+)=(.*)$", text))
    values |= {name: "n" for name in re.findall(r"(?m)^# CONFIG_(\w+) is not set$", text)}
    values |= {f"PART1_{name}": project.values[f"PART0_{name}"] for name in ("KERNEL", "INITRD")}
    values["PART2_PROGRAM"] = quoted("tests/system/hostile/cli")  # built with every tree
    done = project.generate(**values)
    assert done.returncode == 0, done.stderr
    assert ".counts_for_end = false," in project.table("sigma0_config.c")
