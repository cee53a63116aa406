"""SSH servers with SFTP, through asyncssh for the connection and `sftp.py` for the files.

One connection and one event loop, in a thread of its own: what many small files cost is waiting
for answers, and processor time for each request; both are least with many requests under way in
one loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import deque
from collections.abc import Callable, Coroutine, Iterable, Iterator
from queue import SimpleQueue

from pannier.core.errors import CorruptObject, PannierError, TransportError
from pannier.core.typed import Any, TypeAlias
from pannier.store.remote_config import RemoteConfig
from pannier.store.transport import Entry, OnBytes, Result
from pannier.store.transports.bulk import Filling
from pannier.store.transports.ssh_files import Files
from pannier.store.transports.ssh_link import Link
from pannier.store.transports.ssh_options import read_options

_JOBS = 64
_JOBS_MAX = 256
"""Each may hold a file open here and there."""

_GIVE_UP_S = 2.0

_Work: TypeAlias = Callable[[], Coroutine[Any, Any, Result]]


class SshTransport(Filling):
    """See Transport."""

    def __init__(self, config: RemoteConfig) -> None:
        self._options = read_options(config)
        self.url = self._options.url
        self.jobs_default = _JOBS
        self._guard = threading.Lock()
        self._at: tuple[Link, Files] | None = None

    def __repr__(self) -> str:
        return f"SshTransport({self.url!r})"

    # -- one key ----

    def stat(self, key: str) -> Entry | None:
        link, files = self._open()
        return link.call(lambda: files.stat(key))

    def read(self, key: str) -> bytes:
        link, files = self._open()
        return link.call(lambda: files.read(key))

    def write(self, key: str, data: bytes) -> None:
        link, files = self._open()
        link.call(lambda: files.write(key, data))

    def delete(self, key: str) -> None:
        link, files = self._open()
        link.call(lambda: files.delete(key))

    # -- many keys ----

    def list(self, prefix: str, start_after: str = "") -> Iterator[Entry]:
        link, files = self._open()
        outbox: SimpleQueue[list[Entry] | None] = SimpleQueue()

        async def walk() -> None:
            try:
                await files.walk(prefix, outbox.put)
            finally:
                outbox.put(None)

        walking = asyncio.run_coroutine_threadsafe(walk(), link.open())
        try:
            while (entries := outbox.get()) is not None:
                yield from entries
            walking.result()
        finally:
            walking.cancel()

    def upload_many(
        self, items: Iterable[tuple[str, str, str]], jobs: int, on_bytes: OnBytes
    ) -> Iterator[Result]:
        link, files = self._open()

        def work(item: tuple[str, str, str]) -> Coroutine[Any, Any, Result]:
            path, key, md5 = item
            return _result(key, files.upload(path, key, md5, on_bytes))

        return _bulk(link, items, work, jobs)

    def _fill_many(
        self,
        items: Iterable[tuple[str, str, str]],
        jobs: int,
        on_bytes: OnBytes,
        *,
        keep: bool,
    ) -> Iterator[Result]:
        link, files = self._open()

        def work(item: tuple[str, str, str]) -> Coroutine[Any, Any, Result]:
            key, path, md5 = item
            return _result(key, files.download(key, path, md5, on_bytes, keep=keep))

        return _bulk(link, items, work, jobs)

    def flush(self) -> None:
        link, files = self._open()
        link.call(files.flush)

    def close(self) -> None:
        with self._guard:
            at, self._at = self._at, None
        if at is not None:
            at[0].close(at[1].tidy)

    def _open(self) -> tuple[Link, Files]:
        with self._guard:
            if self._at is None:
                link = Link(self._options)
                self._at = link, Files(link)
            return self._at


async def _result(key: str, work: Coroutine[Any, Any, tuple[str, int]]) -> Result:
    try:
        md5, size = await work
    except CorruptObject as error:
        return Result(key, error, error.found)
    except PannierError as error:
        return Result(key, error)
    return Result(key, None, md5, size)


def _bulk(
    link: Link,
    items: Iterable[tuple[str, str, str]],
    work: Callable[[tuple[str, str, str]], Coroutine[Any, Any, Result]],
    jobs: int,
) -> Iterator[Result]:
    """Works on items, at most jobs at a time, and yields results as they come.

    As many items again wait, or are done and not yet taken. Raises what is wrong with the remote
    as a whole; a connection that cannot be made now is in the results, for it may be made later.
    """
    items = iter(items)
    first = next(items, None)
    if first is None:
        return
    loop = link.open()
    try:
        link.call(link.session)
    except TransportError as error:
        if not error.temporary:
            raise
    crew = _Crew(loop, work, min(max(1, jobs), _JOBS_MAX))
    under_way = 0
    try:
        item: tuple[str, str, str] | None = first
        while item is not None:
            loop.call_soon_threadsafe(crew.give, item)
            under_way += 1
            while under_way >= 2 * crew.jobs or (under_way and not crew.outbox.empty()):
                under_way -= 1
                yield crew.take()
            item = next(items, None)
        while under_way:
            under_way -= 1
            yield crew.take()
    finally:
        crew.stop()


class _Crew:
    """Tasks of one bulk call. give runs in the loop; take and stop in the caller's thread."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        work: Callable[[tuple[str, str, str]], Coroutine[Any, Any, Result]],
        jobs: int,
    ) -> None:
        self.jobs = jobs
        self.outbox: SimpleQueue[Result | BaseException] = SimpleQueue()
        self._loop, self._work = loop, work
        self._waiting: deque[tuple[str, str, str]] = deque()
        self._tasks: set[asyncio.Task[Any] | None] = set()
        self._stopped = False

    def give(self, item: tuple[str, str, str]) -> None:
        if self._stopped:
            return
        self._waiting.append(item)
        if len(self._tasks) < self.jobs:
            self._tasks.add(self._loop.create_task(self._run()))

    async def _run(self) -> None:
        try:
            while self._waiting:
                try:
                    self.outbox.put(await self._work(self._waiting.popleft()))
                except asyncio.CancelledError:
                    raise
                except BaseException as error:
                    self.outbox.put(error)
        finally:
            # At once, not in a callback: what is given between the two would wait for ever.
            self._tasks.discard(asyncio.current_task())

    def take(self) -> Result:
        found = self.outbox.get()
        if isinstance(found, BaseException):
            raise found
        return found

    def stop(self) -> None:
        """Nobody wants the results any more: waits briefly for what is under way to be undone."""

        async def end() -> None:
            self._stopped = True
            self._waiting.clear()
            tasks = [task for task in self._tasks if task is not None]
            for task in tasks:
                task.cancel()
            if tasks:
                await asyncio.wait(tasks, timeout=_GIVE_UP_S)

        if self._loop.is_running():
            with contextlib.suppress(TimeoutError):
                asyncio.run_coroutine_threadsafe(end(), self._loop).result(2 * _GIVE_UP_S)
