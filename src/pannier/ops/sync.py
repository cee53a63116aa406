"""push, fetch and cloud status: the same objects here and at a remote."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

from pannier.core.errors import (
    ConfigError,
    CorruptObject,
    DiskError,
    MissingObject,
    NoRemote,
    TransferFailed,
    TransportError,
)
from pannier.core.events import Progress
from pannier.core.manifest import Manifest, parse_manifest
from pannier.core.plan import plan_transfer
from pannier.core.record import dataclass, field, replace
from pannier.disk import batches
from pannier.disk.walk import FIELDS
from pannier.project.presence import is_in_cache
from pannier.project.project import Project
from pannier.project.targets import ALL_TARGETS, Selected, TargetOptions
from pannier.project.used import (
    WORKSPACE_ONLY,
    RevisionOptions,
    Wanted,
    by_versions,
    collect,
    is_complete,
    keep_lists,
    local_members,
    select_used,
)
from pannier.project.workspace import sweep
from pannier.store import transfer
from pannier.store.objects import Store
from pannier.store.pace import Pace
from pannier.store.publishing import put_bytes
from pannier.store.remote import Remote


@dataclass(frozen=True, slots=True)
class SyncOptions:
    """remote: instead of the default one. jobs: requests in flight, None for what does well.
    rate: bytes per second at most. max_size: only outputs strictly smaller, in bytes. kinds: only
    "metric" or "plot" outputs. for_it_alone: without outputs that have another remote of their
    own."""

    targets: TargetOptions = ALL_TARGETS
    revisions: RevisionOptions = WORKSPACE_ONLY
    remote: str | None = None
    jobs: int | None = None
    rate: int | None = None
    max_size: int | None = None
    kinds: tuple[str, ...] = ()
    for_it_alone: bool = False


@dataclass(slots=True)
class SyncReport:
    """transferred: objects that moved, manifests included. missing: (algorithm, digest, path) of
    what is on neither side. failures: (digest or path, reason). imports: those whose data is not
    in the cache then, and those of which only the source is recorded. versioned: what remotes with
    cloud versions have, by the remote's name: it was not moved (`ops.versions`)."""

    transferred: int = 0
    missing: list[tuple[str, str, str]] = field(default_factory=list)
    failures: list[tuple[str, str]] = field(default_factory=list)
    imports: list[Selected] = field(default_factory=list)
    versioned: dict[str, list[Selected]] = field(default_factory=dict)


def _select(
    project: Project, targets: Sequence[str], options: SyncOptions, progress: Progress
) -> list[Selected]:
    selected = select_used(project, targets, options.targets, options.revisions, progress)
    if options.max_size is not None:
        limit = options.max_size
        selected = [s for s in selected if (s.ref.out.meta.size_bytes or 0) < limit]
    if options.for_it_alone and options.remote is not None:
        name = options.remote.lower()
        selected = [s for s in selected if (s.ref.out.remote or name).lower() == name]
    if options.kinds:
        selected = [s for s in selected if s.ref.out.kind in options.kinds]
    return selected


def _open(project: Project, own: str | None, options: SyncOptions) -> Remote:
    """own: the only remote that these outputs go to."""
    return Remote(project.settings.remote(own or options.remote))


def _pace(project: Project, remote: Remote, options: SyncOptions) -> Pace:
    """As asked for, else as this remote or this user has it set, else what does well there."""
    own = None if remote.config.get("jobs") else project.settings.own_integer("jobs")
    return Pace(options.jobs or own or remote.jobs, options.rate)


# -- push ----


def push(
    project: Project, targets: Sequence[str], options: SyncOptions, progress: Progress
) -> SyncReport:
    """Uploads what the remote lacks. Raises TransferFailed when something did not arrive."""
    report = SyncReport()
    selected = _select(project, targets, options, progress)
    plain, versioned = by_versions(project, selected, options.remote)
    if versioned:
        # Other revisions are not in the workspace, so their versions cannot be written down.
        here = _select(project, targets, replace(options, revisions=WORKSPACE_ONLY), progress)
        report.versioned = by_versions(project, here, options.remote)[1]
    keep_lists(project, plain)
    groups = collect(plain, pushing=True)
    if not groups and not versioned:
        _open(project, None, options).transport.close()
    for (own, algorithm), wanted in groups.items():
        store = project.store_of(algorithm)
        with _open(project, own, options) as remote:
            _push_group(store, remote, wanted, _pace(project, remote, options), progress, report)
    if report.failures:
        raise TransferFailed(len(report.failures), "upload", report.failures, report.missing)
    return report


def _push_group(
    store: Store,
    remote: Remote,
    wanted: Wanted,
    pace: Pace,
    progress: Progress,
    report: SyncReport,
) -> None:
    members, unknown = local_members(store, wanted)
    # That the list is there says nothing of its files (docs/durability.md, promise 23).
    found, failed = remote.read_many(wanted.algorithm, unknown, pace.jobs)
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
    there = _same_there(store, remote, every, here, pace.jobs, progress)
    plan = plan_transfer(members, wanted.files, there, here)
    lost = [name for name in plan.missing if name not in there] + unknown
    if lost:
        still = remote.present(wanted.algorithm, lost, pace.jobs, progress)
        for name in lost:
            if name not in still:
                report.missing.append((wanted.algorithm, name, wanted.labels.get(name, "")))
    if not plan.total:
        return
    done = transfer.push(store, remote, plan, pace, progress)
    report.transferred += done.done
    report.failures += [(name, str(error)) for name, error in done.failed.items()]


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
    plain, report.versioned = by_versions(project, selected, options.remote)
    keep_lists(project, plain)
    for (own, algorithm), wanted in collect(plain).items():
        store = project.store_of(algorithm)
        store.hold()
        if is_complete(store, wanted):
            continue
        _fetch_from_first(project, own, wanted, options, progress, report)
    keep_lists(project, plain)
    if report.failures:
        raise TransferFailed(len(report.failures), "download", report.failures, report.missing)
    report.imports = [item for item in selected if _is_wanting(project, item)]
    return report


def _fetch_from_first(
    project: Project,
    own: str | None,
    wanted: Wanted,
    options: SyncOptions,
    progress: Progress,
    report: SyncReport,
) -> None:
    """Fetches from the remote that is meant; what it does not give, from those after it.

    Which are after it, `pannier.fallback` says; none when a remote was named by the command or
    the output. Raises what the last one raises.
    """
    names = [own or options.remote, *([] if own or options.remote else _fallback(project))]
    for number, name in enumerate(names):
        last = number + 1 == len(names)
        attempt = SyncReport()
        try:
            with Remote(project.settings.remote(name)) as remote:
                shown, pace = remote.name, _pace(project, remote, options)
                store = project.store_of(wanted.algorithm)
                _fetch_group(store, remote, wanted, pace, progress, attempt)
        except (TransportError, NoRemote) as error:
            if last:
                raise
            progress.warn(f"{error.message}; trying remote '{names[number + 1]}'")
            continue
        report.transferred += attempt.transferred
        if last or not (attempt.missing or attempt.failures):
            report.missing += attempt.missing
            report.failures += attempt.failures
            return
        lacking = len(attempt.missing) + len(attempt.failures)
        progress.warn(
            f"remote '{shown}' did not give {lacking} objects; trying remote '{names[number + 1]}'"
        )


def _fallback(project: Project) -> list[str]:
    names = [name.strip().lower() for name in project.settings.own("fallback").split(",")]
    default = project.settings.default_remote()
    return [name for name in names if name and name != default]


def _is_wanting(project: Project, item: Selected) -> bool:
    """True for an import that was run, and whose data is not in the cache."""
    stage, digest = item.ref.stage, item.ref.out.digest
    if not stage.is_import or not stage.md5 or item.ref.out.files is not None:
        return False
    return digest is None or not is_in_cache(project, digest)


def _fetch_group(
    store: Store,
    remote: Remote,
    wanted: Wanted,
    pace: Pace,
    progress: Progress,
    report: SyncReport,
) -> None:
    members, unknown = local_members(store, wanted)
    fresh = _fetch_manifests(store, remote, wanted, unknown, pace.jobs, progress, report)
    members |= {name: wanted.members(name, manifest) for name, (_, manifest) in fresh.items()}
    missing = sorted(
        store.missing({name for names in members.values() for name in names} | wanted.files)
    )
    there = remote.present(store.algorithm, missing, pace.jobs, progress)
    plan = [name for name in missing if name in there]
    done = transfer.fetch(store, remote, plan, there, pace, progress)
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
    progress: Progress,
    report: SyncReport,
) -> dict[str, tuple[bytes, Manifest]]:
    if not names:
        return {}
    task = progress.task(f"Fetching lists from {remote.name}", len(names))
    found, failed = remote.read_many(store.algorithm, names, jobs)
    task.travelled(sum(map(len, found.values())))
    task.advance(len(names))
    task.close()
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
    selected = _select(project, targets, options, progress)
    config = project.settings.remote(options.remote)
    if config.is_versioned or by_versions(project, selected, options.remote)[1]:
        raise ConfigError("'status' is unsupported for cloud versioned remotes")
    with contextlib.suppress(OSError, DiskError):
        keep_lists(project, selected)
    groups = collect(selected, pushing=True)
    shown = config.name
    for (own, algorithm), wanted in groups.items():
        store = project.store_of(algorithm)
        with _open(project, own, options) as remote:
            pace = _pace(project, remote, options)
            changes |= _compare(store, remote, wanted, pace.jobs, progress)
    return CloudReport(shown, changes)


def _compare(
    store: Store, remote: Remote, wanted: Wanted, jobs: int, progress: Progress
) -> dict[str, str]:
    _, unknown = local_members(store, wanted)
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
