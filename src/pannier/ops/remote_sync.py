"""remote sync: what one remote has and another lacks, from the one to the other."""

from __future__ import annotations

from pannier.core.digest import LEGACY, MD5
from pannier.core.errors import CorruptObject, PannierError, TransferFailed
from pannier.core.events import Progress
from pannier.core.manifest import parse_manifest
from pannier.core.plan import TransferPlan
from pannier.core.record import dataclass, field
from pannier.project.project import Project
from pannier.project.workspace import scratch_folder, sweep
from pannier.store import transfer
from pannier.store.objects import Store
from pannier.store.pace import Pace
from pannier.store.remote import Remote
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
    all that it names. Raises UnknownRemote, TransportError, and TransferFailed when something did
    not arrive.
    """
    sweep(project)
    report = RemoteSyncReport()
    ours, theirs = project.settings.remote(source), project.settings.remote(target)
    if ours.url == theirs.url:
        raise PannierError(f"remotes '{source}' and '{target}' are one place")
    with Remote(ours) as origin, Remote(theirs) as goal:
        pace = Pace(options.jobs or min(origin.jobs, goal.jobs), options.rate)
        for algorithm in (MD5, LEGACY):
            _copy_layout(project, algorithm, origin, goal, pace, progress, report)
    if report.failures:
        raise TransferFailed(len(report.failures), "copy", report.failures)
    return report


def _copy_layout(
    project: Project,
    algorithm: str,
    origin: Remote,
    goal: Remote,
    pace: Pace,
    progress: Progress,
    report: RemoteSyncReport,
) -> None:
    sizes = origin.listing(algorithm, pace.jobs, progress)
    there = goal.listing(algorithm, pace.jobs, progress) if sizes else {}
    # An object of another size is damaged on one side; which, its bytes will tell.
    lacking = [name for name in sorted(sizes) if name not in there or there[name] != sizes[name]]
    arrived = set(there)
    files = [name for name in lacking if not name.endswith(".dir")]
    lists = [name for name in lacking if name.endswith(".dir")]
    cut = (sizes, _GROUP_FILES, _GROUP_BYTES)
    for group in [*transfer.groups(files, *cut), *transfer.groups(lists, *cut)]:
        with scratch_folder(project, ".dvc") as folder:
            store = Store(f"{folder}/objects", StatCache(None), algorithm)
            got = transfer.fetch(store, origin, group, sizes, pace, progress)
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
