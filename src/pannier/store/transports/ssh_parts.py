"""Big uploads to an SSH server that go on after a kill.

The staged file of one upload lies in a folder of its own, and a note on this machine says which.
The next run of the same upload asks the server for the digest of what is there, by its `md5sum`;
only if the same number of bytes at the beginning of the file here has that digest, the rest is
appended.

A server for SFTP alone runs no such program. If it can flush, every so many bytes are flushed on
their way, and then noted with the digest of all up to there: such bytes are as safe there as those
of an upload that ended, and the next run goes on behind the last ones. If it cannot, a crash of
the server may have taken what it said to have: all is read back and compared.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shlex
import threading
from typing import NamedTuple

from pannier.core.errors import CorruptObject, FileChanged
from pannier.core.typed import Any
from pannier.disk import fsio
from pannier.store.notes import Note
from pannier.store.transport import OnBytes
from pannier.store.transports.local_staging import NAME, PARENT
from pannier.store.transports.s3_bodies import Parts
from pannier.store.transports.sftp import CREATE, EXCLUSIVE, WRITE, Lost, Session
from pannier.store.transports.sftp_answers import Refused
from pannier.store.transports.ssh_bodies import BLOCK, Stream, Turns, receive
from pannier.store.transports.ssh_link import Link

WORTH_A_NOTE = 24 << 20
"""Bytes; what is smaller is sent again after a kill."""

_FLUSH_EVERY = 16 << 20
_OWN = re.compile(rb"%b/%b[0-9a-f]{16}/part" % (PARENT.encode(), NAME.encode()))
_PLAIN_PATH = re.compile(r"[\w./ ~+=@,:-]+")
"""What any shell takes for text between quotes; the path comes with a repository."""

_SUM = re.compile(rb"\\?([0-9a-f]{32})\b")
_TRIAL_S, _SUM_LEAST_S, _SUM_BYTES_PER_S = 10, 30, 20 << 20


class Source(NamedTuple):
    """An open file that is to be sent. expected: its md5 hex, or ""."""

    fd: int
    path: str
    size: int
    expected: str


class Begun(NamedTuple):
    """A staged file, and what is left to send."""

    staged: bytes
    handle: bytes
    parts: Parts
    body: Stream


class _Differs(Exception):
    pass


class _Enough(Exception):
    pass


class Sums:
    """Digests of files at a server, by a program there."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._trial: asyncio.Task[str | None] | None = None

    async def can(self, path: bytes) -> bool:
        """Whether this can be had of a path. It is tried once: a server may hang up on who asks."""
        if self._trial is None or self._trial.cancelled():
            self._trial = asyncio.get_running_loop().create_task(self._run("/dev/null", _TRIAL_S))
        if not self._trial.done():
            await asyncio.wait([self._trial])
        return bool(self._trial.result() and _PLAIN_PATH.fullmatch(_shown(path)))

    async def of(self, path: bytes, size: int) -> str | None:
        """The md5 hex of a file of that size; None where it cannot be had."""
        if not await self.can(path):
            return None
        return await self._run(_shown(path), _SUM_LEAST_S + size / _SUM_BYTES_PER_S)

    async def _run(self, path: str, timeout_s: float) -> str | None:
        command = f"(md5sum || md5 -q) < {shlex.quote(path)}"
        said: Any = await self._link.run(command, timeout_s)
        found = _SUM.match(said or b"")
        return found[1].decode() if found else None


def _shown(path: bytes) -> str:
    return path.decode("utf-8", "replace")


class Resuming:
    """One upload. Raises Refused, Lost, and what is wrong with the file here."""

    def __init__(self, sums: Sums, root: bytes, note: Note, source: Source) -> None:
        self._sums, self._root, self._note, self._source = sums, root, note, source

    async def begin(self, session: Session, on_bytes: OnBytes) -> Begun:
        source, head = self._source, self._note.head
        told = {"size": source.size, "md5": source.expected}
        if head and {**head, "staged": ""} == {**told, "staged": ""}:
            staged = os.fsencode(str(head["staged"]))
            with contextlib.suppress(Refused):
                if staged.startswith(self._root + b"/") and _OWN.fullmatch(
                    staged[len(self._root) + 1 :]
                ):
                    begun = await self._go_on(session, staged, on_bytes)
                    if begun is not None:
                        return begun
                    await discard(session, staged)
        folder = self._root + f"/{PARENT}/{NAME}{os.urandom(8).hex()}".encode()
        await session.make_folder(folder)
        staged = folder + b"/part"
        handle = await session.open(staged, WRITE | CREATE | EXCLUSIVE)
        self._note.begin({**told, "staged": os.fsdecode(staged)})
        return await self._begun(session, staged, handle, self._parts(on_bytes))

    async def _go_on(self, session: Session, staged: bytes, on_bytes: OnBytes) -> Begun | None:
        """None when what is there is not the beginning of the file, or nobody can tell."""
        size = (await session.stat(staged)).size_bytes or 0
        if not 0 < size <= self._source.size:
            return None
        parts = self._parts(on_bytes)
        if not await self._skip_proven(session, staged, size, parts, on_bytes):
            return None
        handle = await session.open(staged, WRITE)
        if ((await session.fstat(handle)).size_bytes or 0) != size:
            session.close(handle)
            return None  # somebody else writes there
        return await self._begun(session, staged, handle, parts)

    async def _begun(self, session: Session, staged: bytes, handle: bytes, parts: Parts) -> Begun:
        flush = session.can_fsync and fsio.policy != "none" and not await self._sums.can(staged)
        note = self._noted if flush else None
        return Begun(staged, handle, parts, Stream(session, parts, parts.size, note, _FLUSH_EVERY))

    def _noted(self, count: int, md5: str) -> None:
        """So many bytes are there and flushed; md5: of them."""
        self._note.add([count, md5])

    async def _skip_proven(
        self, session: Session, staged: bytes, size: int, parts: Parts, on_bytes: OnBytes
    ) -> bool:
        """Skips the parts that the staged file has; False when they are not its beginning."""
        loop = asyncio.get_running_loop()
        there = await self._sums.of(staged, size)
        count = size
        if there is None:
            flushed = {row[0]: row[1] for row in self._note.rows if len(row) == 2}
            count = max((at for at in flushed if at <= size), default=0)
            there = flushed.get(count)
            # Whoever cut the file since took at least its last bytes.
            last = max(0, count - BLOCK)
            if there and await self._same(session, staged, on_bytes, last, count) < count:
                there = None
        if there is not None:
            return there == await loop.run_in_executor(None, parts.skip, count)
        count = await self._same(session, staged, on_bytes, 0, size)
        await loop.run_in_executor(None, parts.skip, count)
        return count > 0

    async def _same(
        self, session: Session, staged: bytes, on_bytes: OnBytes, begin: int, end: int
    ) -> int:
        """Up to where the staged file has the bytes that are here, from begin on; at most end."""
        same = begin

        def take(data: bytes) -> None:
            nonlocal same
            some = data[: end - same]
            if some != os.pread(self._source.fd, len(some), same):
                raise _Differs
            same += len(some)
            on_bytes(len(some))
            if same >= end:
                raise _Enough

        with contextlib.suppress(_Differs, _Enough):
            await receive(session, staged, Turns(), take, begin)
        return same

    def check(self, parts: Parts) -> None:
        """Raises FileChanged when fewer bytes were sent than may be there."""
        if parts.size != self._source.size:
            raise FileChanged(self._source.path)

    def _parts(self, on_bytes: OnBytes) -> Parts:
        source = self._source
        os.lseek(source.fd, 0, os.SEEK_SET)
        return Parts(source.fd, source.path, BLOCK, source.expected, threading.Event(), on_bytes)

    async def end(self, session: Session, staged: bytes) -> None:
        """The staged file has its name."""
        self._note.drop()
        with contextlib.suppress(Refused, Lost):
            await session.remove_folder(staged.rpartition(b"/")[0])

    async def failed(self, session: Session, staged: bytes, error: BaseException) -> None:
        """What was sent stays for the next run, unless the file here is not what it should be."""
        if isinstance(error, CorruptObject | FileChanged):
            self._note.drop()
            await discard(session, staged)


async def discard(session: Session, staged: bytes) -> None:
    with contextlib.suppress(Refused, Lost):
        await session.remove(staged)
    with contextlib.suppress(Refused, Lost):
        await session.remove_folder(staged.rpartition(b"/")[0])
