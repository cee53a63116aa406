"""Where uploads wait for their names at an SSH server, and the folders that names are in.

A staged file lies in `files/md5/tmp-pannier-<random>/` below the root, as in a folder remote: real
DVC's status and gc look past it. The folders of dead runs are swept after a day.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import stat

from pannier.core.errors import TransportError
from pannier.disk import fsio
from pannier.store.transports.local_staging import NAME, PARENT
from pannier.store.transports.sftp import READ, Lost, Session
from pannier.store.transports.sftp_answers import NO_SUCH_FILE, Attrs, Refused

STALE_S = 24 * 3600


class Staging:
    """Of one transport; for the event loop's thread. All methods raise Refused and Lost."""

    def __init__(self, root: bytes) -> None:
        self._root = root
        self._parent = root + b"/" + PARENT.encode()
        self._folder = self._parent + f"/{NAME}{os.urandom(8).hex()}".encode()
        self._made: asyncio.Future[None] | None = None
        self._next = 0
        self._there: dict[bytes, asyncio.Future[None]] = {}
        self._unflushed: set[bytes] = set()
        self.stale_after_s = STALE_S

    async def prepare(self, session: Session) -> None:
        """Makes the folder that staged files lie in, once, and sweeps what dead runs left."""
        made = self._made
        if made is None:
            self._made = made = asyncio.get_running_loop().create_task(self._make(session))
        if not made.done():
            await asyncio.wait([made])
        try:
            made.result()
        except BaseException:
            if self._made is made:
                self._made = None
            raise

    async def new_path(self, session: Session) -> bytes:
        """The name of a staged file that does not exist; its folder does."""
        await self.prepare(session)
        self._next += 1
        return self._folder + b"/%d" % self._next

    def forget(self) -> None:
        """What was known of the server's folders may be wrong: somebody removed one."""
        self._made = None
        self._there.clear()

    async def _make(self, session: Session) -> None:
        await self.make_folder(session, self._parent)
        await _mkdir(session, self._folder)
        found = await names_in(session, self._parent)
        ours = next((attrs for name, attrs in found if self._folder.endswith(b"/" + name)), None)
        for name, attrs in found:
            path = self._parent + b"/" + name
            if attrs.mode is None or not stat.S_ISDIR(attrs.mode):
                continue
            if not name.startswith(NAME.encode()):
                self._there.setdefault(path, _done())
            elif ours is not None and path != self._folder:
                with contextlib.suppress(Refused):
                    await self._sweep(session, path, attrs, ours)

    async def _sweep(self, session: Session, path: bytes, its: Attrs, ours: Attrs) -> None:
        """Removes what a dead run left behind, by the server's clock: a run at work has written
        something since."""
        oldest = (ours.mtime_s or 0) - self.stale_after_s
        if its.mtime_s is None or its.mtime_s > oldest:
            return
        files = await names_in(session, path)
        if all(attrs.mtime_s is not None and attrs.mtime_s <= oldest for _, attrs in files):
            await _remove_folder(session, path, [name for name, _ in files])

    async def make_folder(self, session: Session, path: bytes) -> None:
        """Makes a folder and those above it, once; what it holds is flushed later."""
        there = self._there.get(path)
        if there is None:
            there = asyncio.get_running_loop().create_task(self._make_folder(session, path))
            self._there[path] = there
        if not there.done():
            await asyncio.wait([there])
        try:
            there.result()
        except BaseException:
            if self._there.get(path) is there:
                del self._there[path]
            raise

    async def _make_folder(self, session: Session, path: bytes) -> None:
        try:
            made = await _mkdir(session, path)
        except Refused as error:
            if error.code != NO_SUCH_FILE or path in (b"", b"/"):
                raise
            await self.make_folder(session, path.rpartition(b"/")[0] or b"/")
            made = await _mkdir(session, path)
        if made:
            self._unflushed.add(path.rpartition(b"/")[0] or b"/")

    def named_in(self, folder: bytes) -> None:
        """A name appeared in a folder."""
        self._unflushed.add(folder)

    async def flush(self, session: Session) -> None:
        """Names survive a crash of the server after this, where it can flush folders: OpenSSH's
        opens one for reading like a file."""
        folders, self._unflushed = self._unflushed, set()
        if fsio.policy == "none" or not session.can_fsync:
            return
        opened = [(folder, session.open(folder, READ)) for folder in sorted(folders)]
        flushed = []
        for _, opening in opened:
            with contextlib.suppress(Refused):
                handle = await opening
                flushed.append(session.fsync(handle))
                session.close(handle)
        for flushing in flushed:
            with contextlib.suppress(Refused):
                await flushing

    async def close(self, session: Session) -> None:
        """Removes the folder for staged files, and those in it that failed."""
        if self._made is None:
            return
        self._made = None
        with contextlib.suppress(Refused, Lost):
            names = [name for name, _ in await names_in(session, self._folder)]
            await _remove_folder(session, self._folder, names)


async def names_in(session: Session, folder: bytes) -> list[tuple[bytes, Attrs]]:
    """All names in a folder but `.` and `..`. Raises Refused, Lost."""
    handle = await session.opendir(folder)
    found: list[tuple[bytes, Attrs]] = []
    try:
        ahead = [session.readdir(handle), session.readdir(handle)]
        while some := await ahead.pop(0):
            ahead.append(session.readdir(handle))
            found += [pair for pair in some if pair[0] not in (b".", b"..")]
    finally:
        session.close(handle)
    return found


async def _mkdir(session: Session, path: bytes) -> bool:
    """Returns True when it was made, False when it is there already. Raises Refused."""
    try:
        await session.make_folder(path)
    except Refused as error:
        if error.code == NO_SUCH_FILE:
            raise
        try:
            mode = (await session.stat(path)).mode
        except Refused:
            raise error from None
        if mode is not None and not stat.S_ISDIR(mode):
            shown = path.decode("utf-8", "replace")
            raise TransportError(f"'{shown}' at the server is not a folder") from None
        return False
    return True


async def _remove_folder(session: Session, path: bytes, names: list[bytes]) -> None:
    for removing in [session.remove(path + b"/" + name) for name in names]:
        await removing
    await session.remove_folder(path)


def _done() -> asyncio.Future[None]:
    future = asyncio.get_running_loop().create_future()
    future.set_result(None)
    return future
