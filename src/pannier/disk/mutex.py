"""Locks: one process at a time in a project, and DVC's record of busy paths.

`.dvc/tmp/lock` is DVC's own lock (flock, the holder's pid as text), so both programs exclude each
other. The kernel frees it when the holder dies; nothing is ever to be cleaned by hand. Where the
file system knows no flock (some NFS), a symbolic link that names the holder stands in.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import math
import os
import time
from types import TracebackType

from pannier.core.errors import LockBusy, PathBusy
from pannier.disk import fsio
from pannier.disk.reading import read_small

_PATIENCE_S = 3.0
_PAUSE_S = 0.05
_GC_PATIENCE_S = 600.0


class ProjectLock:
    """The exclusive lock of a project. Use as a context manager."""

    def __init__(self, path: str, *, wait: bool = False, patience_s: float = _PATIENCE_S) -> None:
        """path: `.dvc/tmp/lock`. wait: as long as it takes, else for so many seconds."""
        self._path, self._wait, self._patience_s = path, wait, patience_s
        self._fd = -1
        self._claim: str | None = None

    def __enter__(self) -> ProjectLock:
        fsio.make_dirs(os.path.dirname(self._path))
        self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        end = time.monotonic() + self._patience_s
        while not self._try():
            if not self._wait and time.monotonic() > end:
                holder = self._holder()
                os.close(self._fd)
                raise LockBusy(holder)
            time.sleep(_PAUSE_S)
        with contextlib.suppress(OSError):  # who we are is for messages only; a disk may be full
            os.ftruncate(self._fd, 0)
            os.pwrite(self._fd, f" {os.getpid()}\n".encode(), 0)
        return self

    def _try(self) -> bool:
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            return False
        except OSError as error:
            if error.errno not in (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS):
                raise
        return self._try_claim()

    def _try_claim(self) -> bool:
        """Takes the lock by a symbolic link that names us: made in one step, with its content."""
        claim, ours = self._path + ".claim", f"{os.uname().nodename}:{os.getpid()}"
        try:
            fsio.symlink(ours, claim)
        except FileExistsError:
            held = _link_content(claim)
            if not _is_dead(held):
                return False
            aside = f"{claim}.{os.getpid()}"
            with contextlib.suppress(FileNotFoundError):
                fsio.replace(claim, aside)
                if _link_content(aside) != held:  # somebody else was faster and claimed it anew
                    fsio.publish(aside, claim)
                fsio.remove_if_there(aside)
            return False  # the next try takes it, if nobody is faster
        self._claim = claim
        return True

    def _holder(self) -> str:
        host, _, number = _link_content(self._path + ".claim").rpartition(":")
        if number.isdigit() and host != os.uname().nodename:
            return f"process {number} on {host}; if it is gone, remove '{self._path}.claim'"
        pid = os.pread(self._fd, 64, 0).decode("ascii", "replace").strip()
        if not pid.isdigit():
            return ""
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                command = file.read(200).replace(b"\0", b" ").decode("utf-8", "replace").strip()
        except OSError:
            return f"process {pid}"
        return f"process {pid}: {command}" if command else f"process {pid}"

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _value: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        if self._claim:
            fsio.remove_if_there(self._claim)
        os.close(self._fd)


class CacheLock:
    """The lock of one cache: many put objects into it at a time, or one collects garbage.

    `gc.lock`, flock: shared by those who add, fetch and commit, from their first look at what is
    there until what names it is written; exclusive for gc. Its content means nothing.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._fd = -1

    def share(self) -> bool:
        """Keeps garbage collectors out, after waiting for one at work. False where no flock is."""
        return self._take(fcntl.LOCK_SH, _GC_PATIENCE_S)

    def own(self, *, wait: bool) -> bool:
        """Keeps everybody out. False where no flock is. Raises LockBusy."""
        return self._take(fcntl.LOCK_EX, math.inf if wait else _PATIENCE_S)

    def _take(self, kind: int, patience_s: float) -> bool:
        if self._fd < 0 and not self._open():
            return False
        end = time.monotonic() + patience_s
        while True:
            try:
                fcntl.flock(self._fd, kind | fcntl.LOCK_NB)
                return True
            except BlockingIOError:
                if time.monotonic() > end:
                    self.release()
                    folder = os.path.dirname(self._path)
                    raise LockBusy(f"a process that adds to '{folder}', or cleans it") from None
            except OSError as error:
                if error.errno not in (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS, errno.EBADF):
                    raise
                return False
            time.sleep(_PAUSE_S)

    def _open(self) -> bool:
        for flags in (os.O_RDWR | os.O_CREAT, os.O_RDONLY):
            try:
                self._fd = os.open(self._path, flags | os.O_CLOEXEC, 0o666)
                return True
            except OSError:
                continue  # another user's, or a cache that can only be read
        return False

    def release(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
        self._fd = -1


def _link_content(path: str) -> str:
    """What a symbolic link holds; '' when there is none."""
    try:
        return os.readlink(path)
    except OSError:
        return ""


def _is_dead(claim: str) -> bool:
    """True for the claim of a process of this machine that is no more."""
    host, _, pid = claim.rpartition(":")
    return host == os.uname().nodename and pid.isdigit() and not os.path.exists(f"/proc/{pid}")


def check_not_busy(rwlock: str, paths: list[str], *, writing: bool) -> None:
    """Raises PathBusy when a running DVC stage holds one of the paths (absolute).

    rwlock: DVC's `.dvc/tmp/rwlock`, JSON {"read": {path: [{pid, cmd}]}, "write": {path: {pid,
    cmd}}}. Empty, torn or unreadable content counts as "nothing held": DVC's writer may have been
    killed in the middle, and the project lock is what guards the data.
    """
    try:
        data = read_small(rwlock)
        import json  # there is such a file only where DVC is at work

        held = json.loads(data)
        readers, writers = dict(held.get("read", {})), dict(held.get("write", {}))
        taken: list[tuple[str, list[object]]] = [(path, [one]) for path, one in writers.items()]
        if writing:
            taken += [(path, list(holders)) for path, holders in readers.items()]
    except (OSError, ValueError, AttributeError, TypeError, RecursionError):
        return
    for path in paths:
        for busy, holders in taken:
            if not (path == busy or path.startswith(busy + "/") or busy.startswith(path + "/")):
                continue
            alive = [pair for pair in map(_alive_holder, holders) if pair is not None]
            if alive:
                raise PathBusy(path, alive, rwlock)


def _alive_holder(holder: object) -> tuple[int, str] | None:
    if not isinstance(holder, dict):
        return None
    pid = holder.get("pid")
    if not isinstance(pid, int) or pid == os.getpid() or not os.path.exists(f"/proc/{pid}"):
        return None
    return pid, str(holder.get("cmd", ""))
