"""What `os` does not have: some calls of the C library, which is loaded when one is first made, and
standard streams that are open.

The calls that change or flush something return 0, or the error number.
"""

from __future__ import annotations

import errno
import fcntl
import os
import sys
from functools import cache

from pannier.core.typed import Any

RENAME_NOREPLACE = 1
RENAME_EXCHANGE = 2
_AT_FDCWD = -100
_GET_VERSION = 0x80087601
_STATX_BTIME = 0x800
_STATX_BYTES, _BTIME_AT = 256, 80


@cache
def _library() -> tuple[Any, Any]:
    import ctypes  # most commands rename nothing

    return ctypes.CDLL(None, use_errno=True), ctypes


def renameat2(source: str, target: str, flags: int, folder_fd: int = _AT_FDCWD) -> int:
    """folder_fd: of the folder that a relative target is below."""
    library, ctypes = _library()
    try:
        call = library.renameat2
    except AttributeError:
        return errno.ENOSYS
    failed = call(_AT_FDCWD, os.fsencode(source), folder_fd, os.fsencode(target), flags)
    return int(ctypes.get_errno()) if failed else 0


def syncfs(fd: int) -> int:
    library, ctypes = _library()
    return int(ctypes.get_errno()) if library.syncfs(fd) else 0


def identity(folder: str) -> bytes:
    """What no other folder in the same place has had, or will have; b"" when there is none.

    Most file systems use numbers of inodes again. Those tell by another number which use it is
    (FS_IOC_GETVERSION), or when the folder came into being.
    """
    try:
        fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        return b"%d %d" % (os.fstat(fd).st_ino, _generation(fd) or _born_ns(folder))
    finally:
        os.close(fd)


def _generation(fd: int) -> int:
    """0 where it is not known."""
    try:
        return int.from_bytes(fcntl.ioctl(fd, _GET_VERSION, bytes(8))[:4], sys.byteorder)
    except OSError:
        return 0


def _born_ns(path: str) -> int:
    """statx(2); 0 where it is not known."""
    library, ctypes = _library()
    try:
        call = library.statx
    except AttributeError:
        return 0
    buffer = ctypes.create_string_buffer(_STATX_BYTES)
    if call(_AT_FDCWD, os.fsencode(path), 0, _STATX_BTIME, buffer):
        return 0
    mask, seconds, rest = (
        int.from_bytes(buffer.raw[at : at + size], sys.byteorder)
        for at, size in ((0, 4), (_BTIME_AT, 8), (_BTIME_AT + 8, 4))
    )
    return seconds * 1_000_000_000 + rest if mask & _STATX_BTIME else 0


def fill_streams() -> None:
    """Puts the null device in the place of each standard stream that our caller closed. Else the
    next file of ours gets its number, and what a stage's command writes there lands in it."""
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
