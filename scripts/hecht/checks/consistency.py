# SPDX-License-Identifier: Apache-2.0
"""
Facts of a model that have exactly one right value, worked out from the configuration a second
time and in another way than model.py does. They fire only when the generator has a bug, or when
somebody gives it another model; what is a choice (priorities, sizes, windows) is not looked at.
"""

from __future__ import annotations

import dataclasses
import re
import types
import typing
from collections.abc import Iterator

from hecht import slots
from hecht.checks.core import KINDS, Look, check
from hecht.errors import Problem
from hecht.model import DEVICES, NAME_MAX, Module, Partition

_RANGE = re.compile(r"([0-9a-fx]+)(?:-([0-9a-fx]+))?")
_MODULE = re.compile(r"[a-z0-9]+(:[a-z0-9_-]+)?")
_FILE = re.compile(r"[a-z0-9][a-z0-9_.-]*")
_SHA256 = re.compile(r"([0-9a-f]{64})?")


def _numbers(text: str) -> list[tuple[int, int]]:
    """(first, count) of a list that other checks have found good, ascending."""
    found = []
    for first, last in _RANGE.findall(text.lower().replace(" ", "")):
        start, end = (int(word, 16 if word.startswith("0x") else 10)
                      for word in (first, last or first))
        found.append((start, end - start + 1))
    return sorted(found)


def _number(look: Look, symbol: str) -> int:
    text = look.config.text(symbol)
    return int(text, 0) if text else 0


def differs(look: Look, what: str, is_: object, should: object,
            *symbols: str) -> Iterator[Problem]:
    if is_ != should or type(is_) is not type(should):
        yield look.problem(f"{what} is {ascii(is_)} in the model and should be {ascii(should)}",
                           *symbols, remedy="make the model anew: scripts/generate")


def _kind(look: Look, prefix: str, kinds: tuple[str, ...]) -> str:
    return next((kind for kind in kinds if look.config.is_on(f"{prefix}KIND_{kind.upper()}")), "")


# ---- The whole ------------------------------------------------------------------------------


def _fields(what: str, value: object, hint: object) -> Iterator[str]:
    """The places below `value` that do not have the type that their class says."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (types.UnionType, typing.Union):
        chosen = next((one for one in arguments if one is not type(None)), None)
        if value is not None:
            yield from _fields(what, value, chosen)
    elif origin in (list, tuple):
        if not isinstance(value, origin):
            yield what
            return
        for index, entry in enumerate(value):
            kind = arguments[0] if origin is list else arguments[index % len(arguments)]
            yield from _fields(f"{what}[{index}]", entry, kind)
    elif origin is dict:
        if not isinstance(value, dict):
            yield what
            return
        for key, entry in value.items():
            yield from _fields(f"{what}[{key!r}]", entry, arguments[1])
    elif dataclasses.is_dataclass(hint):
        if not isinstance(value, typing.cast(type, hint)):
            yield what
            return
        hints = typing.get_type_hints(hint)
        for field in dataclasses.fields(hint):
            yield from _fields(f"{what}.{field.name}".lstrip("."), getattr(value, field.name),
                               hints[field.name])
    elif type(value) is not hint:
        yield what


@check("MDL-001", "Every field of the model is written into tables or tested as a number, a text "
       "or a flag; one of another type would mean something else there.")
def types_right(look: Look) -> Iterator[Problem]:
    for place in _fields("", look.model, type(look.model)):
        yield look.problem(f"{place} has the wrong type in the model", "NAME",
                           remedy="make the model anew: scripts/generate")


@check("MDL-002", "Folders, image and tables go by this name.")
def name(look: Look) -> Iterator[Problem]:
    yield from differs(look, "name", look.model.name, look.config.text("NAME"), "NAME")


@check("MDL-003", "Each slot that is not empty is one partition, in the order of the slots; ports "
       "and events count in that order.")
def partition_slots(look: Look) -> Iterator[Problem]:
    should = [slot for slot in range(slots.PARTITIONS)
              if not look.config.is_on(f"PART{slot}_KIND_NONE")
              and look.config.text(f"PART{slot}_KIND_NONE")]
    yield from differs(look, "the list of partitions (slots)",
                       [partition.slot for partition in look.model.partitions], should,
                       *(f"PART{slot}_KIND_NONE" for slot in should[:1]), "NAME")


@check("MDL-004", "What runs in a partition decides which tables it has.")
def partition_kind(look: Look) -> Iterator[Problem]:
    for partition in look.model.partitions:
        kind = _kind(look, partition.prefix, tuple(KINDS))
        symbol = partition.prefix + KINDS.get(kind, "KIND_NONE")
        yield from differs(look, f"{partition.prefix}: kind", partition.kind, kind, symbol)
        yield from differs(look, f"{partition.prefix}: it has a VM", partition.vm is not None,
                           kind in ("linux", "mini"), symbol)
        yield from differs(look, f"{partition.prefix}: it has a program",
                           partition.native is not None, kind == "program", symbol)
        if partition.vm:
            yield from differs(look, f"{partition.prefix}: boot", partition.vm.boot, kind, symbol)


@check("MDL-005", "Modules, tables and the console go by the partition's name.")
def partition_name(look: Look) -> Iterator[Problem]:
    for partition in look.model.partitions:
        symbol = partition.prefix + "NAME"
        yield from differs(look, f"{partition.prefix}: name", partition.name,
                           look.config.text(symbol), symbol)


# ---- Modules --------------------------------------------------------------------------------


def _module(look: Look, partition: Partition, module: Module, should: tuple[str, str, str],
            symbol: str) -> Iterator[Problem]:
    """`should`: name, file, source."""
    for field, value in zip(("name", "file", "source"), should):
        yield from differs(look, f"{partition.prefix}: module {should[0]}: {field}",
                           getattr(module, field), value, symbol, partition.prefix + "NAME")


@check("MDL-006", "σ0 finds a partition's program by the module's name, the build by its path.")
def program_module(look: Look) -> Iterator[Problem]:
    board = look.config.text("NAME")
    for partition in look.model.partitions:
        own = look.config.text(partition.prefix + "NAME")
        if _kind(look, partition.prefix, tuple(KINDS)) == "program":
            text = look.config.text(partition.prefix + "PROGRAM")
            path = text if text.count("/") else "guests/native/" + text
            yield from _module(look, partition, partition.program,
                               ("native:" + own, f"native-{own}.elf",
                                f"build/{board}/native/{path}.elf"), partition.prefix + "PROGRAM")
            if partition.native:
                yield from differs(look, f"{partition.prefix}: source", partition.native.source,
                                   path, partition.prefix + "PROGRAM")
        else:
            yield from _module(look, partition, partition.program,
                               ("vmm:" + own, f"vmm-{own}.elf", f"build/{board}/vmm-{own}.elf"),
                               partition.prefix + "NAME")


@check("MDL-007", "The VMM gets its guest's kernel by the module's name.")
def kernel_module(look: Look) -> Iterator[Problem]:
    board = look.config.text("NAME")
    for partition in look.model.partitions:
        if not partition.vm:
            continue
        own, symbol = look.config.text(partition.prefix + "NAME"), partition.prefix + "MINI"
        source = f"build/{board}/mini/{look.config.text(symbol)}.bin"
        if partition.kind == "linux":
            symbol = partition.prefix + "KERNEL"
            source = look.config.text(symbol)
        yield from _module(look, partition, partition.vm.kernel,
                           ("kernel:" + own, own + "-kernel", source), symbol)


@check("MDL-008", "The VMM gets its guest's initrd by the module's name, and none where none is "
       "configured.")
def initrd_module(look: Look) -> Iterator[Problem]:
    for partition in look.model.partitions:
        if not partition.vm:
            continue
        own, symbol = look.config.text(partition.prefix + "NAME"), partition.prefix + "INITRD"
        path = look.config.text(symbol) if partition.kind == "linux" else ""
        yield from differs(look, f"{partition.prefix}: it has an initrd",
                           partition.vm.initrd is not None, path != "", symbol)
        if partition.vm.initrd and path:
            yield from _module(look, partition, partition.vm.initrd,
                               ("initrd:" + own, own + "-initrd", path), symbol)


@check("MDL-009", "The digest tells make when a guest's file is another.")
def digests(look: Look) -> Iterator[Problem]:
    for module in look.model.modules:
        if not _SHA256.fullmatch(module.sha256):
            yield look.problem(f"the digest of {module.file} is no SHA-256", "NAME",
                               remedy="make the model anew: scripts/generate")


# ---- What guests and programs are told ------------------------------------------------------


@check("MDL-010", "The guest reads its command line: what it does depends on each character.")
def cmdline(look: Look) -> Iterator[Problem]:
    for partition in look.model.vms:
        assert partition.vm
        symbol = partition.prefix + "CMDLINE"
        yield from differs(look, f"{partition.prefix}: command line", partition.vm.cmdline,
                           look.config.text(symbol), symbol)


@check("MDL-011", "The program reads its arguments: what it does depends on each character.")
def arguments(look: Look) -> Iterator[Problem]:
    for partition in look.model.programs:
        assert partition.native
        symbol = partition.prefix + "ARGUMENTS"
        yield from differs(look, f"{partition.prefix}: arguments", partition.native.arguments,
                           look.config.text(symbol), symbol)


@check("MDL-012", "A program uses the ports that it was given; another port is an exception, and "
       "one more is a right that nobody asked for.")
def io_ports(look: Look) -> Iterator[Problem]:
    for partition in look.model.programs:
        assert partition.native
        symbol = partition.prefix + "IO_PORTS"
        yield from differs(look, f"{partition.prefix}: I/O ports", partition.native.io_ports,
                           _numbers(look.config.text(symbol)), symbol)


@check("MDL-013", "A program waits for the lines that it was given.")
def irqs(look: Look) -> Iterator[Problem]:
    for partition in look.model.programs:
        assert partition.native
        symbol = partition.prefix + "IRQS"
        yield from differs(look, f"{partition.prefix}: interrupt lines", partition.native.irqs,
                           _numbers(look.config.text(symbol)), symbol)


@check("MDL-014", "The VMM's table has a flag for each device that it knows, and for no other.")
def devices(look: Look) -> Iterator[Problem]:
    for partition in look.model.vms:
        assert partition.vm
        yield from differs(look, f"{partition.prefix}: the devices", sorted(partition.vm.devices),
                           sorted(DEVICES), partition.prefix + "PIC")


@check("MDL-015", "Guests find registers where they were built to look.")
def uart_mmio(look: Look) -> Iterator[Problem]:
    for partition in look.model.vms:
        assert partition.vm
        symbol = partition.prefix + "UART_MMIO"
        yield from differs(look, f"{partition.prefix}: COM1's registers", partition.vm.uart_mmio,
                           _number(look, symbol), symbol)


@check("MDL-016", "A VM has one virtual CPU on each of its processors; the VMM makes as many as "
       "its table says.")
def vcpus(look: Look) -> Iterator[Problem]:
    for partition in look.model.vms:
        assert partition.vm
        yield from differs(look, f"{partition.prefix}: virtual CPUs", partition.vm.vcpus,
                           max(1, len(set(partition.processors))), partition.prefix + "PROCESSORS")


@check("MDL-017", "The bitmap is made of the list, and its lowest is where the partition starts.")
def processors(look: Look) -> Iterator[Problem]:
    for partition in look.model.partitions:
        yield from differs(look, f"{partition.prefix}: processors", partition.processors,
                           sorted(set(partition.processors)), partition.prefix + "PROCESSORS")


# ---- Time -----------------------------------------------------------------------------------


@check("MDL-018", "The kernel goes through the windows of a processor in the order of its table.")
def window_order(look: Look) -> Iterator[Problem]:
    for number, schedule in enumerate(look.model.schedules):
        is_ = [(window.processor, window.start_us) for window in schedule.windows]
        yield from differs(look, f"schedule {number}: the order of its windows", is_, sorted(is_),
                           f"SCHED{number}_WINDOWS")


@check("MDL-019", "Each configured window is in the table once.")
def window_slots(look: Look) -> Iterator[Problem]:
    for number, schedule in enumerate(look.model.schedules):
        symbol = f"SCHED{number}_WINDOWS"
        yield from differs(look, f"schedule {number}: its windows",
                           sorted(window.slot for window in schedule.windows),
                           list(range(_number(look, symbol))), symbol)


@check("MDL-020", "Actions and operator name schedules by their number.")
def schedule_count(look: Look) -> Iterator[Problem]:
    yield from differs(look, "the number of schedules", len(look.model.schedules),
                       _number(look, "SCHEDULES"), "SCHEDULES")


# ---- Channels -------------------------------------------------------------------------------


@check("MDL-021", "Ports name channels by their place in this list.")
def channel_slots(look: Look) -> Iterator[Problem]:
    should = [slot for slot in range(slots.CHANNELS)
              if not look.config.is_on(f"CHAN{slot}_KIND_NONE")]
    yield from differs(look, "the list of channels (slots)",
                       [channel.slot for channel in look.channels], should,
                       *(f"CHAN{slot}_KIND_NONE" for slot in should[:1]), "NAME")


@check("MDL-022", "The programs at both ends were written for a kind of channel and find it by its "
       "name.")
def channel_kind(look: Look) -> Iterator[Problem]:
    for channel in look.channels:
        prefix = channel.prefix
        yield from differs(look, f"{prefix}: kind", channel.kind,
                           _kind(look, prefix, ("sampling", "queuing", "memory")),
                           prefix + "KIND_NONE")
        yield from differs(look, f"{prefix}: name", channel.name,
                           look.config.text(prefix + "NAME"), prefix + "NAME")


@check("MDL-023", "Who may write into a channel and who may read it is a right that the "
       "configuration gives.")
def channel_ends(look: Look) -> Iterator[Problem]:
    for channel in look.channels:
        source, destinations = channel.prefix + "SOURCE", channel.prefix + "DESTINATIONS"
        yield from differs(look, f"{channel.prefix}: source", channel.source,
                           _number(look, source), source)
        yield from differs(look, f"{channel.prefix}: destinations", channel.destinations,
                           [slot for first, count in _numbers(look.config.text(destinations))
                            for slot in range(first, first + count)], destinations)


@check("MDL-024", "The programs at both ends agree on size, number and age of messages.")
def channel_messages(look: Look) -> Iterator[Problem]:
    for channel in look.channels:
        prefix = channel.prefix
        for what, is_, symbol, least in (
                ("message size", channel.message_size, prefix + "MESSAGE_SIZE", 0),
                ("messages", channel.message_count, prefix + "MESSAGE_COUNT", 1),
                ("refresh period", channel.refresh_us, prefix + "REFRESH_US", 0)):
            yield from differs(look, f"{prefix}: {what}", is_,
                               max(least, _number(look, symbol)), symbol)


@check("MDL-025", "The ends of a shared memory agree on its size and on who writes.")
def channel_memory(look: Look) -> Iterator[Problem]:
    for channel in look.channels:
        size, write = channel.prefix + "SIZE_KIB", channel.prefix + "DESTINATIONS_WRITE"
        yield from differs(look, f"{channel.prefix}: size", channel.size,
                           _number(look, size) * 1024, size)
        yield from differs(look, f"{channel.prefix}: destinations write",
                           channel.destinations_write, look.config.text(write) == "y", write)


@check("MDL-026", "A shared memory whose address is configured stands there; guests were built to "
       "look for it.")
def channel_address(look: Look) -> Iterator[Problem]:
    for channel in look.channels:
        symbol = channel.prefix + "ADDRESS"
        if _number(look, symbol):
            yield from differs(look, f"{channel.prefix}: address", channel.gpa,
                               _number(look, symbol), symbol)
        elif not any(partition.vm and partition.slot in (channel.source, *channel.destinations)
                     for partition in look.model.partitions):
            yield from differs(look, f"{channel.prefix}: address", channel.gpa, 0, symbol)


@check("MDL-027", "Each end of a channel is one port of its partition, in the order of the "
       "channels: no port is missing, and none is there that no channel gives.")
def ports(look: Look) -> Iterator[Problem]:
    for partition in look.model.partitions:
        should = [(channel.name, index,
                   channel.source == partition.slot or channel.destinations_write,
                   channel.gpa if partition.vm else 0)
                  for index, channel in enumerate(look.channels)
                  if partition.slot in [channel.source] + channel.destinations]
        yield from differs(look, f"{partition.prefix}: ports",
                           [(port.name, port.channel, port.source, port.gpa)
                            for port in partition.ports], should, partition.prefix + "NAME",
                           *(look.channels[port[1]].prefix + "DESTINATIONS" for port in should))


# ---- Actions --------------------------------------------------------------------------------


@check("MDL-028", "The table of actions has an entry for each error.")
def action_errors(look: Look) -> Iterator[Problem]:
    should = [error.name for error in slots.HEALTH_ERRORS]
    for partition in look.model.partitions:
        yield from differs(look, f"{partition.prefix}: the errors", list(partition.actions),
                           should, partition.prefix + "NAME")
    yield from differs(look, "the errors of the module", list(look.model.module_actions), should,
                       "NAME")


# ---- Names in the image ----------------------------------------------------------------------


@check("MDL-029", "GRUB's menu gives each module's name as one word, and the kernel keeps 64 bytes "
       "of it.")
def module_names(look: Look) -> Iterator[Problem]:
    for module in look.model.modules:
        if not _MODULE.fullmatch(module.name) or len(module.name) > 32 + NAME_MAX:
            yield look.problem(f"{ascii(module.name)} is no name of a boot module", "NAME",
                               remedy="make the model anew: scripts/generate")


@check("MDL-030", "Two modules of one name or one file: the second would be used for both.")
def modules_differ(look: Look) -> Iterator[Problem]:
    for field in ("name", "file"):
        seen: set[str] = set()
        for module in look.model.modules:
            if getattr(module, field) in seen:
                yield look.problem(f"two boot modules have the {field} "
                                   f"{ascii(getattr(module, field))}", "NAME",
                                   *look.of_partitions("NAME"),
                                   remedy="other names of the partitions")
            seen.add(getattr(module, field))


@check("MDL-031", "The file's name becomes one in the image and a word of GRUB's menu.")
def module_files(look: Look) -> Iterator[Problem]:
    for module in look.model.modules:
        if not _FILE.fullmatch(module.file):
            yield look.problem(f"{ascii(module.file)} is no name of a file in the image", "NAME",
                               remedy="make the model anew: scripts/generate")
