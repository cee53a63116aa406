"""remote sync: what one remote has and another lacks, from the one to the other."""

from __future__ import annotations

from contextlib import suppress

from pannier.core.digest import LEGACY, MD5
from pannier.core.errors import CorruptObject, LockBusy, PannierError, TransferFailed
from pannier.core.events import Progress
from pannier.core.manifest import Manifest, parse_manifest
from pannier.core.plan import TransferPlan
from pannier.core.record import dataclass, field
from pannier.project.project import Project
from pannier.project.version_checks import recorded_at
from pannier.project.version_keys import Far, open_far, recorded_files
from pannier.project.workspace import scratch_folder, sweep
from pannier.store import transfer
from pannier.store.objects import Store
from pannier.store.pace import Pace
from pannier.store.publishing import put_bytes
from pannier.store.remote import Remote
from pannier.store.remote_config import RemoteConfig
from pannier.store.statcache import StatCache

_GROUP_FILES = 5_000
_GROUP_BYTES = 1 << 30
"""So much lies on this machine at a time."""


@dataclass(frozen=True, slots=True)
class RemoteSyncOptions:
    """jobs: requests in flight, None for what does well there. rate: bytes per second at most."""

    jobs: int | None = None
    rate: int | None = None


@dataclass(slots=True)
class RemoteSyncReport:
    """copied: objects. failures: (digest, reason)."""

    copied: int = 0
    failures: list[tuple[str, str]] = field(default_factory=list)


def sync_remotes(
    project: Project, source: str, target: str, options: RemoteSyncOptions, progress: Progress
) -> RemoteSyncReport:
    """Copies objects of both layouts; nothing is removed anywhere.

    Every object passes through this machine and is hashed there, a list of files arrives after
    all that it names. Of a source with cloud versions it is what the workspace records of it. The
    project stays free for others: what is here lies in a folder of this process alone.
    Raises UnknownRemote, TransportError, and TransferFailed when something did
    not arrive.
    """
    with suppress(LockBusy), project.lock():
        sweep(project)
    report = RemoteSyncReport()
    ours, theirs = project.settings.remote(source), project.settings.remote(target)
    if ours.url == theirs.url:
        raise PannierError(f"remotes '{source}' and '{target}' are one place")
    if theirs.is_versioned:
        raise _no_copy(ours, theirs)
    with open_far(ours) as origin, Remote(theirs) as goal:
        pace = Pace(options.jobs or min(origin.jobs, goal.jobs), options.rate)
        if isinstance(origin, Remote):
            for algorithm in (MD5, LEGACY):
                layout = _Layout(algorithm, origin.listing(algorithm, pace.jobs, progress))
                _copy_layout(project, layout, origin, goal, pace, progress, report)
        else:
            layout = _recorded_layout(project, origin.name)
            _copy_layout(project, layout, origin, goal, pace, progress, report)
    if report.failures:
        raise TransferFailed(len(report.failures), "copy", report.failures)
    return report


def _no_copy(ours: RemoteConfig, theirs: RemoteConfig) -> PannierError:
    """Pointers name the versions, and have room for those of one remote: decision 134."""
    if ours.is_versioned:
        return PannierError(
            f"a pointer has room for the versions of one remote: '{theirs.name}' can be no copy"
            f" of '{ours.name}'",
            hint="a plain remote can: 'dvc remote add <name> <url>', and 'dvc remote sync"
            f" {ours.name} <name>'",
        )
    return PannierError(
        f"remote '{theirs.name}' keeps cloud versions, which the pointers of a push name",
        hint=f"'dvc fetch -r {ours.name}' and 'dvc push -r {theirs.name}' bring data there",
    )


@dataclass(frozen=True, slots=True)
class _Layout:
    """What a remote has. sizes: name -> size in bytes, None where nobody tells. keys: where each
    lies, if not where remotes have their objects. lists: of files, that are no objects there."""

    algorithm: str
    sizes: dict[str, int | None]
    keys: dict[str, str] | None = None
    lists: dict[str, bytes] = field(default_factory=dict)


def _recorded_layout(project: Project, remote: str) -> _Layout:
    """What the workspace records of a remote with cloud versions."""
    recorded = recorded_at(project, remote)
    keys = {md5: key for key, md5 in recorded.versions.items()}
    sizes: dict[str, int | None] = {}
    lists: dict[str, bytes] = {}
    for item in recorded.outs:
        out = item.ref.out
        for _, md5, entry in recorded_files(item.ref):
            if md5 in keys:
                sizes[md5] = entry.get("size") if out.files is not None else out.meta.size_bytes
        if out.files is not None and out.digest is not None:
            manifest = Manifest.of((row["relpath"], row["md5"]) for row in out.files)
            lists[out.digest.hex] = manifest.to_bytes()
            sizes[out.digest.hex] = len(lists[out.digest.hex])
    return _Layout(MD5, sizes, keys, lists)


def _copy_layout(
    project: Project,
    layout: _Layout,
    origin: Far,
    goal: Remote,
    pace: Pace,
    progress: Progress,
    report: RemoteSyncReport,
) -> None:
    algorithm, sizes = layout.algorithm, layout.sizes
    there = goal.listing(algorithm, pace.jobs, progress) if sizes else {}
    # An object of another size is damaged on one side; which, its bytes will tell.
    lacking = [
        name
        for name in sorted(sizes)
        if name not in there or (sizes[name] is not None and there[name] != sizes[name])
    ]
    arrived = set(there)
    files = [name for name in lacking if not name.endswith(".dir")]
    lists = [name for name in lacking if name.endswith(".dir")]
    cut = (sizes, _GROUP_FILES, _GROUP_BYTES)
    for group in [*transfer.groups(files, *cut), *transfer.groups(lists, *cut)]:
        with scratch_folder(project, ".dvc") as folder:
            store = Store(f"{folder}/objects", StatCache(None), algorithm)
            brought = [name for name in group if name not in layout.lists]
            got = transfer.fetch(store, origin, brought, sizes, pace, progress, layout.keys)
            for name in group:
                if name in layout.lists:
                    put_bytes(store, name, layout.lists[name])
            report.failures += [(name, str(error)) for name, error in got.failed.items()]
            plan = _plan(store, [n for n in group if n not in got.failed], arrived, report)
            sent = transfer.push(store, goal, plan, pace, progress)
            store.release()
        report.failures += [(name, str(error)) for name, error in sent.failed.items()]
        report.copied += sent.done
        arrived.update(n for n in [*plan.files, *plan.manifests] if n not in sent.failed)


def _plan(
    store: Store, names: list[str], arrived: set[str], report: RemoteSyncReport
) -> TransferPlan:
    """What to send of objects that are here. A list whose files are not there stays behind."""
    plan = TransferPlan([], {}, [])
    for name in names:
        if not name.endswith(".dir"):
            plan.files.append(name)
            continue
        try:
            with open(store.path(name), "rb") as file:
                members = set(parse_manifest(file.read(), name).hexes)
        except CorruptObject as error:
            report.failures.append((name, str(error)))
            continue
        if members <= arrived:
            plan.manifests[name] = sorted(members)
        else:
            lost = len(members - arrived)
            report.failures.append((name, f"{lost} of the files that it names did not arrive"))
    return plan
