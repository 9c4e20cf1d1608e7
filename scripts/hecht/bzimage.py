# SPDX-License-Identifier: Apache-2.0
"""The setup header of a Linux kernel (Documentation/arch/x86/boot.rst)."""

from __future__ import annotations

import struct
from dataclasses import dataclass

SETUP_SECTS, BOOT_FLAG, HEADER_MAGIC, VERSION = 0x1f1, 0x1fe, 0x202, 0x206
XLOADFLAGS, CMDLINE_SIZE, PREF_ADDRESS, INIT_SIZE = 0x236, 0x238, 0x258, 0x260
HEADER_END = 0x268
XLF_KERNEL_64 = 1
VERSION_2_12 = 0x20c


@dataclass(frozen=True)
class BzImage:
    cmdline_size: int  # characters, without the end
    load: int          # guest-physical address at which it wants to be
    init_size: int     # bytes from there that it needs to start

    @property
    def end(self) -> int:
        return self.load + self.init_size


def read(head: bytes, size: int) -> BzImage | str:
    """`head` is the file's start, `size` the length of the whole. Returns what is wrong, or the
    fields that matter to a configuration."""
    if len(head) < HEADER_END or head[HEADER_MAGIC:HEADER_MAGIC + 4] != b"HdrS" \
            or head[BOOT_FLAG:BOOT_FLAG + 2] != b"\x55\xaa":
        return "it is no bzImage (the mark HdrS is not at offset 0x202)"
    (version,) = struct.unpack_from("<H", head, VERSION)
    if version < VERSION_2_12:
        return f"its boot protocol is {version >> 8}.{version & 0xff:02}; 2.12 or later is needed"
    (flags,) = struct.unpack_from("<H", head, XLOADFLAGS)
    if not flags & XLF_KERNEL_64:
        return "it has no 64-bit entry (XLF_KERNEL_64); it is a 32-bit kernel"
    setup = ((head[SETUP_SECTS] or 4) + 1) * 512
    if size <= setup:
        return "it is cut short: nothing follows the setup sectors"
    (cmdline_size,) = struct.unpack_from("<I", head, CMDLINE_SIZE)
    (load,) = struct.unpack_from("<Q", head, PREF_ADDRESS)
    (init_size,) = struct.unpack_from("<I", head, INIT_SIZE)
    return BzImage(cmdline_size, load, max(init_size, size - setup))
