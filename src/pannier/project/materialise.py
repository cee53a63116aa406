"""Materialise: carries out a CheckoutPlan for one output.

New files are made in a scratch folder first, from verified objects; then each path changes by one
rename (a whole new directory by one), and deletions come last. A path whose file changed since it
was looked at stops the work: nobody's edit is lost.
"""

from __future__ import annotations

import errno
import os
import time
from array import array
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from pannier.core.errors import FileChanged, NoSpace
from pannier.core.events import Progress, Task
from pannier.core.plan import CheckoutPlan
from pannier.disk import batches, fsio
from pannier.disk.beneath import Root
from pannier.disk.link import COPY, HARDLINK, REFLINK, SYMLINK
from pannier.disk.pool import BATCH, Pool
from pannier.disk.walk import FIELDS, StatKey, scan
from pannier.project.project import Project
from pannier.project.snapshot import (
    DIRECTORY,
    FILE,
    Snapshot,
    conclude,
    load_sources,
    look,
    remember,
)
from pannier.project.workspace import scratch_folder
from pannier.store.objects import Store
from pannier.store.statcache import DIGEST_SIZE, fingerprint

_STAT_BYTES = FIELDS * 8
_RESERVE_BYTES = 4 << 20
_TICK_S, _TICKS = 0.002, 4


@dataclass(slots=True)
class Made:
    """What was done. missing: (path, hex) whose object turned out to be absent or damaged."""

    created: int = 0
    replaced: int = 0
    deleted: int = 0
    missing: list[tuple[str, str]] = field(default_factory=list)


@dataclass(slots=True)
class _Job:
    """Files to be made in one scratch directory. paths: relative to the output, one per name."""

    folder: str
    names: list[str]
    hexes: list[str]
    paths: list[str]


class Materialiser:
    """Changes one output's place in the workspace."""

    def __init__(
        self, project: Project, before: Snapshot, executable: bool, progress: Progress
    ) -> None:
        """before: the place as it is now, digests known. executable: of a single file."""
        self._project, self._before, self._progress = project, before, progress
        self._executable = executable
        self._store: Store = project.store_of(before.algorithm)
        self._kinds = [k for k in project.link_kinds() if not (executable and k != REFLINK)]
        self._kinds += [] if COPY in self._kinds else [COPY]
        self._fresh: dict[str, StatKey] = {}
        self._moved_on = True

    def apply(self, plan: CheckoutPlan, want: Mapping[str, str], is_dir: bool) -> Made:
        """Raises FileChanged, DiskError, NoSpace; every path is then old or new."""
        made = Made(missing=list(plan.missing))
        self._check_space(plan)
        path = self._before.path
        with (
            scratch_folder(self._project, path) as scratch,
            Root(self._project.root) as root,
        ):
            task = self._progress.task("Checkout", len(plan.create) + len(plan.replace))
            if is_dir and self._before.kind == DIRECTORY:
                self._change_directory(plan, scratch, root, made, task)
            else:
                self._change_whole(plan, scratch, root, is_dir, made, task)
            task.close()
        self._remember(want)
        return made

    # -- the output as a whole: one rename ----

    def _change_whole(
        self,
        plan: CheckoutPlan,
        scratch: str,
        root: Root,
        is_dir: bool,
        made: Made,
        task: Task,
    ) -> None:
        new = f"{scratch}/new"
        wanted = plan.create + plan.replace
        if is_dir:
            fsio.make_dir(new)
            jobs = _jobs_for_tree(new, wanted, "")
        else:
            jobs = [_Job(scratch, ["new"], [wanted[0][1]], [""])] if wanted else []
        done = self._make(jobs, made, task)
        if wanted and not done and not is_dir:
            return
        if not wanted and not is_dir:
            self._delete_whole(plan, root, made)
            return
        path = self._before.path
        if root.stat(path) is None:
            root.place(new, path)
            made.created += len(done)
            return
        self._swap_whole(root, new, path)
        made.replaced += 1
        made.deleted += len(plan.delete)

    def _swap_whole(self, root: Root, new: str, path: str) -> None:
        before = self._before
        if before.kind == FILE:
            source = before.sources[0]
            root.swap(new, path, source.folder.key(0))
            return
        root.swap(new, path, None)
        if before.kind == DIRECTORY and before.tree is not None:
            now = scan(new)
            same = fingerprint((f.path, f.names, f.stats) for f in now.folders)
            if same != before.fingerprint:
                root.swap(new, path, None)
                raise FileChanged(before.absolute)

    def _delete_whole(self, plan: CheckoutPlan, root: Root, made: Made) -> None:
        for _ in plan.delete:
            before = self._before
            key = before.sources[0].folder.key(0) if before.sources else None
            root.delete(before.path, key)
            made.deleted += 1

    # -- inside a directory: one rename a path ----

    def _change_directory(
        self, plan: CheckoutPlan, scratch: str, root: Root, made: Made, task: Task
    ) -> None:
        assert self._before.tree is not None
        there = {folder.path for folder in self._before.tree.folders}
        trees: dict[str, list[tuple[str, str]]] = {}
        singles: list[tuple[str, str]] = list(plan.replace)
        for path, name in plan.create:
            top = _first_missing(path, there)
            if top is None:
                singles.append((path, name))
            else:
                trees.setdefault(top, []).append((path, name))
        prefix = self._before.path
        blocked = self._clear_the_way(plan, trees, root, made)
        for number, (top, entries) in enumerate(trees.items()):
            new = f"{scratch}/t{number}"
            fsio.make_dir(new)
            done = self._make(_jobs_for_tree(new, entries, top), made, task)
            if done:
                root.place(new, f"{prefix}/{top}")
                made.created += len(done)
        self._change_singles(singles, scratch, root, made, task)
        self._delete([p for p in plan.delete if p not in blocked], root, made)

    def _clear_the_way(
        self,
        plan: CheckoutPlan,
        trees: Mapping[str, list[tuple[str, str]]],
        root: Root,
        made: Made,
    ) -> set[str]:
        """Deletes files that stand where a new directory belongs; they are in the store."""
        standing = {path for path in plan.delete if path in trees}
        self._delete(sorted(standing), root, made)
        return standing

    def _change_singles(
        self,
        singles: list[tuple[str, str]],
        scratch: str,
        root: Root,
        made: Made,
        task: Task,
    ) -> None:
        folder = f"{scratch}/s"
        fsio.make_dir(folder)
        keys = self._keys()
        prefix = self._before.path
        jobs = [
            _Job(
                folder,
                [str(at + i) for i in range(len(part))],
                [name for _, name in part],
                [path for path, _ in part],
            )
            for at in range(0, len(singles), BATCH)
            if (part := singles[at : at + BATCH])
        ]
        done = self._make(jobs, made, task)
        for number, (path, _) in enumerate(singles):
            if path not in done:
                continue
            target = f"{prefix}/{path}"
            if path in keys:
                root.swap(f"{folder}/{number}", target, keys[path])
                made.replaced += 1
            else:
                root.place(f"{folder}/{number}", target)
                made.created += 1

    def _keys(self) -> dict[str, StatKey]:
        """Stats of the files that are there, by path relative to the output."""
        return {
            source.folder.join(name): source.folder.key(index)
            for source in self._before.sources
            for index, name in enumerate(source.folder.names)
        }

    def _delete(self, paths: list[str], root: Root, made: Made) -> None:
        if not paths:
            return
        keys = self._keys()
        prefix = self._before.path
        folders = set()
        for path in paths:
            root.delete(f"{prefix}/{path}", keys.get(path))
            made.deleted += 1
            parent = path.rpartition("/")[0]
            while parent:
                folders.add(parent)
                parent = parent.rpartition("/")[0]
        for folder in sorted(folders, key=len, reverse=True):
            root.delete_folder_if_empty(f"{prefix}/{folder}")

    # -- making files from objects ----

    def _make(self, jobs: list[_Job], made: Made, task: Task) -> set[str]:
        """Makes files of the first kind of link that works; returns the paths that were made."""
        if not jobs:
            return set()
        done: set[str] = set()
        for kind in self._kinds:
            known = {
                id(job): self._store.verified_stats(job.hexes)
                for job in jobs
                if kind in (HARDLINK, SYMLINK)
            }
            jobs = self._make_kind(jobs, kind, known, made, task, done)
            if not jobs:
                break
        self._moved_on = self._moved_on and self._clock_moves_on()
        return done

    def _clock_moves_on(self) -> bool:
        """Waits until the file system's clock is past the files just made, before they are named.

        Then a later edit cannot have the same time stamp. One tick of the kernel, 4 ms at most;
        a file system with coarser stamps is not waited for.
        """
        newest = max((key[0] for key in self._fresh.values()), default=0)
        for _ in range(_TICKS):
            if self._project.clock_ns() > newest:
                return True
            time.sleep(_TICK_S)
        return False

    def _make_kind(
        self,
        jobs: list[_Job],
        kind: str,
        known: Mapping[int, bytes],
        made: Made,
        task: Task,
        done: set[str],
    ) -> list[_Job]:
        never = bytes(_STAT_BYTES)
        store = self._store
        again: list[_Job] = []
        calls = (
            (
                store.root,
                job.hexes,
                known.get(id(job), never * len(job.hexes)),
                job.folder,
                job.names,
                kind,
                self._executable,
                store.algorithm,
            )
            for job in jobs
        )
        with Pool(batches, len(jobs)) as pool:
            for number, (outcomes, _objects, files) in pool.map("link_out_batch", calls):
                job = jobs[number]
                if outcomes.count(batches.DONE) == len(outcomes):
                    done.update(job.paths)
                    self._note_made(job.paths, files)
                else:
                    retry = self._sort_out(job, outcomes, files, made, done)
                    if retry is not None:
                        again.append(retry)
                task.advance(len(job.names))
        return again

    def _note_made(self, paths: list[str], files: bytes) -> None:
        numbers = array("q", files)
        fresh = self._fresh
        for index, path in enumerate(paths):
            m, c, s, i = numbers[index * FIELDS : (index + 1) * FIELDS]
            fresh[path] = (m, c, s, i)

    def _sort_out(
        self, job: _Job, outcomes: bytes, files: bytes, made: Made, done: set[str]
    ) -> _Job | None:
        """Takes a batch with failures apart; returns what another kind of link should try."""
        retry = _Job(job.folder, [], [], [])
        for at, outcome in enumerate(outcomes):
            path, name = job.paths[at], job.hexes[at]
            if outcome == batches.DONE:
                done.add(path)
                self._note_made([path], files[at * _STAT_BYTES : (at + 1) * _STAT_BYTES])
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
                made.missing.append((path, name))
        return retry if retry.names else None

    def _check_space(self, plan: CheckoutPlan) -> None:
        """Fails before anything is touched when copies cannot fit."""
        if self._kinds[0] != COPY:
            return
        names = [name for _, name in plan.create + plan.replace]
        stats = array("q", batches.stat_batch(self._store.root, names))
        need = sum(stats[2::FIELDS])
        place = os.path.dirname(self._before.absolute)
        while not os.path.isdir(place):
            place = os.path.dirname(place)
        found = os.statvfs(place)
        free = found.f_bavail * found.f_frsize
        if need and need + _RESERVE_BYTES > free:
            raise NoSpace(self._before.absolute, errno.ENOSPC, need, free)

    # -- afterwards ----

    def _remember(self, want: Mapping[str, str]) -> None:
        """Looks at the place once more and enters what is now known of it into the StatCache.

        A file counts when it is the very one that was made here, or one known before. No edit can
        hide behind equal stats: the file system's clock moved on between the making and the
        renaming (else the files are read again at the next look).
        """
        project, before = self._project, self._before
        after = look(project, before.path, before.algorithm, self._progress)
        if after.kind not in (FILE, DIRECTORY):
            return
        names: list[str] = []
        stats: list[bytes] = []
        linked = self._kinds[0] in (HARDLINK, SYMLINK)
        for source in load_sources(project, after):
            folder = source.folder
            for index, name in enumerate(folder.names):
                path = folder.join(name) if after.kind == DIRECTORY else ""
                fresh = self._fresh.get(path)
                if fresh is None:
                    continue
                key = folder.key(index)
                if (key[0], key[2], key[3]) != (fresh[0], fresh[2], fresh[3]):
                    continue
                digest = want[path]
                at = index * DIGEST_SIZE
                source.digests[at : at + DIGEST_SIZE] = bytes.fromhex(digest)
                source.settled[index] = linked or self._moved_on
                if linked:
                    names.append(digest)
                    stats.append(folder.stats[index * FIELDS : (index + 1) * FIELDS].tobytes())
        if linked and names:
            self._store.note_verified(names, b"".join(stats), flushed=False)
        if all(not source.unknown() for source in after.sources):
            conclude(project, after)
        remember(project, after, flushed=False)


def _first_missing(path: str, there: set[str]) -> str | None:
    """The highest directory of path that does not exist yet, or None."""
    parent = path.rpartition("/")[0]
    missing = None
    while parent not in there:
        missing = parent
        parent = parent.rpartition("/")[0]
    return missing


def _jobs_for_tree(new: str, entries: Iterable[tuple[str, str]], top: str) -> list[_Job]:
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
                _Job(
                    place,
                    [path.rpartition("/")[2] for path, _ in part],
                    [name for _, name in part],
                    [path for path, _ in part],
                )
            )
    return jobs
