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

from hecht import bzimage
from hecht.config import Config
from hecht.errors import ConfigError, Problem
from hecht.model import (CMDLINE_MAX, KERNEL_OWN, LARGE_PAGE, MIB, NAME_MAX, PAGE, Model, Vm)

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")
_CPU = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.,+=-]*")

# What GRUB, firmware, kernel image and alignment take of the emulated machine beside the rest.
_MACHINE_SLACK = 24 * MIB
# Below it stand the guest's page tables and boot structures.
_GUEST_KERNEL_START = 1 * MIB


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
        if self.config.is_on("VIRT") and not self.model.backends:
            yield Problem("there are virtual machines but no backend that could run them",
                          self.at("VIRT", "SVM", "VMX"), "turn SVM, VMX or both on")

    def kernel_memory(self) -> Iterator[Problem]:
        pages = (KERNEL_OWN + self.model.sigma0_quota
                 + sum(part.kernel_quota for part in self.model.vms + self.model.programs))
        if pages * PAGE > self.model.kernel_memory:
            yield Problem("the kernel's memory cannot hold what the partitions may need of it: "
                          + " + ".join([f"{KERNEL_OWN} (kernel)",
                                        f"{self.model.sigma0_quota} (σ0)"]
                                       + [f"{vm.kernel_quota} ({vm.name})"
                                          for vm in self.model.vms])
                          + f" = {pages} pages of 4 KiB",
                          self.at("KERNEL_MEMORY_MIB",
                                  *(f"VM{vm.slot}_MEMORY_MIB" for vm in self.model.vms)),
                          f"CONFIG_KERNEL_MEMORY_MIB={-(-pages * PAGE // MIB)} would do")

    def machine_memory(self) -> Iterator[Problem]:
        needed = (self.model.kernel_memory + _MACHINE_SLACK
                  + sum(vm.memory for vm in self.model.vms))
        if needed > self.model.emulator.memory:
            yield Problem("the emulated machine is too small for the kernel and the VMs",
                          self.at("EMULATOR_MEMORY_MIB", "KERNEL_MEMORY_MIB",
                                  *(f"VM{vm.slot}_MEMORY_MIB" for vm in self.model.vms)),
                          f"CONFIG_EMULATOR_MEMORY_MIB={-(-needed // MIB)} would do")

    def vm(self, vm: Vm) -> Iterator[Problem]:
        prefix = f"VM{vm.slot}_"
        yield from self.name(prefix + "NAME")
        if vm.memory % LARGE_PAGE:
            yield Problem("a VM's memory is granted in pages of 2 MiB",
                          self.at(prefix + "MEMORY_MIB"),
                          f"CONFIG_{prefix}MEMORY_MIB={vm.memory // MIB + 1} would do")
        if vm.uart_mmio % PAGE or 0 < vm.uart_mmio < vm.memory:
            yield Problem("the registers must begin at a multiple of 4096 outside the VM's RAM",
                          self.at(prefix + "UART_MMIO", prefix + "MEMORY_MIB"),
                          f"CONFIG_{prefix}UART_MMIO=0xd0000000 would do")
        yield from self.cmdline(vm)
        if vm.boot == "mini" and not _NAME.fullmatch(self.config.text(prefix + "MINI")):
            yield Problem("this is no name of a small guest", self.at(prefix + "MINI"),
                          f'CONFIG_{prefix}MINI="hello" would do')

    def cmdline(self, vm: Vm) -> Iterator[Problem]:
        symbol = f"VM{vm.slot}_CMDLINE"
        odd = next((c for c in vm.cmdline if not " " <= c <= "~"), None)
        if odd is not None:
            yield Problem(f"the command line holds the character U+{ord(odd):04X}; only printable "
                          "ASCII characters can be passed", self.at(symbol))
        if len(vm.cmdline) > CMDLINE_MAX:
            yield Problem(f"the command line has {len(vm.cmdline)} characters; "
                          f"{CMDLINE_MAX} is the most", self.at(symbol))

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

    def vm_files(self, vm: Vm) -> Iterator[Problem]:
        if vm.boot == "mini":
            yield from self.mini_files(vm)
        else:
            yield from self.linux_files(vm)

    def mini_files(self, vm: Vm) -> Iterator[Problem]:
        symbol = f"VM{vm.slot}_MINI"
        source = Path("guests/mini") / (self.config.text(symbol) + ".c")
        if not source.is_file():
            there = ", ".join(sorted(path.stem for path in Path("guests/mini").glob("*.c")))
            yield Problem(f"there is no {source}", self.at(symbol), f"there are: {there}")

    def linux_files(self, vm: Vm) -> Iterator[Problem]:
        prefix = f"VM{vm.slot}_"
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
        yield from self.fits(vm, kernel)

    def fits(self, vm: Vm, kernel: bzimage.BzImage) -> Iterator[Problem]:
        prefix = f"VM{vm.slot}_"
        initrd = Path(vm.initrd.source).stat().st_size if vm.initrd else 0
        end = max(kernel.end, _GUEST_KERNEL_START)
        needed = end + -(-initrd // PAGE) * PAGE
        if needed <= vm.memory:
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
                *checker.backends()]
    for vm in model.vms:
        problems += checker.vm(vm)
    problems += [*checker.kernel_memory(), *checker.machine_memory()]
    _raise(problems)


def check_files(config: Config, model: Model) -> None:
    checker = _Checker(config, model)
    _raise([problem for vm in model.vms for problem in checker.vm_files(vm)])
