# SPDX-License-Identifier: Apache-2.0
"""The setup header of a Linux kernel (Documentation/arch/x86/boot.rst), as it stands in the file."""

from __future__ import annotations

import struct
from dataclasses import dataclass

_FIELDS = {  # offset, form
    "setup_sects": (0x1f1, "<B"), "syssize": (0x1f4, "<I"), "boot_flag": (0x1fe, "<H"),
    "header_length": (0x201, "<B"), "magic": (0x202, "<I"), "version": (0x206, "<H"),
    "loadflags": (0x211, "<B"), "initrd_addr_max": (0x22c, "<I"), "alignment": (0x230, "<I"),
    "relocatable": (0x234, "<B"), "xloadflags": (0x236, "<H"), "cmdline_size": (0x238, "<I"),
    "pref_address": (0x258, "<Q"), "init_size": (0x260, "<I"),
}
HEAD = 4096  # bytes of the file that hold all of it
_END = 0x290
_MAGIC = 0x53726448  # "HdrS"
_BOOT_FLAG = 0xaa55
LOADED_HIGH = 1
XLF_KERNEL_64 = 1
XLF_ABOVE_4G = 2
VERSION_2_12 = 0x20c
HEADER_ENDS = range(0x264, _END + 1)  # of the versions from 2.12 on
ENTRY_64 = 0x200     # from the protected-mode code's start


@dataclass(frozen=True)
class BzImage:
    """The fields by their names in boot.rst; nothing is judged here but that it is one."""
    size: int  # bytes of the file
    setup_sects: int
    syssize: int
    boot_flag: int
    header_length: int
    magic: int
    version: int
    loadflags: int
    initrd_addr_max: int
    alignment: int
    relocatable: int
    xloadflags: int
    cmdline_size: int  # characters, without the end
    pref_address: int  # guest-physical
    init_size: int     # bytes from there that it needs to start

    @property
    def header_end(self) -> int:
        return 0x202 + self.header_length

    @property
    def setup_size(self) -> int:
        """Bytes before the protected-mode code."""
        return ((self.setup_sects or 4) + 1) * 512

    @property
    def code_size(self) -> int:
        """Bytes of the protected-mode code, as the header says; counted in paragraphs."""
        return self.syssize * 16

    @property
    def end(self) -> int:
        """Guest-physical: what is above it is free while the kernel starts."""
        return self.pref_address + self.init_size

    @property
    def initrd_end(self) -> int:
        """First address that an initrd may not touch (vmm/linux.c)."""
        return 4 << 30 if self.xloadflags & XLF_ABOVE_4G else self.initrd_addr_max + 1


def read(head: bytes, size: int) -> BzImage | None:
    """`head` is the file's start, `size` the length of the whole. None: it is no bzImage."""
    if len(head) < _END:
        return None
    found = BzImage(size, **{name: struct.unpack_from(form, head, offset)[0]
                             for name, (offset, form) in _FIELDS.items()})
    return found if found.magic == _MAGIC and found.boot_flag == _BOOT_FLAG else None
