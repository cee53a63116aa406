"""Files that are made from others and can be made again: whole or not there, but not flushed."""

from __future__ import annotations

import contextlib
import errno
import os

from pannier.disk import fsio


def write_derived(path: str, data: bytes, *, scratch: str | None = None) -> None:
    """Puts data under path; a link that is there is replaced, not followed. Raises DiskError.

    scratch: a folder that is swept, for what a kill leaves; else it stays beside path.
    """
    name = f".{os.getpid()}-{os.urandom(8).hex()}.pannier-tmp"
    temporary = f"{scratch}/{name}" if scratch else os.path.join(os.path.dirname(path), name)
    try:
        fd = fsio.create_new(temporary)
        try:
            fsio.write_all(fd, data, temporary)
        finally:
            os.close(fd)
        fsio.replace(temporary, path)
    except OSError as error:
        with contextlib.suppress(OSError):
            fsio.remove_if_there(temporary)
        if error.errno != errno.EXDEV or scratch is None:
            fsio.fail(error, path)
        write_derived(path, data)  # it lies on another disk than scratch
