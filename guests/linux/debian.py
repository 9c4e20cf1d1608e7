# SPDX-License-Identifier: Apache-2.0
"""Debian's kernel package: which one there is today, its download, and the kernel in it."""

import hashlib
import os
import re
import shutil
import subprocess
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

META_PACKAGE = "linux-image-cloud-amd64"


class Refused(Exception):
    """Something is missing or not as required; the text is one line for the user."""


@dataclass(frozen=True)
class Package:
    name: str
    version: str
    sha256: str

    @property
    def file_name(self) -> str:
        return f"{self.name}_{self.version.replace(':', '%3a')}_amd64.deb"


def sha256_of(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _apt_record(*names: str) -> dict[str, str]:
    """The fields of one package in apt's lists; empty if apt does not know it."""
    result = subprocess.run(["apt-cache", "show", "--no-all-versions", *names],
                            capture_output=True, text=True, check=False)
    record = result.stdout.split("\n\n")[0]
    return dict(re.findall(r"^([\w-]+): (.*)$", record, re.MULTILINE))


def todays_kernel() -> Package | None:
    """The kernel that the meta package stands for today; None if apt's lists lack it."""
    depends = _apt_record(META_PACKAGE).get("Depends", "")
    match = re.match(r"(linux-image-[\w.+-]+) \(= ([\w.:~+-]+)\)", depends)
    return known_kernel(match[1], match[2]) if match else None


def known_kernel(name: str, version: str) -> Package | None:
    """That version of a package, if apt's lists have it."""
    record = _apt_record(f"{name}={version}")
    return Package(name, version, record["SHA256"]) if "SHA256" in record else None


def is_cached(package: Package, cache: Path) -> bool:
    path = cache / package.file_name
    return path.is_file() and sha256_of(path) == package.sha256


def fetch(package: Package, cache: Path) -> Path:
    """The package's file in `cache`, downloaded if it is not there or not whole."""
    path = cache / package.file_name
    if is_cached(package, cache):
        return path
    cache.mkdir(parents=True, exist_ok=True)
    # A folder beside the target, so that the rename is atomic and an interrupted or
    # simultaneous build never leaves half a package under the final name.
    with tempfile.TemporaryDirectory(dir=cache, prefix=".download-") as folder:
        _download(package, Path(folder))
        (downloaded,) = Path(folder).glob("*.deb")
        if sha256_of(downloaded) != package.sha256:
            raise Refused(f"{package.name} {package.version}: what was downloaded has not the "
                          f"SHA-256 {package.sha256}")
        os.replace(downloaded, path)
    return path


def _download(package: Package, folder: Path) -> None:
    command = ["apt-get", "download", "-q", f"{package.name}={package.version}"]
    if os.geteuid() == 0:
        # apt's own user may not write where we build.
        command += ["-o", "APT::Sandbox::User=root"]
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        reason = (result.stderr.strip().splitlines() or ["no reason given"])[0]
        raise Refused(f"{package.name} {package.version} cannot be downloaded ({reason}); if apt's "
                      "lists are old, run: sudo apt-get update")


def kernel_of(deb: Path) -> bytes:
    """The file boot/vmlinuz-* of a kernel package."""
    with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", deb], stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL) as unpack:
        try:
            with tarfile.open(fileobj=unpack.stdout, mode="r|") as files:
                for member in files:
                    if member.isfile() and member.name.startswith("./boot/vmlinuz-"):
                        return files.extractfile(member).read()
        except tarfile.TarError:
            pass
        finally:
            unpack.kill()
    raise Refused(f"{deb} holds no boot/vmlinuz-*")


def installed_version(package: str) -> str:
    if shutil.which("dpkg-query") is None:
        raise Refused("there is no dpkg-query: the guest is built on Debian")
    result = subprocess.run(["dpkg-query", "-W", "-f", "${db:Status-Status} ${Version}", package],
                            capture_output=True, text=True, check=False)
    status, _, version = result.stdout.partition(" ")
    if status != "installed":
        raise Refused(f"the package {package} is not installed; run: sudo scripts/setup")
    return version
