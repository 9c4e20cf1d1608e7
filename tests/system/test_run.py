# SPDX-License-Identifier: Apache-2.0
"""`make run`: its status, its one line, and what it leaves behind."""

from __future__ import annotations

import os
import signal
import subprocess
import termios
import time
from pathlib import Path

import pexpect
from conftest import ROOT, build

RUN = ROOT / "scripts/run"


def command(config: str, *options: str) -> list[str]:
    return [str(RUN), *options, f"build/configs/{config}.config", f"images/{config}.iso"]


def run(config: str, *options: str) -> subprocess.CompletedProcess[str]:
    build(config)
    return subprocess.run(command(config, "--limit", "100", *options), cwd=ROOT, text=True,
                          stdin=subprocess.DEVNULL, capture_output=True, check=False)


def children(pid: int) -> list[int]:
    return [int(word) for word in
            Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def heed_interrupts() -> None:
    """A shell starts what it runs in the background so that SIGINT is ignored."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_status_of_a_good_end() -> None:
    done = run("mini_hello")
    assert done.returncode == 0, done.stderr
    assert "mini: hello" in done.stdout and done.stderr == ""


def test_make_run_with_another_emulator() -> None:
    build("mini_hello")
    environment = {key: value for key, value in os.environ.items() if "MAKE" not in key}
    done = subprocess.run(["make", "-s", "run", "CONFIG=mini_hello", "EMULATOR=bochs"], cwd=ROOT,
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
                          env=environment)
    assert done.returncode == 0, done.stderr
    assert "virtualization by SVM" in done.stdout


def test_status_when_it_cannot_start() -> None:
    done = run("mini_hello", "--cpu", "qemu64,-svm")
    assert done.returncode == 1
    assert done.stderr.strip().count("\n") == 0 and "cannot start" in done.stderr


def test_status_when_a_partition_fails() -> None:
    """The one line names the first that failed, not the last that ended."""
    done = run("hostile_mini")
    assert done.returncode == 1
    assert done.stderr.strip() == "run: σ0: hostile-cli failed: exception 13, address 0x0"


def test_silence_in_a_test() -> None:
    """A machine that starts nothing: the limit on silence ends it."""
    empty = ROOT / "build/tests/empty.iso"
    empty.parent.mkdir(parents=True, exist_ok=True)
    empty.write_bytes(bytes(1 << 20))
    build("mini_hello")
    done = subprocess.run([RUN, "--timeout", "2", "build/configs/mini_hello.config", empty],
                          cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          check=False)
    assert done.returncode == 1 and "nothing happened for 2 s" in done.stderr


def test_emulator_that_dies() -> None:
    build("qemu_svm")
    with subprocess.Popen(command("qemu_svm"), cwd=ROOT, stdin=subprocess.DEVNULL, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        while "hecht: " not in process.stdout.readline():
            pass
        for child in children(process.pid):
            os.kill(child, signal.SIGKILL)
        _, errors = process.communicate(timeout=30)
    assert process.returncode == 1 and "ended before" in errors


def test_nothing_is_left_running() -> None:
    build("qemu_svm")
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGKILL):
        with subprocess.Popen(command("qemu_svm"), cwd=ROOT, stdin=subprocess.DEVNULL, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                              preexec_fn=heed_interrupts) as process:
            while "hecht: " not in process.stdout.readline():
                pass
            emulators = children(process.pid)
            process.send_signal(number)
            try:
                process.communicate(timeout=30)
            except subprocess.TimeoutExpired:
                process.kill()
                raise
        assert process.returncode != 0 and emulators
        time.sleep(0.5)
        assert not any(Path(f"/proc/{pid}/cmdline").exists()
                       and Path(f"/proc/{pid}/cmdline").read_bytes() for pid in emulators)


def test_terminal_keys() -> None:
    """Ctrl-C goes to the guest; Ctrl-A x ends the run and gives the terminal back."""
    build("qemu_svm")
    words = command("qemu_svm")
    child = pexpect.spawn(words[0], words[1:], cwd=ROOT, encoding="utf-8", timeout=120,
                          codec_errors="replace")
    before = termios.tcgetattr(child.child_fd)
    child.expect("linux# ")
    child.send("sleep 1000\n")
    time.sleep(1)
    child.send("\x03")
    child.expect("linux# ")
    child.send("\x01x")
    child.expect("ended from the keyboard")
    after = termios.tcgetattr(child.child_fd)
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 1
    assert after == before
