"""Intake: files on their way into a store, hashed and put as one batch.

The order of writes (docs/durability.md, section 3.1): read and hash, flush the bytes, publish the
names, flush the names. Only then does the caller write what refers to them.
"""

from __future__ import annotations

import errno
import os
from array import array
from collections.abc import Callable, Iterator
from itertools import accumulate

from pannier.core.errors import FileChanged, NoSpace
from pannier.core.events import Progress
from pannier.core.record import dataclass
from pannier.disk import batches, fsio
from pannier.disk.link import COPY, HARDLINK, REFLINK, SYMLINK
from pannier.disk.pool import Pool
from pannier.disk.walk import FIELDS, STAT_BYTES
from pannier.store.objects import Store
from pannier.store.publishing import Staging, flush_names
from pannier.store.reuse import note_reuse
from pannier.store.sources import Slice, Source, drop_gone, hash_unknown, note_reads, slices
from pannier.store.statcache import UNKNOWN

_GROUP_FILES = 200_000
_GROUP_BYTES = 16 << 30
_RESERVE_BYTES = 4 << 20
SHARED_PRIVATE_MODE = 0o440
"""Of an object whose source only its owner may read, in a cache that is shared with a group."""


@dataclass(frozen=True, slots=True)
class _Named:
    """Objects that just got their names, and their stats, column by column."""

    names: list[str]
    stats: list[bytes]


def _note_links(
    part: Slice,
    hexes: list[str],
    outcomes: bytes,
    stats: bytes,
    done: _Named,
    met: set[str],
) -> list[int]:
    """Enters what linking a batch brought; returns the indexes that must be copied instead."""
    source = part.source
    first, count = part.indexes[0], len(part.indexes)
    if outcomes.count(batches.DONE) == count and part.indexes[-1] - first + 1 == count:
        source.folder.stats[first * FIELDS : (first + count) * FIELDS] = array("q", stats)
        linked = [flag | batches.LINKED for flag in source.flags[first : first + count]]
        source.flags[first : first + count] = bytes(linked)
        done.names.extend(hexes)
        done.stats.append(stats)
        return []
    copies = []
    for at, index in enumerate(part.indexes):
        if outcomes[at] == batches.DONE:
            key = stats[at * STAT_BYTES : (at + 1) * STAT_BYTES]
            source.set_stats(index, key)
            source.flags[index] |= batches.LINKED
            done.names.append(hexes[at])
            done.stats.append(key)
        elif outcomes[at] == batches.MOVED:
            raise FileChanged(source.path(index))
        elif outcomes[at] == batches.CANNOT:
            copies.append(index)
        else:
            met.add(hexes[at])
    return copies


class Intake:
    """Puts the files of sources into a store."""

    def __init__(self, store: Store, kinds: list[str], clock_ns: int, progress: Progress) -> None:
        """kinds: of links to the workspace, in order of preference, all known to work."""
        self._store, self._clock_ns, self._progress = store, clock_ns, progress
        self._kinds = kinds
        self.links_in = bool(kinds) and kinds[0] in (HARDLINK, SYMLINK)
        self.flushed_all = False
        """True when the whole file system was flushed after the files were read."""

    def put(self, sources: list[Source]) -> None:
        """Afterwards every file's digest is known and its object is here, whole and durable.

        Raises FileChanged, DiskError, NoSpace; then no pointer must be written.
        """
        try:
            self._store.make_dir(self._store.root)
            self._store.hold()
            if self.links_in:
                self._put_links(sources)
            else:
                self._put_copies(sources)
        except OSError as error:
            fsio.fail(error, error.filename or self._store.root)

    # -- by one more name for the user's own file ----

    def _put_links(self, sources: list[Source]) -> None:
        store = self._store
        hash_unknown(sources, store.algorithm, self._clock_ns, self._progress)
        by_source = [(source, source.hexes()) for source in sources]
        every = {name for _, names in by_source for name in names}
        here = store.present(every)
        # A good file repairs its damaged twin: what is here must be what its name says.
        here -= store.verify(sorted(here - _own_objects(store, by_source)))
        note_reuse(store, here)
        wanted: list[tuple[Source, list[int]]] = []
        taken: set[str] = set()
        for source, names in by_source:
            apart = _to_copy(source)
            indexes = []
            for index, name in enumerate(names):
                if name in here or name in taken:
                    continue
                taken.add(name)
                indexes.append(index)
            if apart:
                self._copy_some(source, [i for i in indexes if i in apart])
                indexes = [i for i in indexes if i not in apart]
            wanted.append((source, indexes))
        self._link(slices(wanted))

    def _link(self, work: list[Slice]) -> None:
        if not work:
            return
        store = self._store
        hexes = [part.hexes for part in work]
        store.make_prefixes(name for names in hexes for name in names)
        total = sum(map(len, hexes))
        task = self._progress.task("Adding to the cache", total)
        again: list[tuple[Source, list[int]]] = []
        done = _Named([], [])
        met: set[str] = set()
        with fsio.barrier(store.root) as barrier:
            barrier.flush(fsio.at_most_few(p.source.path(i) for p in work for i in p.indexes))
            self._note_flush(total)
            calls = (
                (part.source.base, part.names, part.stats, names, store.root)
                for part, names in zip(work, hexes, strict=True)
            )
            with Pool(batches, len(work), files=total) as pool:
                for number, (outcomes, stats) in pool.map("link_in_batch", calls):
                    part = work[number]
                    task.advance(len(part.indexes))
                    again.append(
                        (part.source, _note_links(part, hexes[number], outcomes, stats, done, met))
                    )
            if store.shared:
                _open_to_group(store, done.names)
            flush_names(store, barrier, done.names)
        task.close()
        store.note_verified(done.names, b"".join(done.stats), flushed=fsio.policy != "none")
        damaged = store.verify(sorted(met))
        if damaged:
            # Another process published the same name meanwhile, and its bytes are wrong.
            for part, names in zip(work, hexes, strict=True):
                wanted = [i for i, n in zip(part.indexes, names, strict=True) if n in damaged]
                again.append((part.source, wanted))
        copies = slices(again)
        if copies:
            self._copy_group(copies, lambda count: None)

    # -- by copies ----

    def _put_copies(self, sources: list[Source]) -> None:
        store = self._store
        wanted = []
        unknown = UNKNOWN.hex()
        known = {name for source in sources for name in source.hexes()} - {unknown}
        here = store.present(known)
        here -= store.verify(sorted(here))
        note_reuse(store, here)
        missing = known - here | {unknown}
        for source in sources:
            wanted.append((source, [i for i, n in enumerate(source.hexes()) if n in missing]))
        work = slices(wanted)
        self._check_space(work)
        task = self._progress.task("Adding to the cache", sum(len(p.indexes) for p in work))
        gone: list[tuple[Source, list[int]]] = []
        for group in _groups(work):
            gone += self._copy_group(group, task.advance)
        task.close()
        drop_gone(gone)

    def _copy_some(self, source: Source, indexes: list[int]) -> None:
        if indexes:
            self._copy_group(slices([(source, indexes)]), lambda count: None)

    def _check_space(self, work: list[Slice]) -> None:
        """Fails before anything is written when the copies cannot fit."""
        if self._kinds and self._kinds[0] == REFLINK:
            return
        need = sum(part.size_bytes for part in work)
        found = os.statvfs(self._store.root)
        free = found.f_bavail * found.f_frsize
        if need and need + _RESERVE_BYTES > free:
            raise NoSpace(self._store.root, errno.ENOSPC, need + _RESERVE_BYTES, free)

    def _copy_group(
        self, work: list[Slice], advance: Callable[[int], None]
    ) -> list[tuple[Source, list[int]]]:
        store = self._store
        clone = REFLINK in self._kinds and self._kinds[0] != COPY
        gone: list[tuple[Source, list[int]]] = []
        staged: list[tuple[int, str]] = []
        with Staging(store) as staging:
            firsts = list(accumulate((len(part.indexes) for part in work), initial=0))
            calls = (
                (part.source.base, part.names, staging.path, first, clone, store.algorithm)
                for part, first in zip(work, firsts[:-1], strict=True)
            )
            with Pool(batches, len(work), files=firsts[-1]) as pool:
                for number, columns in pool.map("stage_batch", calls):
                    part = work[number]
                    lost = note_reads(part, columns, self._clock_ns)
                    gone.append((part.source, lost))
                    skip = set(lost)
                    for at, index in enumerate(part.indexes):
                        if index in skip:
                            continue
                        staged.append((firsts[number] + at, part.source.hex(index)))
                        if store.shared and part.source.flags[index] & batches.PRIVATE:
                            fsio.chmod(staging.file(firsts[number] + at), SHARED_PRIVATE_MODE)
                    advance(len(part.indexes))
            met = store.present({name for _, name in staged})
            met -= store.verify(sorted(met))
            self._note_flush(len(staged) - len(met))
            staging.publish(item for item in staged if item[1] not in met)
        return gone

    def _note_flush(self, count: int) -> None:
        """A barrier for many files flushes the whole file system, the user's files with it."""
        if count > fsio.FLUSH_FEW and fsio.policy == "batch":
            self.flushed_all = True


def _open_to_group(store: Store, names: list[str]) -> None:
    """What its owner alone may read is of no use to those who share the cache."""
    for name in names:
        if not os.stat(store.path(name)).st_mode & 0o077:
            fsio.chmod(store.path(name), SHARED_PRIVATE_MODE)


def _own_objects(store: Store, by_source: list[tuple[Source, list[str]]]) -> set[str]:
    """Digests whose object is the very file that was just looked at, unchanged since it was last
    verified: nothing is left to be asked about it. Those files are marked as linked."""
    own: set[str] = set()
    known = memoryview(store.verified_stats([n for _, names in by_source for n in names]))
    start = 0
    for source, names in by_source:
        end = start + len(names) * STAT_BYTES
        then, now = known[start:end].tobytes(), source.folder.stats.tobytes()
        start = end
        if then == now:
            own.update(names)
            source.flags[:] = bytes([flag | batches.LINKED for flag in source.flags])
            continue
        for index, name in enumerate(names):
            at = index * STAT_BYTES
            if then[at : at + STAT_BYTES] == now[at : at + STAT_BYTES]:
                own.add(name)
                source.flags[index] |= batches.LINKED
    return own


def _to_copy(source: Source) -> set[int]:
    """Files that cannot be objects themselves: links of the user, and empty files, which would
    be the first to hit the file system's limit of links."""
    names = source.folder.names
    links = set(source.folder.links)
    apart = {index for index, name in enumerate(names) if name in links} if links else set()
    sizes = source.folder.stats[2::FIELDS]
    if 0 in sizes:
        apart |= {index for index, size in enumerate(sizes) if size == 0}
    return apart


def _groups(work: list[Slice]) -> Iterator[list[Slice]]:
    """Cuts the work so that what is staged but not yet published stays bounded."""
    group: list[Slice] = []
    files = size = 0
    for part in work:
        group.append(part)
        files += len(part.indexes)
        size += part.size_bytes
        if files >= _GROUP_FILES or size >= _GROUP_BYTES:
            yield group
            group, files, size = [], 0, 0
    if group:
        yield group
