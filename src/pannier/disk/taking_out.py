"""Batches of files made from a store's objects; like `batches`, for this process or a worker.

An object is handed on only when its bytes are what its name says: as remembered under the very
stats that it has now, or read and hashed (docs/durability.md, section 3.2).
"""

from __future__ import annotations

import os
import stat
import struct
from array import array
from collections.abc import Callable

from pannier.core.typed import TypeAlias
from pannier.disk import batches, faults, link
from pannier.disk.anchor import Anchor
from pannier.disk.copying import copy_hashing
from pannier.disk.hashing import hex_of_file
from pannier.disk.stats import FIELDS, StatKey, stat_key

_READ = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW
_NOTHING: StatKey = (0, 0, 0, 0)
_Row: TypeAlias = tuple[int, StatKey]
"""(outcome, stats of the file made)."""


def link_out_batch(
    root: str,
    hexes: list[str],
    known: bytes,
    folder: str,
    names: list[str],
    kind: str,
    executable: bool,
    algorithm: str,
) -> tuple[bytes, bytes]:
    """Makes new files from objects: (outcomes, stats of the files).

    known: per object the stats under which its bytes were last verified, zeros when never; any
    other stats mean that it is read and hashed first. kind: of link. folder and names: where; none
    may exist (EXISTS). CANNOT: this kind of link does not work here. The stats of a link are those
    of its object, after it was made.
    """
    folder_fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        if kind in ("hardlink", "symlink"):
            verified: list[StatKey] = list(struct.iter_unpack(f"{FIELDS}q", known))
            if kind == "hardlink" and not faults.traced:
                return _link_all(root, hexes, verified, folder_fd, folder, names, algorithm)
            rows = [
                _row(
                    _link_out, root, digest, before, folder_fd, f"{folder}/{name}", kind, algorithm
                )
                for digest, before, name in zip(hexes, verified, names, strict=True)
            ]
        else:
            rows = [
                _row(
                    _copy_out,
                    root,
                    digest,
                    folder_fd,
                    f"{folder}/{name}",
                    kind,
                    executable,
                    algorithm,
                )
                for digest, name in zip(hexes, names, strict=True)
            ]
    finally:
        os.close(folder_fd)
    stats = array("q")
    for _, key in rows:
        stats.extend(key)
    return bytes([outcome for outcome, _ in rows]), stats.tobytes()


def _row(make: Callable[..., _Row], root: str, digest: str, *rest: object) -> _Row:
    """One file made, or why not."""
    try:
        return make(f"{root}/{digest[:2]}/{digest[2:]}", digest, *rest)
    except FileNotFoundError:
        return batches.MISSING, _NOTHING
    except FileExistsError:
        return batches.EXISTS, _NOTHING


def _link_all(
    root: str,
    hexes: list[str],
    verified: list[StatKey],
    folder_fd: int,
    folder: str,
    names: list[str],
    algorithm: str,
) -> tuple[bytes, bytes]:
    """Hard links, three system calls each; what is not plain goes the careful way, `_link_out`."""
    outcomes, stats = bytearray(len(hexes)), array("q")
    link_, look, add = os.link, os.stat, stats.extend
    with Anchor(root) as objects:
        for index, (digest, name) in enumerate(zip(hexes, names, strict=True)):
            source = f"{digest[:2]}/{digest[2:]}"
            try:
                s = look(source, dir_fd=objects.fd, follow_symlinks=False)
                now = (s.st_mtime_ns, s.st_ctime_ns, s.st_size, s.st_ino)
                if now == verified[index] and now[2]:
                    link_(
                        source,
                        name,
                        src_dir_fd=objects.fd,
                        dst_dir_fd=folder_fd,
                        follow_symlinks=False,
                    )
                    s = look(name, dir_fd=folder_fd)
                    add((s.st_mtime_ns, s.st_ctime_ns, s.st_size, s.st_ino))
                    continue
            except OSError:
                pass  # looked at again
            before, target = verified[index], f"{folder}/{name}"
            outcomes[index], key = _row(
                _link_out, root, digest, before, folder_fd, target, "hardlink", algorithm
            )
            add(key)
    return bytes(outcomes), stats.tobytes()


def _link_out(
    source: str,
    digest: str,
    verified: tuple[int, ...],
    folder_fd: int,
    target: str,
    kind: str,
    algorithm: str,
) -> _Row:
    key = stat_key(os.lstat(source))
    if key != verified and hex_of_file(source, algorithm) != digest:
        return batches.CORRUPT, _NOTHING
    name = target.rpartition("/")[2]
    if kind == "symlink":
        faults.point("symlink", source, target)
        os.symlink(source, name, dir_fd=folder_fd)
        return batches.DONE, key
    if key[2] == 0:
        # An empty file shared by all its copies would be the first to hit the limit of links.
        faults.point("create", target)
        fd = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666, dir_fd=folder_fd)
        made = stat_key(os.fstat(fd))
        os.close(fd)
        return batches.DONE, made
    faults.point("link", source, target)
    try:
        os.link(source, name, dst_dir_fd=folder_fd, follow_symlinks=False)
    except OSError as error:
        if error.errno not in link.CANNOT:
            raise
        return batches.CANNOT, _NOTHING
    return batches.DONE, stat_key(os.stat(name, dir_fd=folder_fd))


def _copy_out(
    source: str,
    digest: str,
    folder_fd: int,
    target: str,
    kind: str,
    executable: bool,
    algorithm: str,
) -> _Row:
    fd = os.open(source, _READ)
    name = target.rpartition("/")[2]
    try:
        there = os.fstat(fd)
        if not stat.S_ISREG(there.st_mode):
            return batches.CORRUPT, _NOTHING
        key = stat_key(there)
        faults.point("create", target)
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        out = os.open(name, flags, 0o777 if executable else 0o666, dir_fd=folder_fd)
        try:
            found = copy_hashing(fd, out, key[2], target, algorithm, kind == "reflink")
            made = stat_key(os.fstat(out))
        finally:
            os.close(out)
        if found.hex() != digest:
            faults.point("unlink", target)
            os.unlink(name, dir_fd=folder_fd)
            return batches.CORRUPT, _NOTHING
        return batches.DONE, made
    finally:
        os.close(fd)
