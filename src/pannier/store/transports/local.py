"""A folder as a remote: on this machine, or mounted over NFS, CIFS or FUSE."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterable, Iterator

from pannier.core.errors import (
    AccessDenied,
    NotThere,
    PannierError,
    TransportError,
    Unreachable,
)
from pannier.core.typed import NoReturn
from pannier.disk import fsio
from pannier.disk.pool import cpu_count
from pannier.disk.reading import is_no_file, read_regular
from pannier.store.remote_config import RemoteConfig
from pannier.store.transport import Entry, OnBytes, Result
from pannier.store.transports import local_staging
from pannier.store.transports.local_copies import Copies, bad_key, is_bad
from pannier.store.transports.local_staging import Staging

_NO_FILE = (
    errno.ENOENT,
    errno.ENOTDIR,
    errno.EISDIR,
    errno.ENAMETOOLONG,
    errno.ELOOP,
    errno.ENXIO,
)
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


class LocalTransport:
    """See Transport."""

    def __init__(self, config: RemoteConfig) -> None:
        self.url = config.url
        self.jobs_default = cpu_count()
        self._root = config.url.removeprefix("file://").rstrip("/") or "/"
        self._base = self._root.rstrip("/") + "/"
        self._staging = Staging(self._root)
        self._copies = Copies(self._root, self._staging, self._error, config.scratch)

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
            return read_regular(path)
        except OSError as error:
            if is_no_file(error):
                raise NotThere(f"'{path}' is no regular file") from None
            self._fail(error, path)

    def read_range(self, key: str, start: int, end: int) -> bytes:
        path = self._path(key)
        try:
            with open(path, "rb") as file:
                file.seek(start)
                return file.read(end - start)
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
        return self._copies.upload_many(items, jobs, on_bytes)

    def download_many(
        self, items: Iterable[tuple[str, str, str]], jobs: int, on_bytes: OnBytes
    ) -> Iterator[Result]:
        return self._copies.download_many(items, jobs, on_bytes)

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
        if is_bad(key):
            raise bad_key(key, self._root)
        return self._base + key

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
