"""The work done on many files at once, in this process or in `pool`'s workers.

Every function takes and returns only numbers, strings, bytes and tuples or lists of them. Columns
belong together by position. `stats` columns are arrays of walk.FIELDS signed 64-bit numbers a
file, as bytes; `digests` are 16 bytes a file.

All rules of docs/durability.md, section 3, that concern one file are kept here: what is published
under a digest was read as those bytes, from a file that did not change meanwhile, and a name is
never given twice.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from array import array

from pannier.core.typed import TypeAlias
from pannier.disk import fsio, link
from pannier.disk.anchor import Anchor
from pannier.disk.copying import copy_hashing
from pannier.disk.hashing import (
    digest_of_fd,
    drop_lease,
    holds_lease_briefly,
    take_lease,
)
from pannier.disk.stats import FIELDS, stat_key

# Flags of a file that was read.
SETTLED = 1  # nobody had it open for writing
PRIVATE = 2  # not readable by group and others
EXECUTABLE = 4
CHANGED = 8  # it kept changing while it was read
FAILED = 16  # could not be read; see the errors
LINKED = 32  # it is the object itself, by a hard link

# Outcomes of giving a file a name.
DONE, EXISTS, MOVED, CANNOT, MISSING, CORRUPT = range(6)

_TRIES = 3
_NO_DIGEST = bytes(16)
_OBJECT_MODE, _PRIVATE_MODE = 0o444, 0o400
_READ = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK

Errors: TypeAlias = list[tuple[int, int]]
"""(index, errno)."""

ReadColumns: TypeAlias = tuple[bytes, bytes, bytes, Errors]
"""(digests, stats, flags, errors) of files that were read."""


def _flags_of(mode: int, settled: bool) -> int:
    flags = SETTLED if settled else 0
    if not mode & 0o044:
        flags |= PRIVATE
    if mode & 0o100:
        flags |= EXECUTABLE
    return flags


_Key: TypeAlias = tuple[int, int, int, int]
_NOTHING: _Key = (0, 0, 0, 0)


class _Reads:
    """Collects the columns of one batch of reads."""

    def __init__(self) -> None:
        self.digests: list[bytes] = []
        self.stats = array("q")
        self.flags = bytearray()
        self.errors: Errors = []

    def add(self, digest: bytes, key: tuple[int, int, int, int], flags: int) -> None:
        self.digests.append(digest)
        self.stats.extend(key)
        self.flags.append(flags)

    def fail(self, code: int, flags: int = FAILED) -> None:
        self.errors.append((len(self.flags), code))
        self.add(_NO_DIGEST, (0, 0, 0, 0), flags)

    def columns(self) -> ReadColumns:
        return b"".join(self.digests), self.stats.tobytes(), bytes(self.flags), self.errors


def hash_batch(folder: str, names: list[str], algorithm: str) -> ReadColumns:
    """Hashes the files `names` of a directory (links to files are followed)."""
    reads = _Reads()
    folder_fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for name in names:
            try:
                fd = os.open(name, _READ, dir_fd=folder_fd)
            except OSError as error:
                reads.fail(error.errno or errno.EIO)
                continue
            try:
                _hash_one(fd, algorithm, reads)
            except OSError as error:
                reads.fail(error.errno or errno.EIO)
            finally:
                os.close(fd)
    finally:
        os.close(folder_fd)
    return reads.columns()


def _hash_one(fd: int, algorithm: str, reads: _Reads) -> None:
    before = os.fstat(fd)
    for _ in range(_TRIES):
        size = before.st_size
        settled = take_lease(fd)
        if settled and not holds_lease_briefly(size):
            drop_lease(fd)
        digest, _count = digest_of_fd(fd, size, algorithm)
        after = os.fstat(fd)
        if stat_key(before) == stat_key(after):
            reads.add(digest, stat_key(after), _flags_of(after.st_mode, settled))
            return
        before = after
        os.lseek(fd, 0, os.SEEK_SET)
    reads.fail(errno.EBUSY, CHANGED)


def stage_batch(
    folder: str, names: list[str], staging: str, first: int, clone: bool, algorithm: str
) -> ReadColumns:
    """Copies files into a staging directory, hashing the very bytes that are stored.

    The copies are named by number from `first` on, mode 0444 (0400 when the source is private),
    not flushed. clone: share blocks (reflink) where the file system can.
    """
    reads = _Reads()
    folder_fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for index, name in enumerate(names):
            target = f"{staging}/{first + index}"
            try:
                fd = os.open(name, _READ, dir_fd=folder_fd)
            except OSError as error:
                reads.fail(error.errno or errno.EIO)
                continue
            try:
                _stage_one(fd, target, clone, algorithm, reads)
            except OSError as error:
                error.filename = error.filename or f"{folder}/{name}"
                raise
            finally:
                os.close(fd)
    finally:
        os.close(folder_fd)
    return reads.columns()


def _stage_one(fd: int, target: str, clone: bool, algorithm: str, reads: _Reads) -> None:
    before = os.fstat(fd)
    for _ in range(_TRIES):
        settled = take_lease(fd)
        if settled and not holds_lease_briefly(before.st_size):
            drop_lease(fd)
        out = fsio.create_new(target, 0o600)
        try:
            digest = copy_hashing(fd, out, before.st_size, target, algorithm, clone)
            mode = _OBJECT_MODE if before.st_mode & 0o044 else _PRIVATE_MODE
            fsio.fchmod(out, mode)
        finally:
            os.close(out)
        after = os.fstat(fd)
        if stat_key(before) == stat_key(after):
            reads.add(digest, stat_key(after), _flags_of(after.st_mode, settled))
            return
        fsio.unlink(target)
        before = after
        os.lseek(fd, 0, os.SEEK_SET)
    reads.fail(errno.EBUSY, CHANGED)


def publish_batch(
    staging: str, numbers: list[int], hexes: list[str], root: str, protect: bool
) -> tuple[bytes, bytes]:
    """Moves staged files to their objects' names: (outcomes DONE or EXISTS, stats afterwards).

    protect: they get the mode of objects first, which nobody can write by mistake. Where the name
    exists already the staged file stays, for the caller to compare.
    """
    outcomes, stats = bytearray(), array("q")
    with Anchor(root) as objects:
        for number, name in zip(numbers, hexes, strict=True):
            target = f"{name[:2]}/{name[2:]}"
            if protect:
                with contextlib.suppress(PermissionError):  # of a disk without modes
                    fsio.chmod(f"{staging}/{number}", _OBJECT_MODE)
            done = fsio.publish_below(f"{staging}/{number}", objects, f"{root}/{target}")
            outcomes.append(DONE if done else EXISTS)
            stats.extend(stat_key(os.stat(target, dir_fd=objects.fd, follow_symlinks=False)))
    return bytes(outcomes), stats.tobytes()


def link_in_batch(
    folder: str, names: list[str], stats: bytes, hexes: list[str], root: str
) -> tuple[bytes, bytes]:
    """Makes the files themselves objects: one more name and mode 0444, no copy.

    stats: what they were when they were hashed; a file that moved since gives MOVED, one that is
    open for writing or cannot be linked CANNOT. Returns (outcomes, stats afterwards).
    """
    outcomes, found = bytearray(), array("q")
    was = array("q")
    was.frombytes(stats)
    folder_fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    root_fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for index, (name, digest) in enumerate(zip(names, hexes, strict=True)):
            at = index * FIELDS
            before = tuple(was[at : at + FIELDS])
            target = f"{digest[:2]}/{digest[2:]}"
            outcome, key = _link_in(folder_fd, name, before, root_fd, target)
            outcomes.append(outcome)
            found.extend(key)
    finally:
        os.close(folder_fd)
        os.close(root_fd)
    return bytes(outcomes), found.tobytes()


def _link_in(
    folder_fd: int, name: str, before: tuple[int, ...], root_fd: int, target: str
) -> tuple[int, _Key]:
    try:
        fd = os.open(name, _READ | os.O_NOFOLLOW, dir_fd=folder_fd)
    except FileNotFoundError:
        return MOVED, _NOTHING
    try:
        found = os.fstat(fd)
        if stat_key(found) != before:
            return MOVED, _NOTHING
        if not take_lease(fd):
            return CANNOT, _NOTHING
        try:
            fsio.link_open_file(fd, root_fd, target)
        except FileExistsError:
            return EXISTS, _NOTHING
        except OSError as error:
            if error.errno not in link.CANNOT:
                raise
            return CANNOT, _NOTHING
        mode = _OBJECT_MODE if found.st_mode & 0o044 else _PRIVATE_MODE
        if stat.S_IMODE(found.st_mode) != mode:
            fsio.fchmod(fd, mode)
        return DONE, stat_key(os.fstat(fd))
    finally:
        os.close(fd)


def verify_batch(root: str, hexes: list[str], algorithm: str) -> tuple[bytes, bytes]:
    """Reads objects and hashes them: (outcomes DONE, MISSING or CORRUPT, stats)."""
    outcomes, stats = bytearray(), array("q")
    for digest in hexes:
        path = f"{root}/{digest[:2]}/{digest[2:]}"
        try:
            fd = os.open(path, _READ | os.O_NOFOLLOW)
        except OSError:
            outcomes.append(MISSING)
            stats.extend(_NOTHING)
            continue
        try:
            found = os.fstat(fd)
            good = stat.S_ISREG(found.st_mode) and (
                digest_of_fd(fd, found.st_size, algorithm)[0].hex() == digest[:32]
            )
            outcomes.append(DONE if good else CORRUPT)
            stats.extend(stat_key(found))
        finally:
            os.close(fd)
    return bytes(outcomes), stats.tobytes()


def stat_batch(root: str, hexes: list[str]) -> bytes:
    """The stats of objects, zeros for those that are not there."""
    stats = array("q")
    for digest in hexes:
        try:
            stats.extend(stat_key(os.lstat(f"{root}/{digest[:2]}/{digest[2:]}")))
        except OSError:
            stats.extend(_NOTHING)
    return stats.tobytes()
