# SPDX-License-Identifier: Apache-2.0
"""
Makes a bootable ISO image: one file for CD and for USB disk, for BIOS and for UEFI. The same
input gives the same bytes: every date is SOURCE_DATE_EPOCH's, every identifier is computed from
the image's name, and files stand in the order of their paths.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import time
import uuid
from pathlib import Path

import jinja2

GRUB = Path("/usr/lib/grub")
BIOS_MODULES = ("biosdisk part_gpt part_msdos iso9660 search_fs_file search normal test "
                "multiboot2").split()
EFI_MODULES = ("part_gpt part_msdos fat iso9660 search_fs_file search normal test efi_gop "
               "multiboot2").split()
EFI_SYSTEM_PARTITION = "C12A7328-F81F-11D2-BA4B-00A0C93EC93B"
SECTOR = 512
FAT_SLACK = 128 << 10  # bytes, for the file system's own structures


class ImageError(Exception):
    """A tool failed; its own words say why."""


def run(*command: str | Path) -> None:
    done = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, errors="replace", check=False,
                          env=os.environ | {"TZ": "UTC", "SOURCE_DATE_EPOCH": str(epoch())})
    if done.returncode:
        raise ImageError(f"{command[0]} failed:\n{done.stdout}")


def epoch() -> int:
    return int(os.environ.get("SOURCE_DATE_EPOCH", "1704067200"))


def render(template: Path, **values: object) -> str:
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, trim_blocks=True,
                                     lstrip_blocks=True, keep_trailing_newline=True)
    return environment.from_string(template.read_text()).render(**values)


def stage(folder: Path, files: dict[str, Path | bytes]) -> None:
    """Puts the image's files under `folder`, with nothing else there."""
    shutil.rmtree(folder, ignore_errors=True)
    for name, content in sorted(files.items()):
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, bytes):
            target.write_bytes(content)
        else:
            shutil.copyfile(content, target)


def strip(program: Path, output: Path) -> Path:
    run("objcopy", "--strip-all", program, output)
    return output


def early_config(mark: str) -> str:
    """GRUB's first steps: find this image's file system, whatever it was started from."""
    return (f"search --no-floppy --set=root --file {mark}\n"
            "set prefix=($root)/boot/grub\n"
            "normal ($root)/boot/grub/grub.cfg\n")


def bios_loader(work: Path, config: Path) -> Path:
    output = work / "grub-bios.img"
    run("grub-mkimage", "-O", "i386-pc-eltorito", "-p", "/boot/grub", "-c", config, "-o", output,
        *BIOS_MODULES)
    return output


def efi_partition(work: Path, config: Path) -> Path:
    """A FAT file system with GRUB at the path where UEFI looks on removable media."""
    program, output = work / "grub-efi.efi", work / "efi.img"
    run("grub-mkimage", "-O", "x86_64-efi", "-p", "/boot/grub", "-c", config, "-o", program,
        *EFI_MODULES)
    sectors = -(-(program.stat().st_size + FAT_SLACK) // SECTOR)
    output.unlink(missing_ok=True)
    run("mformat", "-C", "-i", output, "-N", "48656368", "-T", str(sectors), "-h", "16", "-s",
        "32", "::")
    run("mmd", "-i", output, "::/EFI", "::/EFI/BOOT")
    os.utime(program, (epoch(), epoch()))
    run("mcopy", "-m", "-i", output, program, "::/EFI/BOOT/BOOTX64.EFI")
    return output


def make_iso(work: Path, output: Path, name: str, files: dict[str, Path | bytes]) -> None:
    """`files`: path in the image → a file to copy, or bytes."""
    identity = hashlib.sha256(name.encode()).hexdigest()[:16]
    mark = f"/hecht/{identity}"
    files = files | {mark[1:]: name.encode() + b"\n"}
    config = work / "grub-early.cfg"
    config.write_text(early_config(mark))
    files["boot/grub/bios.img"] = bios_loader(work, config)
    stage(work / "iso", files)
    date = time.gmtime(epoch())
    weights: list[str] = []
    for position, path in enumerate(sorted(files)):
        weights += ["--sort-weight", str(len(files) - position), "/" + path]
    temporary = work / "new.iso"
    temporary.unlink(missing_ok=True)
    run("xorriso", "-as", "mkisofs", "-o", temporary, "-r", "-J", "-V", "HECHT",
        "-A", "HECHT", "-p", "HECHT", "-publisher", "HECHT",
        f"--modification-date={time.strftime('%Y%m%d%H%M%S00', date)}",
        "--set_all_file_dates", time.strftime("%Y%m%d%H%M%S00", date),
        "--gpt_disk_guid", str(uuid.uuid5(uuid.NAMESPACE_OID, "hecht:" + name)),
        "--grub2-mbr", GRUB / "i386-pc" / "boot_hybrid.img", "--mbr-force-bootable",
        "-partition_offset", "16",
        "-append_partition", "2", EFI_SYSTEM_PARTITION, efi_partition(work, config),
        "-appended_part_as_gpt",
        "-c", "/boot/grub/boot.cat", "-b", "/boot/grub/bios.img", "-no-emul-boot",
        "-boot-load-size", "4", "-boot-info-table", "--grub2-boot-info",
        "-eltorito-alt-boot", "-e", "--interval:appended_partition_2:all::", "-no-emul-boot",
        *weights, work / "iso")
    output.parent.mkdir(parents=True, exist_ok=True)
    os.replace(temporary, output)
