# SPDX-License-Identifier: Apache-2.0
"""The model as JSON: complete, as its schema says, and the same from run to run."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
from conftest import ROOT, Project, channel, memory, program, quoted, windows
from hecht import describe
from hecht.config import Config
from hecht.model import make_model
from test_slots import DEFCONFIGS

GENERATE = ROOT / "scripts/generate"
SCHEMA = json.loads((ROOT / "docs/model.schema.json").read_text())


def show(*words: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, GENERATE, *map(str, words)], cwd=ROOT,
                          capture_output=True, text=True, check=False, timeout=60)


def test_schema_is_the_published_one() -> None:
    assert show("--schema").stdout == (ROOT / "docs/model.schema.json").read_text()
    jsonschema.Draft7Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("defconfig", DEFCONFIGS, ids=lambda path: path.stem)
def test_every_configuration_follows_the_schema(tmp_path: Path, defconfig: Path) -> None:
    lines = [line for line in defconfig.read_text().splitlines() if "_KERNEL=" not in line
             and "_INITRD=" not in line]
    config, project = tmp_path / "config", Project(tmp_path)
    lines += [f"CONFIG_PART{slot}_{name}={quoted(str(project.folder / file))}"
              for slot in range(16) for name, file in (("KERNEL", "vmlinuz"),
                                                       ("INITRD", "initrd"))
              if slot == 0 or f"CONFIG_PART{slot}_KIND_LINUX=y" in lines]
    config.write_text("\n".join(lines) + "\n")
    model = make_model(Config(ROOT / "Kconfig", config))
    text = describe.to_json(model)
    jsonschema.validate(json.loads(text), SCHEMA)
    assert describe.to_json(make_model(Config(ROOT / "Kconfig", config))) == text
    assert "\033" not in describe.summary(model)


def test_schema_refuses_what_it_does_not_know(project: Project) -> None:
    project.generate()
    model = json.loads((project.out / "model.json").read_text())
    jsonschema.validate(model, SCHEMA)
    for change in ({"more": 1}, {"name": 3}, {"schema": 2}, {"processors": -1}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(model | change, SCHEMA)
    del model["partitions"][0]["rights"]
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(model, SCHEMA)


def test_one_change_is_few_lines(project: Project) -> None:
    project.generate()
    before = (project.out / "model.json").read_text().splitlines()
    project.generate(PART0_PRIORITY="7")
    after = (project.out / "model.json").read_text().splitlines()
    assert len(before) == len(after)
    assert [line for line in after if line not in before] == ['      "priority": 7,']


def test_quotas_are_the_sum_of_their_items(project: Project) -> None:
    project.generate(**program(1, KERNEL_EXTRA_KIB="64"), **memory(0, 0, "1"))
    model = json.loads((project.out / "model.json").read_text())
    for partition in model["partitions"]:
        assert partition["kernel_quota"] == sum(item["pages"] for item in partition["quota"])
    assert {"name": "threads and tasks of its own", "pages": 16} in \
        model["partitions"][1]["quota"]


def test_rights_follow_the_channels(project: Project) -> None:
    project.generate(**program(1, IRQS=quoted("2")), **program(2), **channel(0, 1, "2"),
                     **memory(1, 2, "0"))
    vm, sender, receiver = json.loads((project.out / "model.json").read_text())["partitions"]
    assert sender["rights"]["peers"] == [receiver["name"]] and sender["rights"]["irqs"] == [[2, 1]]
    assert receiver["rights"]["peers"] == [sender["name"]] and not vm["rights"]["peers"]
    assert sender["rights"]["channels_read"] == [] == vm["rights"]["channels_write"]
    assert vm["vm"]["space"][1]["rights"] == "r"


def test_ports_of_devices_are_those_of_the_monitor() -> None:
    # pylint: disable-next=import-outside-toplevel
    from hecht import allocate
    text = (ROOT / "vmm/machine.c").read_text()
    for device, ports in allocate.DEVICE_PORTS.items():
        for first, count in ports:
            number = "PORT_UART" if device == "uart" else f"0x{first:x}"
            assert f'", {number}, {count}, ' in text, (device, first)
    assert "#define PORT_UART 0x3f8u" in text
    assert "#define PORT_POST 0x80u" in text and "#define PORT_EXIT 0xf4u" in text


def test_summary_shows_what_there_is(project: Project) -> None:
    project.generate(**program(1, NAME=quoted("control"), IO_PORTS=quoted("0x61")),
                     **program(2), **channel(0, 1, "2", NAME=quoted("speed")),
                     **windows(0, (1, 0, 0, 1000)), PART1_TIME_PARTITION="1")
    text = show(project.folder / "config", "--show").stdout
    for words in ("control", "256 MiB", "speed", "ports 0x61", "time partition 1", "line 4",
                  "0x0-0xfffffff", "vCPU 0 on processor 0", "tables of channel speed"):
        assert words in text, words
