# SPDX-License-Identifier: Apache-2.0
"""Writes an initramfs: a cpio archive of the "newc" kind.

The format is described in the kernel's Documentation/driver-api/early-userspace/
buffer-format.rst. The archive depends on nothing but its entries: no times, users, inode
numbers or directory order of the building machine get into it.
"""

import stat
from dataclasses import dataclass


@dataclass(frozen=True)
class Entry:
    """One file of the archive. `device` is (major, minor) of a device node."""
    mode: int
    data: bytes = b""
    device: tuple[int, int] = (0, 0)


def directory(permissions: int = 0o755) -> Entry:
    return Entry(stat.S_IFDIR | permissions)


def file(data: bytes, permissions: int = 0o644) -> Entry:
    return Entry(stat.S_IFREG | permissions, data)


def program(data: bytes) -> Entry:
    return file(data, 0o755)


def symlink(target: str) -> Entry:
    return Entry(stat.S_IFLNK | 0o777, target.encode())


def char_device(major: int, minor: int, permissions: int = 0o600) -> Entry:
    return Entry(stat.S_IFCHR | permissions, device=(major, minor))


def _pad(length: int) -> bytes:
    return bytes(-length % 4)


def _record(inode: int, name: str, entry: Entry) -> bytes:
    encoded = name.encode() + b"\0"
    fields = (inode, entry.mode, 0, 0,                # inode, mode, uid, gid
              2 if stat.S_ISDIR(entry.mode) else 1,   # links
              0, len(entry.data),                     # mtime, size
              0, 0, *entry.device,                    # the file system's device, its own
              len(encoded), 0)                        # size of the name, no checksum
    header = b"070701" + b"".join(b"%08X" % field for field in fields) + encoded
    return header + _pad(len(header)) + entry.data + _pad(len(entry.data))


def archive(entries: dict[str, Entry]) -> bytes:
    """The archive of `entries`, by path without leading slash; parents come before children."""
    records = [_record(number, name, entries[name])
               for number, name in enumerate(sorted(entries), start=1)]
    return b"".join(records) + _record(0, "TRAILER!!!", Entry(0))
