"""Reading the small files of a project, which a stranger may have made something else.

Git keeps symbolic links: what is called `dvc.yaml` may lead to a device that never ends, or to a
pipe that nobody writes to (docs/durability.md, hostile input S10).
"""

from __future__ import annotations

import errno
import os
import stat

from pannier.core.errors import DiskError
from pannier.disk.fsio import disk_error

LIMIT_BYTES = 64 << 20
"""More than any pointer, config or list of parameters has ever needed."""

_NO_FILE = "it is no regular file"
_READ = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY


def read_small(path: str) -> bytes:
    """The bytes of a regular file, links followed. Nobody waits, and memory has a bound.

    Raises OSError: as read_regular; EFBIG for one that is too large.
    """
    return read_regular(path, LIMIT_BYTES)


def read_regular(path: str, limit_bytes: int | None = None) -> bytes:
    """The bytes of a regular file of any size, links followed. Nobody waits.

    Raises OSError: EISDIR for a directory, EINVAL (see is_no_file) for a pipe, a device or a
    socket.
    """
    try:
        fd = os.open(path, _READ)
    except OSError as error:
        if error.errno != errno.ENXIO:
            raise
        raise OSError(errno.EINVAL, _NO_FILE, path) from None  # a socket
    try:
        found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode):
            code = errno.EISDIR if stat.S_ISDIR(found.st_mode) else errno.EINVAL
            raise OSError(code, _NO_FILE, path)
        if limit_bytes is not None and found.st_size > limit_bytes:
            raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), path)
        pieces = [os.read(fd, found.st_size + 1)]
        size = len(pieces[0])
        while pieces[-1] and size != found.st_size:
            if limit_bytes is not None and size > limit_bytes:
                raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), path)
            pieces.append(os.read(fd, 1 << 20))
            size += len(pieces[-1])
        return b"".join(pieces)
    finally:
        os.close(fd)


def is_no_file(error: OSError) -> bool:
    """True when a path could not be read because a pipe, a device or a socket is there."""
    return error.strerror == _NO_FILE


def unreadable(error: OSError, path: str) -> DiskError:
    """The program's own error for a small file that could not be read."""
    if is_no_file(error):
        return DiskError(path, errno.EINVAL, _NO_FILE, hint=f"look at it with: ls -l '{path}'")
    return disk_error(error, path)
