"""Whole directories: removing those of our own making, and those that others filled."""

from __future__ import annotations

import contextlib
import os

from pannier.disk.faults import point

_DIR = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


def remove_tree(path: str) -> None:
    """Removes a directory of our own making. Absent is fine.

    No link is followed, nor one that somebody puts into the place of a directory meanwhile: in a
    shared cache others may rename what is ours.
    """
    try:
        parent_fd = os.open(os.path.dirname(path) or ".", _DIR)
    except FileNotFoundError:
        return
    try:
        _remove_below(parent_fd, os.path.basename(path), path)
    finally:
        os.close(parent_fd)


def remove_filled(path: str) -> None:
    """The same of a directory that others filled, also of folders in it that nobody may write to.
    What is not ours to remove stays, with what holds it."""
    with contextlib.suppress(PermissionError, FileNotFoundError):
        parent_fd = os.open(os.path.dirname(path) or ".", _DIR)
        try:
            _remove_below(parent_fd, os.path.basename(path), path, anyhow=True)
        finally:
            os.close(parent_fd)


def _remove_below(parent_fd: int, name: str, shown: str, *, anyhow: bool = False) -> None:
    """anyhow: takes the rights that it needs, and goes on beside what it may not remove."""
    if anyhow:
        _open_up(parent_fd, name, shown)
    try:
        fd = os.open(name, _DIR | os.O_NOFOLLOW, dir_fd=parent_fd)
    except FileNotFoundError:
        return
    except NotADirectoryError:
        point("unlink", shown)
        os.unlink(name, dir_fd=parent_fd)
        return
    try:
        for entry in list(os.scandir(fd)):
            inner = f"{shown}/{entry.name}"
            with contextlib.suppress(*([PermissionError] if anyhow else [])):
                if entry.is_dir(follow_symlinks=False):
                    _remove_below(fd, entry.name, inner, anyhow=anyhow)
                else:
                    point("unlink", inner)
                    os.unlink(entry.name, dir_fd=fd)
    finally:
        os.close(fd)
    point("rmdir", shown)
    with contextlib.suppress(*([OSError] if anyhow else [])):
        os.rmdir(name, dir_fd=parent_fd)


def _open_up(parent_fd: int, name: str, shown: str) -> None:
    """Lets us look into a directory of ours and change it."""
    try:
        fd = os.open(
            name, os.O_PATH | os.O_CLOEXEC | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=parent_fd
        )
    except OSError:
        return
    try:
        if os.fstat(fd).st_mode & 0o700 != 0o700:
            point("chmod", shown, 0o700)
            with contextlib.suppress(PermissionError):
                os.chmod(f"/proc/self/fd/{fd}", 0o700)
    finally:
        os.close(fd)


def size_bytes(path: str) -> int:
    """Bytes of all files below a directory, whatever they are; of what can be looked at."""
    size, pending = 0, [path]
    while pending:
        with contextlib.suppress(OSError), os.scandir(pending.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    pending.append(entry.path)
                elif entry.is_file(follow_symlinks=False):
                    size += entry.stat(follow_symlinks=False).st_size
    return size
