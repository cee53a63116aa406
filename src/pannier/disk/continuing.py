"""Copying a big file on from where a killed run was.

What is there is compared with the source byte by byte, as the disk has it; it is kept as far as it
is the same. The digest is of the whole, as in `copying`.
"""

from __future__ import annotations

import errno
import os
import stat

from pannier.core.hashes import md5
from pannier.core.typed import Any
from pannier.disk import fsio
from pannier.disk.copying import Copied
from pannier.disk.hashing import CHUNK, OnBytes

_READ = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK
_OWN_MODE = 0o600


def can_go_on(target: str) -> bool:
    """Whether a file that a killed run began is there for `copy_on`; it can be written to then."""
    try:
        fd = os.open(target, _READ | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode) or found.st_nlink != 1:
            return False  # with two names it is an object already
        if not found.st_mode & stat.S_IWUSR:  # it was whole
            fsio.fchmod(fd, _OWN_MODE)
        os.close(fsio.open_again(target))
    except OSError:
        return False
    finally:
        os.close(fd)
    return True


def copy_on(source: str, target: str, expected: str, mode: int, on_bytes: OnBytes) -> Copied:
    """Copies a file into one that may exist, of our own. What came stays when the rest does not;
    a copy whose digest is not the expected one is removed. on_bytes: of what was written."""
    try:
        fd = os.open(source, _READ)
    except OSError as error:
        return "", 0, error.errno or errno.EIO, source
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            return "", 0, errno.EISDIR, source
        try:
            out = fsio.open_again(target)
        except FileNotFoundError:
            out = fsio.create_new(target, _OWN_MODE)
        try:
            hasher = md5()
            same = _compare(fd, out, target, hasher)
            os.lseek(fd, same, os.SEEK_SET)
            size = same
            while data := os.read(fd, CHUNK):
                fsio.write_all(out, data, target)
                hasher.update(data)
                size += len(data)
                on_bytes(len(data))
            try:
                fsio.fchmod(out, mode)
            except OSError:
                pass  # a file system without modes
        finally:
            os.close(out)
    except OSError as error:
        return "", 0, error.errno or errno.EIO, target
    finally:
        os.close(fd)
    digest = str(hasher.hexdigest())
    if expected and digest != expected:
        fsio.unlink(target)
    return digest, size, 0, ""


def _compare(fd: int, out: int, target: str, hasher: Any) -> int:
    """How many bytes are the same; hashed, and nothing is behind them afterwards."""
    there = os.fstat(out).st_size
    if not there:
        return 0
    # Bytes that the disk refused when the dead run wrote them may still be in memory.
    fsio.sync_fd(out, target)
    os.posix_fadvise(out, 0, 0, os.POSIX_FADV_DONTNEED)
    same = 0
    while same < there:
        ours, theirs = os.pread(fd, CHUNK, same), os.pread(out, CHUNK, same)
        if not theirs or ours[: len(theirs)] != theirs:
            break
        hasher.update(theirs)
        same += len(theirs)
    fsio.empty_fd(out, target, same)
    return same
