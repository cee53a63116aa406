"""gc: takes away objects that nothing refers to, and brings them back.

Everything is read and decided before the first change; any doubt about what is in use stops it. In
the cache nothing is deleted at once: it goes to the trash (docs/durability.md, section 3.5).
"""

from __future__ import annotations

import os
import time
from array import array
from collections.abc import Sequence
from contextlib import ExitStack

from pannier.core.digest import LEGACY, MD5
from pannier.core.errors import (
    ConfigError,
    CorruptObject,
    MissingObject,
    PannierError,
    TransferFailed,
)
from pannier.core.events import Progress
from pannier.core.gc import GcPlan, not_yet_there, plan_gc
from pannier.core.record import dataclass, field, replace
from pannier.disk import batches, clock, fsio
from pannier.disk.mounts import flush_below
from pannier.disk.walk import FIELDS
from pannier.project.live import Live, live_objects, refuse_lost
from pannier.project.project import Project, open_project
from pannier.project.roots import Roots, Scope, collect_roots
from pannier.project.trashed import bring_back, lose_trash, objects_in_trash, trash_marks
from pannier.project.work_trees import in_other_work_trees
from pannier.store import reuse, trash
from pannier.store.objects import Store
from pannier.store.remote import Remote

_GRACE_H = 24
_HOUR_NS = 3600 * 1_000_000_000
_LABELS = {MD5: "repo", LEGACY: "legacy"}


@dataclass(frozen=True, slots=True)
class GcOptions:
    """scope: what keeps objects alive. projects: folders of others whose data stays too.
    not_in_remote: what the remote has as well goes too. cloud: the remote is cleaned too.
    now: nothing stays in the trash. wait: for locks, as long as it takes."""

    scope: Scope
    projects: tuple[str, ...] = ()
    not_in_remote: bool = False
    cloud: bool = False
    remote: str | None = None
    jobs: int | None = None
    dry: bool = False
    now: bool = False
    wait: bool = False


@dataclass(frozen=True, slots=True)
class Removed:
    """What went, or would go, from one place. label: "repo", "legacy", or "" for the remote.
    paths: of all of it, for a dry run; count: how many went."""

    label: str
    count: int
    paths: list[str] = field(default_factory=list)


@dataclass(slots=True)
class GcReport:
    """trashed: objects in the trash that this run put there. spared: unused, but too young.
    emptied: objects that left the trash for good."""

    removed: list[Removed] = field(default_factory=list)
    trashed: int = 0
    spared: int = 0
    grace_h: int = 0
    emptied: int = 0


@dataclass(frozen=True, slots=True)
class UndoReport:
    """mark: when they were taken away. restored: objects. there: that were there again already."""

    mark: str
    restored: int
    there: int


def gc(project: Project, options: GcOptions, progress: Progress) -> GcReport:
    """Raises PannierError before anything is removed when it is not clear what is in use."""
    report = GcReport()
    with ExitStack() as stack:
        if not options.dry:  # looking changes nothing, also where nothing can be changed
            stack.enter_context(project.lock(options.wait))
        others = _open_others(project, options, stack)
        stores = [store for store in (project.store, project.legacy) if _is_used(store)]
        certain = all([_hold(store, options) for store in stores])
        grace_h = report.grace_h = _grace_h(project, others, certain)
        lives = _live(project, others, options, progress)
        remote, gone_there = _look_at_remote(project, lives, options, progress, stack)
        plans = {s.algorithm: _plan(s, lives, grace_h, options, progress) for s in stores}
        for store in (project.store, project.legacy):
            plan = plans.get(store.algorithm, GcPlan([], []))
            report.spared += plan.spared
            paths = [store.path(name) for name in plan.names] if options.dry else []
            report.removed.append(Removed(_LABELS[store.algorithm], plan.total, paths))
        roots = [one.root for one in (project, *others)]
        if not options.dry:
            _carry_out(project, stores, plans, options, report, progress, roots)
        if remote is not None:
            _clean_remote(project, remote, gone_there, options, report, progress, roots)
    return report


def _open_others(project: Project, options: GcOptions, stack: ExitStack) -> list[Project]:
    """The other projects, each once, locked, with those of other work trees that use this cache.

    Raises NotInProject, LockBusy.
    """
    found: dict[str, Project] = {}
    beside = in_other_work_trees(project)
    for path in (*options.projects, *beside):
        other = open_project(path)
        stack.callback(other.close)
        if path in beside and not _is_same_cache(other, project):
            continue
        if other.root != project.root and other.root not in found:
            found[other.root] = other
            if not options.dry:
                stack.enter_context(other.lock(options.wait))
    fsio.set_policy(project.settings.own("fsync", "batch"))  # opening them set theirs
    return list(found.values())


def _is_same_cache(other: Project, project: Project) -> bool:
    return os.path.realpath(other.store.root) == os.path.realpath(project.store.root)


def _is_used(store: Store) -> bool:
    """True when there is any object, or trash."""
    return next(store.listing(), None) is not None or os.path.isdir(f"{store.root}/trash")


def _hold(store: Store, options: GcOptions) -> bool:
    if options.dry:
        return True
    return store.hold_alone(wait=options.wait)


def _grace_h(project: Project, others: Sequence[Project], certain: bool) -> int:
    """How many hours old an unused object must be to go.

    With a cache of its own the project's lock tells that nobody is adding; with a common one
    others may be, also real DVC, which knows nothing of the cache's lock.
    """
    asked = project.settings.own_integer("gc_grace")
    common = project.store.common or any(_is_same_cache(other, project) for other in others)
    if not common:
        return asked or 0
    if not certain:
        return max(asked or 0, _GRACE_H)
    return _GRACE_H if asked is None else asked


# -- deciding ----


def _live(
    project: Project, others: Sequence[Project], options: GcOptions, progress: Progress
) -> list[Live]:
    """What every project keeps, the main one's first. Raises PannierError on any doubt."""
    scope, found = options.scope, []
    try:
        if options.cloud:
            scope = replace(scope, skip_failed=False)  # what leaves a remote cannot be brought back
        for one in (project, *others):
            roots = Roots()
            collect_roots(one, scope, progress, roots)
            first = options.remote if one is project else None
            found.append(live_objects(one, project, roots, first, progress))
        lost = [item for live in found for item in live.lost]
        refuse_lost(lost, skip=scope.skip_failed, progress=progress)
    except PannierError as error:
        if options.cloud and options.scope.skip_failed:
            error.hint = "'--skip-failed' is for the cache alone: clean it without '--cloud'"
        raise
    if options.not_in_remote:
        _cut_what_is_there(project, found[0], options, progress)
    return found


def _cut_what_is_there(
    project: Project, live: Live, options: GcOptions, progress: Progress
) -> None:
    """Leaves alive only what the remote lacks: the rest can be fetched again."""
    project.settings.remote(options.remote)  # an unknown one is an error, whatever is in use
    for (own, algorithm), names in live.by_key.items():
        ordered = sorted(names)
        stats = array("q", batches.stat_batch(project.store_of(algorithm).root, ordered))
        inodes, sizes = stats[3::FIELDS], stats[2::FIELDS]
        here = {
            name: size if inode else None
            for name, size, inode in zip(ordered, sizes, inodes, strict=True)
        }
        with Remote(project.settings.remote(own or options.remote)) as remote:
            jobs = options.jobs or remote.jobs
            there = remote.present(algorithm, ordered, jobs, progress)
        live.by_key[own, algorithm], _ = not_yet_there(here, there)


def _plan(
    store: Store, lives: Sequence[Live], grace_h: int, options: GcOptions, progress: Progress
) -> GcPlan:
    task = progress.task("Looking for unused objects")
    live = set().union(*(one.of(store.algorithm) for one in lives))
    there = set(store.listing())
    task.advance(len(there))
    task.close()
    if not grace_h:
        return plan_gc(there, live)
    unused = sorted(there - live)
    since = _clock_ns(store, options) - grace_h * _HOUR_NS
    stats = array("q", batches.stat_batch(store.root, unused))
    times = zip(unused, stats[0::FIELDS], stats[1::FIELDS], strict=True)
    young = {name for name, mtime, ctime in times if max(mtime, ctime) > since}
    young |= reuse.reused_since(store, since)
    members = {name: _members(store, name) for name in young if name.endswith(".dir")}
    return plan_gc(there, live, young, members)


def _members(store: Store, name: str) -> list[str]:
    """What a young manifest names. It is no root yet: one that cannot be read names nothing."""
    try:
        return store.manifest(name).hexes
    except (MissingObject, CorruptObject):
        return []


def _clock_ns(store: Store, options: GcOptions) -> int:
    """The time of the store's file system."""
    if options.dry:
        return time.time_ns()
    scratch = f"{store.root}/tmp"
    store.make_dir(scratch)
    return clock.clock_ns(scratch)


# -- the remote ----


def _look_at_remote(
    project: Project,
    lives: Sequence[Live],
    options: GcOptions,
    progress: Progress,
    stack: ExitStack,
) -> tuple[Remote | None, dict[str, GcPlan]]:
    """What is to go from the remote, before anything goes from anywhere."""
    if not options.cloud:
        return None, {}
    config = project.settings.remote(options.remote)
    if config.is_versioned:
        raise ConfigError("'gc -c' is unsupported for cloud versioned remotes")
    remote = stack.enter_context(Remote(config))
    jobs = options.jobs or remote.jobs
    plans = {}
    for algorithm in (MD5, LEGACY):
        live = set().union(*(one.of(algorithm) for one in lives))
        plans[algorithm] = plan_gc(remote.listing(algorithm, jobs, progress), live)
    return remote, plans


def _clean_remote(
    project: Project,
    remote: Remote,
    plans: dict[str, GcPlan],
    options: GcOptions,
    report: GcReport,
    progress: Progress,
    roots: Sequence[str],
) -> None:
    if not options.dry and any(plan.total for plan in plans.values()):
        flush_below(roots)  # as in `lose_trash`
    jobs = options.jobs or remote.jobs
    failures: list[tuple[str, str]] = []
    url = remote.transport.url.removeprefix("file://").rstrip("/")
    for algorithm, plan in plans.items():
        if options.dry:
            paths = [f"{url}/{remote.key(algorithm, name)}" for name in plan.names]
            report.removed.append(Removed("", plan.total, paths))
            continue
        failed: dict[str, Exception] = {}
        for names in (plan.manifests, plan.files):
            if not failed:  # a manifest that stays may name any of the files
                failed |= remote.delete(algorithm, names, jobs, progress)
        remote.transport.flush()
        remote.give_up_uploads()
        failures += [(name, str(error)) for name, error in failed.items()]
        report.removed.append(Removed("", plan.total - len(failed)))
    if failures:
        raise TransferFailed(len(failures), "be removed", failures)


# -- doing ----


def _carry_out(
    project: Project,
    stores: Sequence[Store],
    plans: dict[str, GcPlan],
    options: GcOptions,
    report: GcReport,
    progress: Progress,
    roots: Sequence[str],
) -> None:
    asked = project.settings.own_integer("gc_grace")
    kept_ns = (_GRACE_H if asked is None else asked) * _HOUR_NS
    if options.now:
        # Room first: renames need some, too.
        report.emptied += lose_trash(stores, None, roots, progress)
    mark = ""
    for store in stores:
        plan = plans[store.algorithm]
        clock_ns = _clock_ns(store, options)
        reuse.forget_before(store, clock_ns - max(kept_ns, _GRACE_H * _HOUR_NS))
        if not options.now:
            report.emptied += lose_trash([store], clock_ns - kept_ns, roots, progress)
        mark = mark or _new_mark(stores, clock_ns)
        if plan.total and project.recording is not None and not options.now:
            project.recording.trash(mark)
        task = progress.task("Removing unused objects", plan.total)
        report.trashed += trash.take_out(store, plan, mark, task)
        task.close()
    if options.now:
        report.emptied += lose_trash(stores, None, roots, progress)


def _new_mark(stores: Sequence[Store], clock_ns: int) -> str:
    """A name for the trash of this run that no run had before."""
    taken = {mark for one in stores for mark in trash.marks(one)}
    while (mark := trash.mark_of(clock_ns)) in taken:
        clock_ns += 1000
    return mark


def trash_size(project: Project) -> int:
    """How many objects can be brought back, or removed for good."""
    stores = (project.store, project.legacy)
    return sum(len(trash.names_in(s, mark)) for s in stores for mark in trash.marks(s))


def empty_trash(project: Project, wait: bool, progress: Progress) -> int:
    """Removes for good what is in the trash; returns how many objects that were."""
    with project.lock(wait):
        roots = [project.root, *in_other_work_trees(project)]
        return lose_trash((project.store, project.legacy), None, roots, progress)


def undo(project: Project, wait: bool, progress: Progress, *, dry: bool = False) -> UndoReport:
    """Brings back what the last gc took away. Raises PannierError when there is nothing.

    dry: only counts.
    """
    with project.lock(wait):
        mark = max(trash_marks(project), default=None)
        if mark is None:
            raise PannierError(
                "there is nothing to bring back: the trash is empty",
                hint="'dvc fetch' brings what a remote has",
            )
        if dry:
            return UndoReport(mark, objects_in_trash(project, mark), 0)
        if project.recording is not None:
            project.recording.trash_back(mark)
        done = bring_back(project, mark, progress)
        return UndoReport(mark, done.restored, done.there)
