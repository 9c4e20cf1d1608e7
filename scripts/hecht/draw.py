# SPDX-License-Identifier: Apache-2.0
"""
Draws a configuration at random: first a plan that should run (processors, schedules with windows
that fit, partitions, channels between programs that are there, memory enough), then small things
anywhere in the menus, then, now and then, something that breaks it.

Every decision has a random stream of its own, named by the seed and the symbol or subject, so a
seed gives the same configuration everywhere, and a new symbol changes no other's value.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterable
from pathlib import Path

import kconfiglib

from hecht import slots

# One in so many is broken on purpose, and one in so many sprinkled symbols is not its default.
_BREAK_CHANCE = 0.35
_FLIP_CHANCE = 0.06

_SVM_ON_QEMU = ("max", "max", "max", "EPYC")
_SVM_ON_BOCHS = ("zambezi", "zambezi", "trinity_apu", "ryzen")
_VMX_ON_BOCHS = ("corei7_haswell_4770", "corei7_haswell_4770", "corei7_ivy_bridge_3770k",
                 "broadwell_ult", "corei7_sandy_bridge_2600k", "corei5_arrandale_m520",
                 "corei5_lynnfield_750")
_BAUDS = (115200, 57600, 38400, 19200, 9600)
_LINUX_CMDLINE = "console=ttyS0 nokaslr acpi=off nolapic noapic pci=off"

# What a broken string may be, beside what its neighbours like.
_ODD_TEXTS = ("", " ", "x" * 40, "x" * 3000, "Upper", "a b", "../up", "/", "/dev/null", "a/../b",
              "\u00e4", "\"", "\\", "$(x)", "`x`", "a,b", "-", "-1", "0", "0-99", "1-0", "0x",
              "9999999999", "no-such")
# What is not changed without a plan: it would only turn the machine into another one.
_PLANNED_ONLY = ("NAME", "_KERNEL", "_INITRD", "_MINI", "_PROGRAM", "_CMDLINE", "_ARGUMENTS",
                 "VIRT", "SVM", "VMX", "CONSOLE_SERIAL", "_PRIORITY", "CONSOLE_INPUT")
_DEVICES = ("PIC", "PIT", "UART", "RTC", "KEYBOARD_CONTROLLER", "PCI")
_SPARE_DEVICES = ("PIC", "PIT", "RTC", "KEYBOARD_CONTROLLER", "PCI")


class _Streams:
    """Random numbers by subject."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def of(self, subject: str) -> random.Random:
        return random.Random(f"{self.seed}:{subject}")


def _split(stream: random.Random, whole: int, parts: int, least: int) -> list[int]:
    """Positive lengths, each at least `least`, with a sum of at most `whole`."""
    spare = whole - parts * least
    lengths = []
    for _ in range(parts):
        extra = stream.randrange(max(1, spare * 2 // parts) + 1)
        extra = min(extra, spare)
        spare -= extra
        lengths.append(least + extra)
    return lengths


class _Plan:
    """Values of symbols, without their prefix CONFIG_; strings without quotes."""

    def __init__(self, seed: int, name: str) -> None:
        self.streams = _Streams(seed)
        self.values: dict[str, str] = {"NAME": name}
        self.memory = 0  # MiB, of partitions
        self.used: list[int] = []  # slots
        self.channels = 0
        self.irq_owned = False
        machine = self.streams.of("machine")
        self.machine(machine)
        self.partitions(self.streams.of("partitions"))
        self.schedules(self.streams.of("schedules"))
        self.more_channels(self.streams.of("channels"))
        self.memories(self.streams.of("memories"))

    def set(self, symbol: str, value: str | int | bool) -> None:
        self.values[symbol] = ("y" if value else "n") if isinstance(value, bool) else str(value)

    # ---- Machine -------------------------------------------------------------------------------

    def machine(self, stream: random.Random) -> None:
        self.virt = stream.random() < 0.85
        self.bochs = stream.random() < 0.2
        backends = stream.choice(["both", "both", "svm", "vmx"] if self.bochs else
                                 ["both", "both", "svm"])
        self.set("VIRT", self.virt)
        self.set("SVM", backends != "vmx")
        self.set("VMX", backends != "svm")
        self.set("EMULATOR_BOCHS" if self.bochs else "EMULATOR_QEMU", True)
        if self.bochs:
            vmx = backends == "vmx" or (backends == "both" and stream.random() < 0.5)
            self.set("EMULATOR_BOCHS_CPU", stream.choice(_VMX_ON_BOCHS if vmx else _SVM_ON_BOCHS))
        else:
            self.set("EMULATOR_QEMU_CPU", stream.choice(_SVM_ON_QEMU))
        self.processors = stream.choice([1, 1, 1, 2, 2, 4] if not self.bochs else [1, 1, 2])
        self.set("PROCESSORS", self.processors)
        self.set("TIME_SLICE_US", stream.choice([10000, 10000, 1000, 2500, 50000]))
        known = stream.random() < 0.3  # the board, with all its addresses
        if known:
            self.set("BOARD_BOCHS" if self.bochs else "BOARD_QEMU_I440FX", True)
        else:
            self.set("BOARD_GENERIC_PC", True)
        self.set("SERIAL_PORT", "0x3f8" if known else
                 stream.choice(["0x3f8"] * 7 + ["0x2f8", "0x3e8"]))
        self.set("SERIAL_BAUD", stream.choice(_BAUDS))
        self.set("CONSOLE_SERIAL", stream.random() < 0.95)
        self.ends = self.values["CONSOLE_SERIAL"] == "n"  # it cannot say anything else
        if not self.ends:
            self.set("CONSOLE_SCREEN", stream.random() < 0.8)

    # ---- Partitions ----------------------------------------------------------------------------

    def partitions(self, stream: random.Random) -> None:
        count = stream.choice([1, 1, 2, 2, 3, 3, 4, 5, 6])
        free = list(range(slots.PARTITIONS))
        linux = self.virt and stream.random() < 0.15
        self.set("PART0_KIND_NONE", True)
        while len(self.used) < count:
            slot = stream.choice(free) if stream.random() < 0.3 else free[0]
            own = self.streams.of(f"partition {slot}")
            if len(self.used) + 2 <= count and own.random() < 0.2 and not self.channels:
                other = next(number for number in free if number != slot)
                self.producer_and_consumer(own, slot, other)
                free.remove(other)
            elif linux:
                linux = False
                self.linux(own, slot)
            elif self.virt and own.random() < 0.55:
                self.mini(own, slot)
            else:
                self.program(own, slot)
            free.remove(slot)

    def partition(self, stream: random.Random, slot: int, kind: str, memory: int,
                  processors: str | None = None) -> str:
        prefix = f"PART{slot}_"
        self.used.append(slot)
        self.memory += memory
        self.set(prefix + f"KIND_{kind}", True)
        self.set(prefix + "NAME", stream.choice(
            [f"p{slot}", f"part-{slot}", f"{slot}_" + "n" * 20]))
        self.set(prefix + "MEMORY_MIB", memory)
        # A program of time partition 0 must not keep the VMs from running.
        self.set(prefix + "PRIORITY", stream.choice([50, 50, 20, 2, stream.randint(2, 60)])
                 if kind == "PROGRAM" and self.virt else
                 stream.choice([100, 100, 100, 70, 200, stream.randint(61, 200)]))
        self.set(prefix + "PROCESSORS", processors or str(stream.randrange(self.processors)))
        if self.ends:
            self.set(prefix + "CONSOLE_INPUT", False)
        self.set(prefix + "TIME_PARTITION", stream.choice([0, 0, 1, 2, 3, stream.randint(1, 31)]))
        return prefix

    def linux(self, stream: random.Random, slot: int) -> None:
        prefix = self.partition(stream, slot, "LINUX", stream.choice([128, 160, 192, 256]))
        shell = not self.ends and stream.random() < 0.4
        extra = stream.choice(["", " quiet", " panic=1", " loglevel=7"])
        self.set(prefix + "CMDLINE",
                 _LINUX_CMDLINE + extra + ("" if shell else " hecht.autotest=poweroff"))
        self.devices(stream, prefix, ("RTC", "PCI"))

    def mini(self, stream: random.Random, slot: int) -> None:
        guest = stream.choice(["hello", "hello", "repeat", "fault", "selftest", "smp"])
        if guest == "smp" and self.processors > 1 and stream.random() < 0.7:
            prefix = self.partition(stream, slot, "MINI", 8, f"0-{self.processors - 1}")
            self.set(prefix + "CMDLINE", stream.choice(["", "reset"]))
        elif guest == "selftest" and not self.bochs:
            prefix = self.partition(stream, slot, "MINI", 8)
            self.set(prefix + "UART_MMIO", "0xd0000000")
        else:
            guest = "hello" if guest in ("selftest", "smp") else guest
            prefix = self.partition(stream, slot, "MINI", stream.choice([4, 8, 8, 10, 32, 64]))
            if guest == "repeat":
                self.set(prefix + "CMDLINE",
                         stream.choice(["nothing 10", "cpuid 1000", "out 500", "in 500"]))
            elif guest == "fault":
                # A guest's triple fault ends Bochs itself on its CPUs with SVM.
                self.set(prefix + "CMDLINE", stream.choice(
                    ["execute" if self.bochs else "triple", "execute", "write", "hlt", "reset"]))
            else:
                self.devices(stream, prefix, _SPARE_DEVICES)
                if stream.random() < 0.2:
                    self.set(prefix + "UART_MMIO", stream.choice(["0xd0000000", "0x20000000"]))
        self.set(prefix + "MINI", guest)
        self.set(prefix + "TRACE", stream.random() < 0.3)

    def devices(self, stream: random.Random, prefix: str, spare: Iterable[str]) -> None:
        """Turns off some of those that the guest can do without."""
        for device in spare:
            if stream.random() < 0.12:
                self.set(prefix + device, False)

    def program(self, stream: random.Random, slot: int) -> None:
        name = stream.choice(["hello", "hello", "periodic", "fail", "ping", "echo", "random",
                              "breakout", "irq", "hostile"])
        if name == "irq" and (self.irq_owned or self.processors > 1):
            name = "hello"
        prefix = self.partition(stream, slot, "PROGRAM", stream.choice([0, 2, 2, 4, 16]))
        extra, arguments = 0, ""
        if name == "hello":
            arguments = stream.choice(["", "code=0", "code=7"])
        elif name == "periodic":
            arguments = f"frames={stream.randint(5, 40)} bucket=10000000"
        elif name == "fail":
            error, symbol = stream.choice([
                ("exception", "EXCEPTION"), ("violation", "MEMORY_VIOLATION"),
                ("overflow", "STACK_OVERFLOW"), ("deadline", "DEADLINE_MISSED"),
                ("application", "APPLICATION")])
            restarts = stream.randint(1, 3)
            arguments = f"{error} restarts={restarts}"
            action = stream.choice(["RESTART_COLD", "RESTART_WARM", "STOP"])
            self.set(f"{prefix}ON_{symbol}_{action}", True)
            self.set(prefix + "MEMORY_MIB", max(2, int(self.values[prefix + "MEMORY_MIB"])))
        elif name == "ping":
            extra, arguments = 512, "rounds=20"
            self.set(prefix + "MEMORY_MIB", 4)
        elif name == "echo":
            arguments = "calls=0"
        elif name == "random":
            extra, arguments = 2048, f"calls=500 seed={stream.randint(1, 1 << 20)}"
            self.set(prefix + "MEMORY_MIB", 4)
        elif name == "breakout":
            extra = 2048
            self.set(prefix + "MEMORY_MIB", 4)
        elif name == "irq":
            self.irq_owned = True
            arguments = "rounds=50"
            self.set(prefix + "MEMORY_MIB", 2)
            self.set(prefix + "IO_PORTS", stream.choice(["0x40-0x43", "64-67", "0x40-0x43,0x61"]))
            self.set(prefix + "IRQS", stream.choice(["2", "2,8", "0,2"]))
        else:
            name = stream.choice(["tests/system/hostile/cli", "tests/system/hostile/read"])
        self.set(prefix + "PROGRAM", name)
        self.set(prefix + "ARGUMENTS", arguments)
        self.set(prefix + "KERNEL_EXTRA_KIB", extra + 4 * stream.choice([0, 0, 1, 100]))

    def producer_and_consumer(self, stream: random.Random, source: int, target: int) -> None:
        count = stream.choice([3, 10, 100])
        for slot, name in ((source, "produce"), (target, "consume")):
            prefix = self.partition(self.streams.of(f"partition {slot}"), slot, "PROGRAM", 2)
            self.set(prefix + "PROGRAM", name)
            self.set(prefix + "ARGUMENTS", f"count={count}")
        kinds = stream.choice([["QUEUING"], ["SAMPLING"], ["SAMPLING", "QUEUING"]])
        for kind in kinds:
            name = {"QUEUING": "queue", "SAMPLING": "sample"}[kind]
            self.channel(stream, kind, name, source, [target])

    # ---- Channels ------------------------------------------------------------------------------

    def channel(self, stream: random.Random, kind: str, name: str, source: int,
                targets: list[int]) -> None:
        prefix = f"CHAN{self.channels}_"
        self.channels += 1
        self.set(prefix + f"KIND_{kind}", True)
        self.set(prefix + "NAME", name)
        self.set(prefix + "SOURCE", source)
        self.set(prefix + "DESTINATIONS", ",".join(map(str, targets)))
        self.set(prefix + "MESSAGE_SIZE", stream.choice([8, 64, 64, 100, 256]))
        self.set(prefix + "MESSAGE_COUNT", stream.choice([1, 2, 8, 64, 512]))
        self.set(prefix + "REFRESH_US", stream.choice([0, 100000]))

    def more_channels(self, stream: random.Random) -> None:
        """That nobody uses, between programs."""
        programs = [slot for slot in self.used
                    if self.values.get(f"PART{slot}_KIND_PROGRAM") == "y"]
        for number in range(stream.choice([0, 0, 1, 3]) if len(programs) > 1 else 0):
            source = stream.choice(programs)
            others = [slot for slot in programs if slot != source]
            kind = stream.choice(["SAMPLING", "QUEUING"])
            targets = others if kind == "SAMPLING" else [stream.choice(others)]
            self.channel(stream, kind, f"more-{number}", source, targets)

    # ---- Time ----------------------------------------------------------------------------------

    def processors_of(self, slot: int) -> list[int]:
        first, _, last = self.values[f"PART{slot}_PROCESSORS"].partition("-")
        return list(range(int(first), int(last or first) + 1))

    def schedules(self, stream: random.Random) -> None:
        """Each time partition has a window on each of its processors, in every schedule."""
        wanted: dict[int, list[int]] = {}
        for slot in self.used:
            number = int(self.values[f"PART{slot}_TIME_PARTITION"])
            for processor in self.processors_of(slot) if number else ():
                if number not in wanted.setdefault(processor, []):
                    wanted[processor].append(number)
        # Another schedule is for somebody's error.
        errors = [f"PART{slot}_ON_EXCEPTION_" for slot in self.used
                  if not any(f"PART{slot}_ON_EXCEPTION_" in symbol for symbol in self.values)]
        count = stream.choice([1, 1, 2]) if errors and wanted else 1
        self.set("SCHEDULES", count)
        if count > 1:
            self.set(stream.choice(errors) + "SWITCH_SCHEDULE", True)
            for slot in self.used:
                self.set(f"PART{slot}_ACTION_SCHEDULE", 1)
        for schedule in range(count):
            own = self.streams.of(f"schedule {schedule}")
            prefix = f"SCHED{schedule}_"
            frame = own.choice([20000, 10000, 50000, 33333])
            self.set(prefix + "FRAME_US", frame)
            slot = 0
            for processor, numbers in sorted(wanted.items()):
                lengths = _split(own, frame, len(numbers), 1500)
                start = 0
                for number, length in zip(numbers, lengths):
                    window = f"{prefix}WIN{slot}_"
                    self.set(window + "PARTITION", number)
                    self.set(window + "PROCESSOR", processor)
                    self.set(window + "START_US", start)
                    self.set(window + "LENGTH_US", length)
                    start += length
                    slot += 1
            self.set(prefix + "WINDOWS", slot)

    # ---- Memory --------------------------------------------------------------------------------

    def memories(self, stream: random.Random) -> None:
        memory = sum(int(self.values[f"PART{slot}_MEMORY_MIB"]) for slot in self.used)
        extra = sum(int(self.values.get(f"PART{slot}_KERNEL_EXTRA_KIB", 0)) for slot in self.used)
        kernel = 6 + self.processors + len(self.used) + memory // 50 + extra // 1024
        self.set("KERNEL_MEMORY_MIB", kernel + stream.choice([0, 0, 8, 40]))
        # A known board keeps room for GRUB and its modules.
        slack = 40 if self.values.get("BOARD_GENERIC_PC") else 160
        needed = int(self.values["KERNEL_MEMORY_MIB"]) + memory + slack + self.channels
        self.set("EMULATOR_MEMORY_MIB", max(64, needed + stream.choice([0, 2, 50, 128, 301])))


class Drawer:
    """Draws configurations over the project's Kconfig."""

    def __init__(self) -> None:
        slots.expand_all()
        os.environ["srctree"] = str(slots.ROOT)
        self.kconf = kconfiglib.Kconfig(str(slots.ROOT / "Kconfig"), warn=False)

    def draw(self, seed: int, path: Path, name: str = "random") -> None:
        """Writes a .config; `name` is its CONFIG_NAME."""
        plan = _Plan(seed, name)
        streams = plan.streams
        self.kconf.unset_values()
        for symbol in self.kconf.unique_defined_syms:
            if symbol.name in plan.values:
                self._set(symbol, plan.values[symbol.name])
        for symbol in self.kconf.unique_defined_syms:
            if symbol.visibility and symbol.name not in plan.values:
                self._sprinkle(symbol, streams.of(f"sprinkle {symbol.name}"), plan)
        stream = streams.of("breaks")
        if stream.random() < _BREAK_CHANCE:
            for _ in range(stream.choice([1, 1, 2, 3])):
                self._break(stream, plan)
        path.parent.mkdir(parents=True, exist_ok=True)
        self.kconf.write_config(str(path), header=f"# Drawn with seed {seed}\n", save_old=False)

    @staticmethod
    def _set(symbol: kconfiglib.Symbol, value: str) -> None:
        if symbol.orig_type == kconfiglib.BOOL and symbol.choice and value == "n":
            return
        symbol.set_value(value)

    def _sprinkle(self, symbol: kconfiglib.Symbol, stream: random.Random, plan: _Plan) -> None:
        """A boolean that the plan does not care for, or a member of a choice."""
        if symbol.orig_type != kconfiglib.BOOL or stream.random() >= _FLIP_CHANCE:
            return
        name = symbol.name
        if name.endswith(_PLANNED_ONLY) or name.endswith(_DEVICES) or "KIND" in name \
                or name.startswith("BOARD_"):
            return
        if symbol.choice:
            planned = any(plan.values.get(other.name) == "y" for other in symbol.choice.syms)
            if name.endswith("SWITCH_SCHEDULE") and plan.values["SCHEDULES"] == "1":
                return
            # What starts again and again, or takes all down with it, is rare.
            if planned or ("PARTITION_ENDED" in name and (plan.ends or stream.random() < 0.7)):
                return
            symbol.set_value(2)
        else:
            symbol.set_value(0 if symbol.tri_value else 2)

    # ---- Breaking ------------------------------------------------------------------------------

    def _break(self, stream: random.Random, plan: _Plan) -> None:
        """Any symbol that can be seen, mostly of slots in use."""
        used = tuple(f"PART{slot}_" for slot in plan.used)
        there = [symbol for symbol in self.kconf.unique_defined_syms if symbol.visibility
                 and symbol.name != "NAME"
                 and (not symbol.name.startswith(("PART", "CHAN")) or symbol.name.startswith(used)
                      or "KIND" not in symbol.name)]
        numbers = [symbol for symbol in there if symbol.orig_type != kconfiglib.BOOL]
        symbol = stream.choice(numbers if stream.random() < 0.75 else there)
        if symbol.orig_type == kconfiglib.STRING:
            near = [other.str_value for other in there if other.orig_type == kconfiglib.STRING
                    and other.name.rpartition("_")[2] == symbol.name.rpartition("_")[2]]
            symbol.set_value(stream.choice(list(_ODD_TEXTS) + near))
        elif symbol.orig_type == kconfiglib.BOOL:
            symbol.set_value(2 if symbol.choice else 2 - symbol.tri_value)
        else:
            symbol.set_value(_odd_number(symbol, stream))


def _odd_number(symbol: kconfiglib.Symbol, stream: random.Random) -> str:
    low, high = next(((int(low.str_value, 0), int(high.str_value, 0)) for low, high, condition
                      in symbol.ranges if kconfiglib.expr_value(condition)), (0, 1 << 20))
    now = int(symbol.str_value, 0)
    value = stream.choice([low, high, stream.randint(low, high), now - 1, now + 1, now * 2,
                           now // 2, low + stream.randrange(min(high - low, 8) + 1)])
    value = min(max(value, low), high)
    return hex(value) if symbol.orig_type == kconfiglib.HEX else str(value)

