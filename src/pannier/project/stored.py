"""Objects that are recorded, and those of them that lie in the cache with the right bytes."""

from __future__ import annotations

import errno
import io
import os
import stat
from collections.abc import Mapping
from typing import BinaryIO

from pannier.core.record import dataclass, field
from pannier.core.typed import Any
from pannier.disk import batches
from pannier.disk.hashing import hash_bytes, hex_of_file
from pannier.disk.walk import STAT_BYTES
from pannier.project.project import Project, make_project
from pannier.store.objects import Store
from pannier.store.ranges import WHOLE_BYTES

_READ = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK
_NEVER = bytes(STAT_BYTES)


@dataclass(frozen=True, slots=True)
class StoredObject:
    """One object: where it may lie, and what is recorded of it.

    path, entry: its name in the project and its own record, for remotes with cloud versions.
    """

    project: Project
    algorithm: str
    hex: str
    size_bytes: int | None
    remote: str | None
    path: str = ""
    entry: Mapping[str, Any] = field(default_factory=dict, compare=False)

    @property
    def store(self) -> Store:
        return self.project.store_of(self.algorithm)


def open_file(path: str) -> BinaryIO:
    """A regular file on disk, links followed. Raises OSError; nobody waits for a pipe."""
    fd = os.open(path, _READ)
    mode = os.fstat(fd).st_mode
    if not stat.S_ISREG(mode):
        os.close(fd)
        code = errno.EISDIR if stat.S_ISDIR(mode) else errno.EINVAL
        raise OSError(code, os.strerror(code), path)
    return open(fd, "rb")


def cached_object(item: StoredObject) -> BinaryIO | None:
    """An object in the cache, if its bytes are right; None for one that is not there."""
    path = item.store.path(item.hex)
    try:
        fd = os.open(path, _READ | os.O_NOFOLLOW)
    except OSError:
        return None
    found = os.fstat(fd)
    if not stat.S_ISREG(found.st_mode):
        os.close(fd)
        return None
    with open(fd, "rb") as file:
        if found.st_size <= WHOLE_BYTES:
            data = file.read()
            good = hash_bytes(data, item.algorithm) == item.hex[:32]
            return io.BytesIO(data) if good else None
    return open_file(path) if _is_verified(item) else None


def _is_verified(item: StoredObject) -> bool:
    """Whether a big object is known to be good, or read now and found to be."""
    # With a StatCache of its own: the project's belongs to the thread that opened it.
    project = make_project(item.project.root, item.project.settings, None, item.project.cache_dir)
    store = project.store_of(item.algorithm)
    try:
        now = batches.stat_batch(store.root, [item.hex])
        if now == _NEVER:
            return False
        if store.verified_stats([item.hex]) == now:
            return True
        if hex_of_file(store.path(item.hex), item.algorithm) != item.hex[:32]:
            return False
        store.note_verified([item.hex], now, flushed=False)
        return True
    finally:
        project.close()
