# SPDX-License-Identifier: Apache-2.0
"""What runs in the partitions: files, command lines, programs."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from hecht import bzimage
from hecht.bzimage import BzImage
from hecht.checks.core import Look, check
from hecht.checks.text import NAME
from hecht.errors import Problem, quoted
from hecht.model import ARGUMENTS_MAX, CMDLINE_MAX, LARGE_PAGE, MIB, PAGE, Partition

_PATH = re.compile(r"[a-z0-9][a-z0-9_-]*(/[a-z0-9][a-z0-9_-]*)*")
_GUEST_KERNEL_START = 1 * MIB  # below it stand the guest's page tables and boot structures
_IDENTITY_END = 4 << 30        # what the loader's page tables map
_PACKAGED_KERNEL, _PACKAGED_INITRD = "build/guest/vmlinuz", "build/guest/initrd"


def _linux(look: Look) -> list[Partition]:
    return [partition for partition in look.model.partitions if partition.kind == "linux"]


# ---- Texts ----------------------------------------------------------------------------------


def _printable(look: Look, what: str, symbol: str) -> Iterator[Problem]:
    text = look.config.text(symbol)
    odd = next((c for c in text if not " " <= c <= "~"), None)
    if odd is not None:
        good = "".join(c for c in text if " " <= c <= "~")
        yield look.problem(f"the {what} holds the character U+{ord(odd):04X}; only printable ASCII "
                           "characters can be passed", symbol, **{symbol: quoted(good)})


def _short(look: Look, what: str, symbol: str, most: int) -> Iterator[Problem]:
    text = look.config.text(symbol)
    if len(text) > most:
        yield look.problem(f"the {what} has {len(text)} characters; {most} is the most", symbol,
                           **{symbol: quoted(look.config.default(symbol))})


@check("GST-001", "A command line is passed byte by byte; what is not printable ASCII means "
       "something else to each reader, or ends it.")
def cmdline_printable(look: Look) -> Iterator[Problem]:
    for partition in look.model.vms:
        yield from _printable(look, "command line", partition.prefix + "CMDLINE")


@check("GST-002", "The VMM's place for a command line has 2,048 bytes, the end included.")
def cmdline_short(look: Look) -> Iterator[Problem]:
    for partition in look.model.vms:
        yield from _short(look, "command line", partition.prefix + "CMDLINE", CMDLINE_MAX)


@check("GST-003", "Arguments are passed byte by byte in the partition's information page.")
def arguments_printable(look: Look) -> Iterator[Problem]:
    for partition in look.model.programs:
        yield from _printable(look, "list of arguments", partition.prefix + "ARGUMENTS")


@check("GST-004", "Arguments have 128 bytes in the partition's information page, the end included.")
def arguments_short(look: Look) -> Iterator[Problem]:
    for partition in look.model.programs:
        yield from _short(look, "list of arguments", partition.prefix + "ARGUMENTS",
                          ARGUMENTS_MAX)


# ---- Small guests and programs --------------------------------------------------------------


@check("GST-010", "The name becomes a path for make: other characters lead out of guests/mini or "
       "mean something to it.")
def mini_name(look: Look) -> Iterator[Problem]:
    for partition in look.model.partitions:
        symbol = partition.prefix + "MINI"
        if partition.kind == "mini" and not NAME.fullmatch(look.config.text(symbol)):
            yield look.problem("this is no name of a small guest", symbol, **{symbol: '"hello"'})


@check("GST-011", "A small guest is built from its C file in guests/mini.", files=True)
def mini_exists(look: Look) -> Iterator[Problem]:
    for partition in look.model.partitions:
        symbol = partition.prefix + "MINI"
        source = Path("guests/mini") / (look.config.text(symbol) + ".c")
        if partition.kind == "mini" and not os.path.isfile(source):
            yield look.problem(f"there is no {source}", symbol, remedy=_there("guests/mini"),
                               **{symbol: '"hello"'})


@check("GST-012", "The name becomes a path for make: other characters lead out of the project's "
       "folder or mean something to it.")
def program_name(look: Look) -> Iterator[Problem]:
    for partition in look.model.programs:
        symbol = partition.prefix + "PROGRAM"
        if not _PATH.fullmatch(look.config.text(symbol)):
            yield look.problem("this is no name of a program: lower-case letters, digits, '_', "
                               "'-', and '/' between folders", symbol, **{symbol: '"hello"'})


@check("GST-013", "A native program is built from its C file.", files=True)
def program_exists(look: Look) -> Iterator[Problem]:
    for partition in look.model.programs:
        assert partition.native
        symbol, source = partition.prefix + "PROGRAM", Path(partition.native.source + ".c")
        if not os.path.isfile(source):
            yield look.problem(f"there is no {source}", symbol, remedy=_there("guests/native"),
                               **{symbol: '"hello"'})


def _there(folder: str) -> str:
    names = sorted(path.stem for path in Path(folder).glob("*.c"))
    return f"another: in {folder} there are: {', '.join(names)}"


# Memory (MiB) and address of COM1's registers that a small guest was written for.
MINI_NEEDS = {"selftest": (8, 0xd0000000), "bench": (4, 0xd0000000), "repeat": (4, 0),
              "paging": (16, 0)}


@check("GST-014", "This small guest touches RAM up to there without asking.")
def mini_memory(look: Look) -> Iterator[Problem]:
    for partition in look.model.partitions:
        guest, symbol = partition.prefix + "MINI", partition.prefix + "MEMORY_MIB"
        least = MINI_NEEDS.get(look.config.text(guest), (4, 0))[0]
        if partition.kind == "mini" and partition.memory < least * MIB:
            yield look.problem(f"this small guest needs {least} MiB", guest, symbol,
                               **{symbol: str(least)})


@check("GST-015", "This small guest measures and tests COM1's registers in memory, and was built "
       "with their address.")
def mini_registers(look: Look) -> Iterator[Problem]:
    for partition in look.model.vms:
        assert partition.vm
        guest, symbol = partition.prefix + "MINI", partition.prefix + "UART_MMIO"
        base = MINI_NEEDS.get(look.config.text(guest), (4, 0))[1]
        if partition.kind == "mini" and base and partition.vm.uart_mmio != base:
            yield look.problem(f"this small guest needs COM1's registers at 0x{base:x}", guest,
                               symbol, **{symbol: f"0x{base:x}"})


# ---- Command lines of Linux -----------------------------------------------------------------


def _options(partition: Partition, name: str) -> list[str]:
    """The values of all NAME=VALUE on the command line."""
    assert partition.vm
    return re.findall(rf"(?:^|\s){name}=(\S*)", partition.vm.cmdline)


def _replaced(partition: Partition, name: str, value: str, good: str) -> dict[str, str]:
    assert partition.vm
    words = [good if word == f"{name}={value}" else word
             for word in partition.vm.cmdline.split(" ")]
    return {partition.prefix + "CMDLINE": quoted(" ".join(word for word in words if word))}


@check("GST-050", "The console that the command line names is none of the VM's devices: nobody "
       "sees what the guest says, and its first process has no input.")
def console(look: Look) -> Iterator[Problem]:
    for partition in _linux(look):
        for value in _options(partition, "console"):
            if not re.fullmatch(r"ttyS0(,.*)?|tty\d*|null|", value):
                yield look.problem(f"the VM has no {ascii(value)[1:-1]}",
                                   partition.prefix + "CMDLINE",
                                   **_replaced(partition, "console", value, "console=ttyS0"))


@check("GST-051", "A VM has no disk and no network card yet: Linux waits for its root file system "
       "and panics.")
def root(look: Look) -> Iterator[Problem]:
    for partition in _linux(look):
        for value in _options(partition, "root"):
            if not re.fullmatch(r"(/dev/)?ram\d*|", value):
                yield look.problem(f"the VM has no {ascii(value)[1:-1]}; the initrd is the root "
                                   "file system", partition.prefix + "CMDLINE",
                                   **_replaced(partition, "root", value, ""))


@check("GST-052", "A VM's RAM ends where its memory ends; a kernel that is told of less may not "
       "have enough to start, of more it finds nothing there.")
def mem(look: Look) -> Iterator[Problem]:
    for partition in _linux(look):
        for value in _options(partition, "mem"):
            match = re.fullmatch(r"(\d+)([kKmMgG]?)", value)
            size = int(match[1]) << {"": 0, "k": 10, "m": 20, "g": 30}[match[2].lower()] \
                if match else 0
            if size != partition.memory:
                yield look.problem(f"mem={ascii(value)[1:-1]} is not the VM's memory",
                                   partition.prefix + "CMDLINE",
                                   partition.prefix + "MEMORY_MIB",
                                   **_replaced(partition, "mem", value, ""))


@check("GST-053", "The packaged kernel has its drivers and its first process in the initrd: "
       "without one it panics.")
def initrd_needed(look: Look) -> Iterator[Problem]:
    for partition in _linux(look):
        assert partition.vm
        symbol = partition.prefix + "INITRD"
        ignored = re.search(r"(?:^|\s)noinitrd(?:\s|$)", partition.vm.cmdline)
        if partition.vm.kernel.source == _PACKAGED_KERNEL and not partition.vm.initrd:
            yield look.problem("the packaged kernel needs an initrd", symbol,
                               partition.prefix + "KERNEL",
                               **{symbol: quoted(_PACKAGED_INITRD)})
        elif ignored and partition.vm.initrd:
            cmdline = partition.vm.cmdline.replace("noinitrd", "").strip()
            yield look.problem("the command line tells the kernel to leave the initrd alone, and "
                               "the VM has no other root file system",
                               partition.prefix + "CMDLINE", symbol,
                               **{partition.prefix + "CMDLINE": quoted(cmdline)})


# ---- Files of Linux -------------------------------------------------------------------------


def _files(look: Look) -> Iterator[tuple[str, str]]:
    """Symbol and path of each file that a VM boots."""
    for partition in _linux(look):
        assert partition.vm
        yield partition.prefix + "KERNEL", partition.vm.kernel.source
        if partition.vm.initrd:
            yield partition.prefix + "INITRD", partition.vm.initrd.source


def _packaged(symbol: str) -> dict[str, str]:
    return {symbol: quoted(_PACKAGED_KERNEL if symbol.endswith("KERNEL") else _PACKAGED_INITRD)}


def _nearest(path: str) -> str:
    """Says which part of a wrong path is there still."""
    parent = Path(path).parent
    while not os.path.exists(parent) and parent != parent.parent:
        parent = parent.parent
    return f" (there is {ascii(str(parent))[1:-1]})" if str(parent) != "." else ""


def _readable(path: str) -> bool:
    return os.path.isfile(path) and os.access(path, os.R_OK)


@check("GST-020", "A Linux VM has nothing to run without a kernel.")
def kernel_missing(look: Look) -> Iterator[Problem]:
    for symbol, path in _files(look):
        if not path:
            yield look.problem("a path is missing", symbol, **_packaged(symbol))


@check("GST-021", "What is to be in the image must be there when it is made.", files=True)
def file_missing(look: Look) -> Iterator[Problem]:
    for symbol, path in _files(look):
        if path and not os.path.exists(path):
            yield look.problem("there is no such file" + _nearest(path), symbol,
                               **_packaged(symbol))


@check("GST-022", "A folder, a device or a file that may not be read cannot be copied into the "
       "image.", files=True)
def file_unreadable(look: Look) -> Iterator[Problem]:
    for symbol, path in _files(look):
        if path and os.path.exists(path) and not _readable(path):
            yield look.problem("this is no file that can be read", symbol, **_packaged(symbol))


@check("GST-023", "GRUB loads an empty file as no module at all.", files=True)
def file_empty(look: Look) -> Iterator[Problem]:
    for symbol, path in _files(look):
        if path and _readable(path) and Path(path).stat().st_size == 0:
            yield look.problem("this file is empty", symbol, **_packaged(symbol))


def _heads(look: Look) -> Iterator[tuple[Partition, str, BzImage | None]]:
    """Each kernel that can be read, with what stands in its header."""
    for partition in _linux(look):
        assert partition.vm
        path = partition.vm.kernel.source
        if path and _readable(path) and (size := Path(path).stat().st_size):
            with Path(path).open("rb") as file:
                yield (partition, partition.prefix + "KERNEL",
                       bzimage.read(file.read(bzimage.HEAD), size))


def _kernels(look: Look) -> Iterator[tuple[Partition, str, BzImage]]:
    for partition, symbol, kernel in _heads(look):
        if kernel:
            yield partition, symbol, kernel


def _refuse(look: Look, bad: Callable[[BzImage], bool],
            why: Callable[[BzImage], str]) -> Iterator[Problem]:
    for _, symbol, kernel in _kernels(look):
        if bad(kernel):
            yield look.problem(f"this kernel cannot be started: {why(kernel)}", symbol,
                               remedy="another bzImage for x86-64", **_packaged(symbol))


@check("GST-030", "The VMM loads bzImages only: no vmlinux, no compressed vmlinux, no other "
       "system's kernel.", files=True)
def kernel_no_bzimage(look: Look) -> Iterator[Problem]:
    for _, symbol, kernel in _heads(look):
        if kernel is None:
            yield look.problem("this kernel cannot be started: it is no bzImage (the marks of the "
                               "setup header are not there)", symbol,
                               remedy="another bzImage for x86-64", **_packaged(symbol))


@check("GST-031", "Before version 2.12 of the boot protocol a kernel does not say whether it has a "
       "64-bit entry.", files=True)
def kernel_version(look: Look) -> Iterator[Problem]:
    yield from _refuse(look, lambda kernel: kernel.version < bzimage.VERSION_2_12,
                       lambda kernel: f"its boot protocol is {kernel.version >> 8}."
                       f"{kernel.version & 0xff:02}; 2.12 or later is needed")


@check("GST-032", "The VM starts in long mode, at the kernel's 64-bit entry.", files=True)
def kernel_64(look: Look) -> Iterator[Problem]:
    yield from _refuse(look, lambda kernel: not kernel.xloadflags & bzimage.XLF_KERNEL_64,
                       lambda _: "it has no 64-bit entry (XLF_KERNEL_64); it is a 32-bit kernel")


@check("GST-033", "A zImage wants to be loaded at 64 KiB, where the VM's boot structures are.",
       files=True)
def kernel_high(look: Look) -> Iterator[Problem]:
    yield from _refuse(look, lambda kernel: not kernel.loadflags & bzimage.LOADED_HIGH,
                       lambda _: "it is a zImage, not a bzImage (LOADED_HIGH)")


@check("GST-034", "The VMM copies the setup header by its length; of a wrong one it takes nothing.",
       files=True)
def kernel_header(look: Look) -> Iterator[Problem]:
    yield from _refuse(look, lambda kernel: kernel.header_end not in bzimage.HEADER_ENDS,
                       lambda kernel: f"its setup header ends at 0x{kernel.header_end:x}, which "
                       "is a wrong length")


@check("GST-035", "A file that was cut short starts and dies on the way.", files=True)
def kernel_whole(look: Look) -> Iterator[Problem]:
    yield from _refuse(look, lambda kernel: kernel.size <= kernel.setup_size
                       or kernel.code_size > -(-(kernel.size - kernel.setup_size) // 16) * 16,
                       lambda _: "it is cut short: the file is shorter than its header says")


@check("GST-036", "The entry is 512 bytes behind the code's start.", files=True)
def kernel_code(look: Look) -> Iterator[Problem]:
    yield from _refuse(look, lambda kernel: kernel.code_size <= bzimage.ENTRY_64,
                       lambda _: "its header says that it holds no code")


@check("GST-037", "Below the first megabyte stand the VM's boot structures, and above 4 GiB its "
       "first page tables map nothing.", files=True)
def kernel_address(look: Look) -> Iterator[Problem]:
    yield from _refuse(look, lambda kernel: not _GUEST_KERNEL_START <= kernel.pref_address
                       < _IDENTITY_END or kernel.end > _IDENTITY_END,
                       lambda kernel: "its preferred address is out of range: "
                       f"0x{kernel.pref_address:x} with 0x{kernel.init_size:x} bytes")


@check("GST-038", "A relocatable kernel that is not aligned as it says moves itself to where the "
       "VMM does not expect it.", files=True)
def kernel_alignment(look: Look) -> Iterator[Problem]:
    def wrong(kernel: BzImage) -> bool:
        alignment = kernel.alignment
        return bool(kernel.relocatable) and (
            alignment < PAGE or bool(alignment & (alignment - 1))
            or bool(kernel.pref_address % alignment))
    yield from _refuse(look, wrong, lambda kernel: f"its alignment, 0x{kernel.alignment:x}, makes "
                       "no sense")


@check("GST-039", "A kernel that needs less to start than it is long would overwrite itself.",
       files=True)
def kernel_init_size(look: Look) -> Iterator[Problem]:
    yield from _refuse(look, lambda kernel: kernel.init_size < min(
        kernel.code_size, max(0, kernel.size - kernel.setup_size)),
        lambda _: "its init_size is less than the kernel")


@check("GST-040", "A kernel copies as much of its command line as it has room for; what is "
       "behind is lost without a word.", files=True)
def kernel_cmdline(look: Look) -> Iterator[Problem]:
    for partition, symbol, kernel in _kernels(look):
        assert partition.vm
        cmdline = partition.prefix + "CMDLINE"
        if len(partition.vm.cmdline) > kernel.cmdline_size:
            short = partition.vm.cmdline[:kernel.cmdline_size]
            yield look.problem(f"the command line has {len(partition.vm.cmdline)} characters; "
                               f"this kernel takes {kernel.cmdline_size}", cmdline, symbol,
                               **{cmdline: quoted(short)})


def _enough(partition: Partition, needed: int) -> dict[str, str]:
    return {partition.prefix + "MEMORY_MIB": str(-(-needed // LARGE_PAGE) * LARGE_PAGE // MIB)}


def _possible(kernel: BzImage) -> bool:
    return _GUEST_KERNEL_START <= kernel.pref_address and kernel.end <= _IDENTITY_END


@check("GST-041", "Until it reads the memory map a kernel uses init_size bytes from its preferred "
       "address on, whether they are there or not.", files=True)
def kernel_fits(look: Look) -> Iterator[Problem]:
    for partition, symbol, kernel in _kernels(look):
        if _possible(kernel) and kernel.end > partition.memory:
            yield look.problem(f"the kernel needs {-(-kernel.end // MIB)} MiB",
                               partition.prefix + "MEMORY_MIB", symbol,
                               **_enough(partition, kernel.end))


def _initrd_size(partition: Partition) -> int:
    assert partition.vm
    path = partition.vm.initrd.source if partition.vm.initrd else ""
    return Path(path).stat().st_size if path and _readable(path) else 0


@check("GST-042", "The initrd stands at the top of the VM's memory, above all that the kernel "
       "needs to start.", files=True)
def initrd_fits(look: Look) -> Iterator[Problem]:
    for partition, symbol, kernel in _kernels(look):
        size = -(-_initrd_size(partition) // PAGE) * PAGE
        if size and _possible(kernel) and kernel.end <= partition.memory < kernel.end + size:
            yield look.problem(f"the kernel needs {-(-kernel.end // MIB)} MiB and the initrd "
                               f"({_initrd_size(partition)} bytes) does not fit above it",
                               partition.prefix + "MEMORY_MIB", symbol,
                               partition.prefix + "INITRD",
                               **_enough(partition, kernel.end + size))


@check("GST-043", "A kernel reads no initrd above the address that its header names.", files=True)
def initrd_below(look: Look) -> Iterator[Problem]:
    for partition, symbol, kernel in _kernels(look):
        size = -(-_initrd_size(partition) // PAGE) * PAGE
        if size and _possible(kernel) and partition.memory >= kernel.end + size \
                and kernel.initrd_end - size < kernel.end:
            yield look.problem(f"the initrd ({_initrd_size(partition)} bytes) does not fit between "
                               f"the kernel's end at 0x{kernel.end:x} and 0x"
                               f"{kernel.initrd_end:x}, above which this kernel reads none",
                               partition.prefix + "INITRD", symbol,
                               **{partition.prefix + "INITRD": quoted(_PACKAGED_INITRD)},
                               **_packaged(symbol))


_INITRD_MARKS = (b"070701", b"070702", b"\x1f\x8b", b"\xfd7zXZ\0", b"\x28\xb5\x2f\xfd",
                 b"\x02\x21\x4c\x18", b"BZh", b"\x5d\0\0", b"\x89LZO")


@check("GST-044", "A kernel unpacks a cpio archive, plain or packed by gzip, xz, zstd, lz4, bzip2, "
       "lzma or lzo; anything else it takes for an old RAM disk and panics.", files=True)
def initrd_kind(look: Look) -> Iterator[Problem]:
    for symbol, path in _files(look):
        if symbol.endswith("INITRD") and path and _readable(path):
            with Path(path).open("rb") as file:
                head = file.read(8)
            if head and not head.startswith(_INITRD_MARKS):
                yield look.problem("this is no initrd: neither a cpio archive nor a packed one",
                                   symbol, **_packaged(symbol))


def _unpacked(path: str) -> int:
    """Bytes of the archive when it is unpacked, as far as the file says."""
    with Path(path).open("rb") as file:
        size = Path(path).stat().st_size
        if file.read(2) != b"\x1f\x8b" or size < 18:
            return size
        file.seek(-4, os.SEEK_END)  # RFC 1952, ISIZE
        return int.from_bytes(file.read(4), "little")


@check("GST-045", "A kernel unpacks the initrd into RAM beside itself and the packed one; where "
       "that does not fit it panics.", files=True)
def initrd_unpacks(look: Look) -> Iterator[Problem]:
    for partition, symbol, kernel in _kernels(look):
        size = -(-_initrd_size(partition) // PAGE) * PAGE
        if not size or not _possible(kernel) or partition.memory < kernel.end + size:
            continue
        assert partition.vm and partition.vm.initrd
        files = -(-_unpacked(partition.vm.initrd.source) // PAGE) * PAGE
        # While it unpacks, what the kernel needed to start is in part free again: its packed
        # image, which is at most as long as the file.
        needed = kernel.end - min(kernel.init_size, kernel.size) + size + files
        if needed > partition.memory:
            yield look.problem(f"the initrd is {files // MIB} MiB when it is unpacked, and does "
                               "not fit beside the kernel and the packed one",
                               partition.prefix + "MEMORY_MIB", partition.prefix + "INITRD",
                               symbol, **_enough(partition, needed))
