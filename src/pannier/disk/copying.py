"""Copying a file while hashing it: one pass over the bytes, whatever their number."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import threading
from queue import SimpleQueue
from typing import TypeAlias

from pannier.core.digest import LEGACY, MD5
from pannier.disk import faults, fsio
from pannier.disk.hashing import CHUNK, OnBytes, digest_of_fd, looks_like_text
from pannier.disk.link import CANNOT, clone_fd

WHOLE_MAX = 4 << 20
"""Up to so many bytes are read with one call, and hashed by the thread that reads them."""

_BUFFERS = 8
OBJECT_MODE = 0o444
_READ = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK

Copied: TypeAlias = tuple[str, int, int, str]
"""(md5 hex, size in bytes, errno or 0, path that the error is about)."""


def copy_hashing(
    source: int,
    target: int,
    size: int,
    target_path: str,
    algorithm: str = MD5,
    clone: bool = False,
    on_bytes: OnBytes | None = None,
) -> bytes:
    """Copies an open file into another, both at their start; returns the digest (16 bytes).

    The digest is of the bytes that were written. size: what fstat said of the source. clone: share
    blocks where the file system can (then the clone is read and hashed), else copy. target_path:
    for the crash points and messages only. on_bytes: told of every chunk of a big file; of a small
    one nothing, it costs more than it tells.
    """
    if clone:
        try:
            faults.point("clone", target_path)
            clone_fd(source, target)
        except OSError:
            pass  # this file system cannot: copy
        else:
            return digest_of_fd(target, size, algorithm)[0]
    if size <= WHOLE_MAX:
        data = os.read(source, size + 1)
        if len(data) == size:
            if data:
                fsio.write_all(target, data, target_path)
            return _Hasher(algorithm).update(data).digest()
        os.lseek(source, 0, os.SEEK_SET)
    return _copy_big(source, target, target_path, algorithm, on_bytes)


class _Hasher:
    def __init__(self, algorithm: str) -> None:
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._legacy = algorithm == LEGACY

    def update(self, data: bytes | memoryview) -> _Hasher:
        """data: whole chunks of CHUNK bytes, the last one shorter (the legacy rule needs them)."""
        if self._legacy:
            for start in range(0, len(data), CHUNK):
                chunk = bytes(data[start : start + CHUNK])
                text = looks_like_text(chunk)
                self._md5.update(chunk.replace(b"\r\n", b"\n") if text else chunk)
        else:
            self._md5.update(data)
        return self

    def digest(self) -> bytes:
        return self._md5.digest()


def _copy_big(
    source: int, target: int, target_path: str, algorithm: str, on_bytes: OnBytes | None
) -> bytes:
    """Reads and writes here while another thread hashes: costs the slower of the two, not the sum.

    _BUFFERS chunks are in flight, so memory stays bounded.
    """
    hasher = _Hasher(algorithm)
    full: SimpleQueue[memoryview | None] = SimpleQueue()
    free: SimpleQueue[memoryview] = SimpleQueue()
    for _ in range(_BUFFERS):
        free.put(memoryview(bytearray(CHUNK)))

    def consume() -> None:
        while (filled := full.get()) is not None:
            hasher.update(filled)
            free.put(memoryview(filled.obj))

    thread = threading.Thread(target=consume)
    thread.start()
    try:
        while True:
            buffer = free.get()
            count = _fill(source, buffer)
            if not count:
                break
            fsio.write_all(target, buffer[:count], target_path)
            full.put(buffer[:count])
            if on_bytes is not None:
                on_bytes(count)
    finally:
        full.put(None)
        thread.join()
    return hasher.digest()


def _fill(fd: int, buffer: memoryview) -> int:
    """Reads until the buffer is full or the file ends: chunk borders count in the legacy digest."""
    total = 0
    while total < len(buffer) and (count := os.readv(fd, [buffer[total:]])):
        total += count
    return total


def second_name(source: str, target: str) -> None:
    """Makes a file's bytes last under a second path: by one more name, which copies nothing.

    A copy, flushed, where the file cannot have one (another file system), or is a link itself.
    """
    if not os.path.islink(source):
        try:
            fsio.link(source, target)
            return
        except OSError as error:
            if error.errno not in CANNOT:
                raise
    fd = os.open(source, _READ)
    try:
        found = os.fstat(fd)
        out = fsio.create_new(target, 0o600)
        try:
            copy_hashing(fd, out, found.st_size, target, clone=True)
            fsio.fchmod(out, stat.S_IMODE(found.st_mode))
            fsio.sync_fd(out, target)
        finally:
            os.close(out)
    finally:
        os.close(fd)


def copy_objects(batch: list[tuple[str, str, str]], mode: int) -> list[Copied]:
    """Copies files: (source, target that does not exist, expected md5 hex or "") each.

    mode: of the targets. A copy whose digest is not the expected one is removed; its row holds
    the digest found. Takes and returns only what marshal knows: `pool` runs it in its workers.
    """
    return [copy_object(source, target, expected, mode) for source, target, expected in batch]


def copy_object(
    source: str, target: str, expected: str, mode: int, on_bytes: OnBytes | None = None
) -> Copied:
    """Copies one file; see copy_objects."""
    try:
        fd = os.open(source, _READ)
    except OSError as error:
        return "", 0, error.errno or errno.EIO, source
    try:
        found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode):
            return "", 0, errno.EISDIR, source
        try:
            out = fsio.create_new(target, mode)
        except OSError as error:
            return "", 0, error.errno or errno.EIO, target
        try:
            digest = copy_hashing(fd, out, found.st_size, target, on_bytes=on_bytes).hex()
            made = os.fstat(out)
            if mode == OBJECT_MODE and stat.S_IMODE(made.st_mode) != mode:
                _try_fchmod(out, mode)
        except BaseException:
            fsio.remove_if_there(target)
            raise
        finally:
            os.close(out)
    except OSError as error:
        return "", 0, error.errno or errno.EIO, target
    finally:
        os.close(fd)
    if expected and digest != expected:
        fsio.unlink(target)
    return digest, made.st_size, 0, ""


def _try_fchmod(fd: int, mode: int) -> None:
    """The umask took rights away. File systems without modes (CIFS, vfat) refuse: then so be it."""
    try:
        fsio.fchmod(fd, mode)
    except OSError:
        pass


def name_copies(batch: list[tuple[str, str]]) -> list[int]:
    """Gives copies their names: (staged file, name) each.

    0 where that was done; else the error's number (EEXIST for a name that is taken), and the
    staged file is still there.
    """
    outcomes = []
    for staged, target in batch:
        try:
            outcomes.append(0 if fsio.publish(staged, target) else errno.EEXIST)
        except OSError as error:
            outcomes.append(error.errno or errno.EIO)
    return outcomes
