"""Removing directories of our own making."""

from __future__ import annotations

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


def _remove_below(parent_fd: int, name: str, shown: str) -> None:
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
            if entry.is_dir(follow_symlinks=False):
                _remove_below(fd, entry.name, inner)
            else:
                point("unlink", inner)
                os.unlink(entry.name, dir_fd=fd)
    finally:
        os.close(fd)
    point("rmdir", shown)
    os.rmdir(name, dir_fd=parent_fd)
