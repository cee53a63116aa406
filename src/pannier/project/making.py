"""Making files from objects, in a scratch folder: verified bytes, by the first link that works."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import accumulate

from pannier.core.events import Progress, Task
from pannier.core.record import dataclass
from pannier.disk import batches, clock, fsio, taking_out
from pannier.disk.link import COPY, HARDLINK, REFLINK, SYMLINK
from pannier.disk.pool import BATCH, Pool
from pannier.disk.walk import STAT_BYTES
from pannier.project.made import MadeFiles
from pannier.project.project import Project
from pannier.store.objects import Store

_TICKS = 5


@dataclass(slots=True)
class Job:
    """Files to be made in one scratch directory.

    names: there. paths: where each belongs, relative to the output. place: the directory of all
    paths, when the names are theirs too; None when they are numbers.
    """

    folder: str
    names: list[str]
    hexes: list[str]
    paths: list[str]
    place: str | None = None


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
        self.made = MadeFiles()

    @property
    def links(self) -> bool:
        """True when files share their object's inode."""
        return self.kinds[0] in (HARDLINK, SYMLINK)

    def make(self, jobs: list[Job], task: Task) -> None:
        """Makes files of the first kind of link that works: `made` and `missing` tell the rest."""
        if not jobs:
            return
        for kind in self.kinds:
            names = [name for job in jobs for name in job.hexes]
            links = kind in (HARDLINK, SYMLINK)
            known = self._store.verified_stats(names) if links else bytes(len(names) * STAT_BYTES)
            jobs = self._make_kind(jobs, kind, memoryview(known), task)
            if not jobs:
                break
        self.moved_on = self.moved_on and self._clock_moves_on()

    def _clock_moves_on(self) -> bool:
        """Waits until the file system's clock is past the files just made, before they are named.

        Then a later edit cannot have the same time stamp. One tick of the kernel, 4 ms at most;
        a file system with coarser stamps is not waited for.
        """
        return clock.has_passed(self._project.scratch, self.made.newest_ns(), ticks=_TICKS)

    def _make_kind(
        self,
        jobs: list[Job],
        kind: str,
        known: memoryview,
        task: Task,
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
        with Pool(taking_out, len(jobs), files=ends[-1]) as pool:
            for number, (outcomes, files) in pool.map("link_out_batch", calls):
                job = jobs[number]
                if outcomes.count(batches.DONE) != len(outcomes):
                    retry = self._sort_out(job, outcomes, files)
                    if retry is not None:
                        again.append(retry)
                elif job.place is not None:
                    self.made.note(job.place, job.names, job.hexes, files)
                else:
                    for at, path in enumerate(job.paths):
                        self._note_one(path, job.hexes[at], files, at)
                task.advance(len(job.names))
        return again

    def _note_one(self, path: str, name: str, files: bytes, at: int) -> None:
        folder, _, own = path.rpartition("/")
        stats = files[at * STAT_BYTES : (at + 1) * STAT_BYTES]
        self.made.note(folder, [own], [name], stats)

    def _sort_out(self, job: Job, outcomes: bytes, files: bytes) -> Job | None:
        """Takes a batch with failures apart; returns what another kind of link should try."""
        retry = Job(job.folder, [], [], [])
        for at, outcome in enumerate(outcomes):
            path, name = job.paths[at], job.hexes[at]
            if outcome == batches.DONE:
                self._note_one(path, name, files, at)
            elif outcome == batches.CANNOT:
                retry.names.append(job.names[at])
                retry.hexes.append(name)
                retry.paths.append(path)
            else:
                if outcome == batches.CORRUPT:
                    moved = self._store.quarantine(name)
                    self._progress.warn(
                        f"object {name} in the cache was damaged and is in quarantine now"
                        + (f": '{moved}'" if moved else "")
                    )
                self.missing.append((path, name))
        return retry if retry.names else None


def jobs_for_tree(new: str, entries: Iterable[tuple[str, str]], top: str) -> list[Job]:
    """Makes the directories of a new tree and groups its files by directory.

    top: the tree's place, relative to the output.
    """
    by_folder: dict[str, list[tuple[str, str, str]]] = {}
    folder, rows = "\0", []
    for path, name in entries:
        parent, _, own = path.rpartition("/")
        if parent != folder:
            folder, rows = parent, by_folder.setdefault(parent, [])
        rows.append((own, name, path))
    jobs = []
    for folder in sorted(by_folder):
        inner = folder[len(top) :].lstrip("/")
        place = f"{new}/{inner}" if inner else new
        fsio.make_dirs(place)
        rows = by_folder[folder]
        for at in range(0, len(rows), BATCH):
            names, hexes, paths = map(list, zip(*rows[at : at + BATCH], strict=True))
            jobs.append(Job(place, names, hexes, paths, folder))
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
