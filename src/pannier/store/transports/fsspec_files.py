"""Any file system that is registered with fsspec, as a remote.

Nobody knows what a stranger's file system leaves under a name when an upload is cut off, so one
that can neither move nor copy is only read.
"""

from __future__ import annotations

import contextlib
import datetime
from collections.abc import Iterable, Iterator
from operator import methodcaller

from pannier.core.errors import PannierError
from pannier.core.typed import Any
from pannier.store.remote_config import RemoteConfig
from pannier.store.transports.fsspec_client import Client
from pannier.store.transports.trees import Member, TreeTransport

_BLOCK = 1 << 20
_NO_FOLDERS = (FileExistsError, NotImplementedError)
_TIMES = ("mtime", "LastModified", "last_modified", "modified", "updated")
"""What file systems call the time of the last change."""


class FsspecTransport(TreeTransport):
    """See Transport."""

    def __init__(self, config: RemoteConfig) -> None:
        super().__init__(_FsspecTree(config))


class _FsspecTree:
    def __init__(self, config: RemoteConfig) -> None:
        self.shown = config.url
        self._client = Client(config, config.url.partition("://")[0].lower())

    def open(self) -> None:
        self._client.open()

    def look(self, path: str) -> Member | None:
        return _member("", self._fresh().info(self._at(path)))

    def members(self, path: str) -> Iterator[Member]:
        at = self._at(path)
        base = at.strip("/")
        for row in self._fresh().ls(at, detail=True):
            name = str(row["name"]).strip("/")
            if name != base and row.get("type") in ("file", "directory"):
                inside = base and name.startswith(f"{base}/")
                yield _member(name[len(base) + 1 :] if inside else name, row)

    def make(self, path: str) -> None:
        with contextlib.suppress(*_NO_FOLDERS):
            self._client.open().makedirs(self._at(path), exist_ok=True)

    def write(self, path: str, blocks: Iterable[bytes], size: int) -> None:
        self._client.check_writable()
        with self._client.open().open(self._at(path), "wb") as file:
            for block in blocks:
                file.write(block)

    def read(self, path: str, start: int, end: int | None) -> Iterator[bytes]:
        fs = self._fresh()
        if end is not None:
            yield bytes(fs.cat_file(self._at(path), start, end))
            return
        with fs.open(self._at(path), "rb") as file:
            if start:
                file.seek(start)
            while block := file.read(_BLOCK):
                yield block

    def move(self, path: str, target: str) -> None:
        self._client.move(self._client.open(), self._at(path), self._at(target))

    def remove(self, path: str) -> None:
        self._client.open().rm_file(self._at(path))

    def remove_folder(self, path: str) -> None:
        methodcaller("rmdir", self._at(path))(self._client.open())

    def explain(self, error: Exception, key: str) -> PannierError:
        return self._client.explained(error, key)

    def close(self) -> None:
        """Nothing: fsspec has no word for it."""

    def _at(self, path: str) -> str:
        return f"{self._client.root}/{path}" if path else self._client.root

    def _fresh(self) -> Any:
        """The file system, without what it remembers: others may have written since."""
        fs = self._client.open()
        fs.invalidate_cache()
        return fs


def _member(name: str, row: Any) -> Member:
    size = row.get("size")
    time = next((row[word] for word in _TIMES if word in row), None)
    if isinstance(time, datetime.datetime):
        time = time.timestamp()
    modified_s = float(time) if isinstance(time, int | float) else None
    is_file = row.get("type") == "file"
    return Member(name, not is_file, None if size is None else int(size), modified_s)
