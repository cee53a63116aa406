"""Staging in a folder remote: bytes first, then a flush, then their names.

A staged file lies in `files/md5/tmp-pannier-<pid>-<random>/` below the root, where real DVC's
status and gc look past it. A power loss of the machine that holds the folder leaves no name
without its bytes (docs/durability.md, D2). Needs neither hard links nor locks.
"""

from __future__ import annotations

import contextlib
import os
import threading

from pannier.core.digest import MD5
from pannier.disk import fsio, trees
from pannier.disk.hashing import hex_of_file

PARENT = "files/md5"
NAME = "tmp-pannier-"
PREFIX = f"{PARENT}/{NAME}"
"""All keys that start so are staged files, not objects."""

_STALE_S = 24 * 3600


class Staging:
    """The way into one root folder. All methods raise OSError, and may be called from threads."""

    def __init__(self, root: str) -> None:
        self._parent = f"{root.rstrip('/')}/{PARENT}"
        self._next = 0
        self._lock = threading.Lock()
        self._folder = ""
        self._barrier: fsio.Barrier | None = None
        self._there: set[str] = set()  # folders known to exist
        self._unflushed: set[str] = set()  # folders that got names since the last flush

    def open(self) -> str:
        """The folder for staged files. The barrier is opened before anything is written."""
        with self._lock:
            if self._barrier is None:
                self._make_folder(self._parent)
                self._barrier = fsio.Barrier(self._parent)
                self._folder = f"{self._parent}/{NAME}{os.getpid()}-{os.urandom(4).hex()}"
                fsio.make_dir(self._folder)
                _sweep(self._parent, os.stat(self._folder).st_mtime)
            return self._folder

    def reserve(self, count: int) -> int:
        """The first of so many numbers in a row, for names of staged files."""
        with self._lock:
            first, self._next = self._next, self._next + count
            return first

    def new_path(self) -> str:
        return f"{self.open()}/{self.reserve(1)}"

    def own_path(self) -> str:
        """As new_path, in a folder of its own that stays when this process is gone."""
        self.open()
        folder = f"{self._parent}/{NAME}{os.getpid()}-{os.urandom(4).hex()}"
        fsio.make_dir(folder)
        return f"{folder}/part"

    def is_own(self, path: str) -> bool:
        """Whether a path may be one of `own_path`, of another process."""
        folder, _, name = path.rpartition("/")
        return (
            name == "part"
            and folder.startswith(f"{self._parent}/{NAME}")
            and (folder.count("/") == self._parent.count("/") + 1)
        )

    def flush_staged(self, paths: list[str]) -> None:
        """Makes staged bytes durable; on failure they are gone, for none may get a name."""
        assert self._barrier is not None
        try:
            self._barrier.flush(fsio.at_most_few(paths))
        except OSError:
            for path in paths:
                with contextlib.suppress(OSError):
                    fsio.unlink(path)
            raise

    def publish(self, staged: str, target: str, md5: str) -> None:
        """Gives a flushed file its name. What has the name already stays only if it is the same."""
        folder = os.path.dirname(target)
        try:
            self.make_folder(folder)
            if not fsio.publish(staged, target):
                if hex_of_file(target, MD5) == md5:
                    fsio.unlink(staged)
                else:
                    fsio.replace(staged, target)
        except OSError:
            with contextlib.suppress(OSError):
                fsio.unlink(staged)
            raise

    def make_folder(self, path: str) -> None:
        """Makes a folder that names are about to appear in."""
        with self._lock:
            if path not in self._there:
                self._make_folder(path)
            self._unflushed.add(path)

    def _make_folder(self, path: str) -> None:
        if not os.path.isdir(path):
            parent = os.path.dirname(path)
            if parent != path:
                self._make_folder(parent)
            if fsio.make_dir(path):
                self._unflushed.add(parent)
        self._there.add(path)

    def flush(self) -> None:
        """Names are durable after this; their bytes were before they got them."""
        with self._lock:
            folders, self._unflushed = self._unflushed, set()
        if len(folders) <= fsio.FLUSH_FEW:
            for folder in sorted(folders):
                fsio.sync_dir(folder)
        elif self._barrier is not None:
            self._barrier.flush()

    def close(self) -> None:
        with self._lock:
            if self._barrier is not None:
                self._barrier.close()
                self._barrier = None
                with contextlib.suppress(OSError):
                    trees.remove_tree(self._folder)


def _sweep(parent: str, now_s: float) -> None:
    """Removes what dead runs left behind: a run at work has written something since.

    now_s: the time where the folder lies: our own clock may be years ahead of another machine's.
    """
    oldest = now_s - _STALE_S
    for entry in os.scandir(parent):
        if not entry.name.startswith(NAME):
            continue
        with contextlib.suppress(OSError):
            times = [entry.stat(follow_symlinks=False).st_mtime]
            if times[0] < oldest:
                times += [file.stat(follow_symlinks=False).st_mtime for file in os.scandir(entry)]
            if max(times) < oldest:
                trees.remove_tree(entry.path)
