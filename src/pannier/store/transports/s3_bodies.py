"""Bodies of S3 requests: files on their way out in parts, answers on their way into a file.

Both hash what passes, so a file's bytes are read or written once.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterator

from pannier.core.errors import CorruptObject, FileChanged, Unreachable
from pannier.core.typed import Any
from pannier.disk import fsio
from pannier.store.transport import OnBytes
from pannier.store.transports.threads import Stopped

_BLOCK = 1 << 20


def open_source(path: str) -> int:
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        fsio.fail(error, path)


def read_whole(fd: int, size: int, path: str) -> bytes:
    try:
        data = os.read(fd, size + 1)
    except OSError as error:
        fsio.fail(error, path)
    if len(data) != size:
        raise FileChanged(path)
    return data


def md5_checked(data: bytes, expected: str, path: str) -> str:
    found = hashlib.md5(data, usedforsecurity=False).hexdigest()
    if expected and found != expected:
        raise CorruptObject(expected, found=found, where=f"'{path}'")
    return found


class Parts:
    """An open file as an iterator of parts. After the last one md5 and size are known.

    Raises CorruptObject in the place of the end when the digest is not the expected one: the
    upload is then aborted, and nothing becomes visible.
    """

    def __init__(
        self,
        fd: int,
        path: str,
        part_size: int,
        expected: str,
        stop: threading.Event,
        on_bytes: OnBytes,
    ) -> None:
        self.size = 0
        self.md5 = ""
        self._hasher = hashlib.md5(usedforsecurity=False)
        self._fd, self._path, self._part_size = fd, path, part_size
        self._expected, self._stop, self._on_bytes = expected, stop, on_bytes

    def skip(self, count: int) -> str:
        """Reads and hashes so many bytes that need not be sent; returns their md5 hex."""
        while count:
            try:
                data = os.read(self._fd, min(count, _BLOCK))
            except OSError as error:
                fsio.fail(error, self._path)
            if not data:
                raise FileChanged(self._path)
            self._hasher.update(data)
            self.size += len(data)
            count -= len(data)
        return self.so_far()

    def so_far(self) -> str:
        """The md5 hex of all that was handed out."""
        return str(self._hasher.hexdigest())

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        if self._stop.is_set():
            raise Stopped
        part = self._read_part()
        if part:
            self._hasher.update(part)
            self.size += len(part)
            self._on_bytes(len(part))
            return part
        self.md5 = self._hasher.hexdigest()
        if self._expected and self.md5 != self._expected:
            raise CorruptObject(self._expected, found=self.md5, where=f"'{self._path}'")
        raise StopIteration

    def _read_part(self) -> bytes:
        """A part is full unless it is the last: servers refuse small ones in the middle."""
        pieces, missing = [], self._part_size
        try:
            while missing and (piece := os.read(self._fd, missing)):
                pieces.append(piece)
                missing -= len(piece)
        except OSError as error:
            fsio.fail(error, self._path)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)


class Sink:
    """A new file that is filled in order and hashed as it grows; gone again if not finished.

    keep: what is there already is taken for the beginning, and hashed; what came stays when the
    rest does not. size: bytes so far.
    """

    def __init__(
        self, path: str, stop: threading.Event, on_bytes: OnBytes, *, keep: bool = False
    ) -> None:
        self._path, self._stop, self._on_bytes = path, stop, on_bytes
        self._hasher = hashlib.md5(usedforsecurity=False)
        self.size = 0
        self._finished = False
        self._keep = keep
        self._fd = -1

    def __enter__(self) -> Sink:
        try:
            if self._keep and os.path.lexists(self._path):
                self._fd = fsio.open_again(self._path)
                self._hash_what_is_there()
            else:
                self._fd = fsio.create_new(self._path)
        except OSError as error:
            if self._fd >= 0:
                os.close(self._fd)
            fsio.fail(error, self._path)
        return self

    def _hash_what_is_there(self) -> None:
        while block := os.read(self._fd, _BLOCK):
            self._hasher.update(block)
            self.size += len(block)

    def is_all_of(self, expected: str) -> bool:
        """True when an earlier run brought everything."""
        return self.size > 0 and self._hasher.hexdigest() == expected

    def restart(self) -> None:
        """What came so far is not the beginning."""
        try:
            fsio.empty_fd(self._fd, self._path)
        except OSError as error:
            fsio.fail(error, self._path)
        self._hasher = hashlib.md5(usedforsecurity=False)
        self.size = 0

    def add(self, data: Any) -> None:
        """data: bytes, or what gives them without a copy."""
        if self._stop.is_set():
            raise Stopped
        view = memoryview(data)
        self._hasher.update(view)
        try:
            fsio.write_all(self._fd, view, self._path)
        except OSError as error:
            fsio.fail(error, self._path)
        self.size += len(view)
        self._on_bytes(len(view))

    def finish(self, size: int, expected: str, where: str) -> tuple[str, int]:
        """size: what the server said. Returns (md5 hex, size); or raises, and the file goes."""
        if self.size != size:
            raise Unreachable(f"only {self.size} of {size} bytes of {where} arrived")
        found = self._hasher.hexdigest()
        if expected and found != expected:
            self._keep = False
            raise CorruptObject(expected, found=found, where=where)
        self._finished = True
        return found, size

    def __exit__(self, *_: object) -> None:
        try:
            os.close(self._fd)
        except OSError as error:
            self._finished = False
            fsio.fail(error, self._path)
        finally:
            if not (self._finished or self._keep):
                fsio.remove_if_there(self._path)
