"""A folder as a remote: on this machine, or mounted over NFS, CIFS or FUSE."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import stat
from collections.abc import Iterable, Iterator
from typing import NoReturn, TypeAlias

from pannier.core.errors import (
    AccessDenied,
    CorruptObject,
    NotThere,
    PannierError,
    TransportError,
    Unreachable,
)
from pannier.core.record import dataclass, replace
from pannier.disk import copying, faults, fsio
from pannier.disk.pool import BATCH, Pool, cpu_count
from pannier.store.transport import Entry, OnBytes, RemoteConfig, Result
from pannier.store.transports import local_staging
from pannier.store.transports.local_staging import Staging
from pannier.store.transports.threads import Stopped, Team

_FIRST_GROUP_FILES = 256
_GROUP_FILES = 4096
_GROUP_BYTES = 1 << 30
"""So much is copied before one flush lets it be published; less at first, to have news soon."""

_PROCESSES_MAX = 32
_FILE_MODE = 0o666
_NO_FILE = (errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG, errno.ELOOP)
_NO_RIGHT = (errno.EACCES, errno.EPERM)
_GONE = (
    errno.ESTALE,
    errno.ENOTCONN,
    errno.EHOSTDOWN,
    errno.EHOSTUNREACH,
    errno.ETIMEDOUT,
    errno.ENETDOWN,
    errno.ENETUNREACH,
    errno.ECONNRESET,
)
_BAD_KEY = re.compile(r"(?:^|/)\.{0,2}(?:/|\Z)|\0")


@dataclass(frozen=True, slots=True)
class _Copy:
    """One file to be copied. md5: expected, hex or "". big: worth threads of its own."""

    key: str
    source: str
    target: str
    md5: str
    size: int


_Copies: TypeAlias = list[_Copy]
_Done: TypeAlias = tuple[_Copy, copying.Copied]
_Copied: TypeAlias = list[tuple[_Copy, Result]]


class LocalTransport:
    """See Transport."""

    def __init__(self, config: RemoteConfig) -> None:
        self.url = config.url
        self.jobs_default = cpu_count()
        self._root = config.url.removeprefix("file://").rstrip("/") or "/"
        self._base = self._root.rstrip("/") + "/"
        self._staging = Staging(self._root)

    def __repr__(self) -> str:
        return f"LocalTransport({self.url!r})"

    def stat(self, key: str) -> Entry | None:
        path = self._path(key)
        try:
            found = os.stat(path)
        except OSError as error:
            if error.errno not in _NO_FILE:
                self._fail(error, path)
            self._check_root()
            return None
        return Entry(key, found.st_size) if stat.S_ISREG(found.st_mode) else None

    def list(self, prefix: str, start_after: str = "") -> Iterator[Entry]:
        folder, slash, start = prefix.rpartition("/")
        path = self._path(folder) if slash else self._root
        self._check_root()
        try:
            yield from _walk(path, folder + slash, start)
        except OSError as error:
            self._fail(error, path)

    def read(self, key: str) -> bytes:
        path = self._path(key)
        try:
            with open(path, "rb") as file:
                return file.read()
        except OSError as error:
            self._fail(error, path)

    def write(self, key: str, data: bytes) -> None:
        path = self._path(key)
        try:
            scratch = self._staging.open()
            self._staging.make_folder(os.path.dirname(path))
            fsio.write_atomic(path, data, scratch=scratch)
        except OSError as error:
            self._fail(error, path)

    def upload_many(
        self, items: Iterable[tuple[str, str, str]], jobs: int, on_bytes: OnBytes
    ) -> Iterator[Result]:
        def staged() -> Iterator[_Copy | Result]:
            for source, key, md5 in items:
                try:
                    self._path(key)
                    yield _Copy(key, source, self._staging.new_path(), md5, _size_of(source))
                except TransportError as error:
                    yield Result(key, error)
                except OSError as error:
                    yield Result(key, self._error(error, self._root))

        for group in _groups(staged()):
            if isinstance(group, Result):
                yield group
                continue
            copied = [
                (copy, self._result(copy, row))
                for copy, row in _copy_all(group, copying.OBJECT_MODE, jobs, on_bytes)
            ]
            yield from self._publish_all(copied)

    def _publish_all(self, copied: _Copied) -> Iterator[Result]:
        """Flushes what was staged and gives it its names."""
        good = [copy for copy, done in copied if done.error is None]
        failures: dict[str, Exception] = {}
        try:
            self._staging.flush_staged([copy.target for copy in good])
            for folder in {os.path.dirname(self._base + copy.key) for copy in good}:
                self._staging.make_folder(folder)
        except OSError as error:
            failure = self._error(error, error.filename or self._root)
            failures = {copy.key: failure for copy in good}
            good = []
        calls = [
            ([(copy.target, self._base + copy.key) for copy in part],)
            for at in range(0, len(good), BATCH)
            if (part := good[at : at + BATCH])
        ]
        met: set[str] = set()
        with Pool(copying, len(calls), _PROCESSES_MAX) as pool:
            for number, outcomes in pool.map("name_copies", calls):
                for (_, target), code in zip(calls[number][0], outcomes, strict=True):
                    if code:
                        met.add(target)
        for copy, done in copied:
            if done.error is not None:
                yield done
            elif copy.key in failures:
                yield replace(done, error=failures[copy.key])
            elif self._base + copy.key in met:
                yield replace(done, error=self._publish(copy, done.md5 or ""))
            else:
                yield done

    def download_many(
        self, items: Iterable[tuple[str, str, str]], jobs: int, on_bytes: OnBytes
    ) -> Iterator[Result]:
        def wanted() -> Iterator[_Copy | Result]:
            for key, target, md5 in items:
                try:
                    source = self._path(key)
                except TransportError as error:
                    yield Result(key, error)
                else:
                    yield _Copy(key, source, target, md5, _size_of(source))

        for group in _groups(wanted()):
            if isinstance(group, Result):
                yield group
                continue
            for copy, row in _copy_all(group, _FILE_MODE, jobs, on_bytes):
                yield self._result(copy, row)

    def delete(self, key: str) -> None:
        path = self._path(key)
        try:
            fsio.remove_if_there(path)
        except OSError as error:
            if error.errno not in _NO_FILE and not os.path.isdir(path):
                self._fail(error, path)

    def flush(self) -> None:
        try:
            self._staging.flush()
        except OSError as error:
            self._fail(error, self._root)

    def close(self) -> None:
        self._staging.close()

    # -- how ----

    def _path(self, key: str) -> str:
        if _BAD_KEY.search(key) or key.startswith(local_staging.PREFIX):
            raise TransportError(f"{key!r} cannot be a name below the folder '{self._root}'")
        return self._base + key

    def _result(self, copy: _Copy, row: copying.Copied) -> Result:
        md5, size, code, path = row
        error: Exception | None = None
        if code:
            error = self._error(OSError(code, os.strerror(code), path), path)
        elif copy.md5 and md5 != copy.md5:
            error = CorruptObject(copy.md5, found=md5, where=f"'{copy.source}'")
        return Result(copy.key, error, md5 or None, size)

    def _publish(self, copy: _Copy, md5: str) -> Exception | None:
        target = self._base + copy.key
        try:
            self._staging.publish(copy.target, target, md5)
        except OSError as error:
            return self._error(error, target)
        return None

    def _check_root(self) -> None:
        """A root that is not there is an empty remote; one that is no folder is a mistake."""
        try:
            is_folder = stat.S_ISDIR(os.stat(self._root).st_mode)
        except FileNotFoundError:
            return
        except OSError as error:
            self._fail(error, self._root)
        if not is_folder:
            raise TransportError(f"the remote '{self._root}' is not a folder")

    def _fail(self, error: OSError, path: str) -> NoReturn:
        raise self._error(error, path) from None

    def _error(self, error: OSError, path: str) -> PannierError:
        """The contract's error for what the operating system said about path.

        Paths outside the root are this machine's side of a transfer.
        """
        code = error.errno or errno.EIO
        if not path.startswith(self._base) and path != self._root:
            return fsio.disk_error(error, path)
        shown = f"'{path}': {os.strerror(code)}"
        if code in _NO_FILE and path != self._root:
            if os.path.isdir(self._root):
                return NotThere(f"'{path}' does not exist")
            return NotThere(
                f"the folder '{self._root}' of the remote does not exist",
                hint="is the disk or the network folder mounted?",
            )
        if code in _NO_RIGHT:
            return AccessDenied(shown, hint="check who owns it and its rights")
        if code in _GONE:
            return Unreachable(shown, hint="is the disk or the network folder mounted?")
        return fsio.disk_error(error, path)


def _walk(path: str, key: str, start: str = "") -> Iterator[Entry]:
    """Entries of the files below a folder whose names start so. Staged files are left out."""
    try:
        found = os.scandir(path)
    except (FileNotFoundError, NotADirectoryError):
        return
    folders = []
    with found:
        for entry in found:
            name = entry.name
            if not name.startswith(start):
                continue
            if entry.is_dir(follow_symlinks=False):
                folders.append(name)
                continue
            with contextlib.suppress(FileNotFoundError):
                if entry.is_file():
                    yield Entry(key + name, entry.stat().st_size)
    for name in folders:
        if not (key + name).startswith(local_staging.PREFIX):
            yield from _walk(f"{path}/{name}", f"{key}{name}/")


def _size_of(path: str) -> int:
    """For planning only: what cannot be read shows when it is copied."""
    try:
        return os.stat(path).st_size
    except OSError:
        return 0


def _groups(copies: Iterable[_Copy | Result]) -> Iterator[_Copies | Result]:
    """Groups of copies that are published together; a Result of what cannot be copied passes."""
    group: _Copies = []
    size, most = 0, _FIRST_GROUP_FILES
    for copy in copies:
        if isinstance(copy, Result):
            yield copy
            continue
        group.append(copy)
        size += copy.size
        if len(group) == most or size >= _GROUP_BYTES:
            yield group
            group, size, most = [], 0, _GROUP_FILES
    if group:
        yield group


def _copy_all(group: _Copies, mode: int, jobs: int, on_bytes: OnBytes) -> Iterator[_Done]:
    """Copies a group; yields in order of completion.

    Many small files go to worker processes, because most of their cost is Python's; big ones to
    threads, where one more thread hashes what the first reads and writes.
    """
    small = [copy for copy in group if copy.size <= copying.WHOLE_MAX]
    chunks = [small[start : start + BATCH] for start in range(0, len(small), BATCH)]
    calls = [([(c.source, c.target, c.md5) for c in chunk], mode) for chunk in chunks]
    with Pool(copying, len(calls), min(jobs, _PROCESSES_MAX)) as pool:
        for number, rows in pool.map("copy_objects", calls):
            for copy, row in zip(chunks[number], rows, strict=True):
                on_bytes(row[1])
                yield copy, row

    def work(copy: _Copy) -> _Done:
        return copy, copying.copy_object(copy.source, copy.target, copy.md5, mode, tell)

    def tell(size: int) -> None:
        if team.stop.is_set():
            raise Stopped
        on_bytes(size)

    team = Team(work, 1 if faults.traced else min(jobs, cpu_count()))
    yield from team.map(copy for copy in group if copy.size > copying.WHOLE_MAX)
