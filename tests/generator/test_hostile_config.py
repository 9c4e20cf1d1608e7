# SPDX-License-Identifier: Apache-2.0
"""`make iso` with a broken or hostile .config: nothing in it is ever run, and within seconds it
is said what is wrong."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from conftest import ROOT, Project, quoted
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

SECONDS = 30  # on a machine that does other things as well
CANARY = "canary-of-a-test"
# Tried together; what passes as any text stands apart from what is refused at once.
STRINGS = (("NAME",), ("PART0_CMDLINE", "PART1_ARGUMENTS"), ("PART0_KERNEL",),
           ("EMULATOR_QEMU_CPU", "PART0_NAME", "PART0_INITRD", "PART0_PROCESSORS",
            "PART1_PROGRAM", "PART1_IO_PORTS", "CHAN0_NAME", "CHAN0_DESTINATIONS"))
OTHERS = {"PART1_KIND_PROGRAM": "y", "CHAN0_KIND_SAMPLING": "y"}


def make(config: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """The first step of `make iso` is the one that reads .config, and all others need what it
    says; `build/.../model.json` asks for that and for the tables."""
    environment = {key: value for key, value in os.environ.items() if "MAKE" not in key}
    done = subprocess.run(["make", "-s", "tables"], cwd=ROOT, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8",
                          errors="replace", check=False, timeout=SECONDS,
                          env=environment | {"KCONFIG_CONFIG": str(config),
                                             "CANARY": str(folder / CANARY)})
    assert not (folder / CANARY).exists(), "something of .config was run"
    assert "Traceback" not in done.stdout, done.stdout
    return done


def refuses(config: Path, folder: Path, word: str = "error") -> str:
    done = make(config, folder)
    assert done.returncode and word in done.stdout, done.stdout
    return done.stdout


COMMANDS = ("$(shell touch {})", "`touch {}`", "$(touch {})", "'; touch {} #", "\"; touch {} #",
            "x\ntouch {}", "x; touch {}", "x && touch {}", "| touch {}", "$$(shell touch {})",
            "x\\\n$(shell touch {})", "${{shell touch {}}}", "x:\n\ttouch {}\nx", "!touch {}",
            "{{{{ cycler.__init__.__globals__.os.system('touch {}') }}}}", "%\n$(info )",
            "../../../{}", "-o{}", "\x00touch {}", "--eval=$(shell touch {})")


def write(config: Path, **values: str) -> None:
    chosen = {"NAME": quoted("hostile-test")} | values
    config.write_text("".join(f"CONFIG_{name}={value}\n" for name, value in chosen.items()))


@pytest.mark.parametrize("symbols", STRINGS, ids=lambda symbols: symbols[0])
@pytest.mark.parametrize("number", range(len(COMMANDS)))
def test_nothing_is_run(tmp_path: Path, symbols: tuple[str, ...], number: int) -> None:
    text = COMMANDS[number].format(tmp_path / CANARY)
    config = tmp_path / "config"
    write(config, **OTHERS, **{symbol: quoted(text) for symbol in symbols})
    done = make(config, tmp_path)
    assert done.returncode == 0 or "error" in done.stdout, done.stdout
    if len(symbols) > 1 and symbols[0] != "PART0_CMDLINE":
        assert done.returncode


@pytest.mark.parametrize("line", [
    "CONFIG_PROCESSORS=99999999999999999999999999", "CONFIG_PROCESSORS=-1",
    "CONFIG_PROCESSORS=0x2", "CONFIG_PROCESSORS=two", "CONFIG_PROCESSORS=",
    "CONFIG_KERNEL_MEMORY_MIB=" + "9" * 5000, "CONFIG_SERIAL_PORT=-0x8",
    "CONFIG_SERIAL_PORT=99999999999", "CONFIG_PART0_NAME=\"open", "CONFIG_PART0_NAME=bare",
    "CONFIG_VIRT=maybe", "CONFIG_VIRT=\"y\"",
    "CONFIG_SVM=m", "CONFIG_PART0_KERNEL=\"" + "k" * 100_000 + "\"",
    "CONFIG_PART0_KERNEL=\"" + "/k" * 3000 + "\"", "CONFIG_PROCESSORS=1\nCONFIG_PROCESSORS=2",
    "CONFIG_PART0_KERNEL=\"/dev/zero\"", "CONFIG_PART0_KERNEL=\"/\"",
    "CONFIG_PART0_KERNEL=\"../../../../../../etc/passwd\"", "CONFIG_PART0_INITRD=\"/dev/full\"",
    "CONFIG_PART0_KERNEL=\"Makefile\"", "CONFIG_PART0_KERNEL=\"\"",
    "CONFIG_PART0_PROCESSORS=\"0-99999999999\"", "CONFIG_NAME=\"..\"", "CONFIG_NAME=\"a/b\"",
    "CONFIG_NAME=\"\"", "CONFIG_NAME=\"" + "n" * 300 + "\"", "include /dev/zero",
    "$(shell touch $(CANARY))", "`touch $CANARY`", "all:\n\ttouch $(CANARY)",
], ids=lambda line: line[:30].encode("unicode_escape").decode())
def test_a_line_is_refused_in_words(tmp_path: Path, line: str) -> None:
    config = tmp_path / "config"
    config.write_text(f'CONFIG_NAME="hostile-test"\n{line}\n')
    refuses(config, tmp_path)


def test_symbols_that_do_not_exist(tmp_path: Path) -> None:
    config = tmp_path / "config"
    write(config, NO_SUCH_SYMBOL="y", SHELL=quoted(f"touch {tmp_path / CANARY}"), CC="evil")
    said = refuses(config, tmp_path, "there is no symbol CONFIG_NO_SUCH_SYMBOL")
    assert "CONFIG_SHELL" in said and "CONFIG_CC" in said and "olddefconfig" in said
    write(config, PART0_MEMORY="64")
    assert "perhaps CONFIG_PART0_MEMORY_MIB" in refuses(config, tmp_path)
    config.write_text("# CONFIG_NO_SUCH_SYMBOL is not set\n")
    assert make(config, tmp_path).returncode == 0


@pytest.mark.parametrize("line, words", [
    ("CONFIG_PART0_MEMORY_MIB=99999", "99999 is outside the range from 4 to 8192\n"
     "  CONFIG_PART0_MEMORY_MIB=99999  (Partitions > Partition 0 > Memory (MiB))\n  CONFIG_PART0_MEMORY_MIB=8192 would do\n"),
    ("CONFIG_SERIAL_PORT=0x9", "CONFIG_SERIAL_PORT=0x100 would do\n"),
    ("CONFIG_PROCESSORS=two", "two is no whole number\n  CONFIG_PROCESSORS=two"),
    ("CONFIG_VIRT=maybe", "config:2: maybe is neither y nor n"),
    ("CONFIG_PART0_NAME=\"open", "config:2: a text that is not between quotes"),
    ("CONFIG_SVM=y\nCONFIG_SVM=n", "config:3: set twice, first to y"),
    ("\x1b[31mred", r"config:2: this is no assignment and no comment: \x1b[31mred"),
])
def test_what_is_ignored_is_said_in_words(tmp_path: Path, line: str, words: str) -> None:
    config = tmp_path / "config"
    config.write_text(f'CONFIG_NAME="hostile-test"\n{line}\n')
    said = refuses(config, tmp_path, words)
    assert "warning" not in said and "defined at" not in said


def test_what_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "zero").symlink_to("/dev/zero")
    for name in ("folder", "pipe", "zero"):
        refuses(tmp_path / name, tmp_path, "")


@pytest.mark.parametrize("content", [
    b"\xff\xfe\x00", b'CONFIG_PART0_NAME="\xc3\x28"\n', b"CONFIG_NAME=\"a\x00b\"\n",
    b"\x00" * 10_000, b'CONFIG_NAME="' + b"x" * 20_000_000 + b'"\n',
], ids=("bom", "utf-8", "nul", "nuls", "long"))
def test_bytes_that_are_no_text(tmp_path: Path, content: bytes) -> None:
    config = tmp_path / "config"
    config.write_bytes(content)
    done = make(config, tmp_path)
    assert done.returncode == 0 or "error" in done.stdout, done.stdout


def test_guests_that_are_no_files(project: Project) -> None:
    folder = project.folder
    os.mkfifo(folder / "pipe")
    (folder / "loop").symlink_to("loop")
    (folder / "zero").symlink_to("/dev/zero")
    for name in ("pipe", "loop", "zero", ".", "none", "x" * 300):
        for symbol in ("PART0_KERNEL", "PART0_INITRD"):
            done = project.generate(**{symbol: quoted(str(folder / name))})
            assert done.returncode == 1 and f"CONFIG_{symbol}=" in done.stderr, done.stderr
            assert "Traceback" not in done.stderr


@settings(max_examples=40, deadline=None,
          suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from([symbol for symbols in STRINGS for symbol in symbols]),
       st.text(max_size=60))
def test_any_text(project: Project, symbol: str, text: str) -> None:
    done = project.generate(**(OTHERS | {symbol: quoted(text)}))
    assert "Traceback" not in done.stderr, done.stderr
    assert done.returncode == 0 or "error" in done.stderr
