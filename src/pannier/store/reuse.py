"""Which objects were taken into use again lately, without touching them.

Garbage collection spares what is young; an old object that somebody is about to refer to again must
count as young too. Touching it would change the time of a user's hard-linked file, and make every
program hash it again. So who reuses objects of a cache that others work on leaves one note for all
of them: `reused/<pid>-<random>`, one name a line. Where `flock` works this is a second safety;
where it does not (some NFS) it is the only one.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Collection

from pannier.core.digest import is_object_name
from pannier.disk import fsio
from pannier.disk.reading import read_regular
from pannier.store.objects import Store

_FORGOTTEN_S = 30 * 86400


def note_reuse(store: Store, names: Collection[str]) -> None:
    """Says that these objects, and what manifests among them name, are about to be referred to."""
    if not names or not store.common:
        return
    folder = f"{store.root}/reused"
    try:
        store.make_dir(folder)
        _forget(folder, time.time() - _FORGOTTEN_S)
        path = f"{folder}/{os.getpid()}-{os.urandom(8).hex()}"
        fd = fsio.create_new(path)
        try:
            fsio.write_all(fd, "\n".join(names).encode("ascii"), path)
        finally:
            os.close(fd)
    except PermissionError:
        pass  # a cache that is only read from: what is in it is somebody else's to keep


def reused_since(store: Store, since_ns: int) -> set[str]:
    """The objects of all notes that were made at or after a time of the file system."""
    found: set[str] = set()
    for entry in _notes(f"{store.root}/reused"):
        with contextlib.suppress(FileNotFoundError):
            if entry.stat(follow_symlinks=False).st_mtime_ns >= since_ns:
                lines = read_regular(entry.path).decode("ascii", "replace").split("\n")
                found.update(line for line in lines if is_object_name(line))
    return found


def forget_before(store: Store, before_ns: int) -> None:
    """Removes older notes."""
    _forget(f"{store.root}/reused", before_ns / 1e9)


def _forget(folder: str, before_s: float) -> None:
    for entry in _notes(folder):
        with contextlib.suppress(OSError):
            if entry.stat(follow_symlinks=False).st_mtime < before_s:
                fsio.unlink(entry.path)


def _notes(folder: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return [entry for entry in entries if entry.is_file(follow_symlinks=False)]
    except (FileNotFoundError, NotADirectoryError):
        return []
