# SPDX-License-Identifier: Apache-2.0
"""
What stands on the board's screen, for boards without a serial port: the VGA's text on a BIOS, the
frame buffer on UEFI. Read back by QEMU, and the frame buffer's by the glyphs of x86/font.txt.
"""

from __future__ import annotations

import re
import socket
import subprocess
import time
from pathlib import Path

import pytest
from conftest import ROOT, build

LINE = "hecht: cannot start"
PATIENCE = 60  # seconds
VGA_TEXT, VGA_TEXT_SIZE, VGA_COLUMNS = 0xb8000, 4000, 80
CELL_WIDTH, CELL_HEIGHT, DOTS = 8, 16, 5


def wait_for(condition) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.1)


def glyphs() -> dict[tuple[int, ...], str]:
    """Rows of dots → character."""
    rows = re.findall(r"\{(0x[^}]*)\}", (ROOT / "build/font/font.c").read_text())
    return {tuple(int(number, 16) for number in numbers.split(",")): chr(0x20 + n)
            for n, numbers in enumerate(rows)}


def save(monitor: Path, command: str, complete) -> bytes:
    """Has QEMU's monitor write a file, beside its socket, and waits until it is all there."""
    file = monitor.with_name("saved")
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(monitor))
        connection.sendall(f'{command} "{file}"\n'.encode())
        wait_for(lambda: file.exists() and complete(file.read_bytes()))
    return file.read_bytes()


def read_text_screen(monitor: Path) -> str:
    data = save(monitor, f"pmemsave {VGA_TEXT} {VGA_TEXT_SIZE}",
                lambda data: len(data) == VGA_TEXT_SIZE)
    characters = data[::2].decode("latin-1")
    return "\n".join(characters[start:start + VGA_COLUMNS].rstrip()
                     for start in range(0, len(characters), VGA_COLUMNS))


PPM = re.compile(rb"P6\s+(\d+)\s+(\d+)\s+255\s")


def is_whole_picture(data: bytes) -> bool:
    header = PPM.match(data)
    return bool(header) and len(data) == header.end() + 3 * int(header[1]) * int(header[2])


def read_frame_buffer(monitor: Path) -> str:
    data = save(monitor, "screendump", is_whole_picture)
    header = PPM.match(data)
    width, height, start = int(header[1]), int(header[2]), header.end()
    known = glyphs()

    def dots(column: int, line: int) -> int:
        value = 0
        for x in range(1, 1 + DOTS):
            pixel = start + 3 * (line * width + column * CELL_WIDTH + x)
            value = value << 1 | (data[pixel] > 0x40)
        return value

    return "\n".join(
        "".join(known.get(tuple(dots(column, row * CELL_HEIGHT + 2 * y) for y in range(8)), "~")
                for column in range(width // CELL_WIDTH)).rstrip()
        for row in range(height // CELL_HEIGHT))


@pytest.mark.parametrize("firmware", ["bios", "uefi"])
def test_refusal_stands_on_the_screen(firmware: str, tmp_path: Path) -> None:
    """A machine whose CPU has no SVM: the kernel says so, and stops with the line shown."""
    build("mini_hello")
    serial, monitor = tmp_path / "serial", tmp_path / "monitor"
    command = ["qemu-system-x86_64", "-cpu", "qemu64,-svm", "-m", "256", "-display", "none",
               "-cdrom", str(ROOT / "images/mini_hello.iso"), "-serial", f"file:{serial}",
               "-monitor", f"unix:{monitor},server,nowait", "-no-reboot",
               *(["-bios", "/usr/share/ovmf/OVMF.fd"] if firmware == "uefi" else [])]
    with subprocess.Popen(command) as qemu:
        try:
            wait_for(lambda: serial.exists() and f"{LINE}:" in serial.read_text(errors="replace"))
            read = read_frame_buffer if firmware == "uefi" else read_text_screen
            screen = read(monitor)
        finally:
            qemu.kill()
    assert LINE in screen, screen
    assert "SVM: this CPU has no SVM" in screen
