"""Claims: which paths running stages read and write, so that two runs never share an output.

Two records. Ours are locks of the kernel: one file for each path in `.dvc/tmp/pannier/stages`,
shared by readers, exclusive for a writer; the stage's command inherits them, so that one whose
repro was killed keeps them as long as it lives (docs/durability.md, section 3.6). The other one is
DVC's `.dvc/tmp/rwlock`, kept in step for projects that both programs work in.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence

from pannier.core.hashes import blake2b
from pannier.core.record import dataclass
from pannier.core.typed import Any
from pannier.disk import fsio
from pannier.disk.mutex import LinkLock, check_not_busy
from pannier.disk.reading import read_small


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds a path. pid: of the repro. alive: it still runs; else only its command does."""

    pid: int
    what: str
    alive: bool

    def __str__(self) -> str:
        if self.alive:
            return f"'{self.what}', which process {self.pid} runs"
        return f"'{self.what}', whose command outlived process {self.pid}"


class Claim:
    """The locks of one stage that runs. fds: for its command to inherit."""

    def __init__(self, fds: list[int]) -> None:
        self.fds = fds

    def release(self) -> None:
        """For when the command has ended: frees the paths also for what it left running."""
        for fd in self.fds:
            with contextlib.suppress(OSError):
                fcntl.flock(fd, fcntl.LOCK_UN)
            os.close(fd)
        self.fds = []


def take(folder: str, what: str, reads: Sequence[str], writes: Sequence[str]) -> Claim | Holder:
    """Claims all paths or none; returns who is in the way of the first that is taken.

    folder: of the lock files. what: the stage, for others' messages. Where the file system knows
    no locks nothing is claimed.
    """
    fsio.make_dirs(folder)
    fds: list[int] = []
    wanted = {path: False for path in reads} | {path: True for path in writes}
    try:
        for path, exclusive in sorted(wanted.items()):
            fd = _open(f"{folder}/{_name(path)}")
            fds.append(fd)
            try:
                fcntl.flock(fd, (fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH) | fcntl.LOCK_NB)
            except BlockingIOError:
                holder = _holder(fd)
                _close(fds)
                return holder
            except OSError as error:
                if error.errno not in (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS):
                    raise
            if exclusive:
                with contextlib.suppress(OSError):  # who we are is for messages only
                    os.ftruncate(fd, 0)
                    os.pwrite(fd, json.dumps({"pid": os.getpid(), "stage": what}).encode(), 0)
    except BaseException:
        _close(fds)
        raise
    return Claim(fds)


def holder_of(folder: str, paths: Iterable[str]) -> Holder | None:
    """Who writes to one of paths now; None when nobody does."""
    for path in paths:
        try:
            fd = os.open(f"{folder}/{_name(path)}", os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError:
            continue
        try:
            fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return _holder(fd)
        except OSError:
            continue
        finally:
            os.close(fd)
    return None


def _open(path: str) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o666)


def _close(fds: list[int]) -> None:
    for fd in fds:
        os.close(fd)


def _name(path: str) -> str:
    return blake2b(os.fsencode(path), digest_size=16).hexdigest()


def _holder(fd: int) -> Holder:
    try:
        told = json.loads(os.pread(fd, 4096, 0))
        pid, what = int(told["pid"]), str(told["stage"])
    except (OSError, ValueError, TypeError, KeyError):
        return Holder(0, "another stage", True)
    return Holder(pid, what, os.path.exists(f"/proc/{pid}"))


# -- DVC's own record --------------------------------------------------------------------------


class BusyPaths:
    """DVC's `.dvc/tmp/rwlock`: what real DVC looks at before it runs a stage."""

    def __init__(self, path: str, command: str, scratch: str, *, by_links: bool = False) -> None:
        """path: of the file. command: ours, as DVC shows it to who must wait. scratch: a folder
        for what is not finished, which is swept. by_links: how DVC guards the file."""
        self._scratch, self._by_links = scratch, by_links
        self._path, self._entry = path, {"pid": os.getpid(), "cmd": command}

    def check(self, reads: Sequence[str], writes: Sequence[str]) -> None:
        """Raises PathBusy when a stage of real DVC is at work on a path (absolute)."""
        check_not_busy(self._path, list(reads), writing=False)
        check_not_busy(self._path, list(writes), writing=True)

    def add(self, reads: Sequence[str], writes: Sequence[str]) -> None:
        def change(held: dict[str, Any]) -> None:
            for path in reads:
                held.setdefault("read", {}).setdefault(path, []).append(self._entry)
            for path in writes:
                held.setdefault("write", {})[path] = self._entry

        self._change(change)

    def remove(self, reads: Sequence[str], writes: Sequence[str]) -> None:
        def change(held: dict[str, Any]) -> None:
            for path in reads:
                readers = held.get("read", {}).get(path, [])
                with contextlib.suppress(ValueError):
                    readers.remove(self._entry)
                if not readers:
                    held.get("read", {}).pop(path, None)
            for path in writes:
                if held.get("write", {}).get(path) == self._entry:
                    del held["write"][path]

        self._change(change)

    def _change(self, change: Callable[[dict[str, Any]], None]) -> None:
        """Alters the file under its guard. Torn content counts as nothing held, as DVC's writer may
        have been killed in the middle; the disk being full is no reason to run no stage."""
        with contextlib.suppress(OSError), self._guard():
            try:
                held = json.loads(read_small(self._path))
            except (OSError, ValueError):
                held = {}
            if not isinstance(held, dict):
                held = {}
            with contextlib.suppress(AttributeError, TypeError):
                change(held)
            temporary = f"{self._scratch}/.{os.getpid()}-{os.urandom(4).hex()}.pannier-tmp"
            fd = fsio.create_new(temporary)  # whole or not at all; nothing for a power loss to keep
            try:
                fsio.write_all(fd, json.dumps(held).encode(), temporary)
            finally:
                os.close(fd)
            fsio.replace(temporary, self._path)

    def _guard(self) -> contextlib.AbstractContextManager[object]:
        path = self._path + ".lock"
        return LinkLock(path) if self._by_links else _guard(path)


@contextlib.contextmanager
def _guard(path: str) -> Iterator[None]:
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)
