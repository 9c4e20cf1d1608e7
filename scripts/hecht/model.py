# SPDX-License-Identifier: Apache-2.0
"""
The explicit model: everything that image and tables say, with nothing left to be guessed. It is
made from the configuration and the board file, and completed by allocate.py; checks/ checks it,
emit.py writes it as C, describe.py as JSON.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from hecht import allocate, boards, numbers, shared, slots
from hecht.allocate import (LARGE_PAGE, MIB, PAGE, PORT_OWN, PROGRAM_OWN,  # noqa: F401
                            SIGMA0_OWN, VCPU_OWN, VM_OWN, VTLB_OWN, DeviceIrq, DevicePorts,
                            GuestRange, PhysicalRange, QuotaItem, Rights)
from hecht.board import Board
from hecht.config import Config

# Bounds of hypervisor/abi/ and of the loaders behind it.
NAME_MAX = 31
CMDLINE_MAX = 2047
ARGUMENTS_MAX = 127
MODULES_MAX = 32          # BOOT_MODULES_MAX
PARTITION_PORTS_MAX = 16
PROCESSORS_MAX = 32
VCPUS_MAX = 8             # VM_VCPUS_MAX of vmm/vm.h
IO_PORTS = 0x10000
IRQ_LINES = 128
CHANNEL_BYTES_MAX = MIB   # of messages in one channel

DEVICES = ("pic", "pit", "uart", "rtc", "keyboard_controller", "pci")


@dataclass
class Module:
    """A file in the image. `name` is the first word of its Multiboot2 command line."""
    name: str
    file: str    # in the image's folder /boot
    source: str  # path on the machine that builds
    sha256: str = ""  # of a file that the build does not make itself


@dataclass
class Vm:
    boot: str  # linux or mini
    vcpus: int
    cmdline: str
    kernel: Module
    initrd: Module | None
    devices: dict[str, bool]
    paging: str  # automatic, nested or vtlb
    uart_mmio: int
    trace: bool
    # Of allocate.py:
    vcpu_processors: list[int] = field(default_factory=list)  # of each vCPU
    ports: list[DevicePorts] = field(default_factory=list)    # of its virtual devices
    irqs: list[DeviceIrq] = field(default_factory=list)
    space: list[GuestRange] = field(default_factory=list)     # guest-physical, ascending


@dataclass
class Program:
    """What runs in a partition without a VM."""
    source: str  # path of the C file, without .c
    arguments: str
    io_ports: list[tuple[int, int]]  # first, count
    irqs: list[tuple[int, int]]


@dataclass
class Port:
    """One end of a channel."""
    name: str
    channel: int  # index in Model.channels
    source: bool  # may write
    gpa: int = 0  # of a shared memory at a VM


@dataclass
class Partition:
    slot: int
    name: str
    kind: str    # linux, mini or program
    memory: int  # bytes
    priority: int
    processors: list[int]
    time_partition: int
    kernel_quota: int  # pages: the sum of `quota`
    console_input: bool
    counts_for_end: bool
    actions: dict[str, str]  # enum health_error → enum health_action
    action_schedule: int
    program: Module
    vm: Vm | None = None
    native: Program | None = None
    ports: list[Port] = field(default_factory=list)
    quota: list[QuotaItem] = field(default_factory=list)  # kernel memory, item by item
    # Of allocate.py:
    ram_base: int = 0  # physical; 0: placed by σ0
    rights: Rights = field(default_factory=Rights)

    @property
    def prefix(self) -> str:
        """Of its symbols."""
        return f"PART{self.slot}_"

    @property
    def modules(self) -> list[Module]:
        """Boot modules that it may read, beside its program: kernel, initrd."""
        return [module for module in (self.vm.kernel, self.vm.initrd) if module] \
            if self.vm else []


@dataclass
class Window:
    slot: int
    processor: int
    time_partition: int
    start_us: int
    length_us: int

    @property
    def end_us(self) -> int:
        return self.start_us + self.length_us


@dataclass
class Schedule:
    frame_us: int
    windows: list[Window]  # ascending by processor and start

    def on(self, processor: int) -> list[Window]:
        return [window for window in self.windows if window.processor == processor]


@dataclass
class Channel:
    slot: int
    name: str
    kind: str  # sampling, queuing or memory
    source: int  # slots of partitions
    destinations: list[int]
    message_size: int  # bytes
    message_count: int
    refresh_us: int
    size: int = 0  # of a shared memory, bytes
    destinations_write: bool = False
    gpa: int = 0   # the same in all VMs at its ends; 0: there is none
    span: int = 0  # of physical memory, bytes (allocate.py)
    base: int = 0  # physical; 0: placed by σ0

    @property
    def prefix(self) -> str:
        return f"CHAN{self.slot}_"

    @property
    def memory(self) -> int:
        """Bytes of its messages, of which a sampling channel keeps four, or all that is shared."""
        if self.kind == "memory":
            return self.size
        return self.message_size * (self.message_count if self.kind == "queuing" else 4)


@dataclass
class Emulator:
    name: str
    cpu: str
    memory: int  # bytes


@dataclass
class Model:
    name: str
    kernel_memory: int  # bytes
    sigma0_quota: int   # pages
    board: Board        # as it is started, if it is an emulator's
    processors: int
    time_slice_us: int
    consoles: list[str]
    serial_port: int
    serial_baud: int
    emulator: Emulator
    backends: list[str]
    count: bool  # costly instructions
    schedules: list[Schedule]
    partitions: list[Partition]
    channels: list[Channel]
    module_actions: dict[str, str]  # errors that are no partition's
    # Of allocate.py:
    kernel_base: int = 0  # physical; 0: the kernel chooses
    kernel_items: list[QuotaItem] = field(default_factory=list)  # beside all quotas
    memory: list[PhysicalRange] = field(default_factory=list)    # in σ0's order

    @property
    def machine(self) -> str:
        """Of QEMU."""
        return (self.board.emulated and self.board.emulated.machine) or "pc"

    @property
    def vms(self) -> list[Partition]:
        return [partition for partition in self.partitions if partition.vm]

    @property
    def programs(self) -> list[Partition]:
        return [partition for partition in self.partitions if partition.native]

    @property
    def time_partitions(self) -> int:
        """How many the kernel has, τ0 included."""
        return 1 + max([0, *(partition.time_partition for partition in self.partitions),
                        *(window.time_partition for schedule in self.schedules
                          for window in schedule.windows)])

    @property
    def kernel_own(self) -> int:
        """Pages that the kernel keeps beside all quotas."""
        return sum(item.pages for item in self.kernel_items)

    @property
    def modules(self) -> list[Module]:
        """All boot modules, in the order in which GRUB loads them."""
        found = [Module("sigma0", "sigma0.elf", f"build/{self.name}/sigma0.elf")]
        for partition in self.partitions:
            found += [partition.program, *partition.modules]
        return found


def _vm(config: Config, partition: Partition, board: str) -> Vm:
    prefix, name = partition.prefix, partition.name
    initrd = ""
    if partition.kind == "mini":
        source = f"build/{board}/mini/{config.text(prefix + 'MINI')}.bin"
    else:
        source, initrd = config.text(prefix + "KERNEL"), config.text(prefix + "INITRD")
    return Vm(
        boot=partition.kind,
        vcpus=max(1, len(partition.processors)),
        cmdline=config.text(prefix + "CMDLINE"),
        kernel=Module(f"kernel:{name}", f"{name}-kernel", source),
        initrd=Module(f"initrd:{name}", f"{name}-initrd", initrd) if initrd else None,
        devices={device: config.is_on(prefix + device.upper()) for device in DEVICES},
        paging=next((way for way in ("nested", "vtlb")
                     if config.is_on(f"{prefix}PAGING_{way.upper()}")), "automatic"),
        uart_mmio=config.number(prefix + "UART_MMIO"),
        trace=config.is_on(prefix + "TRACE"),
    )


def _program(config: Config, prefix: str) -> Program:
    program = config.text(prefix + "PROGRAM")
    return Program(
        source=program if "/" in program else f"guests/native/{program}",
        arguments=config.text(prefix + "ARGUMENTS"),
        io_ports=numbers.good(numbers.ranges(config.text(prefix + "IO_PORTS"), IO_PORTS)),
        irqs=numbers.good(numbers.ranges(config.text(prefix + "IRQS"), IRQ_LINES)),
    )


def _actions(config: Config, prefix: str) -> dict[str, str]:
    return {error.name: next((action for action in error.actions
                              if config.is_on(f"{prefix}ON_{error.name}_{action}")),
                             error.default)
            for error in slots.HEALTH_ERRORS}


def _partition(config: Config, slot: int, board: str) -> Partition | None:
    prefix = f"PART{slot}_"
    kind = next((kind for kind in ("linux", "mini", "program")
                 if config.is_on(f"{prefix}KIND_{kind.upper()}")), None)
    if kind is None:
        return None
    name = config.text(prefix + "NAME")
    memory = config.number(prefix + "MEMORY_MIB") * MIB
    role = "native" if kind == "program" else "vmm"
    partition = Partition(
        slot=slot,
        name=name,
        kind=kind,
        memory=memory,
        priority=config.number(prefix + "PRIORITY"),
        processors=numbers.each(numbers.ranges(config.text(prefix + "PROCESSORS"),
                                               PROCESSORS_MAX)),
        time_partition=config.number(prefix + "TIME_PARTITION"),
        kernel_quota=0,
        console_input=config.is_on(prefix + "CONSOLE_INPUT"),
        counts_for_end=config.is_on(prefix + "COUNTS_FOR_END"),
        actions=_actions(config, prefix),
        action_schedule=config.number(prefix + "ACTION_SCHEDULE"),
        program=Module(f"{role}:{name}", f"{role}-{name}.elf", f"build/{board}/vmm-{name}.elf"),
    )
    if kind == "program":
        partition.native = _program(config, prefix)
        partition.program.source = f"build/{board}/native/{partition.native.source}.elf"
    else:
        partition.vm = _vm(config, partition, board)
    return partition


def _schedule(config: Config, number: int) -> Schedule:
    prefix = f"SCHED{number}_"
    windows = [Window(
        slot=slot,
        processor=config.number(f"{prefix}WIN{slot}_PROCESSOR"),
        time_partition=config.number(f"{prefix}WIN{slot}_PARTITION"),
        start_us=config.number(f"{prefix}WIN{slot}_START_US"),
        length_us=config.number(f"{prefix}WIN{slot}_LENGTH_US"),
    ) for slot in range(config.number(prefix + "WINDOWS"))]
    return Schedule(config.number(prefix + "FRAME_US"),
                    sorted(windows, key=lambda window: (window.processor, window.start_us)))


def _channel(config: Config, slot: int) -> Channel | None:
    prefix = f"CHAN{slot}_"
    kind = next((kind for kind in ("sampling", "queuing", "memory")
                 if config.is_on(f"{prefix}KIND_{kind.upper()}")), None)
    if kind is None:
        return None
    return Channel(
        slot=slot,
        name=config.text(prefix + "NAME"),
        kind=kind,
        source=config.number(prefix + "SOURCE"),
        destinations=numbers.each(numbers.ranges(config.text(prefix + "DESTINATIONS"),
                                                 slots.PARTITIONS)),
        message_size=config.number(prefix + "MESSAGE_SIZE"),
        message_count=config.number(prefix + "MESSAGE_COUNT", 1),
        refresh_us=config.number(prefix + "REFRESH_US"),
        size=config.number(prefix + "SIZE_KIB") * 1024,
        destinations_write=config.is_on(prefix + "DESTINATIONS_WRITE"),
        gpa=config.number(prefix + "ADDRESS"),
    )


def _add_ports(config: Config, partitions: list[Partition], channels: list[Channel]) -> None:
    for partition in partitions:
        for index, channel in enumerate(channels):
            if partition.slot not in (channel.source, *channel.destinations):
                continue
            source = partition.slot == channel.source or channel.destinations_write
            partition.ports.append(Port(channel.name, index, source,
                                        channel.gpa if partition.vm else 0))
        partition.quota = allocate.quota(partition, channels, 1024 * config.number(
            partition.prefix + "KERNEL_EXTRA_KIB"))
        partition.kernel_quota = sum(item.pages for item in partition.quota)


def make_model(config: Config) -> Model:
    name = config.text("NAME")
    bochs = config.is_on("EMULATOR_BOCHS")
    partitions = [partition for slot in range(slots.PARTITIONS)
                  if (partition := _partition(config, slot, name))]
    channels = [channel for slot in range(slots.CHANNELS) if (channel := _channel(config, slot))]
    shared.place(channels, partitions)
    _add_ports(config, partitions, channels)
    memory = config.number("EMULATOR_MEMORY_MIB") * MIB
    processors = config.number("PROCESSORS")
    model = Model(
        name=name,
        kernel_memory=config.number("KERNEL_MEMORY_MIB") * MIB,
        sigma0_quota=SIGMA0_OWN,
        board=boards.chosen(config).sized(memory, processors),
        processors=processors,
        time_slice_us=config.number("TIME_SLICE_US"),
        consoles=[console for console in ("serial", "screen")
                  if config.is_on(f"CONSOLE_{console.upper()}")],
        serial_port=config.number("SERIAL_PORT"),
        serial_baud=config.number("SERIAL_BAUD"),
        emulator=Emulator("bochs" if bochs else "qemu",
                          config.text("EMULATOR_BOCHS_CPU" if bochs else "EMULATOR_QEMU_CPU"),
                          memory),
        backends=[backend for backend in ("svm", "vmx") if config.is_on(backend.upper())],
        count=config.is_on("COUNT"),
        schedules=[_schedule(config, number) for number in range(config.number("SCHEDULES"))],
        partitions=partitions,
        channels=channels,
        module_actions={error.name: "LOG" for error in slots.HEALTH_ERRORS},
    )
    allocate.allocate(model)
    return model
