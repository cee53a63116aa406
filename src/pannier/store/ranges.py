"""Objects at a remote, read in parts, with a few blocks of them kept in memory.

What the reader gets was verified where that can be: an object of up to WHOLE_BYTES is read whole
and hashed before its first byte is handed out; of a bigger one that is read from start to end the
last bytes are handed out only when the digest of all of them is right. A part of a big object has
no digest of its own; its place and the object's size are what is checked.
docs/decisions/0120-ranged-reads.md.
"""

from __future__ import annotations

import io
import random
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import TypeVar

from pannier.core.digest import LEGACY
from pannier.core.errors import CorruptObject, NotThere, TransportError, Unreachable
from pannier.core.hashes import md5
from pannier.core.record import dataclass
from pannier.core.typed import Any
from pannier.disk.hashing import CHUNK, hash_bytes, looks_like_text
from pannier.store.transport import Transport, split_version

R = TypeVar("R")

BLOCK_BYTES = CHUNK
WHOLE_BYTES = 8 << 20
_AHEAD = 8
"""Blocks in one request, at most, for who reads in order; one for who jumps."""

_KEPT = 16
_TRIES = 5
_FIRST_PAUSE_S = 0.3


def has_ranges(transport: Transport) -> bool:
    """Tells whether parts of an object can be read: not every kind of place can."""
    return hasattr(transport, "read_range")


def read_range(transport: Transport, key: str, start: int, end: int) -> bytes:
    """As Transport.read_range; where the transport has none, out of the whole object."""
    if has_ranges(transport):
        return transport.read_range(key, start, end)
    return transport.read(key)[start:end]


def retried(work: Callable[[], R]) -> R:
    """Does what asks a remote, again and with growing pauses while the failure is temporary."""
    for attempt in range(_TRIES - 1):
        try:
            return work()
        except TransportError as error:
            if not error.temporary:
                raise
        time.sleep(_FIRST_PAUSE_S * 2**attempt * (0.5 + random.random()))
    return work()


@dataclass(frozen=True, slots=True)
class Where:
    """One object: the transport, its key there, its digest, and how messages name the place."""

    transport: Transport
    key: str
    algorithm: str
    hex: str
    shown: str

    @property
    def name(self) -> str:
        """The key as messages name it."""
        return split_version(self.key)[0]


class RemoteObject(io.RawIOBase):
    """One object, to be read and sought. size_bytes: as recorded, None where nobody wrote it down.

    For one thread at a time, as files are. Raises NotThere, CorruptObject, TransportError.
    """

    def __init__(self, where: Where, size_bytes: int | None = None) -> None:
        super().__init__()
        self._where = where
        self._recorded = size_bytes
        self._size: int | None = None
        self._whole: bytes | None = None
        self._at = 0
        self._blocks: OrderedDict[int, bytes] = OrderedDict()
        self._next, self._run = 0, 1
        self._hasher = _Hasher(where.algorithm)
        self._bad: CorruptObject | None = None

    # -- what a file can do ----

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at}.get(whence)
        at = offset + (self.size if base is None else base)
        if at < 0:
            raise ValueError(f"negative seek position {at}")
        self._at = at
        return at

    @property
    def size(self) -> int:
        """In bytes, as the remote has it."""
        if self._size is None:
            self._begin()
        assert self._size is not None
        return self._size

    @property
    def whole(self) -> bytes | None:
        """All of a small object, verified; None for a big one, and before anything was read."""
        return self._whole

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        data = self._some(len(view))
        view[: len(data)] = data
        return len(data)

    def readall(self) -> bytes:
        pieces = []
        while piece := self._some(_AHEAD * BLOCK_BYTES):
            pieces.append(piece)
        return b"".join(pieces)

    def close(self) -> None:
        self._blocks.clear()
        self._whole = None
        super().close()

    # -- how ----

    def _some(self, count: int) -> bytes | memoryview:
        """Up to count bytes from where we are; none only at the end."""
        if self.closed:
            raise ValueError("I/O operation on closed file")
        if self._bad is not None:
            raise self._bad
        size = self.size
        start, end = self._at, min(self._at + count, size)
        if start >= end:
            return b""
        if self._whole is not None:
            data: bytes | memoryview = memoryview(self._whole)[start:end]
        else:
            end = min(end, (start // BLOCK_BYTES + _AHEAD) * BLOCK_BYTES)
            data = self._from_blocks(start, end)
            self._check(data, start, end)
        self._at = end
        return data

    def _begin(self) -> None:
        """Finds out the size; of a small object it brings all, in one request."""
        expected = self._recorded
        if expected is not None and expected > WHOLE_BYTES:
            self._set_size(self._stat())
            return
        wanted = BLOCK_BYTES if expected is None else expected + 1
        first = self._ask(0, wanted)
        if len(first) == wanted:
            self._set_size(self._stat())
            assert self._size is not None
            if self._size > WHOLE_BYTES:
                self._blocks[0] = first
                return
            first += self._ask(wanted, self._size)
        self._set_size(len(first))
        found = hash_bytes(first, self._where.algorithm)
        if found != self._where.hex[:32]:
            self._fail(found)
        self._whole = first

    def _set_size(self, size_bytes: int) -> None:
        if self._recorded is not None and size_bytes != self._recorded:
            where = self._where
            self._bad = CorruptObject(
                where.hex,
                reason=f"it has {size_bytes} bytes and should have {self._recorded}",
                where=where.shown,
            )
            raise self._bad
        self._size = size_bytes

    def _stat(self) -> int:
        where = self._where
        entry = retried(lambda: where.transport.stat(where.key))
        if entry is None:
            raise NotThere(f"'{where.name}' does not exist")
        if entry.size_bytes is None:
            raise TransportError(f"{where.shown} does not tell the size of '{where.name}'")
        return entry.size_bytes

    def _ask(self, start: int, end: int) -> bytes:
        where = self._where
        return retried(lambda: read_range(where.transport, where.key, start, end))

    def _from_blocks(self, start: int, end: int) -> bytes:
        first, last = start // BLOCK_BYTES, (end - 1) // BLOCK_BYTES
        missing = [number for number in range(first, last + 1) if number not in self._blocks]
        if missing:
            self._bring(missing[0], missing[-1])
        pieces = []
        for number in range(first, last + 1):
            self._blocks.move_to_end(number)
            base = number * BLOCK_BYTES
            pieces.append(self._blocks[number][max(start - base, 0) : end - base])
        while len(self._blocks) > _KEPT:
            self._blocks.popitem(last=False)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _bring(self, first: int, last: int) -> None:
        """Brings blocks from first to last, and more the longer somebody reads in order."""
        assert self._size is not None
        self._run = min(self._run * 2, _AHEAD) if first == self._next and first else 1
        last = max(last, min(first + self._run - 1, (self._size - 1) // BLOCK_BYTES))
        start, end = first * BLOCK_BYTES, min((last + 1) * BLOCK_BYTES, self._size)
        data = retried(lambda: self._full(start, end))
        for number in range(first, last + 1):
            at = (number - first) * BLOCK_BYTES
            self._blocks[number] = data[at : at + BLOCK_BYTES]
        self._next = last + 1

    def _full(self, start: int, end: int) -> bytes:
        where = self._where
        data = read_range(where.transport, where.key, start, end)
        if len(data) != end - start:
            raise Unreachable(f"only {len(data)} of {end - start} bytes of '{where.name}' arrived")
        return data

    def _check(self, data: bytes | memoryview, start: int, end: int) -> None:
        """Hashes what comes next in order; the last piece is not handed out before all is right."""
        hashed = self._hasher.count
        if not start <= hashed < end:
            return
        self._hasher.add(memoryview(data)[hashed - start :])
        if self._hasher.count == self._size:
            found = self._hasher.hex()
            if found != self._where.hex[:32]:
                self._fail(found)

    def _fail(self, found: str) -> None:
        self._bad = CorruptObject(self._where.hex, found=found, where=self._where.shown)
        raise self._bad


class _Hasher:
    """A digest that grows; the legacy one looks at chunks, so it waits until one is full."""

    def __init__(self, algorithm: str) -> None:
        self.count = 0
        self._hasher = md5()
        self._legacy = algorithm == LEGACY
        self._waiting = b""

    def add(self, data: memoryview) -> None:
        self.count += len(data)
        if not self._legacy:
            self._hasher.update(data)
            return
        self._waiting += bytes(data)
        while len(self._waiting) >= CHUNK:
            self._add_chunk(self._waiting[:CHUNK])
            self._waiting = self._waiting[CHUNK:]

    def hex(self) -> str:
        self._add_chunk(self._waiting)
        self._waiting = b""
        return self._hasher.hexdigest()

    def _add_chunk(self, chunk: bytes) -> None:
        self._hasher.update(chunk.replace(b"\r\n", b"\n") if looks_like_text(chunk) else chunk)
