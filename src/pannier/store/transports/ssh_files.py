"""What an SSH remote is asked for: files up and down, sizes, listings; in the event loop's thread.

A small file is three round trips: a new staged file, its bytes with the flush, its name. What can
be asked together is; `ssh.py` keeps many files under way.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import stat
import threading
from collections import deque
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeVar

from pannier.core.errors import AccessDenied, NotThere, PannierError, TransportError, Unreachable
from pannier.disk import fsio
from pannier.store.notes import open_note
from pannier.store.transport import Entry, OnBytes
from pannier.store.transports import local_staging
from pannier.store.transports.local_copies import bad_key, is_bad
from pannier.store.transports.s3_bodies import Parts, Sink, md5_checked, open_source, read_whole
from pannier.store.transports.sftp import CREATE, EXCLUSIVE, WRITE, Lost, Session
from pannier.store.transports.sftp_answers import DENIED, FAILURE, NO_SUCH_FILE, Refused
from pannier.store.transports.ssh_bodies import BLOCK, Bytes, Stream, Turns, receive
from pannier.store.transports.ssh_link import Link
from pannier.store.transports.ssh_parts import WORTH_A_NOTE, Resuming, Source, Sums
from pannier.store.transports.ssh_staging import Staging, names_in

R = TypeVar("R")

_FOLDERS_AT_ONCE = 32


class Files:
    """All methods raise the contract's errors."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._root = os.fsencode(link.options.root)
        self._staging = Staging(self._root)
        self._turns = Turns()
        self._sums = Sums(link)
        self._root_seen = False
        self._never = threading.Event()

    # -- one key ----

    async def stat(self, key: str) -> Entry | None:
        path = self._path(key)
        try:
            found = await self._do(key, lambda session: session.stat(path))
        except NotThere:
            return None
        is_file = found.mode is None or stat.S_ISREG(found.mode)
        return Entry(key, found.size_bytes) if is_file else None

    async def read(self, key: str) -> bytes:
        path = self._path(key)
        blocks: list[bytes] = []
        size = await self._do(key, lambda s: receive(s, path, self._turns, blocks.append))
        data = b"".join(blocks)
        if len(data) != size:
            raise Unreachable(f"only {len(data)} of {size} bytes of '{key}' arrived")
        return data

    async def write(self, key: str, data: bytes) -> None:
        self._path(key)
        await self._do(key, lambda session: self._send(session, key, Bytes(session, data)))

    async def delete(self, key: str) -> None:
        path = self._path(key)

        async def remove(session: Session) -> None:
            try:
                await session.remove(path)
            except Refused as error:
                if error.code == NO_SUCH_FILE:
                    return
                mode = (await session.stat(path)).mode
                if mode is None or not stat.S_ISDIR(mode):
                    raise error from None

        try:
            await self._do(key, remove)
        except NotThere:
            pass

    # -- listing ----

    async def walk(self, prefix: str, tell: Callable[[list[Entry]], None]) -> None:
        """Tells the keys that start with prefix, some at a time. Staged files are left out."""
        folder, slash, start = prefix.rpartition("/")
        if folder:
            self._path(folder)
        await self._do("", self._check_root)
        todo = deque([(folder + slash, start)])
        tasks: set[asyncio.Task[list[tuple[str, str]]]] = set()
        try:
            while todo or tasks:
                while todo and len(tasks) < _FOLDERS_AT_ONCE:
                    scan = partial(self._scan, *todo.popleft(), tell)
                    tasks.add(asyncio.get_running_loop().create_task(self._do("", scan)))
                done, tasks = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    todo += task.result()
        finally:
            for task in tasks:
                task.cancel()

    async def _scan(
        self, folder: str, start: str, tell: Callable[[list[Entry]], None], session: Session
    ) -> list[tuple[str, str]]:
        """Tells the files of one folder; returns the folders in it."""
        path = self._root + b"/" + os.fsencode(folder.rstrip("/"))
        try:
            found = await names_in(session, path.rstrip(b"/") or b"/")
        except Refused as error:
            if error.code == NO_SUCH_FILE:
                return []
            raise
        entries, folders = [], []
        for raw, attrs in found:
            name = os.fsdecode(raw)
            if not name.startswith(start):
                continue
            if attrs.mode is None or stat.S_ISLNK(attrs.mode):
                try:
                    attrs = await session.stat(path + b"/" + raw)
                except Refused:
                    continue  # a link to nowhere
            if stat.S_ISDIR(attrs.mode or 0):
                if not f"{folder}{name}".startswith(local_staging.PREFIX):
                    folders.append((f"{folder}{name}/", ""))
            elif attrs.mode is None or stat.S_ISREG(attrs.mode):
                entries.append(Entry(folder + name, attrs.size_bytes))
        tell(entries)
        return folders

    async def _check_root(self, session: Session) -> None:
        """A root that is not there is an empty remote; one that is no folder is a mistake."""
        if self._root_seen or not self._root:
            return
        try:
            mode = (await session.stat(self._root)).mode
        except Refused as error:
            if error.code == NO_SUCH_FILE:
                return
            raise
        if mode is not None and not stat.S_ISDIR(mode):
            raise TransportError(f"the remote '{self._link.url}' is not a folder")
        self._root_seen = True

    # -- files ----

    async def upload(
        self, path: str, key: str, expected: str, on_bytes: OnBytes
    ) -> tuple[str, int]:
        """Returns (md5 hex, size in bytes)."""
        self._path(key)
        fd = open_source(path)
        try:
            size = os.fstat(fd).st_size
            async with self._turns.for_size(size):
                if size > BLOCK:
                    note = None
                    if size >= WORTH_A_NOTE:
                        note = open_note(self._link.options.scratch, self._link.url, key)
                    if note is not None:
                        with note:
                            source = Source(fd, path, size, expected)
                            resuming = Resuming(self._sums, self._root, note, source)
                            return await self._do(
                                key, lambda s: self._send_noted(s, key, resuming, on_bytes)
                            )
                    parts = Parts(fd, path, BLOCK, expected, self._never, on_bytes)
                    await self._do(key, lambda s: self._send(s, key, Stream(s, parts)))
                    return parts.md5, parts.size
                data = read_whole(fd, size, path)
                md5 = md5_checked(data, expected, path)
                await self._do(key, lambda s: self._send(s, key, Bytes(s, data)))
            on_bytes(size)
            return md5, size
        finally:
            os.close(fd)

    async def _send_noted(
        self, session: Session, key: str, resuming: Resuming, on_bytes: OnBytes
    ) -> tuple[str, int]:
        """As _send, from where a killed run was. Returns (md5 hex, size in bytes)."""
        for last in (False, True):
            await self._staging.prepare(session)
            try:
                begun = await resuming.begin(session, on_bytes)
                break
            except Refused as error:
                if error.code != NO_SUCH_FILE or last:
                    raise
                self._staging.forget()
        try:
            await self._fill(session, begun.handle, begun.body, key)
            resuming.check(begun.parts)
            await self._publish(session, begun.staged, key)
        except (asyncio.CancelledError, Exception) as error:
            await resuming.failed(session, begun.staged, error)
            raise
        await resuming.end(session, begun.staged)
        return begun.parts.md5, begun.parts.size

    async def _send(self, session: Session, key: str, body: Bytes | Stream) -> None:
        """A new file under its key: staged, filled, flushed, then named by one rename.

        The server works on the requests about one file in their order, so nobody waits for the
        bytes before the flush is asked for; only the name waits for all answers.
        """
        staged, handle = await self._new_staged(session)
        try:
            await self._fill(session, handle, body, key)
            await self._publish(session, staged, key)
        except asyncio.CancelledError:
            session.remove(staged)
            raise
        except Exception:
            with contextlib.suppress(Refused, Lost):
                await session.remove(staged)
            raise

    async def _fill(self, session: Session, handle: bytes, body: Bytes | Stream, key: str) -> None:
        """Writes all bytes, flushes and closes."""
        try:
            try:
                answers = await body.write(handle)
            finally:
                flush = session.can_fsync and fsio.policy != "none"
                last = [session.fsync(handle)] if flush else []
                last.append(session.close(handle))
            for answer in [*answers, *last]:
                await answer
        except Refused as error:
            if error.code == FAILURE:
                raise await self._not_written(session, key) from None
            raise

    async def _new_staged(self, session: Session) -> tuple[bytes, bytes]:
        """(path, handle)."""
        for last in (False, True):
            staged = await self._staging.new_path(session)
            try:
                return staged, await session.open(staged, WRITE | CREATE | EXCLUSIVE)
            except Refused as error:
                if error.code != NO_SUCH_FILE or last:
                    raise
                self._staging.forget()
        raise AssertionError

    async def _publish(self, session: Session, staged: bytes, key: str) -> None:
        target = self._path(key)
        folder = target.rpartition(b"/")[0] or b"/"
        for last in (False, True):
            await self._staging.make_folder(session, folder)
            try:
                await _take_place(session, staged, target)
                break
            except Refused as error:
                if error.code != NO_SUCH_FILE or last:
                    raise
                self._staging.forget()
        self._staging.named_in(folder)

    async def download(
        self, key: str, path: str, expected: str, on_bytes: OnBytes, *, keep: bool
    ) -> tuple[str, int]:
        """keep: as of Sink. Returns (md5 hex, size in bytes)."""
        remote = self._path(key)

        async def bring(session: Session) -> tuple[str, int]:
            with Sink(path, self._never, on_bytes, keep=keep) as sink:
                if sink.is_all_of(expected):
                    return sink.finish(sink.size, expected, path)
                where = f"'{self._link.url}/{key}'"
                begun = sink.size
                size = await receive(session, remote, self._turns, sink.add, begun)
                if begun and (size < sink.size or not sink.is_all_of(expected)):
                    sink.restart()  # the beginning may have been wrong
                    size = await receive(session, remote, self._turns, sink.add)
                return sink.finish(size, expected, where)

        return await self._do(key, bring)

    # -- all together ----

    async def flush(self) -> None:
        await self._do("", self._staging.flush)

    async def tidy(self, session: Session) -> None:
        await self._staging.close(session)

    def _path(self, key: str) -> bytes:
        if is_bad(key):
            raise bad_key(key, self._link.url)
        return self._root + b"/" + os.fsencode(key)

    async def _do(self, key: str, work: Callable[[Session], Awaitable[R]]) -> R:
        """Calls work with a session, and says in the contract's words what went wrong."""
        session = await self._link.session()
        try:
            return await work(session)
        except Lost:
            raise self._link.broke_off() from None
        except Refused as error:
            raise await self._explain(session, error, key) from None

    async def _explain(self, session: Session, error: Refused, key: str) -> PannierError:
        shown = f"'{self._link.url}/{key}'" if key else f"'{self._link.url}'"
        if error.code == NO_SUCH_FILE:
            return NotThere(f"{shown} does not exist")
        if error.code == DENIED:
            return AccessDenied(
                f"no access to {shown}",
                hint=f"check who owns the folder at {self._link.server} and its rights",
            )
        if error.code == FAILURE and (why := await self._why_not(session)):
            return why
        said = f": {error.message}" if error.message and error.message != "Failure" else ""
        return TransportError(f"{self._link.server} refused a request about {shown}{said}")

    async def _not_written(self, session: Session, key: str) -> TransportError:
        """The server failed to write bytes or to flush them, and has one code for all reasons."""
        return await self._why_not(session) or TransportError(
            f"{self._link.server} could not write '{key}'",
            hint="its disk may be full, or a quota reached",
        )

    async def _why_not(self, session: Session) -> TransportError | None:
        """Looks at the file system there: has it no room, or can it only be read?"""
        path = self._root
        while session.can_statvfs:
            try:
                room = await session.statvfs(path or b"/")
            except Refused:
                if not path:
                    break
                path = path.rpartition(b"/")[0]
                continue
            if room.read_only:
                return TransportError(f"the file system of '{self._link.url}' is read-only")
            if room.free_bytes < BLOCK or not room.free_files:
                return TransportError(
                    f"no space left at {self._link.server}",
                    hint="nothing was lost; free some space there and repeat the command",
                )
            break
        return None


async def _take_place(session: Session, staged: bytes, target: bytes) -> None:
    """Gives a staged file its name, whatever has it now.

    Without OpenSSH's rename the old file is moved aside first: between the two steps the name
    names nothing, and a kill there leaves both files in the staging folder.
    """
    if session.can_replace:
        await session.replace(staged, target)
        return
    try:
        await session.rename(staged, target)
        return
    except Refused as error:
        if error.code == NO_SUCH_FILE:
            raise
        try:
            await session.stat(target)
        except Refused:
            raise error from None
    aside = staged + b".old"
    await session.rename(target, aside)
    try:
        await session.rename(staged, target)
    except Refused:
        await session.rename(aside, target)
        raise
    await session.remove(aside)
