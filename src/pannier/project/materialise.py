"""Materialise: carries out a CheckoutPlan for one output.

New files are made in a scratch folder first, from verified objects; then each path changes by one
rename (a whole new directory by one), and deletions come last. A path whose file changed since it
was looked at stops the work: nobody's edit is lost.
"""

from __future__ import annotations

import errno
import os
from array import array
from collections.abc import Mapping

from pannier.core.digest import Digest
from pannier.core.errors import NoSpace
from pannier.core.events import Progress, Task
from pannier.core.plan import CheckoutPlan
from pannier.core.record import dataclass, field
from pannier.core.stage import Meta
from pannier.disk import batches, fsio
from pannier.disk.beneath import Root
from pannier.disk.link import COPY, SYMLINK
from pannier.disk.walk import FIELDS, StatKey
from pannier.project.keeping import record_change
from pannier.project.making import Job, Maker, jobs_for_singles, jobs_for_tree
from pannier.project.project import Project
from pannier.project.removal import NO_FILE, swap_folder
from pannier.project.snapshot import (
    ABSENT,
    DIRECTORY,
    FILE,
    Snapshot,
    conclude,
    lasting_presence,
    load_sources,
    look,
    note_present,
    remember,
    skip_rule,
)
from pannier.project.workspace import scratch_folder
from pannier.store.objects import Store
from pannier.store.statcache import DIGEST_SIZE

_RESERVE_BYTES = 4 << 20


@dataclass(slots=True)
class Made:
    """What was done. missing: (path, hex) whose object turned out to be absent or damaged."""

    created: int = 0
    replaced: int = 0
    deleted: int = 0
    missing: list[tuple[str, str]] = field(default_factory=list)


_NOTE_ABOVE = 256
"""To ask the store for so few objects again costs no more than to look at its folders."""


class Materialiser:
    """Changes one output's place in the workspace."""

    def __init__(
        self, project: Project, before: Snapshot, executable: bool, progress: Progress
    ) -> None:
        """before: the place as it is now, digests known. executable: of a single file."""
        self._project, self._before, self._progress = project, before, progress
        self._store: Store = project.store_of(before.algorithm)
        self._maker = Maker(project, self._store, executable, progress)
        self._whole: str | None = None
        self._placed_whole = False
        self._present = b""

    def apply(
        self,
        plan: CheckoutPlan,
        want: Mapping[str, str],
        is_dir: bool,
        recorded: Digest | None = None,
        *,
        emptied: bool = False,
    ) -> Made:
        """recorded: the digest of want as a whole, if that is all that the output is to hold.
        emptied: it is to hold nothing.

        Raises FileChanged, DiskError, NoSpace; every path is then old or new.
        """
        made = Made(missing=list(plan.missing))
        self._check_space(plan)
        path = self._before.path
        self._whole = recorded.hex if recorded is not None else "" if emptied else None
        if is_dir and self._before.kind == ABSENT and len(plan.create) > _NOTE_ABOVE:
            self._present = lasting_presence(self._store, len(plan.create))
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
        made.missing += self._maker.missing
        if made.missing or not self._remember_as_made(recorded):
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
            jobs = jobs_for_tree(new, wanted, "")
        else:
            jobs = [Job(scratch, ["new"], [wanted[0][1]], [""])] if wanted else []
        self._maker.make(jobs, task)
        before, count = self._before, self._maker.made.count
        if (not count and not is_dir) or (self._maker.missing and before.kind != ABSENT):
            return
        path = self._before.path
        record_change(self._project, before, plan, self._whole)
        if root.stat(path) is None:
            root.place(new, path)
            made.created += count
            self._placed_whole = is_dir
            return
        if before.kind == DIRECTORY:
            swap_folder(root, new, path, self._keys())
        else:
            root.swap(new, path, before.sources[0].folder.key(0) if before.sources else None)
        made.replaced += 1
        made.deleted += len(plan.delete)

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
        jobs: list[Job] = []
        tops: dict[str, str] = {}
        for number, (top, entries) in enumerate(trees.items()):
            tops[top] = f"{scratch}/t{number}"
            fsio.make_dir(tops[top])
            jobs += jobs_for_tree(tops[top], entries, top)
        made_as = jobs_for_singles(f"{scratch}/s", singles, jobs)
        self._maker.make(jobs, task)
        lost = {path for path, _ in self._maker.missing}
        news = {
            top: new for top, new in tops.items() if any(path not in lost for path, _ in trees[top])
        } | {path: new for path, new in made_as.items() if path not in lost}
        keys = self._keys()
        record_change(self._project, self._before, plan, self._whole)
        gone = self._put_in_place(news, there, keys, root)
        made.replaced += len(news.keys() & keys.keys())
        made.created += self._maker.made.count - len((made_as.keys() & keys.keys()) - lost)
        made.deleted += len(gone - news.keys())
        if not self._maker.missing:
            # An incomplete checkout takes nothing away: what is there may be all that is left.
            self._delete([p for p in plan.delete if p not in gone], root, made)

    def _put_in_place(
        self, news: Mapping[str, str], there: set[str], keys: dict[str, StatKey], root: Root
    ) -> set[str]:
        """One rename a path; returns the paths of old files that are gone by it."""
        prefix = self._before.path
        gone: set[str] = set()
        for path, new in news.items():
            target = f"{prefix}/{path}"
            if path in keys:
                root.swap(new, target, keys[path])
                gone.add(path)
            elif path in there:
                below = {p: key for p, key in keys.items() if p.startswith(path + "/")}
                inner = {p[len(path) + 1 :]: key for p, key in below.items()}
                swap_folder(root, new, target, inner)
                gone.update(below)
            else:
                root.place(new, target)
        return gone

    def _keys(self) -> dict[str, StatKey]:
        """Stats of the files that are there, by path relative to the output."""
        return dict.fromkeys(self._before.lost, NO_FILE) | {
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

    def _check_space(self, plan: CheckoutPlan) -> None:
        """Fails before anything is touched when copies cannot fit."""
        if self._maker.kinds[0] != COPY:
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
            raise NoSpace(self._before.absolute, errno.ENOSPC, need + _RESERVE_BYTES, free)

    # -- afterwards ----

    def _remember(self, want: Mapping[str, str]) -> None:
        """Looks at the place once more and enters what is now known of it into the StatCache.

        A file counts when it is the very one that was made here, or one known before. No edit can
        hide behind equal stats: the file system's clock moved on between the making and the
        renaming (else the files are read again at the next look).
        """
        project, before = self._project, self._before
        after = look(project, before.path, before.algorithm, self._progress, lost=True)
        if after.kind not in (FILE, DIRECTORY):
            return
        linked = self._maker.links
        names: list[str] = []
        stats: list[bytes] = []
        settled = linked or self._maker.moved_on
        for source in load_sources(project, after):
            folder = source.folder
            same = self._maker.made.same(folder)
            for index in same:
                path = folder.join(folder.names[index]) if after.kind == DIRECTORY else ""
                at = index * DIGEST_SIZE
                source.digests[at : at + DIGEST_SIZE] = bytes.fromhex(want[path])
                source.settled[index] = settled
                names.append(want[path])
                stats.append(folder.stats[index * FIELDS : (index + 1) * FIELDS].tobytes())
        if linked and names:
            self._store.note_verified(names, b"".join(stats), flushed=False)
        if all(not source.unknown() for source in after.sources):
            conclude(project, after)
        remember(project, after, flushed=False)

    def _remember_as_made(self, recorded: Digest | None) -> bool:
        """The same for a directory that was made whole, of which nothing is missing: its files are
        not looked at once more.

        False when that cannot be told; nothing is remembered then.
        """
        project, before = self._project, self._before
        if not self._placed_whole or recorded is None:
            return False
        if self._maker.kinds[0] == SYMLINK or skip_rule(project, before.path) is not None:
            return False
        clock_ns = project.clock_ns()
        try:
            found = self._maker.made.whole(before.absolute)
        except OSError:
            return False
        if found is None:
            return False
        tree, sources = found
        after = Snapshot(before.path, before.absolute, before.algorithm, DIRECTORY, clock_ns, tree)
        after.sources, after.digest = sources, recorded
        after.meta = Meta(tree.size_bytes, len(tree))
        settled = self._maker.links or self._maker.moved_on
        for source in sources:
            source.settled[:] = bytes([settled]) * len(source.folder)
        if self._maker.links:
            hexes = [name for source in sources for name in source.hexes()]
            stats = b"".join([source.folder.stats.tobytes() for source in sources])
            self._store.note_verified(hexes, stats, flushed=False)
        remember(project, after, flushed=False)
        note_present(project, after, self._present)
        return True


def _first_missing(path: str, there: set[str]) -> str | None:
    """The highest directory of path that does not exist yet, or None."""
    parent = path.rpartition("/")[0]
    missing = None
    while parent not in there:
        missing = parent
        parent = parent.rpartition("/")[0]
    return missing
