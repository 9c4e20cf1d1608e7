# SPDX-License-Identifier: Apache-2.0
"""The JSON Schema of model.json: types from the model's classes, meanings from here."""

from __future__ import annotations

import dataclasses
import json
import types
import typing

from hecht import allocate, board, describe, model, slots

ENUMS: dict[str, tuple[str, ...]] = {
    "Partition.kind": ("linux", "mini", "program"),
    "Vm.boot": ("linux", "mini"),
    "Channel.kind": ("sampling", "queuing", "memory"),
    "PhysicalRange.use": ("kernel", "ram", "channel"),
    "GuestRange.use": ("ram", "uart", "shared"),
    "GuestRange.rights": ("r", "rw", "rwx"),
    "Emulator.name": ("qemu", "bochs"),
    "Board.firmware": board.FIRMWARES,
    "BoardMemory.kind": board.MEMORY_KINDS,
    "BoardCpu.features": board.KNOWN,
    "Partition.actions": tuple(slots.ACTIONS),
    "Model.module_actions": tuple(slots.ACTIONS),
}

MEANINGS = {
    "Model": {
        "name": "CONFIG_NAME", "kernel_memory": "bytes of the kernel's own memory",
        "sigma0_quota": "kernel memory of sigma0, in pages of 4 KiB",
        "board": "facts of the machine", "processors": "how many the kernel uses",
        "time_slice_us": "microseconds a thread runs before another of its priority",
        "consoles": "where the hypervisor prints", "serial_port": "first I/O port of the console",
        "serial_baud": "bits per second", "emulator": "what make run starts",
        "backends": "in the order in which they are tried",
        "count": "costly instructions are counted",
        "schedules": "the first one runs from boot", "partitions": "in the order of their slots",
        "channels": "in the order of their slots",
        "module_actions": "what is done about errors that are no partition's",
        "kernel_base": "physical address of the kernel's memory; 0: the highest free place below "
                       "4 GiB",
        "kernel_items": "kernel memory that is in no quota",
        "memory": "all physical ranges, in the order in which sigma0 places what has no address",
    },
    "Board": {
        "name": "of its file", "description": "for the reader", "firmware": "how it boots",
        "fixed": "its memory map is known, so the build gives out addresses",
        "schema": "version of the file's form", "emulated": "an emulator's machine, or null",
        "cpu": "what its processors can do", "processors": "one entry each",
        "memory": "memory map, ascending, disjoint", "ioapics": "I/O APICs",
        "pics": "8259A controllers", "serials": "16550 serial ports", "screen": "the display",
        "pci": "PCI devices", "iommus": "IOMMU units",
    },
    "BoardMemory": {"base": "physical address", "size": "bytes", "kind": "what it is",
                    "note": "for the reader"},
    "BoardProcessor": {"apic_id": "local APIC's identifier"},
    "BoardCpu": {"vendor": "intel, amd or unknown", "model": "for the reader",
                 "features": "feature and whether it has it"},
    "BoardIoapic": {"address": "physical", "gsi_base": "its first interrupt line",
                    "inputs": "how many lines", "apic_id": "its identifier"},
    "BoardPic": {"port": "first I/O port", "irq_base": "its first interrupt line",
                 "elcr_port": "edge and level register's I/O port; 0: none"},
    "BoardSerial": {"port": "first I/O port", "irq": "interrupt line"},
    "BoardScreen": {"kind": "vga, framebuffer, none or unknown",
                    "framebuffer": "physical address; 0: said by the firmware at boot",
                    "size": "bytes"},
    "BoardBar": {"index": "0 to 5", "kind": "port or memory", "base": "I/O port or address",
                 "size": "ports or bytes"},
    "BoardPci": {"bdf": "segment:bus:device.function", "vendor": "vendor's number",
                 "device": "device's number", "klass": "class, subclass and interface",
                 "name": "for the reader", "irq": "interrupt line; -1: none or unknown",
                 "bars": "its ranges"},
    "BoardIommu": {"kind": "vtd or amdvi", "base": "physical address of its registers",
                   "scope": "bdf of its devices; empty: all others"},
    "BoardEmulated": {"emulator": "qemu or bochs", "machine": "of QEMU's -machine",
                      "processors_most": "it emulates no more",
                      "ram_top_reserved": "bytes at the end of the low RAM that firmware keeps",
                      "ram_split_from": "bytes; with more RAM a part stands above 4 GiB",
                      "ram_below_4g": "bytes; then so much stands below"},
    "QuotaItem": {"name": "what it is for", "pages": "pages of 4 KiB"},
    "PhysicalRange": {"use": "what it is", "owner": "partition or channel; empty: the kernel",
                      "base": "physical address; 0: placed at boot", "size": "bytes",
                      "align": "bytes"},
    "GuestRange": {"use": "what it is", "base": "guest-physical address", "size": "bytes",
                   "rights": "read, write, execute", "channel": "of shared memory"},
    "DevicePorts": {"device": "of the VM", "first": "I/O port", "count": "ports"},
    "DeviceIrq": {"device": "of the VM", "line": "input of the VM's 8259A pair, 0 to 15"},
    "Rights": {"io_ports": "first and count of the machine's I/O ports",
               "irqs": "first and count of the machine's interrupt lines",
               "peers": "partitions whose threads it may signal and call",
               "call": "who beside them takes its messages",
               "channels_read": "channels it reads", "channels_write": "channels it writes",
               "modules_read": "boot modules it sees"},
    "Module": {"name": "first word of its command line", "file": "in the image's /boot",
               "source": "path on the machine that builds",
               "sha256": "of a file that the build does not make itself"},
    "Vm": {"boot": "how the guest is started", "vcpus": "virtual CPUs",
           "cmdline": "the guest's command line", "kernel": "boot module",
           "initrd": "boot module, or null", "devices": "which virtual devices there are",
           "paging": "how its memory is translated: automatic, nested or vtlb",
           "uart_mmio": "guest-physical address of the UART's registers; 0: none",
           "trace": "exits are counted", "vcpu_processors": "processor of each vCPU",
           "ports": "I/O ports of its virtual devices", "irqs": "lines of its virtual devices",
           "space": "guest-physical ranges, ascending"},
    "Program": {"source": "C file, without .c", "arguments": "text it gets",
                "io_ports": "first and count", "irqs": "first and count"},
    "Port": {"name": "of its channel", "channel": "index in channels",
             "source": "it may write", "gpa": "guest-physical address of shared memory at a VM"},
    "Partition": {"slot": "of the menus", "name": "its own", "kind": "what runs in it",
                  "memory": "bytes of RAM", "priority": "highest of its threads",
                  "processors": "it may run on these",
                  "time_partition": "number; 0: in all windows",
                  "kernel_quota": "pages of 4 KiB, the sum of quota",
                  "console_input": "gets what is typed",
                  "counts_for_end": "the machine's end waits for it",
                  "actions": "health error and what is done",
                  "action_schedule": "for SWITCH_SCHEDULE", "program": "boot module of its task",
                  "vm": "its virtual machine, or null", "native": "its program, or null",
                  "ports": "its ends of channels", "quota": "its kernel memory, item by item",
                  "ram_base": "physical address of its RAM; 0: placed at boot",
                  "rights": "what it may do"},
    "Window": {"slot": "of the menus", "processor": "number",
               "time_partition": "which runs in it", "start_us": "microseconds from the frame's "
               "start", "length_us": "microseconds"},
    "Schedule": {"frame_us": "microseconds of the major frame",
                 "windows": "ascending by processor and start"},
    "Channel": {"slot": "of the menus", "name": "its own", "kind": "how messages go",
                "source": "partition (slot)", "destinations": "partitions (slots)",
                "message_size": "bytes, at most", "message_count": "of the queue",
                "refresh_us": "microseconds; older messages are not valid; 0: all are",
                "size": "bytes of shared memory", "destinations_write": "all ends may write",
                "gpa": "guest-physical address at VMs; 0: none",
                "span": "bytes of physical memory", "base": "physical address; 0: placed at boot"},
    "Emulator": {"name": "which", "cpu": "its CPU model", "memory": "bytes"},
}


def _scalar(kind: type, least: int | None = None) -> dict:
    if kind is bool:
        return {"type": "boolean"}
    if kind is int:
        return {"type": "integer", "minimum": least if least is not None else 0}
    return {"type": "string"}


def _value(hint: typing.Any, words: tuple[str, ...], least: int | None) -> dict:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (types.UnionType, typing.Union):
        return {"oneOf": [_value(arguments[0], words, least), {"type": "null"}]}
    if origin is list:
        return {"type": "array", "items": _value(arguments[0], (), least)}
    if origin is tuple:
        return {"type": "array", "items": _value(arguments[0], (), least),
                "minItems": len(arguments), "maxItems": len(arguments)}
    if origin is dict:
        return {"type": "object", "additionalProperties": _value(arguments[1], words, least)}
    if dataclasses.is_dataclass(hint):
        return {"$ref": f"#/definitions/{typing.cast(type, hint).__name__}"}
    return _scalar(hint, least) | ({"enum": list(words)} if words else {})


def _record(record: typing.Any) -> dict:
    hints, properties = typing.get_type_hints(record), {}
    for one in dataclasses.fields(record):
        place = f"{record.__name__}.{one.name}"
        value = _value(hints[one.name], ENUMS.get(place, ()),
                       -1 if place == "BoardPci.irq" else None)
        properties[one.metadata.get("name", one.name)] = {
            "description": MEANINGS[record.__name__][one.name]} | value
    return {"type": "object", "additionalProperties": False, "required": list(properties),
            "properties": properties}


def schema() -> dict:
    records = {name: entry for module in (board, allocate, model)
               for name, entry in vars(module).items()
               if isinstance(entry, type) and dataclasses.is_dataclass(entry)
               and name in MEANINGS}
    whole = _record(records.pop("Model"))
    whole["properties"] = {
        "schema": {"const": describe.SCHEMA, "description": "version of this form"},
    } | whole["properties"] | {
        "time_partitions": {"type": "integer", "minimum": 1, "maximum": 32,
                            "description": "how many there are, 0 included"},
        "modules": {"type": "array", "items": {"$ref": "#/definitions/Module"},
                    "description": "all boot modules, in the order in which GRUB loads them"}}
    whole["required"] = list(whole["properties"])
    return {"$schema": "http://json-schema.org/draft-07/schema#",
            "title": "Hecht: the explicit model of a configuration",
            "description": "build/NAME/model.json. Addresses and sizes are in bytes."} | whole | {
                "definitions": {name: _record(records[name]) for name in sorted(records)}}


def to_json() -> str:
    return json.dumps(schema(), indent=2) + "\n"
