"""Disks of our own making: small ones, and ones whose power can be cut. Root only."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

_SHUTDOWN = 0x8004587D  # EXT4_IOC_SHUTDOWN, which xfs knows too
_NO_LOG_FLUSH = 2
_PATIENCE_S = 120.0
FILE_SYSTEMS = {
    "ext4": (["mkfs.ext4", "-q", "-F"], "commit=1"),
    "xfs": (["mkfs.xfs", "-q", "-f"], "defaults"),
}

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs the rights of root")


def _run(*command: str | Path) -> bytes:
    words = [str(word) for word in command]
    return subprocess.run(words, check=True, capture_output=True, timeout=120).stdout


@dataclass(slots=True)
class LoopDisk:
    """A file system in a file, mounted at `place`."""

    image: Path
    place: Path
    kind: str

    def mount(self) -> None:
        _run("mount", "-o", f"loop,{FILE_SYSTEMS[self.kind][1]}", self.image, self.place)

    def unmount(self) -> None:
        """Waits for children of a killed program to leave."""
        end = time.monotonic() + _PATIENCE_S
        while True:
            try:
                _run("umount", self.place)
                break
            except subprocess.CalledProcessError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.05)

    def cut_power(self) -> None:
        """From now on nothing reaches the image, not even the journal in memory."""
        fd = os.open(self.place, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.ioctl(fd, _SHUTDOWN, _NO_LOG_FLUSH.to_bytes(4, "little"))
        finally:
            os.close(fd)

    def restart(self) -> None:
        """Waits for others' copies of the mount, too.

        Who makes a mount namespace of their own meanwhile may have one for as long as that lives. A
        mount before it is gone would get the same file system again, dead as it is.
        """
        self.unmount()
        end = time.monotonic() + _PATIENCE_S
        while _run("losetup", "-j", self.image):
            assert time.monotonic() < end, f"somebody keeps {self.image}"
            time.sleep(0.05)
        self.mount()


@contextlib.contextmanager
def loop_disk(kind: str, size_mib: int = 320, options: tuple[str, ...] = ()) -> Iterator[LoopDisk]:
    """A fresh disk, in a folder that nobody cleans while it is mounted.

    options: more of them for whoever makes the file system.
    """
    make, _ = FILE_SYSTEMS[kind]
    if shutil.which(make[0]) is None:
        pytest.skip(f"{make[0]} is not installed")
    base = Path(tempfile.mkdtemp(prefix="pannier-disk-", dir="/var/tmp"))
    disk = LoopDisk(base / "image", base / "disk", kind)
    disk.place.mkdir()
    with open(disk.image, "wb") as file:
        file.truncate(size_mib << 20)
    _run(*make, *options, disk.image)
    disk.mount()
    try:
        yield disk
    finally:
        disk.unmount()
        shutil.rmtree(base)


@contextlib.contextmanager
def small_disk(place: Path, size_kib: int) -> Iterator[Path]:
    """A tmpfs of a size."""
    place.mkdir(exist_ok=True)
    _run("mount", "-t", "tmpfs", "-o", f"size={size_kib}k", "tmpfs", place)
    try:
        yield place
    finally:
        _run("umount", place)


@dataclass(slots=True)
class ThinDisk:
    """A disk that promises more room than there is: writes succeed, flushing them fails.

    ext4 in a file that lies on a small tmpfs.
    """

    disk: LoopDisk
    below: Path

    def grow(self) -> None:
        """There is room from now on; what the kernel could not write before is lost."""
        _run("mount", "-o", "remount,size=400m", self.below)
        self.disk.restart()


@contextlib.contextmanager
def thin_disk(place: Path, size_mib: int = 40) -> Iterator[ThinDisk]:
    """place: an empty folder, or none."""
    base = Path(tempfile.mkdtemp(prefix="pannier-thin-", dir="/var/tmp"))
    place.mkdir(exist_ok=True)
    with contextlib.ExitStack() as stack:
        stack.callback(shutil.rmtree, base)
        below = stack.enter_context(small_disk(base / "below", size_mib << 10))
        disk = LoopDisk(below / "image", place, "ext4")
        with open(disk.image, "wb") as file:
            file.truncate(300 << 20)
        _run("mkfs.ext4", "-q", "-F", "-E", "nodiscard", disk.image)
        disk.mount()
        stack.callback(disk.unmount)
        yield ThinDisk(disk, below)
