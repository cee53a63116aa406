"""push, fetch and cloud status: the same objects here and at a remote."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

from pannier.core.errors import CorruptObject, DiskError, MissingObject, TransferFailed
from pannier.core.events import Progress
from pannier.core.manifest import Manifest, parse_manifest
from pannier.core.plan import plan_transfer
from pannier.core.record import dataclass, field
from pannier.disk import batches
from pannier.disk.walk import FIELDS
from pannier.project.presence import is_in_cache
from pannier.project.project import Project
from pannier.project.targets import ALL_TARGETS, Selected, TargetOptions
from pannier.project.used import (
    WORKSPACE_ONLY,
    Groups,
    RevisionOptions,
    Wanted,
    collect,
    select_used,
)
from pannier.project.workspace import sweep
from pannier.store import transfer
from pannier.store.objects import Store
from pannier.store.publishing import put_bytes
from pannier.store.remote import Remote


@dataclass(frozen=True, slots=True)
class SyncOptions:
    """remote: instead of the default one. jobs: requests in flight, None for what does well.
    max_size: only outputs strictly smaller, in bytes. kinds: only "metric" or "plot" outputs."""

    targets: TargetOptions = ALL_TARGETS
    revisions: RevisionOptions = WORKSPACE_ONLY
    remote: str | None = None
    jobs: int | None = None
    max_size: int | None = None
    kinds: tuple[str, ...] = ()


@dataclass(slots=True)
class SyncReport:
    """transferred: objects that moved, manifests included. missing: (algorithm, digest, path) of
    what is on neither side. failures: (digest or path, reason). imports: those whose data is not
    in the cache then, and those of which only the source is recorded."""

    transferred: int = 0
    missing: list[tuple[str, str, str]] = field(default_factory=list)
    failures: list[tuple[str, str]] = field(default_factory=list)
    imports: list[Selected] = field(default_factory=list)


def _select(
    project: Project, targets: Sequence[str], options: SyncOptions, progress: Progress
) -> list[Selected]:
    selected = select_used(project, targets, options.targets, options.revisions, progress)
    if options.max_size is not None:
        limit = options.max_size
        selected = [s for s in selected if (s.ref.out.meta.size_bytes or 0) < limit]
    if options.kinds:
        selected = [s for s in selected if s.ref.out.kind in options.kinds]
    return selected


def _groups(
    project: Project, targets: Sequence[str], options: SyncOptions, progress: Progress
) -> Groups:
    """What may be pushed."""
    return collect(_select(project, targets, options, progress), pushing=True)


def _open(project: Project, own: str | None, options: SyncOptions) -> Remote:
    """own: the only remote that these outputs go to."""
    return Remote(project.settings.remote(own or options.remote))


def _jobs(project: Project, remote: Remote, options: SyncOptions) -> int:
    """As asked for, else as this remote or this user has it set, else what does well there."""
    own = None if remote.config.get("jobs") else project.settings.own_integer("jobs")
    return options.jobs or own or remote.jobs


# -- push ----


def push(
    project: Project, targets: Sequence[str], options: SyncOptions, progress: Progress
) -> SyncReport:
    """Uploads what the remote lacks. Raises TransferFailed when something did not arrive."""
    report = SyncReport()
    groups = _groups(project, targets, options, progress)
    if not groups:
        _open(project, None, options).transport.close()
    for (own, algorithm), wanted in groups.items():
        store = project.store_of(algorithm)
        with _open(project, own, options) as remote:
            _push_group(store, remote, wanted, _jobs(project, remote, options), progress, report)
    if report.failures:
        raise TransferFailed(len(report.failures), "upload", report.failures)
    return report


def _push_group(
    store: Store,
    remote: Remote,
    wanted: Wanted,
    jobs: int,
    progress: Progress,
    report: SyncReport,
) -> None:
    members, unknown = _local_members(store, wanted)
    # That the list is there says nothing of its files (docs/durability.md, promise 23).
    found, failed = remote.read_many(wanted.algorithm, unknown, jobs)
    for name, data in found.items():
        try:
            members[name] = wanted.members(name, parse_manifest(data, name))
        except CorruptObject as error:
            failed[name] = error
    corrupt = {name: why for name, why in failed.items() if isinstance(why, CorruptObject)}
    report.failures += [(name, str(why)) for name, why in corrupt.items()]
    unknown = [name for name in unknown if name not in members]
    every = {name for names in members.values() for name in names}
    every |= wanted.files | set(members)
    here = store.present(every)
    there = _same_there(store, remote, every, here, jobs, progress)
    plan = plan_transfer(members, wanted.files, there, here)
    lost = [name for name in plan.missing if name not in there] + unknown
    if lost:
        still = remote.present(wanted.algorithm, lost, jobs, progress)
        for name in lost:
            if name not in still:
                report.missing.append((wanted.algorithm, name, wanted.labels.get(name, "")))
    if not plan.total:
        return
    done = transfer.push(store, remote, plan, jobs, progress)
    report.transferred += done.done
    report.failures += [(name, str(error)) for name, error in done.failed.items()]


def _local_members(store: Store, wanted: Wanted) -> tuple[dict[str, list[str]], list[str]]:
    """Directory -> digests of its files; and the directories whose list is not here."""
    members: dict[str, list[str]] = {}
    unknown: list[str] = []
    for name in wanted.manifests:
        try:
            members[name] = wanted.members(name, store.manifest(name))
        except (MissingObject, CorruptObject):
            unknown.append(name)
    return members, unknown


def _same_there(
    store: Store,
    remote: Remote,
    names: set[str],
    here: set[str],
    jobs: int,
    progress: Progress,
) -> set[str]:
    """What the remote has in the right size. An object that was emptied there counts as gone."""
    found = remote.present(store.algorithm, names, jobs, progress)
    order = [name for name in found if name in here]
    stats = memoryview(batches.stat_batch(store.root, order)).cast("q")
    sizes = dict(zip(order, stats[2::FIELDS].tolist(), strict=True)) if order else {}
    return {
        name
        for name, size in found.items()
        if size is None or name not in sizes or sizes[name] == size
    }


# -- fetch ----


def fetch(
    project: Project, targets: Sequence[str], options: SyncOptions, progress: Progress
) -> SyncReport:
    """Downloads what the cache lacks, every byte checked.

    Raises TransferFailed when something is there but did not arrive. What is on neither side is
    in the report.
    """
    sweep(project)
    selected = _select(project, targets, options, progress)
    report = SyncReport()
    for (own, algorithm), wanted in collect(selected).items():
        store = project.store_of(algorithm)
        store.hold()
        if _is_complete(store, wanted):
            continue
        with _open(project, own, options) as remote:
            _fetch_group(store, remote, wanted, _jobs(project, remote, options), progress, report)
    if report.failures:
        raise TransferFailed(len(report.failures), "download", report.failures)
    report.imports = [item for item in selected if _is_wanting(project, item)]
    return report


def _is_wanting(project: Project, item: Selected) -> bool:
    """True for an import that was run, and whose data is not in the cache."""
    stage, digest = item.ref.stage, item.ref.out.digest
    if not stage.is_import or not stage.md5 or item.ref.out.files is not None:
        return False
    return digest is None or not is_in_cache(project, digest)


def _is_complete(store: Store, wanted: Wanted) -> bool:
    """True when nothing is missing here: then no remote is needed, or even configured."""
    members, unknown = _local_members(store, wanted)
    if unknown:
        return False
    every = {name for names in members.values() for name in names} | wanted.files
    return not store.missing(every)


def _fetch_group(
    store: Store,
    remote: Remote,
    wanted: Wanted,
    jobs: int,
    progress: Progress,
    report: SyncReport,
) -> None:
    members, unknown = _local_members(store, wanted)
    fresh = _fetch_manifests(store, remote, wanted, unknown, jobs, report)
    members |= {name: wanted.members(name, manifest) for name, (_, manifest) in fresh.items()}
    every = {name for names in members.values() for name in names} | wanted.files
    missing = sorted(store.missing(every))
    there = remote.present(store.algorithm, missing, jobs, progress)
    plan = [name for name in missing if name in there]
    done = transfer.fetch(store, remote, plan, there, jobs, progress)
    report.transferred += done.done
    report.failures += [(name, str(error)) for name, error in done.failed.items()]
    gone = [name for name in missing if name not in there]
    report.missing += [(store.algorithm, name, wanted.labels.get(name, "")) for name in gone]
    # A manifest gets its name last: it is there only when it can be read.
    for name, (data, _) in fresh.items():
        put_bytes(store, name, data)
        report.transferred += 1


def _fetch_manifests(
    store: Store,
    remote: Remote,
    wanted: Wanted,
    names: list[str],
    jobs: int,
    report: SyncReport,
) -> dict[str, tuple[bytes, Manifest]]:
    found, failed = remote.read_many(store.algorithm, names, jobs)
    fresh: dict[str, tuple[bytes, Manifest]] = {}
    for name, data in found.items():
        try:
            manifest = parse_manifest(data, name)
        except CorruptObject as error:
            report.failures.append((name, str(error)))
            continue
        store.keep_manifest(name, manifest)
        fresh[name] = (data, manifest)
    for name, reason in failed.items():
        if isinstance(reason, CorruptObject):
            report.failures.append((name, str(reason)))
        else:
            report.missing.append((store.algorithm, name, wanted.labels.get(name, "")))
    return fresh


# -- status -c ----


@dataclass(frozen=True, slots=True)
class CloudReport:
    """changes: path -> "new" (only here), "deleted" (only there), "missing" (nowhere)."""

    remote: str
    changes: dict[str, str]


def cloud_status(
    project: Project, targets: Sequence[str], options: SyncOptions, progress: Progress
) -> CloudReport:
    """Compares the cache with a remote, object by object. Raises NoRemote, TransportError."""
    changes: dict[str, str] = {}
    groups = _groups(project, targets, options, progress)
    shown = project.settings.remote(options.remote).name
    for (own, algorithm), wanted in groups.items():
        store = project.store_of(algorithm)
        with _open(project, own, options) as remote:
            changes |= _compare(store, remote, wanted, _jobs(project, remote, options), progress)
    return CloudReport(shown, changes)


def _compare(
    store: Store, remote: Remote, wanted: Wanted, jobs: int, progress: Progress
) -> dict[str, str]:
    _, unknown = _local_members(store, wanted)
    found, _ = remote.read_many(store.algorithm, unknown, jobs)
    for name, fetched in found.items():
        # A list of files that had to be fetched is kept, as DVC does; where that cannot be
        # written, the answer is the same.
        with contextlib.suppress(OSError, DiskError, CorruptObject):
            parse_manifest(fetched, name)
            put_bytes(store, name, fetched)
    paths: dict[str, str] = {}
    for name in wanted.manifests:
        label = wanted.labels[name]
        if name not in found:
            paths[name] = label
        try:
            data = found.get(name)
            manifest = parse_manifest(data, name) if data is not None else store.manifest(name)
        except (MissingObject, CorruptObject):
            continue
        for part in wanted.manifests[name]:
            for path, member in manifest.below(part):
                paths.setdefault(member, f"{label}/{path}")
    for name in wanted.files:
        paths.setdefault(name, wanted.labels[name])
    here = store.present(paths.keys())
    there = _same_there(store, remote, set(paths), here, jobs, progress)
    return {
        path: "new" if name in here else "deleted" if name in there else "missing"
        for name, path in paths.items()
        if not (name in here and name in there)
    }
