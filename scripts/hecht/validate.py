# SPDX-License-Identifier: Apache-2.0
"""
Checks a model. Each check names the symbols with their values and places in the menus, and what
would do. check_model() needs nothing but the model; check_files() reads the guests' files.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from hecht import bzimage, numbers, shared, slots
from hecht.config import Config
from hecht.emulator import BOCHS_PROCESSORS_MAX
from hecht.errors import ConfigError, Problem
from hecht.model import (ARGUMENTS_MAX, CHANNEL_BYTES_MAX, CMDLINE_MAX, IO_PORTS, IRQ_LINES,
                         LARGE_PAGE, MIB, MODULES_MAX, NAME_MAX, PAGE, PROCESSORS_MAX,
                         VCPUS_MAX, Channel, Model, Partition)

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")
_PATH = re.compile(r"[a-z0-9][a-z0-9_-]*(/[a-z0-9][a-z0-9_-]*)*")
_CPU = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.,+=-]*")

# What GRUB, firmware, kernel image and alignment take of the emulated machine beside the rest.
_MACHINE_SLACK = 24 * MIB
# Below it stand the guest's page tables and boot structures.
_GUEST_KERNEL_START = 1 * MIB
# What the kernel drives itself (first, count).
_INTERRUPT_CONTROLLERS = ((0x20, 2), (0xa0, 2), (0x4d0, 2))
_SERIAL_IRQS = {0x3f8: 4, 0x2f8: 3}

_KINDS = {"linux": "KIND_LINUX", "mini": "KIND_MINI", "program": "KIND_PROGRAM"}


class _Checker:
    def __init__(self, config: Config, model: Model) -> None:
        self.config = config
        self.model = model

    def at(self, *symbols: str) -> list[tuple[str, str, str]]:
        return [(symbol, _shown(self.config, symbol), self.config.place(symbol))
                for symbol in symbols]

    # ---- Without files ---------------------------------------------------------------------

    def name(self, symbol: str) -> Iterator[Problem]:
        value = self.config.text(symbol)
        if not _NAME.fullmatch(value) or len(value) > NAME_MAX:
            yield Problem("a name may hold lower-case letters, digits, '_' and '-' only, must "
                          f"begin with a letter or digit and have 1 to {NAME_MAX} characters",
                          self.at(symbol), f"for instance: CONFIG_{symbol}="
                          f'"{self.config.default(symbol)}"')

    def cpu_model(self) -> Iterator[Problem]:
        symbol = f"EMULATOR_{self.model.emulator.name.upper()}_CPU"
        if not _CPU.fullmatch(self.model.emulator.cpu):
            yield Problem("this is no name of a CPU model", self.at(symbol),
                          f'for instance: CONFIG_{symbol}="{self.config.default(symbol)}"')

    def console(self) -> Iterator[Problem]:
        if not self.model.consoles:
            yield Problem("the board has no console", self.at("CONSOLE_SERIAL", "CONSOLE_SCREEN"),
                          "turn one of them on")
        if "serial" not in self.model.consoles:
            return
        if self.model.serial_port % 8:
            yield Problem("the serial port's base is no multiple of 8", self.at("SERIAL_PORT"),
                          f"the next that would do: 0x{self.model.serial_port & ~7:x}")
        if 115200 % self.model.serial_baud:
            divisor = max(1, 115200 // self.model.serial_baud)
            yield Problem("the speed is no divisor of 115200", self.at("SERIAL_BAUD"),
                          f"the next that would do: {115200 // divisor}")

    def backends(self) -> Iterator[Problem]:
        if self.model.vms and not self.model.backends:
            yield Problem("there are virtual machines but no backend that could run them",
                          self.at("VIRT", "SVM", "VMX"), "turn SVM, VMX or both on")

    def processor_count(self) -> Iterator[Problem]:
        if self.model.emulator.name == "qemu" or self.model.processors <= BOCHS_PROCESSORS_MAX:
            return
        yield Problem(f"Bochs has at most {BOCHS_PROCESSORS_MAX} processors",
                      self.at("PROCESSORS", "EMULATOR_BOCHS"),
                      f"CONFIG_PROCESSORS={BOCHS_PROCESSORS_MAX} would do, or "
                      "CONFIG_EMULATOR_QEMU=y")

    def kernel_memory(self) -> Iterator[Problem]:
        model = self.model
        pages = (model.kernel_own + model.sigma0_quota
                 + sum(partition.kernel_quota for partition in model.partitions))
        if pages * PAGE > model.kernel_memory:
            yield Problem("the kernel's memory cannot hold what the partitions may need of it: "
                          + " + ".join([f"{model.kernel_own} (kernel)",
                                        f"{model.sigma0_quota} (σ0)"]
                                       + [f"{partition.kernel_quota} ({partition.name})"
                                          for partition in model.partitions])
                          + f" = {pages} pages of 4 KiB",
                          self.at("KERNEL_MEMORY_MIB", "PROCESSORS", *self.memories()),
                          f"CONFIG_KERNEL_MEMORY_MIB={-(-pages * PAGE // MIB)} would do")

    def machine_memory(self) -> Iterator[Problem]:
        needed = (self.model.kernel_memory + _MACHINE_SLACK
                  + sum(part.memory for part in [*self.model.partitions, *self.model.channels]))
        if needed > self.model.emulator.memory:
            yield Problem("the emulated machine is too small for the kernel and the partitions",
                          self.at("EMULATOR_MEMORY_MIB", "KERNEL_MEMORY_MIB", *self.memories()),
                          f"CONFIG_EMULATOR_MEMORY_MIB={-(-needed // MIB)} would do")

    def memories(self) -> list[str]:
        return [partition.prefix + "MEMORY_MIB" for partition in self.model.partitions]

    def modules(self) -> Iterator[Problem]:
        count = len(self.model.modules)
        if count > MODULES_MAX:
            yield Problem(f"the image would have {count} boot modules; {MODULES_MAX} is the most",
                          self.at(*(partition.prefix + _KINDS[partition.kind]
                                    for partition in self.model.partitions)),
                          "a Linux VM has three, a small guest two, a native program one, "
                          "the system one")

    def names_differ(self, what: str, symbols: list[str]) -> Iterator[Problem]:
        """Of all pairs of one kind of slot."""
        first: dict[str, str] = {}
        for symbol in symbols:
            other = first.setdefault(self.config.text(symbol), symbol)
            if other != symbol:
                remedy = f"{self.config.text(symbol)[:NAME_MAX - 3]}-{_digits(symbol)}"
                yield Problem(f"two {what} have the same name", self.at(other, symbol),
                              f'CONFIG_{symbol}="{remedy}" would do')

    # ---- Partitions ------------------------------------------------------------------------

    def partition(self, partition: Partition) -> Iterator[Problem]:
        prefix = partition.prefix
        yield from self.name(prefix + "NAME")
        if partition.memory % LARGE_PAGE:
            yield Problem("a partition's memory is granted in pages of 2 MiB",
                          self.at(prefix + "MEMORY_MIB"),
                          f"CONFIG_{prefix}MEMORY_MIB={partition.memory // MIB + 1} would do")
        yield from self.processors(partition)
        yield from self.action_schedule(partition)
        yield from self.vm(partition) if partition.vm else self.program(partition)

    def processors(self, partition: Partition) -> Iterator[Problem]:
        symbol, count = partition.prefix + "PROCESSORS", self.model.processors
        parsed = numbers.ranges(self.config.text(symbol), PROCESSORS_MAX)
        if isinstance(parsed, str) or not parsed:
            yield Problem(f"this is no list of processors: {parsed or 'it is empty'}",
                          self.at(symbol), f'CONFIG_{symbol}="0" would do')
        elif (last := max(partition.processors)) >= count:
            yield Problem(f"there is no processor {last}: they are 0 to {count - 1}",
                          self.at(symbol, "PROCESSORS"),
                          f'CONFIG_{symbol}="0" would do, or CONFIG_PROCESSORS={last + 1}')
        elif partition.kind == "linux" and len(partition.processors) > 1:
            yield Problem("a Linux VM can have one virtual CPU only, today, and so one processor",
                          self.at(symbol, partition.prefix + "KIND_LINUX"),
                          f'CONFIG_{symbol}="{partition.processors[0]}" would do')
        elif partition.vm and len(partition.processors) > VCPUS_MAX:
            few = ",".join(map(str, partition.processors[:VCPUS_MAX]))
            yield Problem(f"a VM has at most {VCPUS_MAX} virtual CPUs, one on each processor",
                          self.at(symbol), f'CONFIG_{symbol}="{few}" would do')
        else:
            yield from self.time(partition)

    def time(self, partition: Partition) -> Iterator[Problem]:
        """A time partition without a window never runs."""
        number = partition.time_partition
        for processor in partition.processors if number else ():
            windows = [window for schedule in self.model.schedules
                       for window in schedule.on(processor)]
            if any(window.time_partition == number for window in windows):
                continue
            yield Problem(f"time partition {number} has no window on processor {processor}, so "
                          f"the partition {partition.name} would never run there",
                          self.at(partition.prefix + "TIME_PARTITION",
                                  partition.prefix + "PROCESSORS", "SCHED0_WINDOWS"),
                          f"CONFIG_{partition.prefix}TIME_PARTITION=0 would do, or a window with "
                          f"CONFIG_SCHED0_WINn_PARTITION={number} and "
                          f"CONFIG_SCHED0_WINn_PROCESSOR={processor}")

    def action_schedule(self, partition: Partition) -> Iterator[Problem]:
        switch = [error for error, action in partition.actions.items()
                  if action == "SWITCH_SCHEDULE"]
        if switch and partition.action_schedule >= len(self.model.schedules):
            yield Problem(f"there is no schedule {partition.action_schedule} to switch to",
                          self.at(partition.prefix + "ACTION_SCHEDULE", "SCHEDULES",
                                  f"{partition.prefix}ON_{switch[0]}_SWITCH_SCHEDULE"),
                          f"CONFIG_SCHEDULES={partition.action_schedule + 1} would do, or "
                          f"CONFIG_{partition.prefix}ACTION_SCHEDULE=0")

    def vm(self, partition: Partition) -> Iterator[Problem]:
        vm, prefix = partition.vm, partition.prefix
        assert vm
        if vm.uart_mmio % PAGE or 0 < vm.uart_mmio < partition.memory:
            yield Problem("the registers must begin at a multiple of 4096 outside the VM's RAM",
                          self.at(prefix + "UART_MMIO", prefix + "MEMORY_MIB"),
                          f"CONFIG_{prefix}UART_MMIO=0xd0000000 would do")
        yield from self.text("command line", prefix + "CMDLINE", CMDLINE_MAX)
        if vm.boot == "mini" and not _NAME.fullmatch(self.config.text(prefix + "MINI")):
            yield Problem("this is no name of a small guest", self.at(prefix + "MINI"),
                          f'CONFIG_{prefix}MINI="hello" would do')

    def program(self, partition: Partition) -> Iterator[Problem]:
        prefix = partition.prefix
        if not _PATH.fullmatch(self.config.text(prefix + "PROGRAM")):
            yield Problem("this is no name of a program: lower-case letters, digits, '_', '-', and "
                          "'/' between folders", self.at(prefix + "PROGRAM"),
                          f'CONFIG_{prefix}PROGRAM="hello" would do')
        yield from self.text("list of arguments", prefix + "ARGUMENTS", ARGUMENTS_MAX)
        if self.config.number(prefix + "KERNEL_EXTRA_KIB") * 1024 % PAGE:
            kib = self.config.number(prefix + "KERNEL_EXTRA_KIB")
            yield Problem("kernel memory comes in pages of 4 KiB",
                          self.at(prefix + "KERNEL_EXTRA_KIB"),
                          f"CONFIG_{prefix}KERNEL_EXTRA_KIB={-(-kib // 4) * 4} would do")
        for what, symbol, limit in (("I/O ports", prefix + "IO_PORTS", IO_PORTS),
                                    ("interrupt lines", prefix + "IRQS", IRQ_LINES)):
            parsed = numbers.ranges(self.config.text(symbol), limit)
            if isinstance(parsed, str):
                yield Problem(f"this is no list of {what}: {parsed}", self.at(symbol),
                              f'CONFIG_{symbol}="" would do')

    def text(self, what: str, symbol: str, most: int) -> Iterator[Problem]:
        text = self.config.text(symbol)
        odd = next((c for c in text if not " " <= c <= "~"), None)
        if odd is not None:
            yield Problem(f"the {what} holds the character U+{ord(odd):04X}; only printable "
                          "ASCII characters can be passed", self.at(symbol))
        if len(text) > most:
            yield Problem(f"the {what} has {len(text)} characters; {most} is the most",
                          self.at(symbol))

    def devices(self) -> Iterator[Problem]:
        """Every port and interrupt line has one owner; the kernel's own are among them."""
        ports: list[tuple[int, int, str]] = [(*controller, "") for controller
                                             in _INTERRUPT_CONTROLLERS]
        irqs: list[tuple[int, int, str]] = []
        if "serial" in self.model.consoles:
            ports.append((self.model.serial_port, 8, "SERIAL_PORT"))
            if self.model.serial_port in _SERIAL_IRQS:
                irqs.append((_SERIAL_IRQS[self.model.serial_port], 1, "SERIAL_PORT"))
        for partition in self.model.programs:
            native, prefix = partition.native, partition.prefix
            assert native
            yield from self.owned_once("I/O port", ports, native.io_ports, prefix + "IO_PORTS")
            yield from self.owned_once("interrupt line", irqs, native.irqs, prefix + "IRQS")

    def owned_once(self, what: str, owned: list[tuple[int, int, str]],
                   wanted: list[tuple[int, int]], symbol: str) -> Iterator[Problem]:
        for first, count in wanted:
            for other, length, owner in owned:
                if first < other + length and other < first + count:
                    number = max(first, other)
                    shown = f"0x{number:x}" if what == "I/O port" else str(number)
                    whose = "two partitions" if owner.startswith("PART") else \
                        "the kernel's console and a partition" if owner else \
                        "the kernel's interrupt controllers and a partition"
                    yield Problem(f"{what} {shown} would belong to {whose}",
                                  self.at(*([owner] if owner else []), symbol),
                                  f"take {shown} out of CONFIG_{symbol}")
        owned += [(first, count, symbol) for first, count in wanted]

    # ---- Time ------------------------------------------------------------------------------

    def schedule(self, number: int) -> Iterator[Problem]:
        schedule = self.model.schedules[number]
        frame = f"SCHED{number}_FRAME_US"
        previous = None
        for window in schedule.windows:
            prefix = f"SCHED{number}_WIN{window.slot}_"
            if window.processor >= self.model.processors:
                yield Problem(f"there is no processor {window.processor} for this window: they "
                              f"are 0 to {self.model.processors - 1}",
                              self.at(prefix + "PROCESSOR", "PROCESSORS"),
                              f"CONFIG_PROCESSORS={window.processor + 1} would do, or "
                              f"CONFIG_{prefix}PROCESSOR=0")
            if window.end_us > schedule.frame_us:
                yield Problem(f"the window ends at {window.end_us} us, after the major frame",
                              self.at(prefix + "START_US", prefix + "LENGTH_US", frame),
                              f"CONFIG_{frame}={window.end_us} would do")
            if previous and previous.processor == window.processor \
                    and window.start_us < previous.end_us:
                other = f"SCHED{number}_WIN{previous.slot}_"
                yield Problem(f"two windows of processor {window.processor} overlap from "
                              f"{window.start_us} us to {min(previous.end_us, window.end_us)} us",
                              self.at(other + "START_US", other + "LENGTH_US",
                                      prefix + "START_US", prefix + "LENGTH_US"),
                              f"CONFIG_{prefix}START_US={previous.end_us} would do")
            if not previous or previous.processor != window.processor \
                    or previous.end_us < window.end_us:
                previous = window

    # ---- Channels --------------------------------------------------------------------------

    def channel(self, channel: Channel) -> Iterator[Problem]:
        prefix = channel.prefix
        yield from self.name(prefix + "NAME")
        parsed = numbers.ranges(self.config.text(prefix + "DESTINATIONS"), slots.PARTITIONS)
        if isinstance(parsed, str) or not parsed:
            yield Problem("this is no list of partitions that receive: "
                          + (parsed or "it is empty"), self.at(prefix + "DESTINATIONS"),
                          "numbers of slots with commas between them would do")
            return
        if channel.kind == "queuing" and len(channel.destinations) > 1:
            yield Problem("a queuing channel has one partition that receives",
                          self.at(prefix + "DESTINATIONS", prefix + "KIND_QUEUING"),
                          f'CONFIG_{prefix}DESTINATIONS="{channel.destinations[0]}" would do, or '
                          f"CONFIG_{prefix}KIND_SAMPLING=y")
        if channel.source in channel.destinations:
            yield Problem("a channel leads from a partition to itself",
                          self.at(prefix + "SOURCE", prefix + "DESTINATIONS"),
                          "another partition's slot would do for one of them"
                          + self.other_ends({channel.source}))
        yield from self.channel_end(channel, "SOURCE", channel.source)
        for slot in channel.destinations:
            yield from self.channel_end(channel, "DESTINATIONS", slot)
        if channel.kind == "memory":
            yield from self.shared_memory(channel)
        elif channel.memory > CHANNEL_BYTES_MAX:
            yield Problem(f"the channel's messages take {channel.memory} bytes; "
                          f"{CHANNEL_BYTES_MAX} is the most",
                          self.at(prefix + "MESSAGE_SIZE", prefix + "MESSAGE_COUNT"),
                          f"CONFIG_{prefix}MESSAGE_COUNT="
                          f"{CHANNEL_BYTES_MAX // channel.message_size} would do")

    def shared_memory(self, channel: Channel) -> Iterator[Problem]:
        prefix = channel.prefix
        if channel.size % PAGE:
            yield Problem("memory is shared in pages of 4 KiB", self.at(prefix + "SIZE_KIB"),
                          f"CONFIG_{prefix}SIZE_KIB={-(-channel.size // PAGE) * 4} would do")
        if channel.gpa % PAGE:
            yield Problem("a guest-physical address of shared memory is a multiple of 4096",
                          self.at(prefix + "ADDRESS"),
                          f"CONFIG_{prefix}ADDRESS=0x{channel.gpa // PAGE * PAGE:x} would do")
        others = [other for other in self.model.channels if other is not channel]
        free = shared.free_address(channel, others, self.model.partitions)
        remedy = (f"CONFIG_{prefix}ADDRESS=0x{free:x} would do" if free else
                  "a smaller one would do")
        for vm in shared.vms_of(channel, self.model.partitions):
            if not channel.gpa or channel.gpa + channel.size > shared.END:
                yield Problem(f"the VM {vm.name} has no room for the shared memory between its "
                              f"RAM and 0x{shared.END:x}",
                              self.at(prefix + "ADDRESS", prefix + "SIZE_KIB",
                                      vm.prefix + "MEMORY_MIB"), remedy)
                continue
            for start, end, symbol in shared.taken(vm, others):
                if start < channel.gpa + channel.size and channel.gpa < end:
                    yield Problem(f"the VM {vm.name} would have two things from "
                                  f"0x{max(start, channel.gpa):x} on",
                                  self.at(prefix + "ADDRESS", symbol), remedy)

    def channel_end(self, channel: Channel, symbol: str, slot: int) -> Iterator[Problem]:
        partition = next((partition for partition in self.model.partitions
                          if partition.slot == slot), None)
        if partition and (partition.native or channel.kind == "memory"):
            return
        kind = _KINDS[partition.kind] if partition else "KIND_NONE"
        what = "is a VM, which has no ports" if partition else "is empty"
        yield Problem(f"slot {slot}, at an end of the channel, {what}; a native program has to be "
                      "there", self.at(channel.prefix + symbol, f"PART{slot}_{kind}"),
                      f"CONFIG_PART{slot}_KIND_PROGRAM=y would do" + self.other_ends({slot}))

    def other_ends(self, without: set[int]) -> str:
        there = [str(partition.slot) for partition in self.model.programs
                 if partition.slot not in without]
        return f" (there are native programs in the slots {', '.join(there)})" if there else ""

    # ---- With files ------------------------------------------------------------------------

    def file(self, symbol: str, path: str) -> Iterator[Problem]:
        if not path:
            yield Problem("a path is missing", self.at(symbol),
                          f'CONFIG_{symbol}="{self.config.default(symbol)}" is the packaged one')
        elif not Path(path).exists():
            yield Problem("there is no such file" + _nearest(path), self.at(symbol))
        elif not Path(path).is_file() or not os.access(path, os.R_OK):
            yield Problem("this is no file that can be read", self.at(symbol))
        elif Path(path).stat().st_size == 0:
            yield Problem("this file is empty", self.at(symbol))

    def files(self, partition: Partition) -> Iterator[Problem]:
        kinds = {"linux": self.linux_files, "mini": self.mini_files,
                 "program": self.program_files}
        yield from kinds[partition.kind](partition)

    def program_files(self, partition: Partition) -> Iterator[Problem]:
        assert partition.native
        symbol = partition.prefix + "PROGRAM"
        source = Path(partition.native.source + ".c")
        if not source.is_file():
            there = ", ".join(sorted(path.stem for path in Path("guests/native").glob("*.c")))
            yield Problem(f"there is no {source}", self.at(symbol),
                          f"in guests/native there are: {there}")

    def mini_files(self, partition: Partition) -> Iterator[Problem]:
        symbol = partition.prefix + "MINI"
        source = Path("guests/mini") / (self.config.text(symbol) + ".c")
        if not source.is_file():
            there = ", ".join(sorted(path.stem for path in Path("guests/mini").glob("*.c")))
            yield Problem(f"there is no {source}", self.at(symbol), f"there are: {there}")

    def linux_files(self, partition: Partition) -> Iterator[Problem]:
        vm, prefix = partition.vm, partition.prefix
        assert vm
        problems = list(self.file(prefix + "KERNEL", vm.kernel.source))
        if vm.initrd:
            problems += self.file(prefix + "INITRD", vm.initrd.source)
        yield from problems
        if problems:
            return
        path = Path(vm.kernel.source)
        with path.open("rb") as file:
            kernel = bzimage.read(file.read(4096), path.stat().st_size)
        if isinstance(kernel, str):
            yield Problem(f"this kernel cannot be started: {kernel}", self.at(prefix + "KERNEL"),
                          "a bzImage for x86-64 would do")
            return
        if kernel.cmdline_size and len(vm.cmdline) > kernel.cmdline_size:
            yield Problem(f"the command line has {len(vm.cmdline)} characters; this kernel takes "
                          f"{kernel.cmdline_size}",
                          self.at(prefix + "CMDLINE", prefix + "KERNEL"))
        yield from self.fits(partition, kernel)

    def fits(self, partition: Partition, kernel: bzimage.BzImage) -> Iterator[Problem]:
        vm, prefix = partition.vm, partition.prefix
        assert vm
        initrd = Path(vm.initrd.source).stat().st_size if vm.initrd else 0
        end = max(kernel.end, _GUEST_KERNEL_START)
        needed = end + -(-initrd // PAGE) * PAGE
        if needed <= partition.memory:
            return
        symbols = [prefix + "MEMORY_MIB", prefix + "KERNEL"]
        what = f"the kernel needs {-(-end // MIB)} MiB"
        if vm.initrd:
            symbols.append(prefix + "INITRD")
            what += f" and the initrd ({initrd} bytes) does not fit above it"
        enough = -(-needed // LARGE_PAGE) * LARGE_PAGE // MIB
        yield Problem(what, self.at(*symbols),
                      f"CONFIG_{prefix}MEMORY_MIB={enough} is the least that holds them")


def _shown(config: Config, symbol: str) -> str:
    """The value as .config has it, with nothing in it that a terminal would obey."""
    value = config.text(symbol)
    if value.isascii() and value.isprintable() and not re.fullmatch(r"y|n|0x[0-9a-f]+|\d+", value):
        return f'"{value}"'
    return value if value.isascii() and value.isprintable() else ascii(value)


def _digits(symbol: str) -> str:
    """The number of the slot in PART7_NAME."""
    return "".join(c for c in symbol if c.isdigit())


def _nearest(path: str) -> str:
    """Says which part of a wrong path is there still."""
    parent = Path(path).parent
    while not parent.exists() and parent != parent.parent:
        parent = parent.parent
    return f" (there is {ascii(str(parent))[1:-1]})" if str(parent) != "." else ""


def _raise(problems: list[Problem]) -> None:
    if problems:
        raise ConfigError(problems)


def check_model(config: Config, model: Model) -> None:
    checker = _Checker(config, model)
    problems = [*checker.name("NAME"), *checker.console(), *checker.cpu_model(),
                *checker.backends(), *checker.processor_count()]
    for number in range(len(model.schedules)):
        problems += checker.schedule(number)
    for partition in model.partitions:
        problems += checker.partition(partition)
    problems += checker.names_differ("partitions", [partition.prefix + "NAME"
                                                    for partition in model.partitions])
    for channel in model.channels:
        problems += checker.channel(channel)
    problems += checker.names_differ("channels", [channel.prefix + "NAME"
                                                  for channel in model.channels])
    problems += [*checker.devices(), *checker.modules(),
                 *checker.kernel_memory(), *checker.machine_memory()]
    _raise(problems)


def check_files(config: Config, model: Model) -> None:
    checker = _Checker(config, model)
    _raise([problem for partition in model.partitions for problem in checker.files(partition)])
