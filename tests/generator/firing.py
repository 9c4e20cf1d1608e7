# SPDX-License-Identifier: Apache-2.0
"""For each check what makes it fire: values on top of a good configuration, or a change of the
model that was made of it, or of the guests' files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from conftest import bzimage, channel, memory, program, quoted, windows

MIB = 1 << 20


@dataclass
class Case:
    identifier: str
    symbols: str  # that the error must name
    word: str     # that it must hold
    values: dict[str, str] = field(default_factory=dict)
    model: Callable[[Any], Any] | None = None  # changes it
    files: Callable[[Path], Any] | None = None  # changes vmlinuz or initrd in this folder


def put(*path: str | int, to: Any) -> Callable[[Any], None]:
    """A change of the model: put("partitions", 0, "priority", to=1)."""
    def change(model: Any) -> None:
        at = model
        for step in path[:-1]:
            at = at[step] if isinstance(step, int) or isinstance(at, dict) else getattr(at, step)
        if isinstance(at, (list, dict)):
            at[path[-1]] = to
        else:
            setattr(at, str(path[-1]), to)
    return change


def kernel(**fields: int) -> Callable[[Path], Any]:
    return lambda folder: (folder / "vmlinuz").write_bytes(bzimage(**fields))


def sparse(name: str, size: int, head: bytes = b"070701") -> Callable[[Path], Any]:
    def make(folder: Path) -> None:
        with (folder / name).open("wb") as file:
            file.write(head)
            file.truncate(size)
    return make


def gzip(packed: int, unpacked: int) -> Callable[[Path], Any]:
    def make(folder: Path) -> None:
        sparse("initrd", packed, b"\x1f\x8b")(folder)
        with (folder / "initrd").open("r+b") as file:
            file.seek(-4, 2)
            file.write(unpacked.to_bytes(4, "little"))
    return make


MINI = {"PART0_KIND_MINI": "y"}
PROGRAMS = program(1) | program(2)
QUEUE = {"KIND_SAMPLING": "n", "KIND_QUEUING": "y"}
SAMPLING = PROGRAMS | channel(0, 1, "2")
SHARED = program(1) | memory(0, 0, "1")
NOTHING = {"PART0_KIND_NONE": "y"}
PART0 = ("partitions", 0)
SWITCH = {"PART0_ON_VM_SHUTDOWN_SWITCH_SCHEDULE": "y"}
FIXED = {"BOARD_QEMU_I440FX": "y"}
NO_SERIAL = {"CONSOLE_SERIAL": "n"}


def only_program(**values: str) -> dict[str, str]:
    return NOTHING | program(1, **values)


def with_port(ports: str, **values: str) -> dict[str, str]:
    return program(1, IO_PORTS=quoted(ports)) | values


def cmdline(text: str) -> dict[str, str]:
    return {"PART0_CMDLINE": quoted(text)}


CASES = [
    # ---- Text
    Case("TXT-001", "NAME", "letters", {"NAME": quoted("a/b")}),
    Case("TXT-001", "NAME", "letters", {"NAME": quoted("..")}),
    Case("TXT-002", "NAME", "characters", {"NAME": quoted("x" * 32)}),
    Case("TXT-002", "NAME", "characters", {"NAME": '""'}),
    Case("TXT-003", "NAME", "folder", {"NAME": quoted("cache")}),
    Case("TXT-004", "PART0_NAME", "letters", {"PART0_NAME": quoted("my vm")}),
    Case("TXT-005", "PART0_NAME", "1 to 31", {"PART0_NAME": '""'}),
    Case("TXT-006", "PART0_NAME PART1_NAME", 'PART1_NAME="linux-1"',
         program(1, NAME=quoted("linux"))),
    Case("TXT-007", "PART0_NAME", "speaks", {"PART0_NAME": quoted("hecht")}),
    Case("TXT-008", "CHAN0_NAME", "letters", PROGRAMS | channel(0, 1, "2", NAME=quoted("a b"))),
    Case("TXT-009", "CHAN0_NAME", "1 to 31", PROGRAMS | channel(0, 1, "2", NAME='""')),
    Case("TXT-010", "CHAN0_NAME CHAN1_NAME", "same name",
         PROGRAMS | channel(0, 1, "2", NAME=quoted("a")) | channel(1, 2, "1", NAME=quoted("a"))),
    Case("TXT-011", "EMULATOR_QEMU_CPU", "CPU", {"EMULATOR_QEMU_CPU": quoted("max; reboot")}),

    # ---- Memory
    Case("MEM-001", "PART0_MEMORY_MIB", "PART0_MEMORY_MIB=66", {"PART0_MEMORY_MIB": "65"}),
    Case("MEM-002", "PART0_MEMORY_MIB", "at least", model=put(*PART0, "memory", to=2 * MIB)),
    Case("MEM-003", "PART0_MEMORY_MIB", "at most", model=put(*PART0, "memory", to=9 << 30)),
    Case("MEM-004", "EMULATOR_MEMORY_MIB PART0_MEMORY_MIB", "too small",
         {"EMULATOR_MEMORY_MIB": "128"}),
    Case("MEM-005", "EMULATOR_MEMORY_MIB PART0_MEMORY_MIB", "no piece",
         {"EMULATOR_MEMORY_MIB": "4096", "PART0_MEMORY_MIB": "3072", "KERNEL_MEMORY_MIB": "64"}),
    Case("MEM-006", "EMULATOR_MEMORY_MIB", "512", model=put("emulator", "memory", to=1 << 40)),
    Case("MEM-007", "EMULATOR_MEMORY_MIB", "whole", model=put("emulator", "memory", to=400000001)),
    Case("MEM-008", "PART0_MEMORY_MIB BOARD_QEMU_I440FX EMULATOR_MEMORY_MIB", "no place",
         FIXED | {"PART0_MEMORY_MIB": "440"}),
    Case("MEM-010", "PART0_MEMORY_MIB KERNEL_MEMORY_MIB", "overlap", FIXED,
         lambda model: put("memory", 1, "base", to=model.memory[0].base)(model)),
    Case("MEM-011", "PART0_MEMORY_MIB BOARD_QEMU_I440FX", "0x200000", FIXED,
         put("memory", 1, "base", to=2 * MIB)),
    Case("MEM-012", "PART0_MEMORY_MIB", "multiple", FIXED, put("memory", 1, "align", to=1 << 40)),
    Case("MEM-013", "PART0_MEMORY_MIB BOARD_GENERIC_PC", "nobody knows",
         model=put("memory", 1, "base", to=64 * MIB)),
    Case("MEM-014", "PART0_MEMORY_MIB", "overlap", {"PART0_UART_MMIO": "0xd0000000"},
         put(*PART0, "vm", "space", 1, "base", to=4096)),

    # ---- Guests
    Case("GST-001", "PART0_CMDLINE", "U+0009", cmdline("a\tb")),
    Case("GST-001", "PART0_CMDLINE", "U+00E4", cmdline("ä")),
    Case("GST-002", "PART0_CMDLINE", "2048", cmdline("x" * 2048)),
    Case("GST-003", "PART1_ARGUMENTS", "U+00E4", program(1, ARGUMENTS=quoted("ä"))),
    Case("GST-004", "PART1_ARGUMENTS", "127", program(1, ARGUMENTS=quoted("x" * 128))),
    Case("GST-010", "PART0_MINI", "no name", MINI | {"PART0_MINI": quoted("../x")}),
    Case("GST-011", "PART0_MINI", "there are: ", MINI | {"PART0_MINI": quoted("nothing")}),
    Case("GST-012", "PART1_PROGRAM", "no name", program(1, PROGRAM=quoted("../x"))),
    Case("GST-012", "PART1_PROGRAM", "no name", program(1, PROGRAM=quoted("a b"))),
    Case("GST-013", "PART1_PROGRAM", "guests/native/nothing.c",
         program(1, PROGRAM=quoted("nothing"))),
    Case("GST-014", "PART0_MINI PART0_MEMORY_MIB", "8 MiB",
         MINI | {"PART0_MINI": quoted("selftest"), "PART0_MEMORY_MIB": "4",
                 "PART0_UART_MMIO": "0xd0000000"}),
    Case("GST-015", "PART0_MINI PART0_UART_MMIO", "0xd0000000",
         MINI | {"PART0_MINI": quoted("selftest")}),
    Case("GST-020", "PART0_KERNEL", "missing", {"PART0_KERNEL": '""'}),
    Case("GST-021", "PART0_KERNEL", "no such file", {"PART0_KERNEL": quoted("/nowhere/vmlinuz")}),
    Case("GST-021", "PART0_INITRD", "there is /", {"PART0_INITRD": quoted("/nowhere/initrd")}),
    Case("GST-022", "PART0_KERNEL", "no file", {"PART0_KERNEL": quoted("/")}),
    Case("GST-023", "PART0_KERNEL", "empty", files=sparse("vmlinuz", 0, b"")),
    Case("GST-030", "PART0_KERNEL", "no bzImage", files=kernel(magic=0)),
    Case("GST-030", "PART0_KERNEL", "no bzImage", files=kernel(boot_flag=0)),
    Case("GST-030", "PART0_KERNEL", "no bzImage", files=sparse("vmlinuz", 0x210)),
    Case("GST-031", "PART0_KERNEL", "2.11", files=kernel(version=0x20b)),
    Case("GST-032", "PART0_KERNEL", "64-bit", files=kernel(xloadflags=0)),
    Case("GST-033", "PART0_KERNEL", "zImage", files=kernel(loadflags=0)),
    Case("GST-034", "PART0_KERNEL", "0x242", files=kernel(header_length=0x40)),
    Case("GST-035", "PART0_KERNEL", "short", files=kernel(setup_sects=64)),
    Case("GST-035", "PART0_KERNEL", "short", files=kernel(syssize=100000)),
    Case("GST-036", "PART0_KERNEL", "no code", files=kernel(syssize=32)),
    Case("GST-037", "PART0_KERNEL", "out of range", files=kernel(pref_address=1 << 40)),
    Case("GST-037", "PART0_KERNEL", "out of range", files=kernel(init_size=0xffffffff)),
    Case("GST-038", "PART0_KERNEL", "0x3000", files=kernel(alignment=0x3000)),
    Case("GST-039", "PART0_KERNEL", "init_size", files=kernel(init_size=100)),
    Case("GST-040", "PART0_CMDLINE PART0_KERNEL", "takes 10", files=kernel(cmdline_size=10)),
    Case("GST-041", "PART0_MEMORY_MIB PART0_KERNEL", "PART0_MEMORY_MIB=20",
         {"PART0_MEMORY_MIB": "16"}),
    Case("GST-042", "PART0_INITRD PART0_MEMORY_MIB", "does not fit above",
         files=sparse("initrd", 300 * MIB)),
    Case("GST-043", "PART0_INITRD PART0_KERNEL", "0x1500000",
         files=lambda folder: (kernel(initrd_addr_max=0x14fffff)(folder),
                               sparse("initrd", 8 * MIB)(folder))),
    Case("GST-044", "PART0_INITRD", "no initrd", files=sparse("initrd", 100, b"initrd")),
    Case("GST-045", "PART0_INITRD PART0_MEMORY_MIB", "unpacked",
         files=gzip(10 * MIB, 400 * MIB)),
    Case("GST-050", "PART0_CMDLINE", "ttyS1", cmdline("console=ttyS1,9600 quiet")),
    Case("GST-050", "PART0_CMDLINE", "hvc0", cmdline("console=ttyS0 console=hvc0")),
    Case("GST-051", "PART0_CMDLINE", "/dev/sda1", cmdline("console=ttyS0 root=/dev/sda1")),
    Case("GST-052", "PART0_CMDLINE PART0_MEMORY_MIB", "mem=64M", cmdline("mem=64M")),
    Case("GST-053", "PART0_CMDLINE PART0_INITRD", "alone", cmdline("quiet noinitrd")),
    Case("GST-053", "PART0_KERNEL PART0_INITRD", "needs an initrd",
         {"PART0_KERNEL": quoted("build/guest/vmlinuz"), "PART0_INITRD": '""'}),

    # ---- Devices
    Case("DEV-001", "PART1_IO_PORTS", "'0x40:0x43'", with_port("0x40:0x43")),
    Case("DEV-001", "PART1_IO_PORTS", "65535", with_port("0x10000")),
    Case("DEV-002", "PART1_IO_PORTS PART2_IO_PORTS", "0x42",
         with_port("0x40-0x43") | program(2, IO_PORTS=quoted("0x42,0x61"))),
    Case("DEV-003", "PART1_IO_PORTS", "0x20", with_port("0x10-0x30")),
    Case("DEV-004", "PART1_IO_PORTS SERIAL_PORT", "0x3fa", with_port("0x3fa")),
    Case("DEV-005", "PART1_IO_PORTS", "0xffff", program(1),
         put("partitions", 1, "native", "io_ports", to=[(0xffff, 2)])),
    Case("DEV-006", "PART1_IO_PORTS", "0xcf8", with_port("0xcf0-0xcff")),
    Case("DEV-007", "PART1_IO_PORTS", "0x64", with_port("0x60-0x64")),
    Case("DEV-008", "PART1_IO_PORTS", "NMI", with_port("0x70-0x71")),
    Case("DEV-009", "PART1_IO_PORTS", "DMA", with_port("0xc0-0xc1")),
    Case("DEV-010", "PART1_IO_PORTS CONSOLE_SCREEN", "0x3c0", with_port("0x3c0-0x3c1")),
    Case("DEV-011", "PART1_IO_PORTS", "SMI", with_port("0xb2")),
    Case("DEV-012", "PART1_IO_PORTS EMULATOR_QEMU", "0x604", with_port("0x604")),
    Case("DEV-012", "PART1_IO_PORTS EMULATOR_BOCHS", "0xb004",
         with_port("0xb004", EMULATOR_BOCHS="y")),
    Case("DEV-013", "PART1_IO_PORTS EMULATOR_QEMU", "0x510", with_port("0x510-0x511")),
    Case("DEV-014", "PART1_IO_PORTS BOARD_QEMU_I440FX", "no IOMMU",
         with_port("0xc000-0xc00f", **FIXED)),
    Case("DEV-020", "PART0_UART_MMIO", "multiple", {"PART0_UART_MMIO": "0xd0000008"}),
    Case("DEV-021", "PART0_UART_MMIO PART0_MEMORY_MIB", "outside",
         {"PART0_UART_MMIO": "0x100000"}),
    Case("DEV-022", "PART0_UART_MMIO PART0_UART", "no COM1", {"PART0_UART_MMIO": "0xd0000000"},
         put(*PART0, "vm", "devices", "uart", to=False)),
    Case("DEV-023", "PART0_UART_MMIO", "below 4 GiB",
         model=put(*PART0, "vm", "uart_mmio", to=1 << 52)),
    Case("DEV-024", "PART0_PIC", "needs", {"PART0_PIC": "n"}),
    Case("DEV-025", "PART0_PIT", "needs", {"PART0_PIT": "n"}),
    Case("DEV-026", "PART0_UART PART0_CMDLINE", "COM1", {"PART0_UART": "n"}),
    Case("DEV-027", "PART0_UART PART0_CONSOLE_INPUT", "typed", {"PART0_UART": "n"}),
    Case("DEV-028", "PART0_MINI PART0_UART", "needs the device", MINI | {"PART0_UART": "n"}),

    # ---- Interrupts
    Case("INT-001", "PART1_IRQS", "127", program(1, IRQS=quoted("128"))),
    Case("INT-001", "PART1_IRQS", "twice", program(1, IRQS=quoted("2,2"))),
    Case("INT-002", "PART1_IRQS PART2_IRQS", "line 8",
         program(1, IRQS=quoted("2,8")) | program(2, IRQS=quoted("8,10"))),
    Case("INT-003", "PART1_IRQS SERIAL_PORT", "line 4", program(1, IRQS=quoted("4"))),
    Case("INT-004", "PART1_IRQS", "127", program(1),
         put("partitions", 1, "native", "irqs", to=[(120, 9)])),
    Case("INT-005", "PART1_IRQS BOARD_QEMU_I440FX", "the last is 23",
         FIXED | program(1, IRQS=quoted("8,24"))),

    # ---- Schedule
    Case("SCH-001", "SCHED0_WIN0_PROCESSOR PROCESSORS", "PROCESSORS=2",
         program(1, TIME_PARTITION="1") | windows(0, (1, 1, 0, 1000))),
    Case("SCH-002", "SCHED0_WIN0_START_US SCHED0_WIN0_LENGTH_US SCHED0_FRAME_US",
         "SCHED0_FRAME_US=10500", windows(0, (1, 0, 9500, 1000))),
    Case("SCH-002", "SCHED1_WIN0_START_US SCHED1_FRAME_US", "SCHED1_FRAME_US=10999",
         {"SCHEDULES": "2"} | windows(1, (1, 0, 9999, 1000))),
    Case("SCH-003", "SCHED0_WIN0_START_US SCHED0_WIN1_START_US", "SCHED0_WIN1_START_US=1000",
         windows(0, (1, 0, 0, 1000), (2, 0, 999, 1000))),
    Case("SCH-003", "SCHED0_WIN0_START_US SCHED0_WIN1_LENGTH_US", "4000 us to 4100 us",
         windows(0, (2, 0, 4000, 100), (1, 0, 0, 5000))),
    Case("SCH-004", "SCHED0_WIN0_LENGTH_US", "20", windows(0, (1, 0, 0, 1000)),
         put("schedules", 0, "windows", 0, "length_us", to=3)),
    Case("SCH-005", "PART0_TIME_PARTITION PART0_PROCESSORS", "no window on processor 0",
         {"PART0_TIME_PARTITION": "1"}),
    Case("SCH-006", "PART1_TIME_PARTITION PART1_PROCESSORS", "no window on processor 1",
         {"PROCESSORS": "2"} | program(1, TIME_PARTITION="1", PROCESSORS=quoted("0-1"))
         | windows(0, (1, 0, 0, 1000))),
    Case("SCH-007", "SCHED0_FRAME_US", "100 to", model=put("schedules", 0, "frame_us", to=7)),
    Case("SCH-008", "SCHED0_WIN0_PARTITION", "1 to 31", windows(0, (1, 0, 0, 1000)),
         put("schedules", 0, "windows", 0, "time_partition", to=0)),
    Case("SCH-009", "SCHED0_WIN0_START_US SCHED0_FRAME_US", "begins at",
         windows(0, (1, 0, 10000, 1000))),
    Case("SCH-010", "TIME_SLICE_US", "100 to", model=put("time_slice_us", to=0)),
    Case("SCH-011", "SCHEDULES CONSOLE_SERIAL", "schedule 1", NO_SERIAL | {"SCHEDULES": "2"}),
    Case("SCH-012", "PART1_TIME_PARTITION SCHEDULES", "nobody switches",
         NO_SERIAL | {"SCHEDULES": "2"} | program(1, TIME_PARTITION="1")
         | windows(1, (1, 0, 0, 1000))),
    Case("SCH-013", "SCHED0_WIN0_PARTITION PART0_TIME_PARTITION", "time partition 3",
         windows(0, (3, 0, 0, 1000))),
    Case("SCH-014", "SCHED0_WIN1_PROCESSOR PART1_PROCESSORS", "processor 1",
         {"PROCESSORS": "2"} | program(1, TIME_PARTITION="1")
         | windows(0, (1, 0, 0, 1000), (1, 1, 0, 1000))),
    Case("SCH-015", "SCHED0_WIN0_LENGTH_US SCHED0_WIN1_START_US", "gap",
         program(1, TIME_PARTITION="1") | windows(0, (1, 0, 0, 1000), (1, 0, 1010, 1000))),
    Case("SCH-016", "SCHED1_WINDOWS PART0_TIME_PARTITION", "schedule 1",
         {"PART0_TIME_PARTITION": "1", "SCHEDULES": "2"} | windows(0, (1, 0, 0, 1000))),
    Case("SCH-017", "SCHED0_WIN0_LENGTH_US SCHED0_FRAME_US", "10 us are left",
         program(1, TIME_PARTITION="1") | windows(0, (1, 0, 0, 9990))),
    Case("SCH-018", "SCHEDULES", "1 to 4",
         model=lambda model: model.schedules.extend(model.schedules * 4)),

    # ---- Channels
    Case("CHN-001", "CHAN0_DESTINATIONS", "15", program(1) | channel(0, 1, "16")),
    Case("CHN-002", "CHAN0_DESTINATIONS", "empty", PROGRAMS | channel(0, 1, "")),
    Case("CHN-003", "CHAN0_DESTINATIONS CHAN0_KIND_QUEUING", "one partition",
         PROGRAMS | program(3) | channel(0, 1, "2,3", **QUEUE)),
    Case("CHN-004", "CHAN0_SOURCE CHAN0_DESTINATIONS", "itself", PROGRAMS | channel(0, 1, "1")),
    Case("CHN-005", "CHAN0_SOURCE PART2_KIND_NONE", "is empty",
         program(1) | channel(0, 2, "1")),
    Case("CHN-006", "CHAN0_SOURCE PART0_KIND_LINUX", "VM", program(1) | channel(0, 0, "1")),
    Case("CHN-007", "CHAN0_DESTINATIONS PART2_KIND_NONE", "is empty",
         program(1) | channel(0, 1, "2")),
    Case("CHN-008", "CHAN0_DESTINATIONS PART0_KIND_LINUX", "VM",
         program(1) | channel(0, 1, "0")),
    Case("CHN-009", "CHAN0_MESSAGE_SIZE CHAN0_MESSAGE_COUNT", "MESSAGE_COUNT=128",
         PROGRAMS | channel(0, 1, "2", MESSAGE_SIZE="8192", MESSAGE_COUNT="512", **QUEUE)),
    Case("CHN-010", "CHAN0_MESSAGE_SIZE", "1 to 8192", SAMPLING,
         put("channels", 0, "message_size", to=0)),
    Case("CHN-011", "CHAN0_MESSAGE_COUNT", "1 to 512", PROGRAMS | channel(0, 1, "2", **QUEUE),
         put("channels", 0, "message_count", to=0)),
    Case("CHN-012", "CHAN0_KIND_NONE", "16", SAMPLING,
         lambda model: model.partitions[1].ports.extend(model.partitions[1].ports * 16)),
    Case("CHN-013", "CHAN0_REFRESH_US PART1_TIME_PARTITION PART2_TIME_PARTITION", "100 us",
         program(1, TIME_PARTITION="1") | program(2, TIME_PARTITION="2")
         | channel(0, 1, "2", REFRESH_US="100")
         | windows(0, (1, 0, 0, 1000), (2, 0, 5000, 1000))),
    Case("CHN-020", "CHAN0_SIZE_KIB", "pages", program(1) | memory(0, 0, "1", SIZE_KIB="5")),
    Case("CHN-021", "CHAN0_ADDRESS", "multiple",
         program(1) | memory(0, 0, "1", ADDRESS="0xd0000010")),
    Case("CHN-022", "CHAN0_ADDRESS CHAN0_SIZE_KIB PART0_MEMORY_MIB", "no room",
         program(1) | memory(0, 0, "1", ADDRESS="0xfebff000")),
    Case("CHN-023", "CHAN0_ADDRESS PART0_MEMORY_MIB", "two things",
         program(1) | memory(0, 0, "1", ADDRESS="0x1000000")),
    Case("CHN-024", "CHAN0_SIZE_KIB", "the most", SHARED,
         put("channels", 0, "size", to=300 << 20)),

    # ---- Processors
    Case("PRC-001", "PROCESSORS", "1 to 32", model=put("processors", to=0)),
    Case("PRC-002", "PROCESSORS EMULATOR_BOCHS", "PROCESSORS=15",
         {"PROCESSORS": "16", "EMULATOR_BOCHS": "y"}),
    Case("PRC-003", "PART0_PROCESSORS", "'all'", {"PART0_PROCESSORS": quoted("all")}),
    Case("PRC-003", "PART0_PROCESSORS", "ends", {"PART0_PROCESSORS": quoted("1-0")}),
    Case("PRC-003", "PART0_PROCESSORS", "twice", {"PART0_PROCESSORS": quoted("0,0")}),
    Case("PRC-003", "PART0_PROCESSORS", "31", {"PART0_PROCESSORS": quoted("32")}),
    Case("PRC-004", "PART0_PROCESSORS", "empty", {"PART0_PROCESSORS": '""'}),
    Case("PRC-005", "PART0_PROCESSORS PROCESSORS", "PROCESSORS=2",
         {"PART0_PROCESSORS": quoted("1")}),
    Case("PRC-006", "PART0_PROCESSORS PART0_KIND_LINUX", "one virtual CPU",
         {"PROCESSORS": "2", "PART0_PROCESSORS": quoted("0-1")}),
    Case("PRC-007", "PART0_PROCESSORS", 'PART0_PROCESSORS="0,1,2,3,4,5,6,7"',
         MINI | {"PROCESSORS": "9", "PART0_PROCESSORS": quoted("0-8")}),

    # ---- Rights
    Case("RGT-001", "PART0_PRIORITY", "2 to 200", model=put(*PART0, "priority", to=1)),
    Case("RGT-002", "PART0_TIME_PARTITION", "0 to 31",
         model=put(*PART0, "time_partition", to=32)),
    Case("RGT-003", "PART0_ACTION_SCHEDULE SCHEDULES PART0_ON_VM_SHUTDOWN_SWITCH_SCHEDULE",
         "SCHEDULES=2", SWITCH | {"PART0_ACTION_SCHEDULE": "1"}),
    Case("RGT-004", "PART0_ON_CONFIGURATION_STOP", "RESTART_COLD",
         model=put(*PART0, "actions", "CONFIGURATION", to="RESTART_COLD")),
    Case("RGT-005", "NAME", "no action",
         model=put("module_actions", "CONFIGURATION", to="EXPLODE")),
    Case("RGT-006", "PART0_ACTION_SCHEDULE SCHEDULES", "runs already", SWITCH),
    Case("RGT-007", "PART1_PRIORITY PART1_TIME_PARTITION PART0_PRIORITY", "highest VMM",
         program(1, PRIORITY="101")),
    Case("RGT-008", "PART0_NAME", "no error", model=put(*PART0, "action_schedule", to=1)),
    Case("RGT-010", "PART0_MEMORY_MIB", "does not hold",
         model=put(*PART0, "vm", "space", 0, "size", to=1 << 40)),
    Case("RGT-010", "PART0_PROCESSORS", "virtual CPU",
         model=put(*PART0, "vm", "vcpu_processors", to=[3])),
    Case("RGT-011", "PART1_IRQS", "more than there is", program(1),
         put("partitions", 1, "rights", "irqs", to=[(127, 2)])),
    Case("RGT-012", "PART0_NAME", "'nobody'", model=put(*PART0, "rights", "peers",
                                                        to=["nobody"])),

    # ---- Kernel
    Case("KRN-001", "KERNEL_MEMORY_MIB PART0_MEMORY_MIB", "would do",
         {"KERNEL_MEMORY_MIB": "4", "PART0_MEMORY_MIB": "1024", "EMULATOR_MEMORY_MIB": "2048"}),
    Case("KRN-001", "KERNEL_MEMORY_MIB PROCESSORS", "would do",
         {"PROCESSORS": "32", "KERNEL_MEMORY_MIB": "4"}),
    Case("KRN-001", "KERNEL_MEMORY_MIB PART1_MEMORY_MIB", "would do",
         program(1, KERNEL_EXTRA_KIB="65536")),
    Case("KRN-002", "KERNEL_MEMORY_MIB", "4 to 1024", model=put("kernel_memory", to=2 * MIB)),
    Case("KRN-003", "PART1_KERNEL_EXTRA_KIB", "KERNEL_EXTRA_KIB=8",
         program(1, KERNEL_EXTRA_KIB="5")),
    Case("KRN-004", "SVM VMX", "backend", {"SVM": "n", "VMX": "n"}),
    Case("KRN-005", "SVM VMX", "each once", model=put("backends", to=["svm", "svm"])),
    Case("KRN-006", "PART1_KERNEL_EXTRA_KIB PART2_KERNEL_EXTRA_KIB", "tasks",
         program(1, KERNEL_EXTRA_KIB="65536") | program(2, KERNEL_EXTRA_KIB="64")),
    Case("KRN-007", "PART1_KERNEL_EXTRA_KIB PART0_ON_VM_SHUTDOWN_RESTART_COLD", "threads",
         program(1, KERNEL_EXTRA_KIB="16384") | {"PART0_ON_VM_SHUTDOWN_RESTART_COLD": "y"}),
    Case("KRN-008", "NAME", "17 partitions",
         model=lambda model: model.partitions.extend(model.partitions * 16)),
    Case("KRN-009", "PART0_TIME_PARTITION", "34 time partitions",
         model=put(*PART0, "time_partition", to=33)),
    Case("KRN-010", "PART0_MEMORY_MIB", "needs", model=put(*PART0, "kernel_quota", to=50)),
    Case("KRN-011", "KERNEL_MEMORY_MIB", "needs", model=put("sigma0_quota", to=511)),
    Case("KRN-012", "KERNEL_MEMORY_MIB", "whole", model=put("kernel_memory", to=17000000)),

    # ---- Board
    Case("BRD-001", "CONSOLE_SERIAL CONSOLE_SCREEN", "no console",
         NO_SERIAL | {"CONSOLE_SCREEN": "n"}),
    Case("BRD-002", "SERIAL_PORT", "0x3f8", {"SERIAL_PORT": "0x3f9"}),
    Case("BRD-003", "SERIAL_BAUD", "divisor", {"SERIAL_BAUD": "100000"}),
    Case("BRD-004", "SERIAL_PORT", "0x3c0", {"SERIAL_PORT": "0x3c0"}),
    Case("BRD-005", "CONSOLE_SERIAL CONSOLE_SCREEN", "each once",
         model=put("consoles", to=["serial", "serial"])),
    Case("BRD-006", "EMULATOR_QEMU", "no emulator", model=put("emulator", "name", to="simics")),
    Case("BRD-007", "EMULATOR_QEMU_CPU", "no such CPU", {"EMULATOR_QEMU_CPU": quoted("maxx")}),
    Case("BRD-008", "EMULATOR_QEMU_CPU SVM VMX", "SVM only", {"SVM": "n", "EMULATOR_QEMU": "y"}),
    Case("BRD-008", "EMULATOR_BOCHS_CPU SVM VMX", "neither",
         {"EMULATOR_BOCHS": "y", "EMULATOR_BOCHS_CPU": quoted("bx_generic")}),
    Case("BRD-008", "EMULATOR_QEMU_CPU SVM VMX", "SVM only",
         only_program() | {"SVM": "n", "EMULATOR_QEMU": "y"}),
    Case("BRD-009", "PART1_CONSOLE_INPUT CONSOLE_SERIAL", "typed",
         NO_SERIAL | program(1, CONSOLE_INPUT="y")),
    Case("BRD-010", "SERIAL_PORT", "0x100", model=put("serial_port", to=1 << 40)),
    Case("BRD-011", "CONSOLE_SERIAL", "unused", NO_SERIAL, put("serial_baud", to=-1)),
    Case("BRD-012", "PROCESSORS BOARD_BOCHS", "15 processors",
         {"BOARD_BOCHS": "y", "PROCESSORS": "16"}),
    Case("BRD-013", "SERIAL_PORT BOARD_QEMU_I440FX", "there is 0x3f8",
         FIXED | {"SERIAL_PORT": "0x2f8"}),
    Case("BRD-014", "BOARD_QEMU_I440FX SVM VMX", "no VMX", FIXED | {"SVM": "n"}),
    Case("BRD-014", "BOARD_QEMU_I440FX SVM VMX", "no VMX", only_program() | FIXED | {"SVM": "n"}),
    Case("BRD-015", "CONSOLE_SCREEN", "no screen", model=put("board", "screen", "kind",
                                                             to="none")),
    Case("BRD-016", "BOARD_QEMU_I440FX EMULATOR_QEMU", "bochs", FIXED | {"EMULATOR_BOCHS": "y"}),
    Case("BRD-017", "PART0_PAGING_NESTED EMULATOR_QEMU_CPU", "insists on nested",
         {"PART0_PAGING_NESTED": "y", "EMULATOR_QEMU": "y",
          "EMULATOR_QEMU_CPU": quoted("max,npt=off")}),

    # ---- Image
    Case("IMG-001", "PART0_KIND_LINUX PART10_KIND_LINUX", "34 boot modules",
         {"KERNEL_MEMORY_MIB": "64", "EMULATOR_MEMORY_MIB": "8192"}
         | {f"PART{slot}_KIND_LINUX": "y" for slot in range(11)}),
    Case("MDL-029", "NAME", "no name", model=put(*PART0, "program", "name", to="a b")),
    Case("MDL-030", "NAME", "two boot modules",
         model=put(*PART0, "vm", "kernel", "file", to="vmm-linux.elf")),
    Case("MDL-031", "NAME", "no name of a file", model=put(*PART0, "program", "file", to="../x")),
    Case("IMG-002", "PART0_INITRD", "the most", files=sparse("initrd", 4 << 30)),
    Case("IMG-003", "EMULATOR_MEMORY_MIB PART0_INITRD", "no room",
         files=sparse("initrd", 240 * MIB)),
    Case("IMG-004", "PART0_INITRD", "the most", files=sparse("initrd", 3500 * MIB)),

    # ---- Model
    Case("MDL-001", "NAME", "partitions[0].memory", model=put(*PART0, "memory", to="much")),
    Case("MDL-001", "NAME", "vm.trace", model=put(*PART0, "vm", "trace", to=1)),
    Case("MDL-002", "NAME", "'other'", model=put("name", to="other")),
    Case("MDL-003", "PART0_KIND_NONE", "slots", model=lambda model: model.partitions.pop()),
    Case("MDL-004", "PART0_KIND_LINUX", "kind", model=put(*PART0, "kind", to="mini")),
    Case("MDL-005", "PART0_NAME", "name", model=put(*PART0, "name", to="other")),
    Case("MDL-006", "PART0_NAME", "vmm:linux", model=put(*PART0, "program", "source", to="x")),
    Case("MDL-006", "PART1_PROGRAM", "source", program(1),
         put("partitions", 1, "native", "source", to="x")),
    Case("MDL-007", "PART0_KERNEL", "kernel:linux",
         model=put(*PART0, "vm", "kernel", "name", to="kernel:other")),
    Case("MDL-008", "PART0_INITRD", "initrd", model=put(*PART0, "vm", "initrd", to=None)),
    Case("MDL-009", "NAME", "SHA-256", model=put(*PART0, "vm", "kernel", "sha256", to="0g")),
    Case("MDL-010", "PART0_CMDLINE", "command line", model=put(*PART0, "vm", "cmdline", to="x")),
    Case("MDL-011", "PART1_ARGUMENTS", "arguments", program(1),
         put("partitions", 1, "native", "arguments", to="x")),
    Case("MDL-012", "PART1_IO_PORTS", "I/O ports", program(1),
         put("partitions", 1, "native", "io_ports", to=[(0x80, 1)])),
    Case("MDL-013", "PART1_IRQS", "lines", program(1),
         put("partitions", 1, "native", "irqs", to=[(5, 1)])),
    Case("MDL-014", "PART0_PIC", "devices", model=put(*PART0, "vm", "devices", "gpu", to=True)),
    Case("MDL-015", "PART0_UART_MMIO", "COM1",
         model=put(*PART0, "vm", "uart_mmio", to=0xd0000000)),
    Case("MDL-016", "PART0_PROCESSORS", "virtual CPUs", model=put(*PART0, "vm", "vcpus", to=2)),
    Case("MDL-017", "PART0_PROCESSORS", "processors", model=put(*PART0, "processors", to=[0, 0])),
    Case("MDL-018", "SCHED0_WINDOWS", "order", windows(0, (1, 0, 0, 1000), (1, 0, 2000, 1000)),
         lambda model: model.schedules[0].windows.reverse()),
    Case("MDL-019", "SCHED0_WINDOWS", "windows", windows(0, (1, 0, 0, 1000)),
         lambda model: model.schedules[0].windows.clear()),
    Case("MDL-020", "SCHEDULES", "number", {"SCHEDULES": "2"},
         lambda model: model.schedules.pop()),
    Case("MDL-021", "CHAN0_KIND_NONE", "channels", SAMPLING, lambda model: model.channels.pop()),
    Case("MDL-022", "CHAN0_KIND_NONE", "kind", SAMPLING,
         put("channels", 0, "kind", to="queuing")),
    Case("MDL-022", "CHAN0_NAME", "name", SAMPLING, put("channels", 0, "name", to="other")),
    Case("MDL-023", "CHAN0_SOURCE", "source", SAMPLING, put("channels", 0, "source", to=2)),
    Case("MDL-024", "CHAN0_MESSAGE_SIZE", "message size", SAMPLING,
         put("channels", 0, "message_size", to=63)),
    Case("MDL-025", "CHAN0_SIZE_KIB", "size", SHARED, put("channels", 0, "size", to=4096)),
    Case("MDL-025", "CHAN0_DESTINATIONS_WRITE", "write", SHARED,
         put("channels", 0, "destinations_write", to=True)),
    Case("MDL-026", "CHAN0_ADDRESS", "address",
         program(1) | memory(0, 0, "1", ADDRESS="0xd0000000"),
         put("channels", 0, "gpa", to=0xd1000000)),
    Case("MDL-027", "PART1_NAME", "ports", SAMPLING,
         lambda model: model.partitions[1].ports.pop()),
    Case("MDL-027", "PART2_NAME", "ports", SAMPLING,
         put("partitions", 2, "ports", 0, "source", to=True)),
    Case("MDL-028", "PART0_NAME", "errors",
         model=lambda model: model.partitions[0].actions.pop("APPLICATION")),
    Case("MDL-032", "BOARD_GENERIC_PC", "board: firmware", model=put("board", "firmware",
                                                                     to="uefi")),
    Case("MDL-033", "PROCESSORS", "own memory", model=put("kernel_items", 0, "pages", to=1)),
    Case("MDL-034", "PART0_MEMORY_MIB", "sum", model=put(*PART0, "kernel_quota", to=9000)),
    Case("MDL-034", "PART0_MEMORY_MIB", "kernel memory",
         model=lambda model: model.partitions[0].quota.pop()),
    Case("MDL-035", "PART0_MEMORY_MIB", "list of memory", model=lambda model: model.memory.pop()),
    Case("MDL-036", "KERNEL_MEMORY_MIB", "base", model=put("kernel_base", to=4096)),
    Case("MDL-037", "CHAN0_NAME", "span", SAMPLING, put("channels", 0, "span", to=4095)),
    Case("MDL-038", "PART0_PROCESSORS", "virtual CPUs",
         model=put(*PART0, "vm", "vcpu_processors", to=[])),
    Case("MDL-039", "PART0_PIC", "ports", model=put(*PART0, "vm", "ports", 0, "first", to=5)),
    Case("MDL-040", "PART0_PIC", "lines", model=put(*PART0, "vm", "irqs", 0, "line", to=5)),
    Case("MDL-041", "PART0_MEMORY_MIB", "space", model=put(*PART0, "vm", "space", 0, "rights",
                                                           to="rw")),
    Case("MDL-042", "PART0_NAME", "rights", model=put(*PART0, "rights", "call", to=[])),
    Case("MDL-043", "PART0_PAGING_VTLB", "translated by", model=put(*PART0, "vm", "paging", to="qemu")),
]
