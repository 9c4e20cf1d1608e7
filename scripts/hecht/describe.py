# SPDX-License-Identifier: Apache-2.0
"""The model as JSON (docs/model.schema.json says what each entry means) and as text to read."""

from __future__ import annotations

import dataclasses
import json

from hecht.allocate import MIB
from hecht.model import Model, Partition

SCHEMA = 1


def plain(value: object) -> object:
    """Dataclasses as dictionaries, in the order of their fields."""
    if dataclasses.is_dataclass(value):
        return {field.metadata.get("name", field.name): plain(getattr(value, field.name))
                for field in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {key: plain(entry) for key, entry in sorted(value.items())}
    if isinstance(value, (list, tuple)):
        return [plain(entry) for entry in value]
    return value


def described(model: Model) -> dict:
    """What stands in model.json."""
    whole = plain(model)
    assert isinstance(whole, dict)
    return {"schema": SCHEMA} | whole | {
        "time_partitions": model.time_partitions,
        "modules": plain(model.modules),
    }


def _text(value: object, indent: str, in_list: bool = False) -> str:
    """A line for each entry; lists of numbers and names, and records in lists that hold nothing
    but these, stand in one whatever its length, so that a change stays in its line."""
    entries = list(value.values()) if isinstance(value, dict) else value
    if not isinstance(entries, list) or not entries or (
            not any(isinstance(entry, dict) for entry in entries)
            and (in_list or isinstance(value, list))):
        return json.dumps(value)
    inside = indent + "  "
    if isinstance(value, dict):
        lines = [f"{inside}{json.dumps(key)}: {_text(entry, inside)}"
                 for key, entry in value.items()]
        return "{\n" + ",\n".join(lines) + f"\n{indent}}}"
    return ("[\n" + ",\n".join(inside + _text(entry, inside, True) for entry in entries)
            + f"\n{indent}]")


def to_json(model: Model) -> str:
    return _text(described(model), "") + "\n"


# ---- To read ----------------------------------------------------------------------------------

BOLD, DIM, PLAIN = "\033[1m", "\033[2m", "\033[0m"


class Summary:
    """Lines for a terminal. Names in them were checked, all other text of a user is escaped."""

    def __init__(self, model: Model, colour: bool) -> None:
        self.model = model
        self.colour = colour
        self.lines: list[str] = []

    def head(self, text: str) -> None:
        self.lines += ["", f"{BOLD}{text}{PLAIN}" if self.colour else text]

    def row(self, *cells: tuple[str, int]) -> None:
        """Each with its width; a negative one stands at the right."""
        text = "  ".join(f"{cell:>{-width}}" if width < 0 else f"{cell:<{width}}"
                         for cell, width in cells)
        self.lines.append("  " + text.rstrip())


def size(count: int) -> str:
    for unit, bits in (("GiB", 30), ("MiB", 20), ("KiB", 10)):
        if count >= 1 << bits and count % (1 << bits) == 0:
            return f"{count >> bits} {unit}"
    return f"{count} bytes"


def ranges(pairs: list[tuple[int, int]]) -> str:
    return ", ".join(f"0x{first:x}" + (f"-0x{first + count - 1:x}" if count > 1 else "")
                     for first, count in pairs) or "none"


def _partition(out: Summary, partition: Partition) -> None:
    kind = partition.native.source if partition.native else f"VM, {partition.kind}"
    when = f"time partition {partition.time_partition}" if partition.time_partition else "any time"
    out.row((partition.name, 16), (kind, 26), (size(partition.memory), -8),
            (f"priority {partition.priority}", 12),
            (f"on {','.join(map(str, partition.processors))}", 8), (when, 0))


def _memory(out: Summary) -> None:
    rule = ("given out by the build" if out.model.board.fixed else
            "placed at boot, in this order, each at the lowest free address that holds it")
    out.head(f"Physical memory of {ascii(out.model.board.description)[1:-1]}: {rule}")
    entries = out.model.memory
    if out.model.board.fixed:
        entries = sorted(entries, key=lambda entry: entry.base)
    for entry in entries:
        place = f"0x{entry.base:x}-0x{entry.base + entry.size - 1:x}" if entry.base else "at boot"
        out.row((place, 26), (size(entry.size), -8), (f"{entry.use} {entry.owner}", 0))


def _windows(out: Summary) -> None:
    for number, schedule in enumerate(out.model.schedules):
        if not schedule.windows:
            continue
        out.head(f"Schedule {number}: a frame of {schedule.frame_us} microseconds")
        for window in schedule.windows:
            out.row((f"processor {window.processor}", 12), (str(window.start_us), -8),
                    (f"+ {window.length_us}", -10),
                    (f"time partition {window.time_partition}", 0))


def _channels(out: Summary) -> None:
    names = {partition.slot: partition.name for partition in out.model.partitions}
    if out.model.channels:
        out.head("Channels")
    for channel in out.model.channels:
        what = (size(channel.size) if channel.kind == "memory" else
                f"{channel.message_count} x {channel.message_size} bytes")
        ends = ", ".join(names.get(slot, "?") for slot in channel.destinations)
        out.row((channel.name, 16), (channel.kind, 9), (what, 18),
                (f"{names.get(channel.source, '?')} -> {ends}", 0))


def _rights(out: Summary) -> None:
    out.head("I/O ports and interrupt lines of the machine")
    for partition in out.model.partitions:
        out.row((partition.name, 16), (f"ports {ranges(partition.rights.io_ports)}", 0),
                (f"lines {ranges(partition.rights.irqs)}", 0))
    for partition in out.model.vms:
        assert partition.vm
        out.head(f"What {partition.name} sees")
        for entry in partition.vm.space:
            out.row((f"0x{entry.base:x}-0x{entry.base + entry.size - 1:x}", 26),
                    (size(entry.size), -8), (entry.rights, 3),
                    (f"{entry.use} {entry.channel}", 0))
        lines = {one.device: one.line for one in partition.vm.irqs}
        for device in dict.fromkeys(one.device for one in partition.vm.ports):
            own = [(one.first, one.count) for one in partition.vm.ports if one.device == device]
            line = f", line {lines[device]}" if device in lines else ""
            out.row((f"{device}: ports {ranges(own)}{line}", 0))
        out.row((", ".join(f"vCPU {index} on processor {processor}" for index, processor
                           in enumerate(partition.vm.vcpu_processors)), 0))


def _quotas(out: Summary) -> None:
    model = out.model
    out.head(f"Kernel memory: {model.kernel_memory // MIB} MiB, in pages of 4 KiB")
    used = model.kernel_own + model.sigma0_quota
    out.row(("kernel", 16), (str(model.kernel_own), -7),
            (", ".join(f"{item.pages} {item.name}" for item in model.kernel_items), 0))
    out.row(("sigma0", 16), (str(model.sigma0_quota), -7))
    for partition in model.partitions:
        used += partition.kernel_quota
        out.row((partition.name, 16), (str(partition.kernel_quota), -7),
                (", ".join(f"{item.pages} {item.name}" for item in partition.quota), 0))
    out.row(("left", 16), (str(model.kernel_memory // 4096 - used), -7))


def summary(model: Model, colour: bool = False) -> str:
    """What was configured, at one look."""
    out = Summary(model, colour)
    backends = " and ".join(backend.upper() for backend in model.backends) or "no virtualization"
    out.lines.append(f"{model.name}: {model.processors} processor"
                     f"{'s' if model.processors > 1 else ''}, {backends}, consoles: "
                     f"{', '.join(model.consoles)}")
    out.head("Partitions")
    for partition in model.partitions:
        _partition(out, partition)
    _memory(out)
    _windows(out)
    _channels(out)
    _rights(out)
    _quotas(out)
    return "\n".join(out.lines) + "\n"
