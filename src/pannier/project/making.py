"""Making files from objects, in a scratch folder: verified bytes, by the first link that works."""

from __future__ import annotations

import time
from array import array
from collections.abc import Iterable
from itertools import accumulate

from pannier.core.events import Progress, Task
from pannier.core.record import dataclass
from pannier.disk import batches, fsio
from pannier.disk.link import COPY, HARDLINK, REFLINK, SYMLINK
from pannier.disk.pool import BATCH, Pool
from pannier.disk.walk import FIELDS, STAT_BYTES, Folder
from pannier.project.project import Project
from pannier.store.objects import Store

_TICK_S, _TICKS = 0.002, 4


@dataclass(slots=True)
class Job:
    """Files to be made in one scratch directory. paths: relative to the output, one per name."""

    folder: str
    names: list[str]
    hexes: list[str]
    paths: list[str]


class Maker:
    """Makes files of one store's objects. Knows what it made until the end.

    missing: (path, hex) whose object turned out to be absent or damaged.
    """

    def __init__(
        self, project: Project, store: Store, executable: bool, progress: Progress
    ) -> None:
        """executable: of a single file; it is copied then, for objects never carry that mode."""
        self._project, self._store, self._progress = project, store, progress
        self._executable = executable
        kinds = project.link_kinds()
        self.kinds = [kind for kind in kinds if not executable or kind == REFLINK]
        self.kinds += [] if COPY in self.kinds else [COPY]
        self.missing: list[tuple[str, str]] = []
        self.moved_on = True
        """False when an edit after the renaming could have the time stamp of the making."""
        self._fresh: dict[str, tuple[list[str], array[int]]] = {}

    @property
    def links(self) -> bool:
        """True when files share their object's inode."""
        return self.kinds[0] in (HARDLINK, SYMLINK)

    def make(self, jobs: list[Job], task: Task) -> set[str]:
        """Makes files of the first kind of link that works; returns the paths that were made."""
        if not jobs:
            return set()
        done: set[str] = set()
        for kind in self.kinds:
            names = [name for job in jobs for name in job.hexes]
            links = kind in (HARDLINK, SYMLINK)
            known = self._store.verified_stats(names) if links else bytes(len(names) * STAT_BYTES)
            jobs = self._make_kind(jobs, kind, memoryview(known), task, done)
            if not jobs:
                break
        self.moved_on = self.moved_on and self._clock_moves_on()
        return done

    def _clock_moves_on(self) -> bool:
        """Waits until the file system's clock is past the files just made, before they are named.

        Then a later edit cannot have the same time stamp. One tick of the kernel, 4 ms at most;
        a file system with coarser stamps is not waited for.
        """
        newest = max((max(stats[0::FIELDS]) for _, stats in self._fresh.values()), default=0)
        for _ in range(_TICKS):
            if self._project.clock_ns() > newest:
                return True
            time.sleep(_TICK_S)
        return False

    def _make_kind(
        self,
        jobs: list[Job],
        kind: str,
        known: memoryview,
        task: Task,
        done: set[str],
    ) -> list[Job]:
        store = self._store
        again: list[Job] = []
        ends = list(accumulate((len(job.hexes) for job in jobs), initial=0))
        calls = (
            (
                store.root,
                job.hexes,
                known[ends[at] * STAT_BYTES : ends[at + 1] * STAT_BYTES].tobytes(),
                job.folder,
                job.names,
                kind,
                self._executable,
                store.algorithm,
            )
            for at, job in enumerate(jobs)
        )
        with Pool(batches, len(jobs), files=ends[-1]) as pool:
            for number, (outcomes, _objects, files) in pool.map("link_out_batch", calls):
                job = jobs[number]
                if outcomes.count(batches.DONE) == len(outcomes):
                    done.update(job.paths)
                    self._note_made(job.paths, files)
                else:
                    retry = self._sort_out(job, outcomes, files, done)
                    if retry is not None:
                        again.append(retry)
                task.advance(len(job.names))
        return again

    def _note_made(self, paths: list[str], files: bytes) -> None:
        """Keeps the stats of files just made, by directory."""
        first = paths[0].rpartition("/")[0]
        numbers = array("q", files)
        if paths[-1].rpartition("/")[0] == first and self._is_one_folder(paths, first):
            skip = len(first) + 1 if first else 0
            names, stats = self._fresh.setdefault(first, ([], array("q")))
            names.extend([path[skip:] for path in paths])
            stats.extend(numbers)
            return
        for index, path in enumerate(paths):
            folder, _, name = path.rpartition("/")
            names, stats = self._fresh.setdefault(folder, ([], array("q")))
            names.append(name)
            stats.extend(numbers[index * FIELDS : (index + 1) * FIELDS])

    @staticmethod
    def _is_one_folder(paths: list[str], folder: str) -> bool:
        depth = folder.count("/") + 1 if folder else 0
        start = folder + "/" if folder else ""
        return all([path.startswith(start) and path.count("/") == depth for path in paths])

    def _sort_out(self, job: Job, outcomes: bytes, files: bytes, done: set[str]) -> Job | None:
        """Takes a batch with failures apart; returns what another kind of link should try."""
        retry = Job(job.folder, [], [], [])
        for at, outcome in enumerate(outcomes):
            path, name = job.paths[at], job.hexes[at]
            if outcome == batches.DONE:
                done.add(path)
                self._note_made([path], files[at * STAT_BYTES : (at + 1) * STAT_BYTES])
            elif outcome == batches.CANNOT:
                retry.names.append(job.names[at])
                retry.hexes.append(name)
                retry.paths.append(path)
            else:
                if outcome == batches.CORRUPT:
                    self._store.quarantine(name)
                    self._progress.warn(
                        f"object {name} in the cache was damaged and is in quarantine now"
                    )
                self.missing.append((path, name))
        return retry if retry.names else None

    def same_as_made(self, folder: Folder, paths: list[str]) -> list[int]:
        """Indexes of the files that are the very ones made here: same mtime, size and inode."""
        made = self._fresh.get(paths[0].rpartition("/")[0])
        if made is None:
            return []
        row_of = dict(zip(made[0], range(len(made[0])), strict=True))
        rows = [row_of.get(path.rpartition("/")[2], -1) for path in paths]
        mtimes, sizes, inodes = (made[1][field::FIELDS] for field in (0, 2, 3))
        now = zip(
            folder.stats[0::FIELDS], folder.stats[2::FIELDS], folder.stats[3::FIELDS], strict=True
        )
        return [
            index
            for index, (row, (mtime, size, inode)) in enumerate(zip(rows, now, strict=True))
            if row >= 0 and inodes[row] == inode and mtimes[row] == mtime and sizes[row] == size
        ]


def jobs_for_tree(new: str, entries: Iterable[tuple[str, str]], top: str) -> list[Job]:
    """Makes the directories of a new tree and groups its files by directory."""
    by_folder: dict[str, list[tuple[str, str]]] = {}
    skip = len(top) + 1 if top else 0
    for path, name in entries:
        by_folder.setdefault(path[skip:].rpartition("/")[0], []).append((path, name))
    jobs = []
    for folder in sorted(by_folder):
        place = f"{new}/{folder}" if folder else new
        fsio.make_dirs(place)
        rows = by_folder[folder]
        for at in range(0, len(rows), BATCH):
            part = rows[at : at + BATCH]
            jobs.append(
                Job(
                    place,
                    [path.rpartition("/")[2] for path, _ in part],
                    [name for _, name in part],
                    [path for path, _ in part],
                )
            )
    return jobs


def jobs_for_singles(
    folder: str, singles: list[tuple[str, str]], jobs: list[Job]
) -> dict[str, str]:
    """Adds jobs that make files under numbers in one scratch directory: path -> made file."""
    if singles:
        fsio.make_dir(folder)
    for at in range(0, len(singles), BATCH):
        part = singles[at : at + BATCH]
        numbers = [str(at + index) for index in range(len(part))]
        jobs.append(Job(folder, numbers, [name for _, name in part], [path for path, _ in part]))
    return {path: f"{folder}/{number}" for number, (path, _) in enumerate(singles)}
