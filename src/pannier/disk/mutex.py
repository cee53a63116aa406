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
from collections.abc import Callable
from types import TracebackType

from pannier.core.errors import LockBusy, PathBusy
from pannier.core.pattern import pattern
from pannier.disk import clock, fsio
from pannier.disk.reading import read_small

_PATIENCE_S = 3.0
_PAUSE_S = 0.05
_GC_PATIENCE_S = 600.0
_VALID_S = 365 * 86400
_BREAKING = ".broken-by."
_HEIRS_MAX = 1000
_CLAIM = pattern(r"pannier-(\d+)-[0-9a-f]{16}@(.*)\.lock\Z")


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
            return self._broke(claim, f"{os.urandom(8).hex()}@{ours}") and self._try_claim()
        self._claim = claim
        for name in os.listdir(os.path.dirname(claim)):
            if name.startswith(os.path.basename(claim) + _BREAKING):
                fsio.remove_if_there(f"{os.path.dirname(claim)}/{name}")
        return True

    def _broke(self, claim: str, ours: str) -> bool:
        """Takes a dead holder's claim away, unless somebody else does or did."""
        held = _link_content(claim)
        right = _right_to_break(
            held,
            name=lambda dead: f"{claim}{_BREAKING}{dead.replace('/', '-')}",
            make=lambda right: fsio.symlink(ours, right),
            read=_link_content,
            is_dead=_is_dead,
        )
        if right is None:
            return False
        try:
            still = _link_content(claim) == held and _is_dead(held)
            return still and fsio.remove_if_there(claim)
        finally:
            fsio.remove_if_there(right)

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


class LinkLock:
    """The same lock where `core.hardlink_lock` is set, for file systems without `flock`.

    A claim (`.dvc/tmp/<name>.lock`, which holds its own path) gets the lock's name as a second one:
    one process can do that. Its time lies a year ahead; so long real DVC believes it.
    """

    def __init__(self, path: str, *, wait: bool = False, patience_s: float = _PATIENCE_S) -> None:
        self._path, self._wait, self._patience_s = path, wait, patience_s
        self._folder, name = os.path.split(path)
        self._breaking = f"{_BREAKING}{name}"
        host = os.uname().nodename
        self._claim = f"{self._folder}/pannier-{os.getpid()}-{os.urandom(8).hex()}@{host}.lock"

    def __enter__(self) -> LinkLock:
        try:
            fsio.make_dirs(self._folder)
            fd = fsio.create_new(self._claim)
            try:
                fsio.write_all(fd, os.fsencode(self._claim), self._claim)
            finally:
                os.close(fd)
            clock.touch(self._claim, time.time() + _VALID_S)
            self._take()
        except BaseException as error:
            with contextlib.suppress(OSError):
                os.unlink(self._claim)
            if isinstance(error, OSError):
                fsio.fail(error, self._path)
            raise
        self._sweep()
        return self

    def _take(self) -> None:
        end = time.monotonic() + self._patience_s
        while True:
            try:
                fsio.link(self._claim, self._path)
                return
            except FileExistsError:
                held = _file_content(self._path)
            if not (_is_dead_file(held) and self._removed(held)) and not self._removed_other_kind(
                held
            ):
                if not self._wait and time.monotonic() > end:
                    raise LockBusy(self._holder(held))
                time.sleep(_PAUSE_S)

    def _holder(self, held: str) -> str:
        found = _CLAIM.match(os.path.basename(held))
        who = f"process {found[1]} on {found[2]}" if found else "another program"
        return f"{who}; if it is gone, remove '{self._path}'"

    def _removed(self, held: str) -> bool:
        """Takes the lock of the dead away, unless somebody else does or did."""
        right = _right_to_break(
            held,
            name=lambda dead: f"{self._folder}/{os.path.basename(dead)}{self._breaking}",
            make=lambda right: fsio.link(self._claim, right),
            read=_file_content,
            is_dead=_is_dead_file,
        )
        if right is None:
            return False
        try:
            return _file_content(self._path) == held and fsio.remove_if_there(self._path)
        finally:
            fsio.remove_if_there(right)

    def _removed_other_kind(self, held: str) -> bool:
        """Takes a lock file away that `flock` was used on, if nobody does now."""
        if held.strip().strip("0123456789"):
            return False
        try:
            fd = os.open(self._path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        except FileNotFoundError:
            return True
        except OSError:
            return False
        try:
            with contextlib.suppress(OSError):
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                # Whoever takes this file away holds it like this, so it is under its name still.
                if os.fstat(fd).st_nlink == 1 and os.path.samestat(
                    os.fstat(fd), os.lstat(self._path)
                ):
                    return fsio.remove_if_there(self._path)
            return False
        finally:
            os.close(fd)

    def _sweep(self) -> None:
        """Removes claims of the dead that never became the lock, and what this lock was broken by:
        that is of no use while the living hold it."""
        for name in os.listdir(self._folder):
            if name.startswith("pannier-") and (
                name.endswith(self._breaking) or _is_dead_file(name)
            ):
                fsio.remove_if_there(f"{self._folder}/{name}")

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _value: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        for path in (self._path, self._claim):
            with contextlib.suppress(OSError) if _value is not None else contextlib.nullcontext():
                fsio.remove_if_there(path)


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


def _right_to_break(
    held: str,
    *,
    name: Callable[[str], str],
    make: Callable[[str], None],
    read: Callable[[str], str],
    is_dead: Callable[[str], bool],
) -> str | None:
    """The name by which we, and nobody else, may take away the lock that the dead one held, if it
    still has it: to be looked up again. None: it lives, or somebody else may.

    make gives such a name, if it is free, what names us. Who dies with it leaves the right to who
    makes the next one, called after themselves. So no two have the right; what the dead left of
    this goes when somebody has the lock.
    """
    for _ in range(_HEIRS_MAX):
        if not is_dead(held):
            break
        right = name(held)
        try:
            make(right)
            return right
        except FileExistsError:
            held = read(right)
    return None


def _file_content(path: str) -> str:
    """What a small file holds; '' when there is none."""
    try:
        return os.fsdecode(read_small(path))
    except OSError:
        return ""


def _is_dead_file(claim: str) -> bool:
    """True for a claim of a process of this machine that is no more."""
    found = _CLAIM.match(os.path.basename(claim))
    return (
        found is not None
        and found[2] == os.uname().nodename
        and not os.path.exists(f"/proc/{found[1]}")
    )


def _link_content(path: str) -> str:
    """What a symbolic link holds; '' when there is none."""
    try:
        return os.readlink(path)
    except OSError:
        return ""


def _is_dead(claim: str) -> bool:
    """True for the claim of a process of this machine that is no more."""
    host, _, pid = claim.rpartition("@")[2].rpartition(":")
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
