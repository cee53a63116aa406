"""Every change of a file goes through here: crash points, an operation log, durable writes.

Each mutating call announces itself with `point(name, ...)` first. Tests set PANNIER_FAULT to stop
the process or fail the call at the n-th point, and PANNIER_OPLOG to record what was done, in
order; see docs/durability.md, section 4. Both cost one comparison when they are not set.

How durable: `Barrier` makes everything written to a file system since it was opened survive a
power loss. `policy` is `pannier.fsync`: "all" flushes every file, "batch" one syncfs per barrier,
"none" nothing.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import stat
import time
from collections.abc import Iterable, Iterator
from typing import NoReturn

from pannier.core.errors import DiskError, NoSpace
from pannier.disk import faults
from pannier.disk.faults import name_of, point

_libc = ctypes.CDLL(None, use_errno=True)
_AT_FDCWD = -100
_RENAME_NOREPLACE = 1
_RENAME_EXCHANGE = 2
FLUSH_FEW = 32
"""Up to so many files a barrier flushes file by file, because syncfs waits for everybody's data."""

_NO_SUCH_CALL = {errno.ENOSYS, errno.EINVAL, errno.ENOTSUP}


def disk_error(error: OSError, path: str) -> DiskError:
    """The program's own error for what the operating system refused."""
    code = error.errno or errno.EIO
    if code in (errno.ENOSPC, errno.EDQUOT):
        return NoSpace(path, code)
    reason = os.strerror(code)
    hints = {
        errno.EROFS: "the file system is read-only",
        errno.EACCES: "check who owns it and its rights",
        errno.EPERM: "check who owns it and its rights",
        errno.EMFILE: "raise the limit of open files with 'ulimit -n'",
    }
    return DiskError(path, code, reason, hint=hints.get(code))


def fail(error: OSError, path: str) -> NoReturn:
    raise disk_error(error, path) from error


# -- small durable files ----


def write_atomic(
    path: str, data: bytes, *, mode: int | None = None, scratch: str | None = None
) -> None:
    """Puts data under path: afterwards path is wholly old or wholly new, whatever happens.

    mode: of a new file (default 0666 less the umask); an existing file keeps its mode unless
    given. scratch: a directory on the same file system for the temporary file, so that a kill
    leaves nothing beside the user's files. A symbolic link at path is followed. Flushed, with its
    directory, before this returns.
    """
    path = os.path.realpath(path) if os.path.islink(path) else path
    folder = os.path.dirname(path) or "."
    try:
        old = os.stat(path)
    except FileNotFoundError:
        old = None
    name = f".{os.getpid()}-{os.urandom(8).hex()}.pannier-tmp"
    temporary = os.path.join(scratch or folder, name)
    wanted = mode if mode is not None else (stat.S_IMODE(old.st_mode) if old else None)
    try:
        fd = create_new(temporary, 0o600 if wanted is not None else 0o666)
        try:
            write_all(fd, data, temporary)
            if wanted is not None:
                point("chmod", temporary, wanted)
                os.fchmod(fd, wanted)
            sync_fd(fd, temporary)
        finally:
            os.close(fd)
        try:
            replace(temporary, path)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            _discard(temporary)
            write_atomic(path, data, mode=mode)
            return
        sync_dir(folder)
    except OSError as error:
        _discard(temporary)
        fail(error, path)


def _discard(path: str) -> None:
    with contextlib.suppress(OSError):
        os.unlink(path)


# -- primitives: each announces itself, then is one system call ----


def create_new(path: str, mode: int = 0o666) -> int:
    """Opens a file that did not exist for writing (and reading)."""
    point("create", path)
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)


def write_all(fd: int, data: bytes | memoryview, path: str) -> None:
    point("write", path, data)
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def replace(source: str, target: str) -> None:
    point("rename", source, target)
    os.rename(source, target)


def publish(source: str, target: str, *, shown: str = "") -> bool:
    """Moves source to target unless target exists; tells whether it did.

    shown: target's name for the log, when target itself goes through a descriptor.

    One system call (renameat2 with NOREPLACE) where the file system has it, else link and unlink,
    else (no hard links there) a plain rename after looking.
    """
    point("publish", source, shown or target)
    if _renameat2(source, target, _RENAME_NOREPLACE):
        return True
    code = ctypes.get_errno()
    if code == errno.EEXIST:
        return False
    if code not in _NO_SUCH_CALL:
        raise OSError(code, os.strerror(code), target)
    try:
        os.link(source, target, follow_symlinks=False)
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK):
            raise
        if os.path.lexists(target):
            return False
        os.rename(source, target)
        return True
    os.unlink(source)
    return True


def exchange(first: str, second: str, *, shown: str = "") -> bool:
    """Swaps two names in one step; False where the file system cannot."""
    point("exchange", first, shown or second)
    if _renameat2(first, second, _RENAME_EXCHANGE):
        return True
    code = ctypes.get_errno()
    if code in _NO_SUCH_CALL:
        return False
    raise OSError(code, os.strerror(code), second)


def _renameat2(source: str, target: str, flags: int) -> bool:
    try:
        call = _libc.renameat2
    except AttributeError:
        ctypes.set_errno(errno.ENOSYS)
        return False
    result: int = call(_AT_FDCWD, os.fsencode(source), _AT_FDCWD, os.fsencode(target), flags)
    return result == 0


def link(source: str, target: str) -> None:
    point("link", source, target)
    os.link(source, target, follow_symlinks=False)


def link_open_file(fd: int, folder_fd: int, target: str) -> None:
    """Gives an open file one more name below a folder, whatever its own name means by now."""
    if faults.traced:
        point("link", name_of(fd), f"{name_of(folder_fd)}/{target}")
    # With a folder's descriptor this is linkat(AT_SYMLINK_FOLLOW): it links the file behind /proc.
    os.link(f"/proc/self/fd/{fd}", target, dst_dir_fd=folder_fd, follow_symlinks=True)


def symlink(content: str, target: str) -> None:
    point("symlink", content, target)
    os.symlink(content, target)


def chmod(path: str, mode: int) -> None:
    point("chmod", path, mode)
    os.chmod(path, mode)


def fchmod(fd: int, mode: int) -> None:
    if faults.traced:
        point("chmod", name_of(fd), mode)
    os.fchmod(fd, mode)


def unlink(path: str) -> None:
    point("unlink", path)
    os.unlink(path)


def rmdir(path: str) -> None:
    point("rmdir", path)
    os.rmdir(path)


def make_dir(path: str, mode: int = 0o777) -> bool:
    """Makes one directory; tells whether it was new."""
    if os.path.isdir(path):
        return False
    point("mkdir", path)
    try:
        os.mkdir(path, mode)
    except FileExistsError:
        if not os.path.isdir(path):
            raise
        return False
    return True


def make_dirs(path: str, mode: int = 0o777) -> None:
    """Makes a directory and its parents; existing ones stay as they are."""
    if not path or os.path.isdir(path):
        return
    make_dirs(os.path.dirname(path), mode)
    make_dir(path, mode)


def remove_if_there(path: str) -> bool:
    try:
        unlink(path)
    except FileNotFoundError:
        return False
    return True


def remove_durable(path: str) -> None:
    """Removes a small file so that a power loss does not bring it back. Absent is fine."""
    try:
        if remove_if_there(path):
            sync_dir(os.path.dirname(path) or ".")
    except OSError as error:
        fail(error, path)


def remove_tree(path: str) -> None:
    """Removes a directory of our own making, links not followed. Absent is fine."""
    try:
        entries = list(os.scandir(path))
    except FileNotFoundError:
        return
    except NotADirectoryError:
        unlink(path)
        return
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            remove_tree(entry.path)
        else:
            unlink(entry.path)
    rmdir(path)


def clock_ns(scratch: str) -> int:
    """The time of a file system, now: the stat of a file just made in scratch.

    Where nothing can be written (a read-only project) the machine's clock must do.
    """
    path = f"{scratch}/clock-{os.getpid()}"
    try:
        make_dirs(scratch)
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    except OSError:
        return time.time_ns()
    try:
        return os.fstat(fd).st_mtime_ns
    finally:
        os.close(fd)
        os.unlink(path)


# -- flushing ----

policy = "batch"
"""pannier.fsync: "all", "batch" or "none"; set once, before the first write."""


def set_policy(value: str) -> None:
    global policy
    policy = value


def sync_fd(fd: int, path: str) -> None:
    """Flushes one file's bytes, unless nothing is ever flushed."""
    if policy != "none":
        point("fsync", path)
        os.fsync(fd)


def sync_dir(path: str) -> None:
    """Flushes a directory: the names in it survive a power loss."""
    if policy == "none":
        return
    point("fsyncdir", path)
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    except OSError as error:
        # A file system that cannot flush a directory says so; it then orders names by itself.
        if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EBADF):
            raise
    finally:
        os.close(fd)


class Barrier:
    """Everything written under `folder`'s file system between opening and `flush` is durable after.

    The descriptor is opened before the first write, because one opened later does not see the
    write error of an earlier flush (measured: ENOSPC against 0 on a thin disk).
    """

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self._fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    def flush(self, files: list[str] | None = None) -> None:
        """Flushes. files: all that was written, when known; few of them are flushed one by one."""
        if policy == "none":
            return
        if files is not None:
            for path in files:
                point("fsync", path)
                fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
                try:
                    os.fsync(fd)
                finally:
                    os.close(fd)
            return
        point("syncfs", self.folder)
        if _libc.syncfs(self._fd) != 0:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code), self.folder)

    def close(self) -> None:
        os.close(self._fd)


def at_most_few(paths: Iterable[str]) -> list[str] | None:
    """The paths when they are to be flushed one by one, None when one syncfs serves better."""
    taken: list[str] = []
    for path in paths:
        taken.append(path)
        if len(taken) > FLUSH_FEW and policy != "all":
            return None
    return taken


@contextlib.contextmanager
def barrier(folder: str) -> Iterator[Barrier]:
    opened = Barrier(folder)
    try:
        yield opened
    finally:
        opened.close()
