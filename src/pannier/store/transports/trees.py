"""Places that are trees of files and folders with a way to rename: what their transports share.

An upload goes to a name of its own, in `files/md5/tmp-pannier-<random>/` below the root, where real
DVC's status and gc look past it. It gets the right name when all of it is there and has the right
size. Folders of dead runs are swept after a day, where the place tells when it was last written to.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple, TypeVar

from pannier.core.errors import FileChanged, NotThere, PannierError, TransportError
from pannier.core.typed import Protocol
from pannier.store.transport import Entry, OnBytes
from pannier.store.transports.bulk import Bulk
from pannier.store.transports.local_copies import bad_key, is_bad
from pannier.store.transports.local_staging import NAME, PARENT, PREFIX
from pannier.store.transports.s3_bodies import Parts, Sink, open_source
from pannier.store.transports.threads import Stopped

T = TypeVar("T")

STALE_S = 24 * 3600
_BLOCK = 1 << 20
_DEEPEST = 200
"""Folders in folders; a place that shows a loop is not followed without end."""


class Member(NamedTuple):
    """What a folder holds. modified_s: by the place's own clock, None when it does not tell."""

    name: str
    is_folder: bool
    size_bytes: int | None
    modified_s: float | None = None


class Tree(Protocol):
    """A place with files and folders. Paths are relative to its root, which is ""; any error may be
    raised, and `explain` then says which of the contract's it is. Called from several threads."""

    shown: str

    def open(self) -> None:
        """Called before all else, often; raises what is wrong with the place as a whole."""
        ...

    def look(self, path: str) -> Member | None: ...

    def members(self, path: str) -> Iterable[Member]:
        """Of a folder; raises what `explain` calls NotThere for one that does not exist."""
        ...

    def make(self, path: str) -> None:
        """A folder and those above it; one that is there is no error."""
        ...

    def write(self, path: str, blocks: Iterable[bytes], size: int) -> None:
        """A new file. What blocks raise is raised; what is there then does not matter."""
        ...

    def read(self, path: str, start: int, end: int | None) -> Iterator[bytes]:
        """The bytes from start up to end, which is not beyond the file's end; None is that."""
        ...

    def move(self, path: str, target: str) -> None:
        """Gives a file another name, replacing what has it, in one step."""
        ...

    def remove(self, path: str) -> None: ...

    def remove_folder(self, path: str) -> None:
        """One that is empty."""
        ...

    def explain(self, error: Exception, key: str) -> PannierError: ...

    def close(self) -> None: ...


class TreeTransport(Bulk):
    """See Transport."""

    jobs_default = 8

    def __init__(self, tree: Tree) -> None:
        self.url = tree.shown
        self.stale_after_s: float = STALE_S
        self._tree = tree
        self._lock = threading.Lock()
        self._made: set[str] = set()
        self._staging = ""
        self._numbers = itertools.count()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.url!r})"

    def stat(self, key: str) -> Entry | None:
        found = None if is_bad(key) else self._look(key)
        return None if found is None or found.is_folder else Entry(key, found.size_bytes)

    def list(self, prefix: str, start_after: str = "") -> Iterator[Entry]:
        folder, _, start = prefix.rpartition("/")
        if not folder or not is_bad(folder):
            yield from self._walk(folder, start, _DEEPEST)

    def _walk(self, folder: str, start: str, depth: int) -> Iterator[Entry]:
        if depth == 0:
            raise TransportError(f"'{folder}' in '{self.url}' has folders in folders without end")
        below = []
        for member in self._members(folder):
            if not member.name.startswith(start):
                continue
            key = f"{folder}/{member.name}" if folder else member.name
            if not member.is_folder:
                yield Entry(key, member.size_bytes)
            elif not f"{key}/".startswith(PREFIX):
                below.append(key)
        for key in below:
            yield from self._walk(key, "", depth - 1)

    def read(self, key: str) -> bytes:
        self._good(key)
        return self._call(key, lambda: b"".join(self._tree.read(key, 0, None)))

    def read_range(self, key: str, start: int, end: int) -> bytes:
        entry = self.stat(key)
        if entry is None:
            raise NotThere(f"'{key}' does not exist in '{self.url}'")
        end = end if entry.size_bytes is None else min(end, entry.size_bytes)
        if start >= end:
            return b""
        return self._call(key, lambda: b"".join(self._tree.read(key, start, end)))

    def write(self, key: str, data: bytes) -> None:
        blocks = [data] if data else []
        self._publish(key, len(data), lambda at: self._tree.write(at, blocks, len(data)))

    def delete(self, key: str) -> None:
        """Asks first: what removes a file may remove a folder."""
        if self.stat(key) is not None:
            with contextlib.suppress(NotThere):
                self._call(key, lambda: self._tree.remove(key))

    def flush(self) -> None:
        """Nothing to do: what a file system closed or a server took is all that it tells."""

    def close(self) -> None:
        with self._lock:
            staging, self._staging = self._staging, ""
        if staging:
            with contextlib.suppress(PannierError):
                self._call("", lambda: self._tree.remove_folder(staging))
        self._tree.close()

    # -- how ----

    def _begin(self) -> None:
        self._call("", lambda: None)

    def _good(self, key: str) -> None:
        if is_bad(key):
            raise bad_key(key, self.url)

    def _call(self, key: str, work: Callable[[], T]) -> T:
        """What work gives, or one of the contract's errors."""
        try:
            self._tree.open()
            return work()
        except (Stopped, PannierError):
            raise
        except Exception as error:
            raise self._tree.explain(error, key) from None

    def _look(self, path: str) -> Member | None:
        try:
            return self._call(path, lambda: self._tree.look(path))
        except NotThere:
            return None

    def _members(self, folder: str) -> tuple[Member, ...]:
        """Of a folder, or of none. A server's word is no way to elsewhere."""
        try:
            found = self._call(folder, lambda: tuple(self._tree.members(folder)))
        except NotThere:
            return ()
        return tuple(m for m in found if m.name not in ("", ".", "..") and "/" not in m.name)

    def _upload(
        self, path: str, key: str, expected: str, stop: threading.Event, on_bytes: OnBytes
    ) -> tuple[str, int]:
        fd = open_source(path)
        try:
            size = os.fstat(fd).st_size
            parts = Parts(fd, path, _BLOCK, expected, stop, on_bytes)

            def fill(at: str) -> None:
                self._tree.write(at, parts, size)
                if parts.size != size:
                    raise FileChanged(path)

            self._publish(key, size, fill)
            return parts.md5, parts.size
        finally:
            os.close(fd)

    def _publish(self, key: str, size: int, fill: Callable[[str], None]) -> None:
        """Fills a name of its own, and gives it the key when all of it is there."""
        self._good(key)
        self._make_folder(key.rpartition("/")[0])
        staged = self._staged()
        try:
            self._call(key, lambda: fill(staged))
            there = self._look(staged)
            if there is None or there.size_bytes not in (size, None):
                raise TransportError(f"'{self.url}' did not keep all of '{key}'")
            self._call(key, lambda: self._tree.move(staged, key))
        except BaseException as error:
            if not isinstance(error, NotThere):
                with contextlib.suppress(PannierError):
                    self._call(key, lambda: self._tree.remove(staged))
                raise
            self._forget()
            again = TransportError(f"the folder of '{key}' in '{self.url}' was removed")
            again.temporary = True
            raise again from None

    def _forget(self) -> None:
        """What was known may be wrong: somebody removed a folder."""
        with self._lock:
            self._made.clear()
            self._staging = ""

    def _make_folder(self, folder: str) -> None:
        with self._lock:
            if folder not in self._made:
                self._call(folder, lambda: self._tree.make(folder))
                self._made.add(folder)

    def _staged(self) -> str:
        with self._lock:
            if not self._staging:
                folder = f"{PREFIX}{os.urandom(8).hex()}"
                self._call("", lambda: self._tree.make(folder))
                self._sweep(folder.rpartition("/")[2])
                self._staging = folder
            return f"{self._staging}/{next(self._numbers)}"

    def _sweep(self, mine: str) -> None:
        """Removes what dead runs left, by the place's clock: a run at work wrote something."""
        found = [m for m in self._members(PARENT) if m.is_folder and m.name.startswith(NAME)]
        now_s = next((m.modified_s for m in found if m.name == mine), None)
        if now_s is None:
            return
        oldest_s = now_s - self.stale_after_s
        for folder in found:
            inner = self._members(f"{PARENT}/{folder.name}")
            times = [m.modified_s for m in (folder, *inner)]
            if folder.name != mine and all(t is not None and t <= oldest_s for t in times):
                with contextlib.suppress(PannierError):
                    self._remove_stale(f"{PARENT}/{folder.name}", inner)

    def _remove_stale(self, folder: str, inner: Iterable[Member]) -> None:
        def remove() -> None:
            for member in inner:
                self._tree.remove(f"{folder}/{member.name}")
            self._tree.remove_folder(folder)

        self._call("", remove)

    def _download(self, key: str, sink: Sink, expected: str) -> tuple[str, int]:
        self._good(key)
        there = self._look(key)
        if there is None or there.is_folder:
            raise NotThere(f"'{key}' does not exist in '{self.url}'")
        size = there.size_bytes
        if size is not None and sink.size > size:
            sink.restart()

        def pour() -> None:
            if size is None or sink.size < size:
                for block in self._tree.read(key, sink.size, None):
                    sink.add(block)

        self._call(key, pour)
        where = f"'{self.url}/{key}'"
        return sink.finish(sink.size if size is None else size, expected, where)

    def _error(self, error: BaseException, key: str) -> PannierError:
        return TransportError(f"'{key}' in '{self.url}': {type(error).__name__}")
