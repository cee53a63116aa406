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
import errno
import os
import stat
from collections.abc import Iterable, Iterator

from pannier.core.errors import DiskError, NoSpace
from pannier.core.typed import NoReturn
from pannier.disk import faults, libc, watch
from pannier.disk.anchor import Anchor
from pannier.disk.faults import name_of, point, real_name

FLUSH_FEW = 32
"""Up to so many files a barrier flushes file by file, because syncfs waits for everybody's data."""

WRITE_MAX = 128 << 10
"""For bigger pieces ext4 takes bigger runs of memory; a virtual machine that gives memory back has
to get those first, and a gigabyte took up to five times as long. Smaller pieces cost no more."""

_DIR = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_NO_SUCH_CALL = {errno.ENOSYS, errno.EINVAL, errno.ENOTSUP}


def disk_error(error: OSError, path: str) -> DiskError:
    """The program's own error for what the operating system refused."""
    path = real_name(path)
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
    path: str,
    data: bytes,
    *,
    mode: int | None = None,
    scratch: str | None = None,
    within: str | None = None,
) -> None:
    """Puts data under path: afterwards path is wholly old or wholly new, whatever happens.

    mode: of a new file (default 0666 less the umask); an existing file keeps its mode unless
    given. scratch: a directory on the same file system for the temporary file, so that a kill
    leaves nothing beside the user's files. A symbolic link at path is followed, but not out of
    `within` (a real path): DiskError then. Flushed, with its directory, before this returns.
    """
    real = os.path.realpath(path)
    if within is not None and not real.startswith(within + "/"):
        raise DiskError(
            path,
            errno.ELOOP,
            f"it leads out of the project, to '{real}'",
            hint="nothing is written through such a link; put the file itself in its place",
        )
    path = real if os.path.islink(path) else path
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
        watch.announce(path, data)
        try:
            replace(temporary, path)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            _discard(temporary)
            write_atomic(path, data, mode=mode)
            return
        sync_dir(folder)
    except DiskError:  # of whoever was told, and objects
        _discard(temporary)
        raise
    except OSError as error:
        _discard(temporary)
        fail(error, path)


def _discard(path: str) -> None:
    with contextlib.suppress(OSError):
        os.unlink(path)


@contextlib.contextmanager
def _naming(path: str) -> Iterator[None]:
    """Calls that take a descriptor fail without saying of what; the user is told a path."""
    try:
        yield
    except OSError as error:
        error.filename = error.filename or path
        raise


# -- primitives: each announces itself, then is one system call ----


def create_new(path: str, mode: int = 0o666) -> int:
    """Opens a file that did not exist for writing (and reading)."""
    point("create", path)
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)


def open_again(path: str) -> int:
    """Opens a file of our own for reading what is in it and writing behind that."""
    return os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)


def empty_fd(fd: int, path: str, size: int = 0) -> None:
    """Forgets what an open file holds behind its first size bytes; the next write follows these."""
    point("write", path, b"")
    with _naming(path):
        os.ftruncate(fd, size)
        os.lseek(fd, size, os.SEEK_SET)


def open_append(path: str) -> int:
    """Opens a file of our own for writing at its end."""
    return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW)


def write_all(fd: int, data: bytes | memoryview, path: str) -> None:
    point("write", path, data)
    view = memoryview(data)
    with _naming(path):
        while view:
            view = view[os.write(fd, view[:WRITE_MAX]) :]


def replace(source: str, target: str) -> None:
    point("rename", source, target)
    os.rename(source, target)


def publish_below(source: str, folder: Anchor, target: str) -> bool:
    """`publish` of a target that is probably below folder: the usual case in fewer steps."""
    if faults.traced:
        return publish(source, target)
    code = libc.renameat2(source, folder.short(target), libc.RENAME_NOREPLACE, folder.fd)
    if code in (0, errno.EEXIST):
        return code == 0
    return publish(source, target)  # what else may be wrong, and how else it may work


def publish(source: str, target: str, *, shown: str = "") -> bool:
    """Moves source to target unless target exists; tells whether it did.

    shown: target's name for the log, when target itself goes through a descriptor.

    One system call (renameat2 with NOREPLACE) where the file system has it, else link and unlink,
    else (no hard links there) a plain rename after looking.
    """
    point("publish", source, shown or target)
    code = libc.renameat2(source, target, libc.RENAME_NOREPLACE)
    if code == 0:
        return True
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
    code = libc.renameat2(first, second, libc.RENAME_EXCHANGE)
    if code == 0:
        return True
    if code in _NO_SUCH_CALL:
        return False
    raise OSError(code, os.strerror(code), second)


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
    watch.announce(path, None)
    point("unlink", path)
    os.unlink(path)


def rmdir(path: str) -> None:
    point("rmdir", path)
    os.rmdir(path)


def make_dir(path: str, mode: int = 0o777, *, exactly: bool = False) -> bool:
    """Makes one directory; tells whether it was new.

    exactly: with this mode whatever the umask is, from the first instant on. The umask is the
    whole process's: only while nobody else makes files.
    """
    if os.path.isdir(path):
        return False
    point("mkdir", path)
    umask = os.umask(0) if exactly else None
    try:
        os.mkdir(path, mode)
    except FileExistsError:
        if not os.path.isdir(path):
            raise
        return False
    finally:
        if umask is not None:
            os.umask(umask)
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
        with _naming(path):
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
            error.filename = path
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
                    with _naming(path):
                        os.fsync(fd)
                finally:
                    os.close(fd)
            return
        point("syncfs", self.folder)
        code = libc.syncfs(self._fd)
        if code:
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
