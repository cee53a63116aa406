"""The time as a file system sees it: what time stamps are compared with."""

from __future__ import annotations

import contextlib
import os
import time

from pannier.disk.faults import point
from pannier.disk.fsio import make_dirs

_TICK_S = 0.002
_COARSEST_NS = 2_000_000_000  # FAT


def clock_ns(scratch: str) -> int:
    """The time of a file system, now: the stat of a file just made in scratch.

    Where nothing can be written (a read-only project) the machine's clock must do. A folder of a
    shared cache is also others': the name is new, and no link that waits there is written through.
    """
    with contextlib.suppress(OSError):
        make_dirs(scratch)
    found = _stamp_ns(scratch)
    return time.time_ns() if found is None else found


def has_passed(folder: str, newest_ns: int, *, ticks: int = 1) -> bool:
    """Whether the file system's clock is past a time stamp of its own: then whatever changes from
    now on gets a later one.

    folder: an existing one of that file system. ticks: how often it is looked at, 2 ms apart; the
    kernel's tick is 10 ms at most. Where nothing can be written only what is older than any step
    of a time stamp counts.
    """
    for left in range(ticks, 0, -1):
        now = _stamp_ns(folder)
        if now is None:
            return newest_ns < time.time_ns() - _COARSEST_NS
        if now > newest_ns:
            return True
        if left > 1:
            time.sleep(_TICK_S)
    return False


def _stamp_ns(folder: str) -> int | None:
    """The stat of a file just made, nameless where that works; None where none can be made."""
    with contextlib.suppress(OSError):
        fd = os.open(folder, os.O_TMPFILE | os.O_WRONLY | os.O_CLOEXEC, 0o600)
        try:
            return os.fstat(fd).st_mtime_ns
        finally:
            os.close(fd)
    path = f"{folder}/clock-{os.getpid()}-{os.urandom(4).hex()}"
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except OSError:
        return None
    try:
        return os.fstat(fd).st_mtime_ns
    finally:
        os.close(fd)
        os.unlink(path)


def touch(path: str, at_s: float | None = None) -> None:
    """Gives a file of our own another time: that it was used now, or one that means something."""
    point("touch", path)
    os.utime(path, None if at_s is None else (at_s, at_s))
