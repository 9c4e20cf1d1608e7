# SPDX-License-Identifier: Apache-2.0
"""
Emulated machines: QEMU and Bochs started on an image, with the board's serial port on a socket.

    with Machine(Settings(iso=..., emulator="qemu", ...)) as machine:
        machine.console.recv(...); machine.console.sendall(...)

Whatever happens, nothing is left running and no file is left behind.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import socket
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

EMULATORS = ("qemu", "bochs")
MEDIA = ("cd", "usb")
FIRMWARES = ("bios", "uefi")

OVMF = Path("/usr/share/ovmf/OVMF.fd")
BOCHS_BIOS = "/usr/share/bochs/BIOS-bochs-latest"
BOCHS_VGABIOS = "/usr/share/bochs/VGABIOS-lgpl-latest"
BOCHS_IPS = 50_000_000  # emulated instructions, and ticks of the TSC, per emulated second
BOCHS_PROCESSORS_MAX = 15  # with 16 it stops at once
BOCHS_SERIAL_PORTS = (0x3f8, 0x2f8, 0x3e8, 0x2e8)
CONNECT_SECONDS = 20


class EmulatorError(Exception):
    """The emulator cannot be started like that; the text says why."""


@dataclass(frozen=True)
class Settings:
    iso: Path
    emulator: str = "qemu"
    cpu: str = "max"
    memory_mib: int = 512
    processors: int = 1
    medium: str = "cd"
    firmware: str = "bios"
    count: bool = False  # QEMU: one TSC tick is one instruction, and every run is the same
    shift: int = 0  # with count: 2 to the power of this many ticks are one instruction
    machine: str = "pc"  # of QEMU
    serial_port: int = 0x3f8
    start_time: int | None = None  # seconds since 1970: what the board's clock shows at start

    def check(self) -> None:
        if self.emulator not in EMULATORS:
            raise EmulatorError(f"EMULATOR={self.emulator}: there are {' and '.join(EMULATORS)}")
        if self.emulator == "bochs" and self.firmware != "bios":
            raise EmulatorError("Bochs starts by its BIOS only")
        if self.emulator == "bochs" and self.serial_port not in BOCHS_SERIAL_PORTS:
            raise EmulatorError(f"Bochs has no serial port at {self.serial_port:#x}")
        if not self.iso.is_file():
            raise EmulatorError(f"{self.iso} is missing")
        program = "bochs" if self.emulator == "bochs" else "qemu-system-x86_64"
        if not shutil.which(program):
            raise EmulatorError(f"{program} is not installed; run: sudo scripts/setup")


def qemu_command(settings: Settings, console: str) -> list[str]:
    command = ["qemu-system-x86_64", "-accel", "tcg", "-machine", settings.machine, "-cpu", settings.cpu,
               "-m", str(settings.memory_mib), "-smp", str(settings.processors),
               "-nodefaults", "-vga", "std", "-display", "none", "-no-reboot",
               "-chardev", f"socket,id=console,path={console}",
               "-device", "isa-serial,chardev=console,irq=4,"
               f"iobase={settings.serial_port:#x}"]
    if settings.medium == "cd":
        command += ["-cdrom", str(settings.iso)]
    else:
        command += ["-drive", f"if=none,id=stick,format=raw,snapshot=on,file={settings.iso}",
                    "-device", "qemu-xhci", "-device", "usb-storage,drive=stick"]
    if settings.firmware == "uefi":
        command += ["-bios", str(OVMF)]
    if settings.count:
        command += ["-icount", f"shift={settings.shift},sleep=off", "-seed", "1",
                    "-rtc", "base=2024-01-01T00:00:00,clock=vm"]
    return command


def bochs_configuration(settings: Settings, port: int, log: Path) -> str:
    kind = "cdrom" if settings.medium == "cd" else "disk"
    drive = (f"type=cdrom, path={settings.iso}, status=inserted" if kind == "cdrom" else
             f"type=disk, path={settings.iso}, mode=volatile, cylinders=0")
    com = 1 + BOCHS_SERIAL_PORTS.index(settings.serial_port)
    time0 = settings.start_time if settings.start_time is not None else "utc"
    return f"""\
plugin_ctrl: unmapped=1
config_interface: textconfig
display_library: term
romimage: file={BOCHS_BIOS}, options=fastboot
vgaromimage: file={BOCHS_VGABIOS}
cpu: model={settings.cpu}, count={settings.processors}, ips={BOCHS_IPS}, reset_on_triple_fault=0, \
ignore_bad_msrs=0, mwait_is_nop=1
memory: guest={settings.memory_mib}, host={settings.memory_mib}
ata0: enabled=1, ioaddr1=0x1f0, ioaddr2=0x3f0, irq=14
ata0-master: {drive}
boot: {kind}
com{com}: enabled=1, mode=socket-client, dev=localhost:{port}
sound: waveoutdrv=dummy, waveindrv=dummy, midioutdrv=dummy
clock: sync=none, time0={time0}
log: {log}
panic: action=fatal
error: action=ignore
info: action=report
debug: action=ignore
"""


def _die_with_parent() -> None:
    """In the child: it shall not outlive us, however we end (prctl(2), PR_SET_PDEATHSIG)."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


class Machine:
    """A running emulator. `console` is the serial port; it reads empty when the machine is off."""

    console: socket.socket

    def __init__(self, settings: Settings) -> None:
        settings.check()
        self.settings = settings
        self._folder = Path(tempfile.mkdtemp(prefix="hecht-"))
        self._process: subprocess.Popen[bytes] | None = None
        try:
            self._start()
        except BaseException:
            self.close()
            raise

    def _start(self) -> None:
        if self.settings.emulator == "qemu":
            listener = socket.socket(socket.AF_UNIX)
            path = str(self._folder / "console")
            listener.bind(path)
            command = qemu_command(self.settings, path)
        else:
            listener = socket.socket(socket.AF_INET)
            listener.bind(("localhost", 0))
            command = self._bochs_command(listener.getsockname()[1])
        with listener:
            listener.listen(1)
            listener.settimeout(0.2)
            with (self._folder / "output").open("wb") as output:
                self._process = subprocess.Popen(
                    command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
                    env=os.environ | {"TERM": "dumb"}, start_new_session=True,
                    preexec_fn=_die_with_parent)
            self.console = self._accept(listener)

    def _bochs_command(self, port: int) -> list[str]:
        configuration, commands = self._folder / "bochsrc", self._folder / "debugger"
        configuration.write_text(
            bochs_configuration(self.settings, port, self._folder / "bochs.log"))
        commands.write_text("c\nq\n")
        return ["bochs", "-q", "-f", str(configuration), "-rc", str(commands)]

    def _accept(self, listener: socket.socket) -> socket.socket:
        for _ in range(CONNECT_SECONDS * 5):
            try:
                return listener.accept()[0]
            except TimeoutError:
                if not self.runs():
                    break
        raise EmulatorError(f"{self.settings.emulator} did not start:\n{self.last_words()}")

    def runs(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def wait(self, seconds: float) -> bool:
        """True when the emulator has ended by then."""
        assert self._process
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def last_words(self, lines: int = 12) -> str:
        """What the emulator itself said last: for a machine that ended without a reason."""
        text = b""
        for name in ("output", "bochs.log"):
            if (self._folder / name).is_file():
                text += (self._folder / name).read_bytes()[-4000:]
        printable = "".join(c if c.isprintable() or c == "\n" else "" for c in
                            text.decode(errors="replace"))
        return "\n".join(printable.splitlines()[-lines:])

    def close(self) -> None:
        if self._process is not None:
            if self._process.poll() is None:
                self._process.kill()
            self._process.wait()
        if hasattr(self, "console"):
            self.console.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def __enter__(self) -> Machine:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
