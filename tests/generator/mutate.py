#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""
Changes one field of the model of a named configuration, and sees whether the checks refuse it.

  tests/generator/mutate.py --count 1000            refused or accepted, by check and by field
  tests/generator/mutate.py --count 1000 --boot 20  and boots twenty of those that are accepted

A model that is accepted must boot: it is built in build/mutate/, a tree that borrows all sources
and has a generator of its own, which makes the same change between allocator and checks.
Everything follows from --seed.
"""

from __future__ import annotations

import argparse
import copy
import dataclasses
import os
import random
import re
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path[:0] = [str(HERE), str(ROOT / "scripts")]
sys.dont_write_bytecode = True

# pylint: disable=wrong-import-position
from hecht.emulator import EmulatorError, Machine, Settings  # noqa: E402
from hecht.model import MIB, Model, make_model  # noqa: E402

TREE = ROOT / "build/mutate"

# Configurations, and what their guests print when all is well.
MARKERS = {
    "mini_hello": ["mini: hello"],
    "smp4": ["mini: hello"] * 4,
    "mini_smp": [", 0 errors"],
    "native_hello": ["hello from hello"],
    "ports": ["produce: ", "consume: "],
    "ping": ["echo: serving", "ping"],
    "rt_quiet": ["deadlines missed"],
    "irq": ["irq: "],
    "health": ["fail: "],
    "restarts": ["vmm: again starts"],
    "qemu_svm": ["hecht-guest: init"],
    "two_linux": ["hecht-guest: init"] * 2,
    "realtime": ["hecht-guest: init"],
}
# Of these the machine ends by itself; the others are left at a prompt or restart for ever.
ENDING = ("mini_hello", "smp4", "mini_smp", "native_hello", "ports", "ping", "rt_quiet", "irq")
QUICK = tuple(name for name in MARKERS if name not in ("qemu_svm", "two_linux", "realtime"))

# What may be another value: a choice of whoever configures, not something that follows from it.
CHOICES = frozenset("""
    kernel_memory sigma0_quota processors time_slice_us consoles serial_port serial_baud memory cpu
    backends count priority time_partition console_input counts_for_end actions
    devices trace frame_us start_us length_us processor module_actions
    sha256
""".split())

Path_ = tuple[str | int, ...]
_DEAD = re.compile(r"hecht: (PANIC|cannot start).*\n")


@dataclass(frozen=True)
class Mutation:
    path: Path_
    old: Any
    new: Any

    @property
    def field(self) -> str:
        """The name of the field that holds the value, or the table in which it is."""
        return next(str(step) for step in reversed(self.path)
                    if isinstance(step, str) and not step.isupper()
                    and step not in ("pic", "pit", "uart", "rtc", "keyboard_controller", "pci"))

    def __str__(self) -> str:
        place = "".join(f"[{step}]" if isinstance(step, int) else f".{step}"
                        for step in self.path)
        return f"{place[1:]}: {shortened(self.old)} -> {shortened(self.new)}"


def shortened(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def places(value: Any, path: Path_ = ()) -> Iterator[tuple[Path_, Any]]:
    """All that can be changed below `value`: leaves, and tables as wholes."""
    if dataclasses.is_dataclass(value):
        for field in dataclasses.fields(value):
            yield from places(getattr(value, field.name), (*path, field.name))
    elif isinstance(value, dict):
        for key, entry in value.items():
            yield from places(entry, (*path, key))
    elif isinstance(value, list):
        yield path, value
        for index, entry in enumerate(value):
            yield from places(entry, (*path, index))
    else:
        yield path, value


def another_number(value: int, seeded: random.Random) -> int:
    unit = next(unit for unit in (2 * MIB, MIB, 4096, 1) if value % unit == 0 or unit == 1)
    return seeded.choice([value + 1, value - 1, value + unit, value - unit, value * 2,
                          value // 2, 0, -1, value ^ 1 << seeded.randrange(12),
                          value + unit * seeded.randint(1, 9), seeded.randrange(1, 40), 1 << 40])


def another_text(value: str, seeded: random.Random) -> str:
    words = ["", "LOG", "STOP", "IGNORE", "RESTART_COLD", "linux", "mini", "program", "queuing",
             "qemu", "bochs", "max", value + "x", value[:-1], value.upper(), "../" + value,
             value + " ", value[1:], "ä" + value, value.replace("/", "//")]
    at = seeded.randrange(len(value) + 1)
    return seeded.choice([*words, value[:at] + seeded.choice("az09 _-\n\"") + value[at + 1:]])


def another(value: Any, seeded: random.Random) -> Any:
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return another_number(value, seeded)
    if isinstance(value, str):
        return another_text(value, seeded)
    if isinstance(value, tuple):
        index = seeded.randrange(len(value))
        return (*value[:index], another(value[index], seeded), *value[index + 1:])
    if isinstance(value, list):
        if not value:
            return [seeded.choice([0, 1, "svm", "serial", (0x80, 1)])]
        index = seeded.randrange(len(value))
        return seeded.choice([value[:index] + value[index + 1:],
                              value + [copy.deepcopy(value[index])], value[::-1]])
    return seeded.choice([None, 0, ""]) if value is not None else seeded.choice([0, "", False])


def mutate(model: Model, seed: str) -> tuple[Model, Mutation]:
    """A copy with one field changed; the same for the same seed."""
    seeded = random.Random(seed)
    candidates = list(places(model))
    while True:
        path, old = seeded.choice(candidates)
        new = another(old, seeded)
        if new != old or type(new) is not type(old):
            break
    changed: Any = copy.deepcopy(model)
    at = changed
    for step in path[:-1]:
        at = getattr(at, step) if dataclasses.is_dataclass(at) else at[step]
    if dataclasses.is_dataclass(at):
        setattr(at, str(path[-1]), new)
    else:
        at[path[-1]] = new
    return changed, Mutation(path, old, new)


# ---- Booting ----------------------------------------------------------------------------------

GENERATOR = '''\
#!/usr/bin/python3
"""The generator, with one change between allocator and checks."""
import importlib.machinery, importlib.util, os, sys
sys.dont_write_bytecode = True
sys.path.insert(0, {here!r})
loader = importlib.machinery.SourceFileLoader("generate", {generate!r})
module = importlib.util.module_from_spec(importlib.util.spec_from_loader("generate", loader))
loader.exec_module(module)
import mutate
original = module.make_model
module.make_model = lambda config: mutate.mutate(original(config), os.environ["MUTATION"])[0]
sys.exit(module.main())
'''


def make_tree() -> None:
    """Everything but build/ and images/ is borrowed."""
    for folder in (TREE / "scripts", TREE / "build", TREE / "images"):
        folder.mkdir(parents=True, exist_ok=True)
    for source in [*ROOT.iterdir(), *(ROOT / "scripts").iterdir()]:
        if source.name in ("build", "images", "scripts", "generate", "__pycache__") \
                or source.name.startswith("."):
            continue
        borrow(source, TREE / source.relative_to(ROOT))
    borrow(ROOT / "images/grub.cfg.in", TREE / "images/grub.cfg.in")
    for name in ("cache", "guest", "kconfig"):
        (ROOT / "build" / name).mkdir(parents=True, exist_ok=True)
        borrow(ROOT / "build" / name, TREE / "build" / name)
    generator = TREE / "scripts/generate"
    generator.write_text(GENERATOR.format(here=str(HERE), generate=str(ROOT / "scripts/generate")))
    generator.chmod(0o755)


def borrow(source: Path, target: Path) -> None:
    if not target.is_symlink():
        target.symlink_to(source)


def build(name: str, seed: str) -> Path:
    """The image of the changed model."""
    make_tree()
    shutil.rmtree(TREE / "build/configs", ignore_errors=True)
    (TREE / f"images/{name}.iso").unlink(missing_ok=True)
    environment = {key: value for key, value in os.environ.items()
                   if key not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS", "CONFIG", "KCONFIG_CONFIG")}
    done = subprocess.run(["make", "-s", f"CONFIG={name}", "iso"], cwd=TREE, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
                          env=environment | {"MUTATION": seed})
    if done.returncode:
        raise AssertionError(f"an accepted model does not build:\n{done.stdout[-3000:]}")
    return TREE / f"images/{name}.iso"


def boots(name: str, model: Model, iso: Path, limit: float) -> str:
    """How it went; AssertionError when the machine did not do what the model says."""
    settings = Settings(iso=iso, emulator=model.emulator.name, cpu=model.emulator.cpu,
                        memory_mib=model.emulator.memory // MIB, processors=model.processors,
                        machine=model.machine)
    heard = b""
    with Machine(settings) as machine:
        machine.console.settimeout(0.5)
        until = time.monotonic() + limit
        while time.monotonic() < until:
            try:
                data = machine.console.recv(65536)
            except TimeoutError:
                data = None
            except ConnectionError:
                data = b""
            if data == b"":
                break
            heard += data or b""
            so_far = heard.decode(errors="replace")
            if finished(name, model, so_far) or _DEAD.search(so_far):
                break
        text = heard.decode(errors="replace")
        if "serial" not in model.consoles or model.serial_port != 0x3f8:
            assert name not in ENDING or machine.wait(max(1.0, until - time.monotonic())), \
                f"nothing can be heard of it, and it does not turn itself off\n{text[-2000:]}"
            return "turned itself off" if name in ENDING else "cannot be heard"
    how = finished(name, model, text)
    assert how, f"it does not come to its guests' markers:\n{text[-2000:]}"
    return how


def finished(name: str, model: Model, text: str) -> str:
    """In which way all went as the model says; "" if it did not, or not yet."""
    if _DEAD.search(text):
        return ""
    ended = re.search(r"hecht: end status=(\d+)", text)
    missing = Counter(MARKERS[name]) - Counter(
        {marker: text.count(marker) for marker in MARKERS[name]})
    if ended and ended[1] == "0":
        counting = [one for one in model.partitions if one.counts_for_end] or model.partitions
        if all(re.search(rf"σ0: {one.name} ended: code 0\b", text) for one in counting):
            return "ended"
    if ended and "module stopped" in text and any(
            action == "STOP_MODULE" for one in model.partitions for action in one.actions.values()):
        return "stopped as configured"
    if ended and name == "health" and not missing:
        return "ended"
    goes_on = name not in ENDING or any("RESTART" in one.actions["PARTITION_ENDED"]
                                        for one in model.partitions)
    return "came to its markers" if goes_on and not ended and not missing else ""


# ---- All of it --------------------------------------------------------------------------------


@dataclass
class Outcome:
    name: str
    seed: str
    model: Model
    mutation: Mutation
    refused_by: list[str]


def outcomes(count: int, seed: int, names: tuple[str, ...], files: bool,
             folder: Path) -> Iterator[Outcome]:
    """`count` changes, spread evenly over the configurations."""
    from cheap import CheapConfig, found  # pylint: disable=import-outside-toplevel
    for index, name in enumerate(names):
        path = folder / f"{name}.config"
        source = next(ROOT.glob(f"*/{name}_defconfig"), None) \
            or next(ROOT.glob(f"tests/configs/{name}_defconfig"))
        path.write_text(source.read_text())
        config = CheapConfig(path)
        model = make_model(config)
        assert not found(config, model, files), f"{name} itself is refused"
        for number in range(index, count, len(names)):
            key = f"{seed}:{number}"
            changed, mutation = mutate(model, key)
            problems = found(config, changed, files)
            yield Outcome(name, key, changed, mutation,
                          [problem.identifier for problem in problems])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--boot", type=int, default=0, metavar="N")
    parser.add_argument("--quick", action="store_true", help="no configuration with Linux")
    parser.add_argument("--limit", type=float, default=120, help="seconds for a boot")
    parser.add_argument("--verbose", action="store_true")
    arguments = parser.parse_args()
    TREE.mkdir(parents=True, exist_ok=True)
    names = QUICK if arguments.quick else tuple(MARKERS)
    all_of_them = list(outcomes(arguments.count, arguments.seed, names, True, TREE))
    accepted = [outcome for outcome in all_of_them if not outcome.refused_by]
    by_check = Counter(identifier for outcome in all_of_them
                       for identifier in sorted(set(outcome.refused_by)))
    print(f"{len(all_of_them)} changes: {len(all_of_them) - len(accepted)} refused, "
          f"{len(accepted)} accepted")
    print("checks that refused:", ", ".join(f"{identifier} {number}" for identifier, number
                                            in by_check.most_common()))
    print("accepted fields:", ", ".join(f"{field} {number}" for field, number in Counter(
        outcome.mutation.field for outcome in accepted).most_common()))
    if arguments.verbose:
        for outcome in accepted:
            print(f"  {outcome.name} {outcome.seed} {outcome.mutation}")
    failed = 0
    random.Random(arguments.seed).shuffle(accepted)
    for outcome in sorted(accepted[:arguments.boot], key=lambda outcome: outcome.name):
        start = time.monotonic()
        try:
            how = boots(outcome.name, outcome.model, build(outcome.name, outcome.seed),
                        arguments.limit)
        except (AssertionError, EmulatorError) as error:
            how, failed = f"FAILED: {error}", failed + 1
        print(f"  {outcome.name} {outcome.seed} {outcome.mutation}: {how} "
              f"({time.monotonic() - start:.0f} s)", flush=True)
    if arguments.boot:
        print(f"{min(arguments.boot, len(accepted))} booted, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
