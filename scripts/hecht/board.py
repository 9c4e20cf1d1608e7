# SPDX-License-Identifier: Apache-2.0
"""
Board files: the facts of a machine, one readable TOML file each (configs/boards/, or one that
scripts/inspect wrote). docs/model.md lists their tables. What a file does not say is unknown.
"""

from __future__ import annotations

import dataclasses
import re
import tomllib
import types
import typing
from dataclasses import dataclass, field
from pathlib import Path

SCHEMA = 1
GIB = 1 << 30
FIRMWARES = ("bios", "uefi", "either")
MEMORY_KINDS = ("ram", "reserved", "acpi", "nvs", "mmio")
KNOWN = ("yes", "no", "unknown")
FEATURES = ("svm", "npt", "next_rip", "decode_assists", "vmx", "ept", "vpid",
            "unrestricted_guest", "x2apic", "tsc_deadline", "xsave", "smep", "smap", "umip")
ADDRESS_END = 1 << 52  # of physical addresses (APM vol 2, 5.1)


class BoardError(Exception):
    """The file is no board file; the text says where and why."""


@dataclass
class BoardMemory:
    """A range of the memory map."""
    base: int  # bytes, as all addresses and sizes here
    size: int
    kind: str  # one of MEMORY_KINDS
    note: str = ""

    @property
    def end(self) -> int:
        return self.base + self.size


@dataclass
class BoardProcessor:
    apic_id: int


@dataclass
class BoardCpu:
    """Of all processors alike."""
    vendor: str = "unknown"  # intel, amd
    model: str = ""
    features: dict[str, str] = field(default_factory=dict)  # of FEATURES → one of KNOWN

    def has(self, feature: str) -> str:
        return self.features.get(feature, "unknown")


@dataclass
class BoardIoapic:
    address: int
    gsi_base: int  # its first interrupt line
    inputs: int = 24
    apic_id: int = 0


@dataclass
class BoardPic:
    """An 8259A."""
    port: int
    irq_base: int  # its first interrupt line
    elcr_port: int = 0


@dataclass
class BoardSerial:
    """A 16550."""
    port: int
    irq: int


@dataclass
class BoardScreen:
    kind: str = "unknown"  # vga, framebuffer, none, unknown
    framebuffer: int = 0   # physical; 0: the firmware says it at boot
    size: int = 0


@dataclass
class BoardBar:
    index: int
    kind: str  # port or memory
    base: int
    size: int


@dataclass
class BoardPci:
    bdf: str  # ssss:bb:dd.f, hexadecimal
    vendor: int
    device: int
    klass: int = field(metadata={"name": "class"})  # class, subclass, interface
    name: str = ""
    irq: int = -1  # line; -1: none, or unknown
    bars: list[BoardBar] = field(default_factory=list, metadata={"name": "bar"})


@dataclass
class BoardIommu:
    kind: str  # vtd or amdvi
    base: int
    scope: list[str] = field(default_factory=list)  # bdf of devices; empty: all others


@dataclass
class BoardEmulated:
    """An emulator's machine has as many processors and as much RAM as it is started with."""
    emulator: str  # qemu or bochs
    machine: str = ""      # of QEMU's -machine
    processors_most: int = 32
    ram_top_reserved: int = 0       # bytes that the firmware keeps at the end of the low RAM
    ram_split_from: int = 3 * GIB   # with more RAM than this, ...
    ram_below_4g: int = 3 * GIB     # ... only so much of it stands below 4 GiB


@dataclass
class Board:
    name: str
    description: str
    firmware: str  # one of FIRMWARES
    fixed: bool    # its memory map is known, so the build gives out physical addresses
    schema: int = SCHEMA
    emulated: BoardEmulated | None = None
    cpu: BoardCpu = field(default_factory=BoardCpu)
    processors: list[BoardProcessor] = field(default_factory=list,
                                             metadata={"name": "processor"})
    memory: list[BoardMemory] = field(default_factory=list)  # ascending, disjoint
    ioapics: list[BoardIoapic] = field(default_factory=list, metadata={"name": "ioapic"})
    pics: list[BoardPic] = field(default_factory=list, metadata={"name": "pic"})
    serials: list[BoardSerial] = field(default_factory=list, metadata={"name": "serial"})
    screen: BoardScreen = field(default_factory=BoardScreen)
    pci: list[BoardPci] = field(default_factory=list)
    iommus: list[BoardIommu] = field(default_factory=list, metadata={"name": "iommu"})

    @property
    def ram(self) -> list[BoardMemory]:
        return [entry for entry in self.memory if entry.kind == "ram"]

    def sized(self, memory: int, processors: int) -> Board:
        """An emulator's machine as it is started with so much RAM and so many processors; any
        other board stays as it is."""
        machine = self.emulated
        if not machine:
            return self
        split = memory > machine.ram_split_from
        low_end = machine.ram_below_4g if split else memory
        ram = [(0x100000, low_end - 0x100000 - machine.ram_top_reserved, "ram"),
               (low_end - machine.ram_top_reserved, machine.ram_top_reserved, "reserved"),
               (4 * GIB, memory - low_end, "ram")]
        map_ = self.memory + [BoardMemory(base, size, kind) for base, size, kind in ram
                              if size > 0]
        return dataclasses.replace(
            self, memory=sorted(map_, key=lambda entry: entry.base),
            processors=[BoardProcessor(number) for number in range(processors)])


# ---- Reading ----------------------------------------------------------------------------------


def _shown(value: object) -> str:
    return ascii(value) if len(ascii(value)) < 60 else type(value).__name__


def _scalar(where: str, value: object, kind: type) -> object:
    if type(value) is not kind:
        raise BoardError(f"{where} is {_shown(value)}, which is no {kind.__name__}")
    if isinstance(value, int) and not -1 <= value < 1 << 64:
        raise BoardError(f"{where} is {_shown(value)}, which no 64 bits can hold")
    return value


def _value(where: str, value: object, hint: typing.Any) -> object:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (types.UnionType, typing.Union):
        return _value(where, value, arguments[0])
    if origin is list:
        if not isinstance(value, list):
            raise BoardError(f"{where} is {_shown(value)}, which is no list")
        return [_value(f"{where}[{index}]", entry, arguments[0])
                for index, entry in enumerate(value)]
    if origin is dict:
        if not isinstance(value, dict):
            raise BoardError(f"{where} is {_shown(value)}, which is no table")
        return {key: _value(f"{where}.{key}", entry, arguments[1])
                for key, entry in value.items()}
    if dataclasses.is_dataclass(hint):
        return _record(where, value, hint)
    return _scalar(where, value, hint)


def _record(where: str, table: object, record: typing.Any) -> typing.Any:
    """A dataclass from a TOML table: each key is a field, of its type; nothing else is there."""
    if not isinstance(table, dict):
        raise BoardError(f"{where} is {_shown(table)}, which is no table")
    hints, values, known = typing.get_type_hints(record), {}, set()
    for one in dataclasses.fields(record):
        key = one.metadata.get("name", one.name)
        known.add(key)
        if key in table:
            values[one.name] = _value(f"{where}.{key}".lstrip("."), table[key],
                                      hints[one.name])
        elif one.default is dataclasses.MISSING and one.default_factory is dataclasses.MISSING:
            raise BoardError(f"{f'{where}.{key}'.lstrip('.')} is missing")
    unknown = sorted(set(table) - known)
    if unknown:
        raise BoardError(f"{f'{where}.'.lstrip('.')}{_shown(unknown[0])[1:-1]}: there is no such "
                         f"entry; there are {', '.join(sorted(known))}")
    return record(**values)


def _one_of(where: str, value: str, words: tuple[str, ...]) -> None:
    if value not in words:
        raise BoardError(f"{where} is {_shown(value)}; it is one of {', '.join(words)}")


def _check(board: Board) -> None:
    """What the types do not say."""
    if board.schema != SCHEMA:
        raise BoardError(f"schema is {board.schema}; this generator reads {SCHEMA}")
    _one_of("firmware", board.firmware, FIRMWARES)
    for feature, known in board.cpu.features.items():
        _one_of("cpu.features", feature, FEATURES)
        _one_of(f"cpu.features.{feature}", known, KNOWN)
    end = 0
    for index, entry in enumerate(board.memory):
        _one_of(f"memory[{index}].kind", entry.kind, MEMORY_KINDS)
        if entry.base < end or entry.size <= 0 or entry.end > ADDRESS_END:
            raise BoardError(f"memory[{index}] (0x{entry.base:x}, 0x{entry.size:x} bytes) is "
                             "empty, overlaps the one before, or is beyond all memory")
        end = entry.end
    for device in board.pci:
        if not re.fullmatch(r"[0-9a-f]{4}:[0-9a-f]{2}:[01][0-9a-f]\.[0-7]", device.bdf):
            raise BoardError(f"pci: {_shown(device.bdf)} is no ssss:bb:dd.f")
    ids = [processor.apic_id for processor in board.processors]
    if len(set(ids)) != len(ids):
        raise BoardError("two processors have the same apic_id")
    if board.fixed and not board.emulated and not board.ram:
        raise BoardError("fixed is true, but the memory map has no RAM")


def parse(text: str, name: str) -> Board:
    """Raises BoardError."""
    try:
        table = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError, ValueError) as error:
        raise BoardError(f"no TOML: {ascii(str(error))[1:-1]}") from None
    board: Board = _record("", {"name": name} | table, Board)
    _check(board)
    return board


def load(path: Path) -> Board:
    """The board of a file. Raises BoardError."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise BoardError(f"it cannot be read: {ascii(str(error))[1:-1]}") from None
    return parse(text, path.stem)
