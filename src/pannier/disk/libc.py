"""What `os` does not have: two calls of the C library, loaded when one is first made, and standard
streams that are open.

The calls return 0, or the error number.
"""

from __future__ import annotations

import errno
import os
from functools import cache

from pannier.core.typed import Any

RENAME_NOREPLACE = 1
RENAME_EXCHANGE = 2
_AT_FDCWD = -100


@cache
def _library() -> Any:
    import ctypes  # most commands rename nothing

    return ctypes.CDLL(None, use_errno=True), ctypes.get_errno


def renameat2(source: str, target: str, flags: int, folder_fd: int = _AT_FDCWD) -> int:
    """folder_fd: of the folder that a relative target is below."""
    library, get_errno = _library()
    try:
        call = library.renameat2
    except AttributeError:
        return errno.ENOSYS
    failed = call(_AT_FDCWD, os.fsencode(source), folder_fd, os.fsencode(target), flags)
    return int(get_errno()) if failed else 0


def syncfs(fd: int) -> int:
    library, get_errno = _library()
    return int(get_errno()) if library.syncfs(fd) else 0


def fill_streams() -> None:
    """Puts the null device in the place of each standard stream that our caller closed. Else the
    next file of ours gets its number, and what a stage's command writes there lands in it."""
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
