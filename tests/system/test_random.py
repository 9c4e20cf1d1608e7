# SPDX-License-Identifier: Apache-2.0
"""
Random configurations (scripts/randconfig): each is refused by the generator with a symbol's name,
or built and booted to what its guests print. Ten that follow the number of commits, or with --full
the seeds 1 to 300; RANDOM_CONFIGS=N FIRST_SEED=M takes N from seed M on.
"""

from __future__ import annotations

import json
import os
import re
import select
import shutil
import subprocess
import time
from pathlib import Path

import pytest
from conftest import ROOT, make
from forecast import Forecast, forecast
from hecht import draw
from hecht.emulator import Machine, Settings

LIMIT = {"qemu": 120, "bochs": 300}  # seconds of a run
QUIET = 25           # seconds without a word end a run whose end cannot be known
TALKS = 45           # after so long it may talk on, as one does that restarts again and again
COUNT_SHIFT = 2      # four ticks are one instruction: time does not depend on the load
START_TIME = 1_700_000_000
CHECKED, FULL = 10, 300
BAD = re.compile(r"hecht: PANIC|hecht: cannot start|σ0: [\w-]+ cannot start|Traceback")


def commits() -> int:
    done = subprocess.run(["git", "rev-list", "--count", "HEAD"], cwd=ROOT, capture_output=True,
                          text=True, check=False)
    return int(done.stdout) if done.returncode == 0 else 0


def seeds(full: bool) -> range:
    if "RANDOM_CONFIGS" in os.environ or "FIRST_SEED" in os.environ:
        first = int(os.environ.get("FIRST_SEED", "1"))
        return range(first, first + int(os.environ.get("RANDOM_CONFIGS", str(CHECKED))))
    first = 1 if full else 1 + commits() * CHECKED
    return range(first, first + (FULL if full else CHECKED))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "seed" in metafunc.fixturenames:
        metafunc.parametrize("seed", seeds(metafunc.config.getoption("--full")))


@pytest.fixture(scope="module")
def drawer() -> draw.Drawer:
    made = make("build/guest/lock", "CONFIG=qemu_svm")  # once, for all that run beside each other
    assert made.returncode == 0, made.stdout + made.stderr
    return draw.Drawer()


class Watched:
    """A run, and what its console has shown."""

    def __init__(self, settings: Settings, expected: Forecast, log: Path) -> None:
        self.settings, self.expected, self.log = settings, expected, log
        self.data = b""

    @property
    def text(self) -> str:
        return self.data.decode(errors="replace")

    def missing(self) -> list[str]:
        return [marker for marker in self.expected.required if not re.search(marker, self.text)]

    def run(self) -> str:
        """Why it is wrong; empty when it is right."""
        with Machine(self.settings) as machine, self.log.open("wb") as file:
            start = heard = time.monotonic()
            off = False
            while not off:
                if select.select([machine.console], [], [], 0.5)[0]:
                    try:
                        data = machine.console.recv(65536)
                    except ConnectionError:
                        data = b""
                    off, heard = not data, time.monotonic()
                    file.write(data)
                    self.data += data
                    if found := BAD.search(self.text):
                        return f"it says: {self.text[found.start():].splitlines()[0]}"
                now = time.monotonic()
                if self.done(now - heard, now - start):
                    return ""
                if time.monotonic() - start > LIMIT[self.settings.emulator]:
                    return f"it hangs, without {self.missing()}"
            return self.verdict(machine)

    def done(self, quiet: float, ran: float) -> bool:
        """All is there that will come, while the machine runs on."""
        if self.expected.turns_off is False:
            return not self.missing()
        return self.expected.turns_off is None and not self.missing() and (quiet > QUIET or
                                                                           ran > TALKS)

    def verdict(self, machine: Machine) -> str:
        """Of a machine that is off."""
        if self.expected.turns_off is False:
            return "it ended, and should not have"
        if self.text and not re.search(r"hecht: end status=\d", self.text):
            return "the emulator ended, the hypervisor did not:\n" + machine.last_words(5)
        return f"it ended without {self.missing()}" if self.text and self.missing() else ""


def refused(config: Path, output: str) -> bool:
    """By the generator, and in words. Everything later must go well."""
    done = subprocess.run([ROOT / "scripts/generate", config, "--tables",
                           config.with_suffix(".refused")], cwd=ROOT, capture_output=True,
                          text=True, check=False, timeout=60)
    return (done.returncode == 1 and "Traceback" not in output + done.stderr
            and done.stderr.startswith("error") and "CONFIG_" in done.stderr)


def test_refused_or_boots(drawer: draw.Drawer, seed: int, worker_id: str) -> None:
    name = f"random-{worker_id}"
    config = ROOT / "build/random" / f"{name}.config"
    again = f"again: RANDOM_CONFIGS=1 FIRST_SEED={seed} /usr/bin/python3 -m pytest " \
            f"tests/system/test_random.py; its configuration: scripts/randconfig --seed {seed}"
    drawer.draw(seed, config, name)
    os.utime(config)
    environment = {key: value for key, value in os.environ.items()
                   if key not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS", "CONFIG")}
    start = time.monotonic()
    made = subprocess.run(["make", "-s", "iso"], cwd=ROOT, text=True, check=False, timeout=600,
                          env=environment | {"KCONFIG_CONFIG": str(config.relative_to(ROOT))},
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if made.returncode:
        assert refused(config, made.stdout), f"{made.stdout}\nseed {seed}, {again}"
        report(seed, "refused", made.stdout.strip().splitlines()[0])
        return
    built = time.monotonic()
    model = json.loads((ROOT / f"build/{name}/model.json").read_text())
    why = boot(model, ROOT / f"images/{name}.iso", seed)
    report(seed, "WRONG" if why else "booted",
           f"built {built - start:.0f} s, ran {time.monotonic() - built:.0f} s {why}")
    if why:
        shutil.copy(config, ROOT / f"build/random/{seed}.config")
    assert not why, f"seed {seed}: {why}\n{again}"


def boot(model: dict, iso: Path, seed: int) -> str:
    emulator = model["emulator"]
    counted = emulator["name"] == "qemu" and model["processors"] == 1
    settings = Settings(
        iso=iso, emulator=emulator["name"], cpu=emulator["cpu"],
        memory_mib=emulator["memory"] >> 20, processors=model["processors"], count=counted,
        shift=COUNT_SHIFT if counted else 0, serial_port=model["serial_port"] or 0x3f8,
        machine=(model["board"]["emulated"] or {}).get("machine") or "pc",
        start_time=START_TIME if emulator["name"] == "bochs" else None)
    log = ROOT / "build/tests" / f"random-{seed}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    expected = forecast(model)
    if "serial" not in model["consoles"]:
        expected.required = []
    return Watched(settings, expected, log).run()


def report(seed: int, verdict: str, detail: str) -> None:
    with (ROOT / "build/tests/random.txt").open("a", encoding="utf-8") as file:
        file.write(f"{seed}: {verdict}: {detail}\n")
