"""Made files: what a checkout has just made, in columns by directory.

Their stats are known from the making, and putting a directory in place by a rename does not change
them. So a new directory need not be looked at again file by file to be remembered.
"""

from __future__ import annotations

import os
import posixpath
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from pannier.disk.walk import FIELDS, Folder, Tree
from pannier.store.sources import Source
from pannier.store.statcache import digest_rows, stat_rows


@dataclass(slots=True)
class _Column:
    names: list[str] = field(default_factory=list)
    stats: bytearray = field(default_factory=bytearray)
    digests: bytearray = field(default_factory=bytearray)

    def in_order(self, names: list[str]) -> tuple[bytes, bytes] | None:
        """(stats, digests) in the order of names; None when these are not the files made here."""
        if names == self.names:
            return bytes(self.stats), bytes(self.digests)
        at = dict(zip(self.names, range(len(self.names)), strict=True))
        if len(names) != len(at) or not at.keys() >= set(names):
            return None
        order = [at[name] for name in names]
        stats, digests = stat_rows(self.stats), digest_rows(self.digests)
        return b"".join([stats[i] for i in order]), b"".join([digests[i] for i in order])


class MadeFiles:
    """Files by the directory they belong to, relative to the output; '' for the output's own."""

    def __init__(self) -> None:
        self._columns: dict[str, _Column] = {}
        self.count = 0

    def note(self, folder: str, names: Sequence[str], hexes: Sequence[str], stats: bytes) -> None:
        """stats: as bytes of an array, FIELDS numbers a name."""
        column = self._columns.setdefault(folder, _Column())
        column.names += names
        column.stats += stats
        column.digests += bytes.fromhex("".join(hexes))
        self.count += len(names)

    def newest_ns(self) -> int:
        """The latest mtime; 0 without files."""
        return max(
            (max(array("q", bytes(c.stats))[0::FIELDS]) for c in self._columns.values()), default=0
        )

    def same(self, folder: Folder) -> list[int]:
        """Indexes of the files that are the very ones made here: same mtime, size and inode.

        A file that is an output by itself has the name '' here and another one in its folder.
        """
        made = self._columns.get(folder.path)
        if made is None:
            return []
        names = made.names if made.names == [""] and len(folder) == 1 else folder.names
        row_of = dict(zip(made.names, range(len(made.names)), strict=True))
        rows = [row_of.get(name, -1) for name in names]
        stats = array("q", bytes(made.stats))
        mtimes, sizes, inodes = (stats[at::FIELDS] for at in (0, 2, 3))
        now = zip(*(folder.stats[at::FIELDS] for at in (0, 2, 3)), strict=True)
        return [
            index
            for index, (row, (mtime, size, inode)) in enumerate(zip(rows, now, strict=True))
            if row >= 0 and inodes[row] == inode and mtimes[row] == mtime and sizes[row] == size
        ]

    def whole(self, absolute: str) -> tuple[Tree, list[Source]] | None:
        """The directory absolute as a walk would see it, if it holds just what was made here.

        Only names are listed (a walk's order is the listing's), no file is looked at, but for
        those that share their object: every further link moved the ctime of the earlier ones.
        """
        tree = Tree(absolute, [], [], [])
        sources: list[Source] = []
        children = self._children()
        pending = [""]
        while pending:
            path = pending.pop()
            below = children.get(path, set())
            place = f"{absolute}/{path}" if path else absolute
            listed = os.listdir(place)
            names = [name for name in listed if name not in below] if below else listed
            found = self._columns.get(path, _Column()).in_order(names)
            if found is None or len(listed) != len(names) + len(below):
                return None
            stats, digests = found
            folder = Folder(path, names, array("q", stats))
            tree.folders.append(folder)
            if names:
                sources.append(Source(place, place, folder, bytearray(digests)))
            inner = [posixpath.join(path, name) for name in listed if name in below]
            pending.extend(reversed(inner))
        _look_at_shared(sources)
        return tree, sources

    def _children(self) -> dict[str, set[str]]:
        """Directory -> names of the directories in it."""
        children: dict[str, set[str]] = {}
        for folder in self._columns:
            path = folder
            while path:
                parent, _, name = path.rpartition("/")
                known = children.setdefault(parent, set())
                if name in known:
                    break
                known.add(name)
                path = parent
        return children


def _look_at_shared(sources: list[Source]) -> None:
    rows = [digest_rows(source.digests) for source in sources]
    twice = set(_repeated(rows))
    if not twice:
        return
    for source, digests in zip(sources, rows, strict=True):
        for index, digest in enumerate(digests):
            if digest in twice:
                found = os.stat(source.path(index))
                at = index * FIELDS
                source.folder.stats[at + 1] = found.st_ctime_ns


def _repeated(rows: list[list[bytes]]) -> Iterator[bytes]:
    seen: set[bytes] = set()
    for digests in rows:
        for digest in digests:
            if digest in seen:
                yield digest
            seen.add(digest)
