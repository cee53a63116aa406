"""MD5 of files: plain, and the way DVC before 3.0 did it (CRLF to LF in text)."""

from __future__ import annotations

import fcntl
import hashlib
import os
import signal
from collections.abc import Callable
from importlib import import_module
from typing import Any, cast

from pannier.core.algorithms import LEGACY

CHUNK = 1 << 20
_TINY = 2048
"""So few bytes are hashed before OpenSSL has set up its context."""

_SMALL = 256 * 1024
_TEXT_BLOCK = 512
_TEXT_BYTES = bytes(range(0x20, 0x7F)) + b"\n\r\t\f\b"
_LEASE_HOLD_MAX = 1 << 20

OnBytes = Callable[[int], None]


def _builtin_md5() -> Callable[[bytes], Any]:
    """CPython's own MD5, without OpenSSL: half the time for a file of 1 KiB, more for big ones."""
    try:
        return cast("Callable[[bytes], Any]", import_module("_md5").md5)
    except (ImportError, AttributeError):
        return lambda data: hashlib.md5(data, usedforsecurity=False)


_tiny_md5 = _builtin_md5()


def md5_of_bytes(data: bytes) -> Any:
    """The hash object of a whole small file."""
    if len(data) <= _TINY:
        return _tiny_md5(data)
    return hashlib.md5(data, usedforsecurity=False)


def _ignore_lease_break(_signal: int, _frame: object) -> None:
    """Somebody wants to write to a file that we are reading; the stat comparison will tell."""


def prepare_leases() -> None:
    """Makes a broken lease harmless: its signal would end the process. Main thread only."""
    signal.signal(signal.SIGIO, _ignore_lease_break)


def take_lease(fd: int) -> bool:
    """Tells that nobody has the file open or mapped for writing (or that nobody can tell).

    A read lease is refused exactly while a writer exists, also one through mmap whose changes
    never move the mtime. Closing the descriptor gives it back. On file systems without leases,
    and for other people's files, the stat comparison alone must do.
    """
    try:
        fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


def drop_lease(fd: int) -> None:
    try:
        fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except OSError:
        pass  # there was none


def holds_lease_briefly(size_bytes: int) -> bool:
    """Long reads must not keep a lease: whoever opens the file for writing waits for it."""
    return size_bytes <= _LEASE_HOLD_MAX


def md5_of_fd(fd: int, size_bytes: int, on_bytes: OnBytes | None = None) -> tuple[bytes, int]:
    """Hashes an open file from its current place to its end: (16 bytes, count of bytes read).

    size_bytes: what fstat said; a small file is then read with one call.
    """
    if size_bytes <= _SMALL:
        data = os.read(fd, size_bytes + 1)
        if len(data) == size_bytes:
            digest: bytes = md5_of_bytes(data).digest()
            return digest, size_bytes
        hasher = hashlib.md5(data, usedforsecurity=False)
        total = len(data)
    else:
        hasher = hashlib.md5(usedforsecurity=False)
        total = 0
    buffer = memoryview(bytearray(CHUNK))
    while count := os.readv(fd, [buffer]):
        hasher.update(buffer[:count])
        total += count
        if on_bytes is not None:
            on_bytes(count)
    return hasher.digest(), total


def legacy_md5_of_fd(fd: int) -> tuple[bytes, int]:
    """Hashes an open file as DVC before 3.0: per chunk of 1 MiB, CRLF becomes LF where it is text.

    A chunk is text when its first 512 bytes are empty, or hold no NUL and at most 30 % unusual
    bytes. Source: docs/formats.md, section 2.
    """
    hasher = hashlib.md5(usedforsecurity=False)
    total = 0
    while chunk := _read_full(fd, CHUNK):
        total += len(chunk)
        hasher.update(chunk.replace(b"\r\n", b"\n") if looks_like_text(chunk) else chunk)
    return hasher.digest(), total


def looks_like_text(chunk: bytes) -> bool:
    block = chunk[:_TEXT_BLOCK]
    if not block:
        return True
    if b"\0" in block:
        return False
    unusual = len(block.translate(None, _TEXT_BYTES))
    return unusual / len(block) <= 0.30


def _read_full(fd: int, count: int) -> bytes:
    """Reads count bytes unless the file ends: the chunk borders are part of the legacy digest."""
    parts = []
    while count and (data := os.read(fd, count)):
        parts.append(data)
        count -= len(data)
    return b"".join(parts)


def digest_of_fd(fd: int, size_bytes: int, algorithm: str) -> tuple[bytes, int]:
    if algorithm == LEGACY:
        return legacy_md5_of_fd(fd)
    return md5_of_fd(fd, size_bytes)


def hex_of_file(path: str, algorithm: str) -> str:
    """Hashes a file by name: 32 hex digits. Raises OSError."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        return digest_of_fd(fd, os.fstat(fd).st_size, algorithm)[0].hex()
    finally:
        os.close(fd)


def hash_bytes(data: bytes, algorithm: str) -> str:
    """Hashes bytes in memory: 32 hex digits."""
    if algorithm == LEGACY:
        hasher = hashlib.md5(usedforsecurity=False)
        for start in range(0, len(data), CHUNK):
            chunk = data[start : start + CHUNK]
            hasher.update(chunk.replace(b"\r\n", b"\n") if looks_like_text(chunk) else chunk)
        return hasher.hexdigest()
    return hashlib.md5(data, usedforsecurity=False).hexdigest()
