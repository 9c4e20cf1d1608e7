# SPDX-License-Identifier: Apache-2.0
"""Board files are read strictly; scripts/inspect writes good ones; addresses follow from them."""

from __future__ import annotations

import json
import re
import struct
import subprocess
from pathlib import Path

import pytest
from conftest import ROOT, Project, memory, program, quoted
from hecht import board, boards

MIB = 1 << 20


def inspect(root: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["/usr/bin/python3", ROOT / "scripts/inspect", "--root", root],
                          capture_output=True, text=True, check=False, timeout=60)


def capture(root: Path) -> Path:
    """A machine with 256 MiB, two processors, a serial port, a network card and an IOMMU."""
    madt = b"\0" * 44 + bytes((0, 8, 0, 0)) + b"\1\0\0\0" + bytes((0, 8, 1, 2)) + b"\1\0\0\0"
    madt += bytes((0, 8, 2, 3)) + b"\0\0\0\0" + struct.pack("<BBBBII", 1, 12, 5, 0, 0xfec00000, 0)
    dmar = b"\0" * 48 + struct.pack("<HHIQ", 0, 16, 0, 0xfed90000)
    card = "sys/bus/pci/devices/0000:00:03.0/"
    files: dict[str, str | bytes] = {
        "proc/iomem": "00000000-00000fff : Reserved\n00001000-0009fbff : System RAM\n"
                      "000f0000-000fffff : System ROM\n00100000-0fffffff : System RAM\n"
                      "  01000000-01ffffff : Kernel code\nfe000000-fe01ffff : PCI Bus 0000:00\n",
        "proc/ioports": "0020-0021 : pic1\n",
        "proc/cpuinfo": "vendor_id : AuthenticAMD\nmodel name : A \"fast\" one\n"
                        "flags : svm npt xsave\n",
        "proc/tty/driver/serial": "0: uart:16550A port:000003F8 irq:4 tx:0 rx:0\n",
        "sys/firmware/acpi/tables/APIC": madt, "sys/firmware/acpi/tables/DMAR": dmar,
        card + "vendor": "0x8086\n", card + "device": "0x100e\n", card + "class": "0x020000\n",
        card + "irq": "11\n",
        card + "resource": "0x00000000fe000000 0x00000000fe01ffff 0x0000000000040200\n"
                           "0x000000000000c000 0x000000000000c03f 0x0000000000040101\n"}
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return root


def test_inspect_finds_what_is_there(tmp_path: Path) -> None:
    done = inspect(capture(tmp_path))
    assert done.returncode == 0 and done.stderr == ""
    found = board.parse(done.stdout, "captured")
    assert found.fixed and [entry.size for entry in found.ram] == [0x9e000, 255 * MIB]
    assert [one.apic_id for one in found.processors] == [0, 2]
    assert (found.cpu.vendor, found.cpu.has("svm"), found.cpu.has("vmx")) == ("amd", "yes", "no")
    assert found.ioapics == [board.BoardIoapic(0xfec00000, 0, apic_id=5)]
    assert found.serials == [board.BoardSerial(0x3f8, 4)]
    assert found.iommus == [board.BoardIommu("vtd", 0xfed90000)]
    assert found.pci[0].irq == 11 and found.pci[0].klass == 0x20000
    assert [(one.kind, one.size) for one in found.pci[0].bars] == [("memory", 0x20000),
                                                                  ("port", 0x40)]


def test_inspect_goes_on_without(tmp_path: Path) -> None:
    done = inspect(tmp_path)
    assert done.returncode == 0 and "/proc/iomem" in done.stderr
    assert "# Not known: /proc/cpuinfo" in done.stdout
    assert not board.parse(done.stdout, "empty").fixed
    capture(tmp_path)
    (tmp_path / "proc/iomem").write_text("00000000-00000000 : System RAM\n")
    (tmp_path / "sys/firmware/acpi/tables/APIC").write_bytes(b"\0" * 44 + b"\1\0\0\0")
    done = inspect(tmp_path)
    assert "as root" in done.stderr and "damaged" in done.stderr
    assert not board.parse(done.stdout, "unprivileged").fixed


def ivhd(kind: int, base: int, rest: bytes = b"") -> bytes:
    """AMD I/O Virtualization Technology Specification, 5.2.2."""
    fixed = {0x10: 24, 0x11: 40, 0x40: 40}[kind]
    return struct.pack("<BBHHHQ", kind, 0, fixed + len(rest), 2, 0x40, base) + \
        b"\0" * (fixed - 16) + rest


def test_iommus_of_amd(tmp_path: Path) -> None:
    """Each unit stands there up to three times, for software of three ages, and between them what
    memory devices need."""
    capture(tmp_path)
    ivmd = struct.pack("<BBHHHQQQ", 0x21, 8, 32, 0, 0, 0, 0xe0000, 0x20000)
    units = ivhd(0x10, 0xfeb80000, b"\2\0\0\0") + ivhd(0x10, 0xfeb90000) + ivmd
    units += ivhd(0x11, 0xfeb80000) + ivhd(0x40, 0xfeb90000, b"\0" * 8)
    table = tmp_path / "sys/firmware/acpi/tables/IVRS"
    (tmp_path / "sys/firmware/acpi/tables/DMAR").unlink()
    table.write_bytes(b"\0" * 48 + units)
    done = inspect(tmp_path)
    assert done.stderr == ""
    assert board.parse(done.stdout, "amd").iommus == [board.BoardIommu("amdvi", 0xfeb80000),
                                                      board.BoardIommu("amdvi", 0xfeb90000)]
    table.write_bytes(b"\0" * 48 + units[:30])  # ends in the middle of the first
    done = inspect(tmp_path)
    assert "IVRS is damaged at byte 76" in done.stderr
    assert len(board.parse(done.stdout, "cut").iommus) == 1
    table.write_bytes(b"\0" * 48 + units[:20])
    done = inspect(tmp_path)
    assert "IVRS is damaged at byte 48" in done.stderr
    assert board.parse(done.stdout, "cut").iommus == []


def test_what_is_half_there(tmp_path: Path) -> None:
    """Of a machine that hides a part of itself all else is told."""
    capture(tmp_path)
    for name in ("proc/tty/driver/serial", "sys/firmware/acpi/tables/APIC"):
        (tmp_path / name).unlink()
        (tmp_path / name).mkdir()
    (tmp_path / "sys/bus/pci/devices/0000:00:03.0/irq").write_text("eleven")
    (tmp_path / "sys/bus/pci/devices/etc").mkdir()
    done = inspect(tmp_path)
    assert done.returncode == 0
    for word in ("driver/serial", "tables/APIC", "0000:00:03.0: its files hold no numbers",
                 "PCI device etc"):
        assert word in done.stderr and f"# Not known: {done.stderr.splitlines()[0][9:]}" in done.stdout
    found = board.parse(done.stdout, "half")
    assert found.fixed and not found.processors and not found.pci and found.iommus


def test_a_board_of_ones_own(tmp_path: Path, project: Project) -> None:
    file = tmp_path / "board.toml"
    file.write_text(inspect(capture(tmp_path / "tree")).stdout)
    own = {"BOARD_CUSTOM": "y", "BOARD_FILE": quoted(str(file)), "PART0_MEMORY_MIB": "64"}
    done = project.generate(**own)
    assert done.returncode == 0, done.stderr
    model = json.loads((project.out / "model.json").read_text())
    assert model["kernel_base"] == 240 * MIB
    assert model["partitions"][0]["ram_base"] == 176 * MIB
    file.write_text("schema = 2\n")
    done = project.generate(**own)
    assert done.returncode == 1 and "CONFIG_BOARD_FILE" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("text, words", [
    ("", "description"), ("x = ", "no TOML"), ("fixed = 1", "description"),
    ("memory = 7", "description"),
])
def test_wrong_files(text: str, words: str) -> None:
    with pytest.raises(board.BoardError, match=words):
        board.parse(text, "wrong")


def test_wrong_facts() -> None:
    good = (boards.FOLDER / "qemu_q35.toml").read_text()
    for old, new, words in (('kind = "ram"', 'kind = "rum"', "one of"),
                            ("size = 0x9fc00", "size = 0x9fc01", "overlaps"),
                            ("size = 0x9fc00", 'size = "x"', "no int"),
                            ("fixed = true", "fixed = true\nbroken = 1", "no such"),
                            ('"0000:00:00.0"', '"../etc"', "ssss"), ('svm = "yes"', 'svm = "so"',
                                                                    "one of")):
        assert old in good
        with pytest.raises(board.BoardError, match=words):
            board.parse(good.replace(old, new, 1), "wrong")


def test_all_boards_are_offered() -> None:
    assert {path.stem for path in boards.FOLDER.glob("*.toml")} == set(boards.NAMES)


def test_large_first_from_the_top(project: Project) -> None:
    done = project.generate(**{"BOARD_QEMU_I440FX": "y", "PART0_MEMORY_MIB": "64"},
                            **program(1, MEMORY_MIB="128"), **memory(0, 0, "1", SIZE_KIB="4096"))
    assert done.returncode == 0, done.stderr
    model = json.loads((project.out / "model.json").read_text())
    assert [(entry["use"], entry["base"] // MIB) for entry in model["memory"]] == [
        ("kernel", 494), ("channel", 298), ("ram", 302), ("ram", 366)]
    sigma0 = project.table("sigma0_config.c")
    assert re.findall(r"\.base = 0x(\w+), \.size", sigma0) == ["12a00000", "12e00000", "16e00000"]
    assert ".fixed_count = 3," in sigma0 and ".ram_base = 0x12e00000," in sigma0
    # Above 4 GiB there is more, and it is taken first.
    assert project.generate(BOARD_QEMU_I440FX="y", EMULATOR_MEMORY_MIB="5120").returncode == 0
    model = json.loads((project.out / "model.json").read_text())
    assert model["partitions"][0]["ram_base"] == (6144 - 256) * MIB
    assert model["kernel_base"] == (3072 - 2 - 16) * MIB
