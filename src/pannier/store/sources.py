"""Sources: files in columns, what is known of their digests, and reading the rest."""

from __future__ import annotations

import errno
import os
from array import array
from collections.abc import Iterable

from pannier.core.errors import FileChanged
from pannier.core.events import Progress
from pannier.core.record import dataclass, field
from pannier.disk import batches, fsio
from pannier.disk.pool import BATCH, Pool
from pannier.disk.walk import FIELDS, STAT_BYTES, Folder
from pannier.store.statcache import DIGEST_SIZE, UNKNOWN

_RACY_NS, _RACY_FINE_NS = 2_000_000_000, 100_000_000


def racy_ns(clock_ns: int) -> int:
    """How long after an edit another one may leave all stats as they were.

    clock_ns: a time stamp of the file system. One with a fraction of a millisecond comes from a
    file system that keeps the kernel's ticks, 10 ms at most; else steps are up to 2 s (FAT).
    """
    return _RACY_FINE_NS if clock_ns % 1_000_000 else _RACY_NS


@dataclass(slots=True)
class Source:
    """The files of one folder, and what is known of their digests.

    key: absolute path under which the StatCache knows them. base: absolute folder that the names
    are in. digests: 16 bytes a file, UNKNOWN where it is to be read. settled: 1 where digest and
    stats may be remembered together. flags: as batches has them, for files that were read.
    """

    key: str
    base: str
    folder: Folder
    digests: bytearray = field(default_factory=bytearray)
    settled: bytearray = field(default_factory=bytearray)
    flags: bytearray = field(default_factory=bytearray)

    def __post_init__(self) -> None:
        count = len(self.folder)
        if not self.digests:
            self.digests = bytearray(count * DIGEST_SIZE)
            self.settled = bytearray(count)
            self.flags = bytearray(count)

    def unknown(self) -> list[int]:
        """Indexes of the files that are still to be read."""
        if not any(self.digests):
            return list(range(len(self.folder)))
        size = DIGEST_SIZE
        return [
            i for i in range(len(self.folder)) if self.digests[i * size : (i + 1) * size] == UNKNOWN
        ]

    def hex(self, index: int) -> str:
        return self.digests[index * DIGEST_SIZE : (index + 1) * DIGEST_SIZE].hex()

    def hexes(self) -> list[str]:
        text = self.digests.hex()
        width = DIGEST_SIZE * 2
        return [text[at : at + width] for at in range(0, len(text), width)]

    def path(self, index: int) -> str:
        return f"{self.base}/{self.folder.names[index]}"

    def set_stats(self, index: int, stats: bytes) -> None:
        fresh = array("q")
        fresh.frombytes(stats)
        self.folder.stats[index * FIELDS : (index + 1) * FIELDS] = fresh

    def drop(self, indexes: Iterable[int]) -> None:
        """Forgets files that are no longer there."""
        for index in sorted(indexes, reverse=True):
            del self.folder.names[index]
            del self.folder.stats[index * FIELDS : (index + 1) * FIELDS]
            del self.digests[index * DIGEST_SIZE : (index + 1) * DIGEST_SIZE]
            del self.settled[index]
            del self.flags[index]


@dataclass(frozen=True, slots=True)
class Slice:
    """Some files of one source, as one call to a batch function."""

    source: Source
    indexes: list[int]

    @property
    def names(self) -> list[str]:
        names = self.source.folder.names
        if len(self.indexes) == len(names):
            return names
        return [names[index] for index in self.indexes]

    @property
    def hexes(self) -> list[str]:
        text = self.source.digests.hex()
        width = DIGEST_SIZE * 2
        return [text[index * width : (index + 1) * width] for index in self.indexes]

    @property
    def stats(self) -> bytes:
        raw = self.source.folder.stats
        if len(self.indexes) * FIELDS == len(raw):
            return raw.tobytes()
        return b"".join(raw[i * FIELDS : (i + 1) * FIELDS].tobytes() for i in self.indexes)

    @property
    def size_bytes(self) -> int:
        sizes = self.source.folder.stats[2::FIELDS]
        return sum([sizes[index] for index in self.indexes])


def slices(wanted: Iterable[tuple[Source, list[int]]]) -> list[Slice]:
    return [
        Slice(source, indexes[start : start + BATCH])
        for source, indexes in wanted
        for start in range(0, len(indexes), BATCH)
    ]


def hash_unknown(sources: list[Source], algorithm: str, clock_ns: int, progress: Progress) -> None:
    """Reads every file whose digest is unknown. clock_ns: the file system's time before this.

    Files that vanished are dropped from their source. Raises DiskError, FileChanged.
    """
    work = slices((source, source.unknown()) for source in sources)
    if not work:
        return
    total = sum(len(part.indexes) for part in work)
    task = progress.task("Hashing", total)
    calls = ((part.source.base, part.names, algorithm) for part in work)
    gone: list[tuple[Source, list[int]]] = []
    with Pool(batches, len(work), files=total) as pool:
        for number, columns in pool.map("hash_batch", calls):
            gone.append((work[number].source, note_reads(work[number], columns, clock_ns)))
            task.advance(len(work[number].indexes))
    task.close()
    drop_gone(gone)


def drop_gone(gone: list[tuple[Source, list[int]]]) -> None:
    """Indexes of one source must go together, highest first."""
    by_source: dict[int, tuple[Source, list[int]]] = {}
    for source, indexes in gone:
        if indexes:
            by_source.setdefault(id(source), (source, []))[1].extend(indexes)
    for source, indexes in by_source.values():
        source.drop(indexes)


def note_reads(part: Slice, columns: batches.ReadColumns, clock_ns: int) -> list[int]:
    """Enters what a batch read; returns the indexes of files that were gone."""
    digests, stats, flags, errors = columns
    source = part.source
    first, count = part.indexes[0], len(part.indexes)
    if not errors and part.indexes[-1] - first + 1 == count:
        _note_run(source, first, count, columns, clock_ns)
        return []
    failed = dict(errors)
    gone = []
    for at, index in enumerate(part.indexes):
        code = failed.get(at)
        if code is not None:
            if flags[at] & batches.CHANGED:
                raise FileChanged(source.path(index))
            if code == errno.ENOENT:
                gone.append(index)
                continue
            fsio.fail(OSError(code, os.strerror(code)), source.path(index))
        source.digests[index * DIGEST_SIZE : (index + 1) * DIGEST_SIZE] = digests[
            at * DIGEST_SIZE : (at + 1) * DIGEST_SIZE
        ]
        source.set_stats(index, stats[at * STAT_BYTES : (at + 1) * STAT_BYTES])
        source.flags[index] = flags[at]
        mtime, ctime = source.folder.stats[index * FIELDS], source.folder.stats[index * FIELDS + 1]
        window = racy_ns(clock_ns)
        racy = abs(clock_ns - mtime) < window or abs(clock_ns - ctime) < window
        source.settled[index] = bool(flags[at] & batches.SETTLED) and not racy
    return gone


def _note_run(
    source: Source, first: int, count: int, columns: batches.ReadColumns, clock_ns: int
) -> None:
    """Enters a batch without failures whose files stand side by side: whole columns at once."""
    digests, stats, flags, _ = columns
    end = first + count
    source.digests[first * DIGEST_SIZE : end * DIGEST_SIZE] = digests
    fresh = array("q", stats)
    source.folder.stats[first * FIELDS : end * FIELDS] = fresh
    source.flags[first:end] = flags
    low, high = clock_ns - racy_ns(clock_ns), clock_ns + racy_ns(clock_ns)
    settled = bytes([flag & batches.SETTLED for flag in flags])
    times = fresh[0::FIELDS] + fresh[1::FIELDS]
    if max(times) > low:
        settled = bytes(
            [
                flag and not (low < fresh[at] < high or low < fresh[at + 1] < high)
                for flag, at in zip(settled, range(0, count * FIELDS, FIELDS), strict=True)
            ]
        )
    source.settled[first:end] = settled
