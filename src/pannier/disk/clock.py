"""The time as a file system sees it: what time stamps are compared with."""

from __future__ import annotations

import os
import time

from pannier.disk.fsio import make_dirs


def clock_ns(scratch: str) -> int:
    """The time of a file system, now: the stat of a file just made in scratch.

    Where nothing can be written (a read-only project) the machine's clock must do. A folder of a
    shared cache is also others': the name is new, and no link that waits there is written through.
    """
    path = f"{scratch}/clock-{os.getpid()}-{os.urandom(4).hex()}"
    try:
        make_dirs(scratch)
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except OSError:
        return time.time_ns()
    try:
        return os.fstat(fd).st_mtime_ns
    finally:
        os.close(fd)
        os.unlink(path)
