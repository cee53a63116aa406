"""Batches of garbage collection and verification, in this process or in `pool`'s workers.

Columns as in `batches`: names go in, one outcome a name comes out.
"""

from __future__ import annotations

import contextlib
import errno
import os
from array import array

from pannier.disk import fsio
from pannier.disk.hashing import digest_of_fd
from pannier.disk.walk import stat_key

DONE, EXISTS, GONE, WRONG, UNREADABLE = range(5)
"""Outcomes for one object."""

_READ = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW
_NO_STATS = (0, 0, 0, 0)


def move_out_batch(root: str, names: list[str], folder: str) -> bytes:
    """Moves objects into a flat folder, each under its whole name: DONE or GONE."""
    outcomes = bytearray()
    for name in names:
        try:
            fsio.replace(f"{root}/{name[:2]}/{name[2:]}", f"{folder}/{name}")
        except FileNotFoundError:
            outcomes.append(GONE)
        else:
            outcomes.append(DONE)
    return bytes(outcomes)


def move_back_batch(folder: str, names: list[str], root: str) -> bytes:
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


def check_batch(
    root: str, names: list[str], algorithm: str
) -> tuple[bytes, bytes, list[tuple[int, str]]]:
    """Reads objects in full and hashes them, whatever is remembered about them.

    Returns (outcomes DONE, GONE, WRONG or UNREADABLE; stats; (index, digest found or reason)).
    """
    outcomes, stats = bytearray(), array("q")
    notes: list[tuple[int, str]] = []
    for index, name in enumerate(names):
        outcome, key, note = _check(f"{root}/{name[:2]}/{name[2:]}", name[:32], algorithm)
        outcomes.append(outcome)
        stats.extend(key)
        if note:
            notes.append((index, note))
    return bytes(outcomes), stats.tobytes(), notes


def _check(path: str, wanted: str, algorithm: str) -> tuple[int, tuple[int, ...], str]:
    try:
        fd = os.open(path, _READ)
    except FileNotFoundError:
        return GONE, _NO_STATS, ""
    except OSError as error:
        return UNREADABLE, _NO_STATS, _reason(error)
    try:
        found = os.fstat(fd)
        digest = digest_of_fd(fd, found.st_size, algorithm)[0].hex()
    except OSError as error:
        return UNREADABLE, _NO_STATS, _reason(error)
    finally:
        os.close(fd)
    return (DONE, stat_key(found), "") if digest == wanted else (WRONG, stat_key(found), digest)


def _reason(error: OSError) -> str:
    return "it is a link" if error.errno == errno.ELOOP else os.strerror(error.errno or errno.EIO)
