"""Bytes of files on their way to and from an SSH server.

A small file is few requests, all of them under way at once. A big one is read and written in
another thread, which also hashes it, while a few MiB of it are under way.
"""

from __future__ import annotations

import asyncio
import contextlib
import stat
from collections import deque
from collections.abc import Callable

from pannier.core.typed import Any
from pannier.store.transports.s3_bodies import Parts
from pannier.store.transports.sftp import READ, Session
from pannier.store.transports.sftp_answers import NO_SUCH_FILE, Refused

BLOCK = 1 << 20
"""Bigger files are big; so much of one is read and hashed in one go."""

_SMALL = 256 << 10
_AHEAD_BYTES = 4 << 20
_BIG_AT_ONCE, _MIDDLE_AT_ONCE = 4, 16


class Turns:
    """How many files that are not small may be under way at a time: they take the memory."""

    def __init__(self) -> None:
        self._big = asyncio.Semaphore(_BIG_AT_ONCE)
        self._middle = asyncio.Semaphore(_MIDDLE_AT_ONCE)

    def for_size(self, size: int) -> contextlib.AbstractAsyncContextManager[Any]:
        if size <= _SMALL:
            return contextlib.nullcontext()
        return self._middle if size <= BLOCK else self._big


class Bytes:
    """A small file: all requests at once."""

    def __init__(self, session: Session, data: bytes) -> None:
        self._session, self._data = session, data

    async def write(self, handle: bytes) -> list[asyncio.Future[None]]:
        """Returns answers that are still to come."""
        view, step = memoryview(self._data), self._session.write_max
        ats = range(0, len(view), step)
        return [self._session.write(handle, at, view[at : at + step]) for at in ats]


class Stream:
    """A big file: read and hashed in another thread, a part ahead; a few MiB under way.

    offset: where in the file at the server the first part belongs. flushed: called when all up to
    there is at the server and flushed, with the count and the md5 of these bytes; that is done
    every so many bytes.
    """

    def __init__(
        self,
        session: Session,
        parts: Parts,
        offset: int = 0,
        flushed: Callable[[int, str], None] | None = None,
        every: int = 0,
    ) -> None:
        self._session, self._parts, self._offset = session, parts, offset
        self._flushed, self._every = flushed, every

    async def write(self, handle: bytes) -> list[asyncio.Future[None]]:
        """Returns answers that are still to come. Raises CorruptObject."""
        loop = asyncio.get_running_loop()
        step, offset, done = self._session.write_max, self._offset, self._offset
        waiting: deque[asyncio.Future[None]] = deque()
        reading = loop.run_in_executor(None, next, self._parts, None)
        try:
            while (part := await reading) is not None:
                so_far = self._parts.so_far() if self._flushed else ""
                reading = loop.run_in_executor(None, next, self._parts, None)
                view = memoryview(part)
                for at in range(0, len(part), step):
                    piece = view[at : at + step]
                    waiting.append(self._session.write(handle, offset, piece))
                    offset += len(piece)
                while len(waiting) * step > _AHEAD_BYTES:
                    await waiting.popleft()
                if self._flushed and offset - done >= self._every:
                    while waiting:  # not every server keeps to the order of requests
                        await waiting.popleft()
                    await self._session.fsync(handle)
                    self._flushed(offset, so_far)
                    done = offset
        finally:
            await asyncio.wait([reading])  # the file is closed next
        return list(waiting)


async def receive(
    session: Session,
    path: bytes,
    turns: Turns,
    take: Callable[[bytes], object],
    begin: int = 0,
) -> int:
    """Hands a file's bytes from begin on, in order; returns the size that the server told."""
    handle = await session.open(path, READ)
    try:
        telling, first = session.fstat(handle), session.read(handle, begin, session.read_max)
        attrs = await telling
        if attrs.mode is not None and not stat.S_ISREG(attrs.mode):
            raise Refused(NO_SUCH_FILE, "not a file")
        size = attrs.size_bytes or 0
        data = await first
        take(data[: max(0, size - begin)])
        if begin + len(data) < size and data:
            async with turns.for_size(size):
                await _receive_rest(session, handle, begin + len(data), size, take)
    finally:
        session.close(handle)
    return size


async def _receive_rest(
    session: Session,
    handle: bytes,
    offset: int,
    size: int,
    take: Callable[[bytes], object],
) -> None:
    """Reads ahead; hashing and writing go on in another thread."""
    loop = asyncio.get_running_loop()
    asked, step = offset, session.read_max
    waiting: deque[tuple[int, int, asyncio.Future[bytes]]] = deque()
    got: list[bytes] = []
    taking: asyncio.Future[object] | None = None
    try:
        while offset < size:
            while asked < size and asked - offset < _AHEAD_BYTES:
                some = min(step, size - asked)
                waiting.append((asked, some, session.read(handle, asked, some)))
                asked += some
            at, some, reading = waiting.popleft()
            data = await reading
            if not data:
                break  # shorter than it said; who takes it compares
            if len(data) < some:
                rest = session.read(handle, at + len(data), some - len(data))
                waiting.appendleft((at + len(data), some - len(data), rest))
            offset += len(data)
            got.append(data)
            if sum(map(len, got)) >= BLOCK or offset >= size:
                if taking is not None:
                    await taking
                block, got = b"".join(got), []
                taking = loop.run_in_executor(None, take, block)
    finally:
        if taking is not None:
            await asyncio.shield(taking)
