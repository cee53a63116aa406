"""Batches of garbage collection and verification.

Columns as in `batches`: names go in, one outcome a name comes out.
"""

from __future__ import annotations

import contextlib
import errno
import os

from pannier.core.digest import MD5
from pannier.core.hashes import md5
from pannier.core.typed import TypeAlias
from pannier.disk import faults, fsio
from pannier.disk.hashing import digest_of_fd

DONE, EXISTS, GONE, WRONG, UNREADABLE = range(5)
"""Outcomes for one object."""

_READ = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW
_AT_ONCE = 1 << 16

Notes: TypeAlias = list[tuple[int, str]]
"""(index, what was found instead)."""


def move_out_batch(root: str, folder: str, names: list[str]) -> bytes:
    """Moves objects into a flat folder, each under its whole name: DONE or GONE."""
    outcomes = bytearray(len(names))  # DONE
    rename, traced = os.rename, faults.traced
    for index, name in enumerate(names):
        source, target = f"{root}/{name[:2]}/{name[2:]}", f"{folder}/{name}"
        if traced:
            faults.point("rename", source, target)
        try:
            rename(source, target)
        except FileNotFoundError:
            outcomes[index] = GONE
    return bytes(outcomes)


def move_back_batch(folder: str, root: str, names: list[str]) -> bytes:
    """Moves objects from a flat folder to where they belong: DONE, EXISTS or GONE."""
    outcomes = bytearray()
    for name in names:
        try:
            done = fsio.publish(f"{folder}/{name}", f"{root}/{name[:2]}/{name[2:]}")
        except FileNotFoundError:
            outcomes.append(GONE)
        else:
            outcomes.append(DONE if done else EXISTS)
    return bytes(outcomes)


def remove_batch(folder: str, names: list[str]) -> int:
    """Unlinks files of a folder; returns how many were there."""
    count = 0
    for name in names:
        with contextlib.suppress(FileNotFoundError):
            fsio.unlink(f"{folder}/{name}")
            count += 1
    return count


def check_batch(root: str, names: list[str], algorithm: str) -> tuple[bytes, int, Notes]:
    """Reads objects in full and hashes them, whatever is remembered about them.

    Returns (outcomes DONE, GONE, WRONG or UNREADABLE; bytes read; the digest found or the reason,
    for those that are not as they should be).
    """
    outcomes, total = bytearray(len(names)), 0
    notes: Notes = []
    plain = algorithm == MD5
    for index, name in enumerate(names):
        try:
            fd = os.open(f"{root}/{name[:2]}/{name[2:]}", _READ)
            try:
                data = os.read(fd, _AT_ONCE)
                total += len(data)
                if plain and len(data) < _AT_ONCE:  # all of it: most objects are small
                    digest = md5(data).hexdigest()
                else:
                    os.lseek(fd, 0, os.SEEK_SET)
                    raw, size = digest_of_fd(fd, os.fstat(fd).st_size, algorithm)
                    digest = raw.hex()
                    total += size - len(data)
            finally:
                os.close(fd)
        except FileNotFoundError:
            outcomes[index] = GONE
        except OSError as error:
            outcomes[index] = UNREADABLE
            notes.append((index, _reason(error)))
        else:
            if digest != name[:32]:
                outcomes[index] = WRONG
                notes.append((index, digest))
    return bytes(outcomes), total, notes


def _reason(error: OSError) -> str:
    return "it is a link" if error.errno == errno.ELOOP else os.strerror(error.errno or errno.EIO)
