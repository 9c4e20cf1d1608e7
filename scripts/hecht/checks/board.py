# SPDX-License-Identifier: Apache-2.0
"""The board: its console, its processors and its memory."""

from __future__ import annotations

import re
from collections.abc import Iterator

from hecht import boards
from hecht.checks.core import Look, check
from hecht.checks.devices import overlaps
from hecht.errors import Problem, quoted

CONSOLES = ("serial", "screen")
BACKENDS = ("svm", "vmx")
# What the kernel drives beside a serial port: interrupt controllers, timer, clock, screen, PCI.
_KERNEL_PORTS = ((0x20, 2), (0x40, 4), (0x60, 2), (0x64, 1), (0x70, 2), (0xa0, 2), (0x3b0, 48),
                 (0x4d0, 2), (0xcf8, 8))

# The emulators' CPU models: what they have of it all.
BOCHS_NO_NESTED = ("turion64_tyler", "core2_penryn_t9600", "corei5_lynnfield_750")
BOCHS_SVM = ("turion64_tyler", "phenom_8650_toliman", "zambezi", "trinity_apu", "ryzen")
BOCHS_VMX = ("core2_penryn_t9600", "corei5_lynnfield_750",
             "corei5_arrandale_m520", "corei7_sandy_bridge_2600k", "corei7_ivy_bridge_3770k",
             "corei7_haswell_4770", "broadwell_ult", "corei7_skylake_x", "corei3_cnl",
             "corei7_icelake_u", "tigerlake")
BOCHS_NEITHER = ("bx_generic", "athlon64_clawhammer", "athlon64_venice",
                 "p4_prescott_celeron_336")
QEMU_SVM = re.compile(r"max|phenom(-v1)?|EPYC(-.*)?|Dhyana(-.*)?")
QEMU_NEITHER = re.compile(
    r"qemu64(-v1)?|Opteron_G[1-5](-v1)?|Broadwell.*|Cascadelake-Server.*|Conroe.*|Cooperlake.*|"
    r"Denverton.*|Haswell.*|Icelake-Server.*|IvyBridge.*|KnightsMill.*|Nehalem.*|Penryn.*|"
    r"SandyBridge.*|SapphireRapids.*|Skylake-.*|Snowridge.*|Westmere.*|kvm64(-v1)?|"
    r"core2duo(-v1)?|base")

_SERIAL_LEAST = 1200
_SERIAL_CLOCK = 115200  # baud with a divisor of 1


@check("BRD-001", "Without a console nobody would ever see what the hypervisor says.")
def console(look: Look) -> Iterator[Problem]:
    if not look.model.consoles:
        yield look.problem("the board has no console", "CONSOLE_SERIAL", "CONSOLE_SCREEN",
                           remedy="CONFIG_CONSOLE_SCREEN=y", CONSOLE_SERIAL="y")


@check("BRD-002", "A 16550 decodes three address lines: its registers begin at a multiple of 8.")
def serial_aligned(look: Look) -> Iterator[Problem]:
    if "serial" in look.model.consoles and look.model.serial_port % 8:
        yield look.problem("the serial port's base is no multiple of 8", "SERIAL_PORT",
                           SERIAL_PORT=f"0x{look.model.serial_port & ~7:x}")


@check("BRD-003", "A 16550 divides 115,200 baud by a whole number; at another speed the far end "
       "would read nothing.")
def serial_speed(look: Look) -> Iterator[Problem]:
    baud = look.model.serial_baud
    if "serial" in look.model.consoles and (baud < _SERIAL_LEAST or _SERIAL_CLOCK % baud):
        divisor = _SERIAL_CLOCK // baud if _SERIAL_LEAST <= baud <= _SERIAL_CLOCK else 1
        while _SERIAL_CLOCK % divisor:
            divisor += 1
        yield look.problem(f"the speed is no divisor of 115200 from {_SERIAL_LEAST} on",
                           "SERIAL_BAUD", SERIAL_BAUD=str(_SERIAL_CLOCK // divisor))


@check("BRD-004", "Two devices at one port: the kernel would program its interrupt controllers, "
       "timer, clock, screen or PCI when it means the serial port.")
def serial_apart(look: Look) -> Iterator[Problem]:
    found = overlaps([(look.model.serial_port, 8)], _KERNEL_PORTS)
    if "serial" in look.model.consoles and found:
        yield look.problem(f"the serial port would stand at port 0x{found[0][0]:x}, which is "
                           "another device's", "SERIAL_PORT", SERIAL_PORT="0x3f8")


@check("BRD-005", "The kernel's table knows the serial port and the screen.")
def console_known(look: Look) -> Iterator[Problem]:
    consoles = look.model.consoles
    if any(console not in CONSOLES for console in consoles) or \
            len(set(consoles)) < len(consoles):
        yield look.problem(f"the list of consoles is {ascii(consoles)}; there are "
                           f"{' and '.join(CONSOLES)}, each once", "CONSOLE_SERIAL",
                           "CONSOLE_SCREEN", CONSOLE_SERIAL="y")


@check("BRD-006", "The build and `make run` know how to start two emulators.")
def emulator_known(look: Look) -> Iterator[Problem]:
    if look.model.emulator.name not in ("qemu", "bochs"):
        yield look.problem(f"there is no emulator {ascii(look.model.emulator.name)}",
                           "EMULATOR_QEMU", EMULATOR_QEMU="y")


def _is_off(flag: str, flags: str) -> bool:
    return re.search(rf"(^|,)(-{flag}|{flag}=off)(,|$)", flags) is not None


def _backend_of(look: Look) -> str | None:
    """The backend that the emulated CPU has; "" for none, None for a CPU that nobody knows."""
    name, _, flags = look.model.emulator.cpu.partition(",")
    if look.model.emulator.name == "bochs":
        return "svm" if name in BOCHS_SVM else "vmx" if name in BOCHS_VMX else \
            "" if name in BOCHS_NEITHER else None
    if QEMU_SVM.fullmatch(name):
        return "" if _is_off("svm", flags) else "svm"
    return "" if QEMU_NEITHER.fullmatch(name) else None


@check("BRD-007", "The emulator stops at once at a CPU model that it does not have, or one without "
       "long mode.")
def cpu_known(look: Look) -> Iterator[Problem]:
    symbol = f"EMULATOR_{look.model.emulator.name.upper()}_CPU"
    if _backend_of(look) is None:
        yield look.problem("the emulator has no such CPU with 64 bits", symbol,
                           **{symbol: quoted(look.config.default(symbol))})


@check("BRD-008", "The kernel refuses to start where none of its backends fits the CPU, whether or "
       "not there are virtual machines.")
def cpu_backend(look: Look) -> Iterator[Problem]:
    backend = _backend_of(look)
    if backend is None or not look.model.backends or backend in look.model.backends:
        return
    name = look.model.emulator.name
    symbol = f"EMULATOR_{name.upper()}_CPU"
    what = f"the emulated CPU has {backend.upper()} only" if backend else \
        "the emulated CPU has neither SVM nor VMX"
    if name == "bochs":
        good = {symbol: quoted("corei7_haswell_4770" if "vmx" in look.model.backends
                               else "zambezi")}
    else:
        good = {symbol: '"max"'} if "svm" in look.model.backends else {"SVM": "y"}
    yield look.problem(what, symbol, "SVM", "VMX", f"EMULATOR_{name.upper()}", **good)


@check("BRD-009", "Without a keyboard in the hypervisor nobody types anything where there is no "
       "serial console.")
def input_without_serial(look: Look) -> Iterator[Problem]:
    for partition in look.model.partitions:
        if "serial" not in look.model.consoles and look.model.consoles \
                and partition.console_input and partition.native:
            symbol = partition.prefix + "CONSOLE_INPUT"
            yield look.problem("the program waits for what is typed, and only a serial console "
                               "has input", symbol, "CONSOLE_SERIAL", CONSOLE_SERIAL="y")


@check("BRD-010", "I/O ports below 0x100 are the mainboard's own on every PC, and a port is a "
       "number of 16 bits.")
def serial_range(look: Look) -> Iterator[Problem]:
    if "serial" in look.model.consoles and not 0x100 <= look.model.serial_port <= 0xfff8:
        yield look.problem("the serial port's registers stand from 0x100 to 0xffff", "SERIAL_PORT",
                           SERIAL_PORT="0x3f8")


@check("BRD-011", "Without a serial console the table has a port and a speed still, of 16 and 32 "
       "bits; nobody uses them.")
def serial_unused(look: Look) -> Iterator[Problem]:
    model = look.model
    if "serial" not in model.consoles and not (0 <= model.serial_port <= 0xffff
                                               and 0 <= model.serial_baud < 1 << 32):
        yield look.problem(f"the unused serial port is 0x{model.serial_port:x} at "
                           f"{model.serial_baud} baud", "CONSOLE_SERIAL",
                           remedy="make the model anew: scripts/generate")


# ---- The board file's facts -----------------------------------------------------------------


@check("BRD-012", "The kernel refuses to start on a machine with fewer processors.")
def board_processors(look: Look) -> Iterator[Problem]:
    board = look.model.board
    most = board.emulated.processors_most if board.emulated else len(board.processors)
    if most and look.model.processors > most:
        yield look.problem(f"the board has {most} processors", "PROCESSORS",
                           boards.symbol(look.config), PROCESSORS=str(most))


@check("BRD-013", "The kernel finds no 16550 there, and goes on without it.")
def board_serial(look: Look) -> Iterator[Problem]:
    board = look.model.board
    there = [serial.port for serial in board.serials]
    if board.fixed and "serial" in look.model.consoles and look.model.serial_port not in there:
        what = ", ".join(f"0x{port:x}" for port in there)
        yield look.problem(f"the board has no serial port at 0x{look.model.serial_port:x}: "
                           + (f"there is {what}" if there else "it has none"), "SERIAL_PORT",
                           boards.symbol(look.config),
                           **({"SERIAL_PORT": f"0x{there[0]:x}"} if there else
                              {"CONSOLE_SERIAL": "n"}))




@check("BRD-014", "The kernel refuses to start where none of its backends fits the board's CPU, "
       "whether or not there are virtual machines.")
def board_backend(look: Look) -> Iterator[Problem]:
    cpu, backends = look.model.board.cpu, look.model.backends
    can = [backend for backend in BACKENDS
           if cpu.has(backend) != "no"]
    if backends and not set(backends) & set(can):
        yield look.problem("the board's CPU has no " + " and no ".join(
            backend.upper() for backend in backends), boards.symbol(look.config), "SVM", "VMX",
            **({can[0].upper(): "y"} if can else {"BOARD_GENERIC_PC": "y"}))


@check("BRD-015", "Where there is nothing to show text on, the console would be lost.")
def board_screen(look: Look) -> Iterator[Problem]:
    if look.model.board.screen.kind == "none" and "screen" in look.model.consoles:
        yield look.problem("the board has no screen", "CONSOLE_SCREEN", boards.symbol(look.config),
                           remedy="another board file", CONSOLE_SCREEN="n")


@check("BRD-016", "The board is an emulator's machine: another emulator has another memory map, at "
       "which the build's addresses are wrong.")
def board_emulator(look: Look) -> Iterator[Problem]:
    machine, name = look.model.board.emulated, look.model.emulator.name
    if machine and machine.emulator != name:
        symbol = f"EMULATOR_{machine.emulator.upper()}"
        yield look.problem(f"the board is {machine.emulator}'s machine, and `make run` would start "
                           f"{name}", boards.symbol(look.config), symbol, **{symbol: "y"})


_NESTED = {"svm": ("npt",), "vmx": ("ept", "unrestricted_guest")}


def _lacks_nested(look: Look) -> bool:
    """The emulated CPU is known not to have it, or the board's, whichever backend it is."""
    name, _, flags = look.model.emulator.cpu.partition(",")
    emulated = name in BOCHS_NO_NESTED if look.model.emulator.name == "bochs" else \
        _is_off("npt", flags)
    cpu = look.model.board.cpu
    return emulated or all(cpu.has(backend) == "no" or any(cpu.has(feature) == "no"
                                                           for feature in _NESTED[backend])
                           for backend in BACKENDS)


@check("BRD-017", "A VM that insists on nested paging does not start where the CPU has none; with "
       "the automatic choice it gets the vTLB there.")
def nested_paging(look: Look) -> Iterator[Problem]:
    for partition in look.model.vms:
        if partition.vm and partition.vm.paging == "nested" and _lacks_nested(look):
            symbol = partition.prefix + "PAGING_NESTED"
            yield look.problem(f"{partition.name} insists on nested paging, which the CPU has not",
                               symbol, f"EMULATOR_{look.model.emulator.name.upper()}_CPU",
                               boards.symbol(look.config),
                               **{partition.prefix + "PAGING_AUTOMATIC": "y"})
