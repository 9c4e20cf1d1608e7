# SPDX-License-Identifier: Apache-2.0
"""
The explicit model: everything that image and tables say, with nothing left to be guessed. It is
made from the configuration alone; validate.py checks it, emit.py writes it as C.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from hecht.config import Config

MIB = 1 << 20
PAGE = 4096
LARGE_PAGE = 2 * MIB
ENTRIES = 512  # of a page table

VM_SLOTS = (0,)  # virtual machines that the menus offer

# Bounds of hypervisor/abi/config.h and of the loaders behind it.
NAME_MAX = 31
CMDLINE_MAX = 2047

# Kernel memory in pages, beside page tables.
KERNEL_OWN = 128   # the kernel's own quota and its bookkeeping
SIGMA0_OWN = 512   # σ0's image and stack, and its map of the machine's memory
VM_OWN = 96        # VMM's image tables, threads, state page, vCPU with its intercept maps

# tests/system/hostile; low enough to run while the VM beside them waits.
HOSTILE = ("hostile-cli", "hostile-read", "hostile-map")
HOSTILE_PRIORITY = 50
PROGRAM_OWN = 96   # kernel memory of a program's partition, in pages

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
    slot: int
    name: str
    memory: int  # bytes
    priority: int
    kernel_quota: int  # pages
    boot: str  # linux or mini
    cmdline: str
    kernel: Module
    initrd: Module | None
    console_input: bool
    devices: dict[str, bool]
    uart_mmio: int
    trace: bool

    @property
    def program(self) -> str:
        return f"vmm:{self.name}"


@dataclass
class Program:
    """A partition whose program is no VMM."""
    name: str
    priority: int
    kernel_quota: int  # pages


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
    consoles: list[str]
    serial_port: int
    serial_baud: int
    emulator: Emulator
    backends: list[str]
    count: bool  # costly instructions
    vms: list[Vm] = field(default_factory=list)
    programs: list[Program] = field(default_factory=list)

    @property
    def modules(self) -> list[Module]:
        """All boot modules, in the order in which GRUB loads them."""
        found = [Module("sigma0", "sigma0.elf", f"build/{self.name}/sigma0.elf")]
        for vm in self.vms:
            found.append(Module(vm.program, f"vmm-{vm.name}.elf",
                                f"build/{self.name}/vmm-{vm.name}.elf"))
            found.append(vm.kernel)
            if vm.initrd:
                found.append(vm.initrd)
        for program in self.programs:
            found.append(Module(program.name, f"{program.name}.elf",
                                f"build/{self.name}/{program.name}.elf"))
        return found


def vm_kernel_quota(memory: int) -> int:
    """Pages of kernel memory for a VM: its RAM is mapped twice, by its VMM and by the guest, in
    the worst case by pages of 4 KiB; boot modules are mapped once more by the VMM."""
    tables = -(-memory // (PAGE * ENTRIES))
    upper = 2 * (3 + -(-tables // ENTRIES))
    modules = -(-tables // 2) + 8
    return 2 * tables + upper + modules + VM_OWN


def _modules(config: Config, slot: int, name: str, board: str) -> tuple[Module, Module | None]:
    symbol = f"VM{slot}_"
    if config.is_on(symbol + "BOOT_MINI"):
        mini = config.text(symbol + "MINI")
        return Module(f"kernel:{name}", f"{name}-kernel", f"build/{board}/mini/{mini}.bin"), None
    kernel = Module(f"kernel:{name}", f"{name}-kernel", config.text(symbol + "KERNEL"))
    initrd = config.text(symbol + "INITRD")
    return kernel, Module(f"initrd:{name}", f"{name}-initrd", initrd) if initrd else None


def _vm(config: Config, slot: int, board: str) -> Vm:
    symbol = f"VM{slot}_"
    name = config.text(symbol + "NAME")
    memory = config.number(symbol + "MEMORY_MIB") * MIB
    kernel, initrd = _modules(config, slot, name, board)
    return Vm(
        slot=slot,
        name=name,
        memory=memory,
        priority=config.number(symbol + "PRIORITY"),
        kernel_quota=vm_kernel_quota(memory),
        boot="mini" if config.is_on(symbol + "BOOT_MINI") else "linux",
        cmdline=config.text(symbol + "CMDLINE"),
        kernel=kernel,
        initrd=initrd,
        console_input=config.is_on(symbol + "CONSOLE_INPUT"),
        devices={device: config.is_on(symbol + device.upper()) for device in DEVICES},
        uart_mmio=config.number(symbol + "UART_MMIO"),
        trace=config.is_on(symbol + "TRACE"),
    )


def make_model(config: Config) -> Model:
    name = config.text("NAME")
    bochs = config.is_on("EMULATOR_BOCHS")
    return Model(
        name=name,
        kernel_memory=config.number("KERNEL_MEMORY_MIB") * MIB,
        sigma0_quota=SIGMA0_OWN,
        consoles=[console for console in ("serial", "screen")
                  if config.is_on(f"CONSOLE_{console.upper()}")],
        serial_port=config.number("SERIAL_PORT"),
        serial_baud=config.number("SERIAL_BAUD"),
        emulator=Emulator("bochs" if bochs else "qemu",
                          config.text("EMULATOR_BOCHS_CPU" if bochs else "EMULATOR_QEMU_CPU"),
                          config.number("EMULATOR_MEMORY_MIB") * MIB),
        backends=[backend for backend in ("svm", "vmx") if config.is_on(backend.upper())],
        count=config.is_on("COUNT"),
        vms=[_vm(config, slot, name) for slot in VM_SLOTS] if config.is_on("VIRT") else [],
        programs=[Program(program, HOSTILE_PRIORITY, PROGRAM_OWN) for program in HOSTILE]
        if config.is_on("TEST_HOSTILE") else [],
    )
