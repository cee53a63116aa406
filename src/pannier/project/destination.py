"""Destinations outside of what is tracked: where `get` puts data that it brought.

Everything is downloaded into a folder of our own beside the destination, flushed, and takes its
place by one rename: a kill leaves nothing half under the user's name.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import posixpath
import stat
from collections.abc import Iterable, Iterator

from pannier.core.errors import DiskError
from pannier.core.events import Progress
from pannier.core.source_errors import DestinationExists
from pannier.disk import fsio, trees
from pannier.disk.beneath import Root
from pannier.store.cargo import Cargo, Got, unload

_PREFIX = ".pannier-get-"


def destination(cwd: str, name: str, out: str | None) -> str:
    """Where data of a name goes, as the user sees it: to out, or into it when it is a folder."""
    if not out:
        return name
    if os.path.isdir(os.path.join(cwd, out)):
        return posixpath.normpath(posixpath.join(out, name))
    return posixpath.normpath(out)


def refuse_existing(cwd: str, shown: str, *, force: bool) -> None:
    """Raises DestinationExists, unless what is there may be overwritten."""
    path = os.path.join(cwd, shown)
    if not force and os.path.lexists(path):
        raise DestinationExists(shown, is_dir=os.path.isdir(path))


def put(
    cargo: Cargo, cwd: str, shown: str, *, force: bool, jobs: int | None, progress: Progress
) -> dict[str, Got]:
    """Brings cargo to its destination. What a folder there holds besides stays.

    Raises DestinationExists, TransferFailed, BadPath, DiskError; the destination is as it was then.
    """
    refuse_existing(cwd, shown, force=force)
    path = os.path.join(os.path.realpath(cwd), shown)
    base = os.path.dirname(os.path.normpath(path))
    while not os.path.isdir(base):
        base = os.path.dirname(base)
    inner = os.path.relpath(os.path.normpath(path), base)
    with _beside(base) as scratch, fsio.barrier(scratch) as barrier, Root(base) as root:
        new = f"{scratch}/new"
        got = unload(cargo, new, jobs, progress)
        barrier.flush(fsio.at_most_few(f"{new}/{path}" if path else new for path in got))
        found = root.stat(inner)
        if found is None:
            root.place(new, inner)
        elif not force:
            raise DestinationExists(shown, is_dir=stat.S_ISDIR(found.st_mode))
        elif cargo.is_dir and stat.S_ISDIR(found.st_mode):
            _merge(root, new, inner, sorted(got))
        elif stat.S_ISDIR(found.st_mode):
            raise DiskError(
                path, errno.EISDIR, "a folder stands where a file is to go", hint="move it away"
            )
        else:
            root.swap(new, inner, None)
        names = {base, *_folders(base, inner, got)}
        few = fsio.at_most_few(sorted(names))
        if few is None:
            barrier.flush()
        for folder in few or ():
            fsio.sync_dir(folder)
    return got


def _folders(base: str, inner: str, paths: Iterable[str]) -> Iterator[str]:
    """The folders below base in which names are new, with those that lead to them."""
    for path in paths:
        at = posixpath.dirname(posixpath.join(inner, path) if path else inner)
        while at:
            yield f"{base}/{at}"
            at = posixpath.dirname(at)


def _merge(root: Root, new: str, inner: str, paths: list[str]) -> None:
    """One rename a file. All that could be in the way is looked at before the first."""
    found = {path: root.stat(f"{inner}/{path}") for path in paths}
    for path, old in found.items():
        if old is not None and stat.S_ISDIR(old.st_mode):
            where = f"{root.path}/{inner}/{path}"
            raise DiskError(
                where, errno.EISDIR, "a folder stands where a file is to go", hint="move it away"
            )
    for path, old in found.items():
        if old is None:
            root.place(f"{new}/{path}", f"{inner}/{path}")
        else:
            root.swap(f"{new}/{path}", f"{inner}/{path}", None)


@contextlib.contextmanager
def _beside(parent: str) -> Iterator[str]:
    """A private folder in parent, gone afterwards. Those of dead runs are swept.

    A run that lives holds a lock on its folder.
    """
    for entry in os.scandir(parent):
        if entry.name.startswith(_PREFIX) and entry.is_dir(follow_symlinks=False):
            with contextlib.suppress(OSError), _locked(entry.path):
                trees.remove_tree(entry.path)
    folder = f"{parent}/{_PREFIX}{os.getpid()}-{os.urandom(4).hex()}"
    fsio.make_dir(folder, 0o700)
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(OSError):
            stack.enter_context(_locked(folder))
        try:
            yield folder
        finally:
            trees.remove_tree(folder)


@contextlib.contextmanager
def _locked(folder: str) -> Iterator[None]:
    """Raises OSError when somebody else holds it."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(fd)
