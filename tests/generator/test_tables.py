# SPDX-License-Identifier: Apache-2.0
"""The tables say what was configured, whatever characters it is made of."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest
from conftest import ROOT, Project, channel, memory, program, quoted, windows
from hecht.emit import c_string
from hypothesis import given, settings
from hypothesis import strategies as st

HOSTILE = [
    '"; int pwned; "', "\\", '\\"', "*/ #error /*", "??/", "%s%n", "$(touch pwned)", "`touch pwned`",
    "'; touch pwned; '", "${IFS}", "#include \"/etc/passwd\"", "a\\", "&& touch pwned", "| sh",
]

texts = st.text(st.characters(blacklist_categories=("Cs",), blacklist_characters="\0"))


@given(texts)
def test_c_string_holds_only_harmless_characters(text: str) -> None:
    literal = c_string(text)
    assert re.fullmatch(r'"(?:[^"\\?\x00-\x1f\x7f-\U0010ffff]|\\[0-7]{3})*"', literal)
    plain = re.sub(rb"\\([0-7]{3})", lambda match: bytes([int(match[1], 8)]),
                   literal[1:-1].encode())
    assert plain == text.encode()


@settings(max_examples=5, deadline=None)
@given(st.lists(texts, min_size=30, max_size=60))
def test_the_compiler_reads_back_what_was_written(tmp_path_factory, strings: list[str]) -> None:
    folder: Path = tmp_path_factory.mktemp("c")
    strings = strings + HOSTILE
    entries = "".join(f"    {{{c_string(text)}, {len(text.encode())}}},\n" for text in strings)
    source = (f"#include <stdio.h>\nstruct {{ const char *s; unsigned n; }} all[] = {{\n{entries}}};\n"
              "int main(void) { for (unsigned i = 0; i < sizeof(all) / sizeof(all[0]); i++) "
              "fwrite(all[i].s, 1, all[i].n + 1, stdout); }\n")
    (folder / "strings.c").write_text(source)
    subprocess.run(["gcc", "-Wall", "-Wextra", "-Werror", "-o", folder / "strings",
                    folder / "strings.c"], check=True)
    printed = subprocess.run([folder / "strings"], capture_output=True, check=True).stdout
    assert printed == b"".join(text.encode() + b"\0" for text in strings)


def compiles(project: Project) -> bool:
    return all(subprocess.run(
        ["gcc", "-std=gnu17", "-Wall", "-Wextra", "-Werror", "-ffreestanding", "-fsyntax-only",
         "-Ihypervisor", table], cwd=ROOT, check=False).returncode == 0
        for table in (project.out / "generated").glob("*.c"))


@settings(max_examples=25, deadline=None)
@given(st.one_of(st.sampled_from(HOSTILE), st.text(st.characters(min_codepoint=32,
                                                                max_codepoint=126))))
def test_hostile_command_lines(tmp_path_factory, text: str) -> None:
    folder = tmp_path_factory.mktemp("project")
    project = Project(folder)
    done = project.generate(PART0_CMDLINE=quoted(text))
    assert done.returncode == 0, done.stderr
    assert f"    .cmdline = {c_string(text)},\n" in project.table("vmm_linux.c")
    model = json.loads((project.out / "model.json").read_text())
    assert model["partitions"][0]["vm"]["cmdline"] == text
    assert compiles(project)
    assert not list(folder.glob("**/pwned")) and not (ROOT / "pwned").exists()


def test_hostile_paths(tmp_path: Path) -> None:
    for number, text in enumerate(HOSTILE):
        folder = tmp_path / str(number)
        folder.mkdir()
        project = Project(folder)
        path = folder / text.replace("/", "_")
        (folder / "vmlinuz").rename(path)
        done = project.generate(PART0_KERNEL=quoted(str(path)))
        assert done.returncode == 0, done.stderr
        # No path gets into what make or the compiler reads.
        assert str(path) not in (project.out / "config.mk").read_text()
        assert compiles(project)
    assert not (ROOT / "pwned").exists()


def test_hostile_names_reach_no_tool(tmp_path: Path) -> None:
    for text in HOSTILE + ["$(shell touch pwned)", "x\nall:\n\ttouch pwned"]:
        config = tmp_path / "config"
        config.write_text(f"CONFIG_NAME={quoted(text)}\n")
        done = subprocess.run(["make", f"KCONFIG_CONFIG={config}", "tables"], cwd=ROOT,
                              capture_output=True, text=True, check=False)
        assert done.returncode != 0
        assert "NAME" in done.stderr and "Traceback" not in done.stderr
        assert not (ROOT / "pwned").exists()


def test_default_tables(project: Project) -> None:
    assert project.generate().returncode == 0
    kernel, sigma0 = project.table("kernel_config.c"), project.table("sigma0_config.c")
    assert kernel.index("&svm_ops") < kernel.index("&vmx_ops") < kernel.index("NULL")
    assert ".memory_size = 0x1000000," in kernel
    assert '.program = "vmm:linux"' in sigma0 and '[1] = "initrd:linux"' in sigma0
    assert ".ram_size = 0x10000000," in sigma0
    assert 'console=ttyS0 nokaslr' in project.table("vmm_linux.c")
    assert compiles(project)


def test_one_backend(project: Project) -> None:
    assert project.generate(SVM="n").returncode == 0
    assert "svm" not in project.table("kernel_config.c")
    assert "BACKENDS := vmx\n" in (project.out / "config.mk").read_text()


def test_without_virtualization(project: Project) -> None:
    assert project.generate(VIRT="n").returncode == 0
    assert ".partition_count = 0" in project.table("sigma0_config.c")
    assert sorted(path.name for path in (project.out / "generated").iterdir()) == [
        "kernel_config.c", "sigma0_config.c"]
    assert compiles(project)


def test_no_initrd(project: Project) -> None:
    assert project.generate(PART0_INITRD='""').returncode == 0
    assert "[1]" not in project.table("sigma0_config.c")


def test_small_guest(project: Project) -> None:
    assert project.generate(PART0_KIND_MINI="y").returncode == 0
    assert ".boot = VM_BOOT_MINI" in project.table("vmm_linux.c")
    assert "MINI_GUESTS := hello\n" in (project.out / "config.mk").read_text()


def test_processors_and_schedules(project: Project) -> None:
    assert project.generate(**{"PROCESSORS": "2", "SCHEDULES": "2", "PART0_TIME_PARTITION": "2"},
                            **program(1, TIME_PARTITION="1"),
                            **program(2, TIME_PARTITION="2", PROCESSORS=quoted("0-1")),
                            **windows(0, (2, 0, 1000, 9000), (1, 0, 0, 1000)),
                            **windows(1, (2, 1, 0, 10000), (2, 0, 0, 500))).returncode == 0
    kernel = project.table("kernel_config.c")
    assert ".processors = 2," in kernel and ".time_partitions = 3," in kernel
    assert ".schedule_count = 2," in kernel
    # Ascending, though configured the other way round.
    assert re.search(r"\.frame_ns = 10000000, .*\n +\{\.window_count = 2.*\n"
                     r" +\{\.start_ns = 0, \.length_ns = 1000000, \.time_partition = 1\},\n"
                     r" +\{\.start_ns = 1000000, \.length_ns = 9000000, .time_partition = 2\}",
                     kernel)
    assert ".time_partition = 2," in project.table("sigma0_config.c")
    assert ".frame_ns = 10000000," in project.table("sigma0_config.c")
    assert compiles(project)


def test_native_program(project: Project) -> None:
    assert project.generate(**program(
        3, NAME=quoted("control"), ARGUMENTS=quoted("fast 7"), IO_PORTS=quoted("0x61, 0x40-0x43"),
        IRQS=quoted("8,2"), PROCESSORS=quoted("0"), PRIORITY="90", CONSOLE_INPUT="y",
        COUNTS_FOR_END="n", MEMORY_MIB="0")).returncode == 0
    sigma0 = project.table("sigma0_config.c").partition('.name = "control"')[2]
    for line in (".kind = PARTITION_PROGRAM,", '.program = "native:control",',
                 '.arguments = "fast 7",', ".ram_size = 0x0,", ".priority = 90,",
                 ".processors = 0x1,", ".console_input = true,", ".counts_for_end = false,",
                 ".io_port_count = 2,", "{0x40, 4}, {0x61, 1}", ".irq_count = 2,",
                 "{0x2, 1}, {0x8, 1}"):
        assert line in sigma0
    makefile = (project.out / "config.mk").read_text()
    assert "PROGRAMS := tests/system/hostile/cli\n" in makefile and "VMS := linux\n" in makefile
    assert compiles(project)


def test_channels(project: Project) -> None:
    assert project.generate(**program(1), **program(2), **program(4),
                            **channel(2, 1, "2,4", NAME=quoted("speed"), REFRESH_US="20000"),
                            **channel(5, 4, "1", NAME=quoted("orders"), KIND_SAMPLING="n",
                                      KIND_QUEUING="y", MESSAGE_COUNT="3",
                                      MESSAGE_SIZE="16")).returncode == 0
    sigma0 = project.table("sigma0_config.c")
    assert re.search(r'"speed",\n +.kind = CHANNEL_SAMPLING,\n +.message_size = 64,\n'
                     r" +.message_count = 1,\n +.refresh_ns = 20000000,", sigma0)
    assert re.search(r'"orders",\n +.kind = CHANNEL_QUEUING,\n +.message_size = 16,\n'
                     r" +.message_count = 3,\n +.refresh_ns = 0,", sigma0)
    ports = re.findall(r'\{\.name = "(\w+)", \.channel = (\d), \.source = (\w+)\}', sigma0)
    assert ports == [("speed", "0", "true"), ("orders", "1", "false"), ("speed", "0", "false"),
                     ("speed", "0", "false"), ("orders", "1", "true")]
    assert compiles(project)


def test_shared_memory(project: Project) -> None:
    assert project.generate(
        **program(1), **program(2), **{"PART0_UART_MMIO": "0xc0000000"},
        **memory(0, 1, "0,2", NAME=quoted("small"), SIZE_KIB="4"),
        **memory(1, 0, "1", NAME=quoted("large"), SIZE_KIB="3072", DESTINATIONS_WRITE="y"),
        **memory(2, 0, "2", NAME=quoted("fixed"), ADDRESS="0xc0001000"),
        **memory(3, 1, "2", NAME=quoted("native"))).returncode == 0
    sigma0 = project.table("sigma0_config.c")
    assert re.search(r'"small",\n +.kind = CHANNEL_MEMORY,\n +.memory_size = 0x1000,\n', sigma0)
    ports = re.findall(r'"(\w+)", \.channel = \d, \.source = (\w+)(?:, \.gpa = (\w+))?}', sigma0)
    # Behind what has its place already: the registers, and what is fixed.
    assert ports == [("small", "false", "0xc0011000"), ("large", "true", "0xc0200000"),
                     ("fixed", "true", "0xc0001000"),
                     ("small", "true", ""), ("large", "true", ""), ("native", "true", ""),
                     ("small", "false", ""), ("fixed", "false", ""), ("native", "false", "")]
    assert compiles(project)


def test_health_actions(project: Project) -> None:
    assert project.generate(PART0_ON_VM_SHUTDOWN_RESTART_COLD="y",
                            PART0_ON_PARTITION_ENDED_SWITCH_SCHEDULE="y", SCHEDULES="3",
                            PART0_ACTION_SCHEDULE="2").returncode == 0
    sigma0 = project.table("sigma0_config.c")
    assert "[HEALTH_VM_SHUTDOWN] = HEALTH_RESTART_COLD," in sigma0
    assert "[HEALTH_PARTITION_ENDED] = HEALTH_SWITCH_SCHEDULE," in sigma0
    assert "[HEALTH_EXCEPTION] = HEALTH_STOP," in sigma0
    assert ".action_schedule = 2," in sigma0


def test_small_guest_on_two_processors(project: Project) -> None:
    assert project.generate(PROCESSORS="4", PART0_KIND_MINI="y",
                            PART0_PROCESSORS=quoted("1,3")).returncode == 0
    assert ".vcpus = 2," in project.table("vmm_linux.c")
    assert ".processors = 0xa," in project.table("sigma0_config.c")


@pytest.mark.parametrize("device, others", [
    ("PIC", {"PART0_KIND_MINI": "y"}), ("PIT", {"PART0_KIND_MINI": "y"}),
    ("UART", {"PART0_CMDLINE": quoted("quiet"), "PART0_CONSOLE_INPUT": "n"}),
    ("RTC", {}), ("KEYBOARD_CONTROLLER", {}), ("PCI", {})])
def test_each_device_is_a_choice(project: Project, device: str, others: dict[str, str]) -> None:
    assert project.generate(**{f"PART0_{device}": "n"} | others).returncode == 0
    assert f".{device.lower()} = false," in project.table("vmm_linux.c")


def test_nothing_is_written_twice(project: Project) -> None:
    project.generate()
    before = {path: path.stat().st_mtime_ns for path in project.out.rglob("*.[cj]*")}
    project.generate()
    assert before == {path: path.stat().st_mtime_ns for path in project.out.rglob("*.[cj]*")}


def test_model_follows_the_guests_files(project: Project) -> None:
    project.generate()
    before = (project.out / "model.json").read_text()
    (project.folder / "initrd").write_bytes(b"070702")
    project.generate()
    assert (project.out / "model.json").read_text() != before
