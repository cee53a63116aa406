"""cache verify, remote verify: all bytes are read again, and mended where a good copy is left."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from pannier.core.digest import MD5
from pannier.core.errors import (
    CorruptObject,
    DiskError,
    MissingObject,
    NotThere,
    PannierError,
    Unreachable,
)
from pannier.core.events import Progress
from pannier.core.manifest import Manifest, parse_manifest
from pannier.core.plan import TransferPlan
from pannier.core.record import dataclass, field
from pannier.project.project import Project
from pannier.project.repair import bring_good_copies
from pannier.project.roots import Roots, workspace_roots
from pannier.project.version_checks import check_versions, recorded_at, upload_again
from pannier.store import transfer
from pannier.store.checking import (
    Checked,
    Damage,
    check_remote,
    check_store,
    quarantined_there,
    some_of,
)
from pannier.store.objects import Store
from pannier.store.pace import Pace
from pannier.store.publishing import Staging, sweep
from pannier.store.remote import Remote
from pannier.store.remote_config import RemoteConfig
from pannier.store.statcache import StatCache
from pannier.store.transport import split_version
from pannier.store.versioned import VersionedRemote

MISSING = "it is not there, though a list of files that is in use names it"
QUARANTINED = "it was damaged and lies in quarantine"


@dataclass(frozen=True, slots=True)
class VerifyOptions:
    """repair: damaged and missing objects are brought back from where a good copy is left.
    sample: percent of the objects to be read, None for all. remote: instead of the default."""

    repair: bool = False
    sample: float | None = None
    remote: str | None = None
    jobs: int | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """One object that is wrong or missing. path: in the workspace, "" when none is known.
    repaired: where the good copy came from, "" when it is still wrong."""

    algorithm: str
    name: str
    problem: str
    path: str = ""
    moved_to: str = ""
    repaired: str = ""
    versioned: bool = False

    @property
    def in_place(self) -> bool:
        """True for damage that could not be moved aside."""
        gone = (MISSING, QUARANTINED)
        return not (self.moved_to or self.problem in gone or self.versioned)


@dataclass(slots=True)
class VerifyReport:
    """total: objects that are there; checked: those that were read. unread: those that a remote
    did not give: nothing is known of them, and nothing is done about them. gone: the reason for
    what comes last of these, when the remote did not answer any more; else ""."""

    total: int = 0
    checked: int = 0
    size_bytes: int = 0
    findings: list[Finding] = field(default_factory=list)
    unread: list[Finding] = field(default_factory=list)
    gone: str = ""

    @property
    def left(self) -> list[Finding]:
        """What is still wrong."""
        return [finding for finding in self.findings if not finding.repaired]

    @property
    def clean(self) -> bool:
        return not (self.left or self.unread or self.gone)


def verify_cache(project: Project, options: VerifyOptions, progress: Progress) -> VerifyReport:
    """Reads the objects of the cache. Wrong ones are in quarantine afterwards."""
    report = VerifyReport()
    roots = _roots(project, progress)
    for store in (project.store, project.legacy):
        sweep(store)
        there = set(store.listing())
        names = some_of(there, options.sample)
        task = progress.task("Verifying the cache", len(names))
        lists = _lists(roots, store)
        checked = check_store(store, names, task, set(lists))
        task.close()
        _count(report, len(there), checked)
        wrong = {damage.name for damage in checked.damaged}
        manifests = {n: m for n in lists if (m := _manifest(store, n)) is not None}
        damaged = list(checked.damaged)
        damaged += _absent(store, there | wrong if wrong else there, manifests, store.quarantined())
        repaired: dict[str, str] = {}
        if options.repair:
            with _telling_what_stops(progress, "cache"):
                repaired = _mend(project, store, roots, damaged, progress)
        if damaged:
            report.findings += _findings(damaged, _paths(roots, store), repaired)
    return report


@contextmanager
def _telling_what_stops(progress: Progress, place: str) -> Iterator[None]:
    """A place that cannot be written keeps its damage, and what was found is told all the same."""
    try:
        yield
    except (DiskError, OSError) as error:
        progress.warn(f"the {place} cannot be repaired: {os.strerror(error.errno or 0)}")


def _absent(
    store: Store, there: set[str], manifests: Mapping[str, Manifest], quarantined: set[str]
) -> list[Damage]:
    """What should be there and is not: members of lists that are, and what went to quarantine."""
    members = {name for manifest in manifests.values() for name in manifest.hexes}
    gone = dict.fromkeys(sorted(quarantined - there), QUARANTINED)
    gone |= dict.fromkeys(sorted(members - there - quarantined), MISSING)
    return [Damage(store.algorithm, name, problem) for name, problem in gone.items()]


def _count(report: VerifyReport, total: int, checked: Checked) -> None:
    report.total += total
    report.checked += checked.count
    report.size_bytes += checked.size_bytes


def _findings(
    damaged: list[Damage], paths: Mapping[str, str], repaired: Mapping[str, str]
) -> list[Finding]:
    """What is worth a line. An old inmate of the quarantine is, only if the workspace needs it."""
    return [
        Finding(d.algorithm, d.name, d.problem, paths.get(d.name, ""), d.moved_to, healed)
        for d in damaged
        if (healed := repaired.get(d.name, "")) or d.problem != QUARANTINED or d.name in paths
    ]


def _roots(project: Project, progress: Progress) -> Roots:
    try:
        return workspace_roots(project)
    except PannierError as error:
        progress.warn(f"what the workspace uses cannot be told: {error}")
        return Roots()


def _lists(roots: Roots, store: Store) -> list[str]:
    return [name for key, name, _ in roots.manifests() if key[1] == store.algorithm]


def _manifest(store: Store, name: str) -> Manifest | None:
    try:
        return store.manifest(name)
    except (MissingObject, CorruptObject):
        return None


def _paths(roots: Roots, store: Store) -> dict[str, str]:
    """Digest -> a path in the workspace that should hold it."""
    found: dict[str, str] = {}
    for (_, algorithm), names in roots.names.items():
        if algorithm != store.algorithm:
            continue
        for name, path in names.items():
            found.setdefault(name, path)
            manifest = _manifest(store, name) if name.endswith(".dir") else None
            for inner, member in manifest or ():
                found.setdefault(member, f"{path}/{inner}")
    return found


def _mend(
    project: Project,
    store: Store,
    roots: Roots,
    damaged: list[Damage],
    progress: Progress,
    *,
    not_from: str | None = None,
) -> dict[str, str]:
    """Lists of files first: they tell where in the workspace the files are."""
    names = [damage.name for damage in damaged if not store.has(damage.name)]
    lists = [name for name in names if name.endswith(".dir")]
    files = [name for name in names if not name.endswith(".dir")]
    found: dict[str, str] = {}
    for some in (lists, files):
        if some:
            paths = _paths(roots, store)
            found |= bring_good_copies(
                project, store.algorithm, some, paths, progress, not_from=not_from
            )
    return found


# -- a remote ----


def verify_remote(project: Project, options: VerifyOptions, progress: Progress) -> VerifyReport:
    """Reads the objects of a remote; wrong ones are moved to its own quarantine. Of a remote with
    cloud versions it reads those that the workspace records."""
    report = VerifyReport()
    roots = _roots(project, progress)
    config = project.settings.remote(options.remote)
    if config.is_versioned:
        _verify_versions(project, config, roots, options, progress, report)
        return report
    with Remote(config) as remote, Staging(_room(project)) as space:
        for store in (project.store, project.legacy):
            work = _RemoteWork(project, store, remote, roots, options, progress)
            _verify_layout(work, space.path, report)
            if report.gone:
                break
    return report


def _room(project: Project) -> Store:
    """What bytes of a remote pass through: the cache, or where that can only be read a store of the
    project's own."""
    folder = project.store.root
    while not os.path.isdir(folder):
        folder = os.path.dirname(folder)
    if os.access(folder, os.W_OK):
        return project.store
    room = Store(f"{project.scratch}/verify", StatCache(None), MD5)
    sweep(room)
    return room


def _verify_versions(
    project: Project,
    config: RemoteConfig,
    roots: Roots,
    options: VerifyOptions,
    progress: Progress,
    report: VerifyReport,
) -> None:
    recorded = recorded_at(project, config.name)
    with VersionedRemote(config) as remote, Staging(_room(project)) as space:
        jobs = options.jobs or remote.jobs
        checked, wrong, unread = check_versions(
            remote, recorded, options.sample, space, jobs, progress
        )
        _count(report, len(recorded.versions), checked)
        report.gone = checked.gone
        origin: dict[str, str] = {}
        arrived: set[str] = set()
        if options.repair and wrong and not report.gone:
            with _telling_what_stops(progress, f"remote '{remote.name}'"):
                store, names = project.store, {damage.name for damage in checked.damaged}
                here = store.present(names)
                here -= store.verify(sorted(here))
                origin = dict.fromkeys(here, "the cache")
                lacking = [d for d in checked.damaged if d.name not in here]
                origin |= _mend(project, store, roots, lacking, progress, not_from=remote.name)
                arrived = upload_again(project, remote, wrong, jobs, progress)
    for key, damage in wrong.items():
        path, _ = split_version(key)
        healed = origin.get(damage.name, "") if path in arrived else ""
        report.findings.append(
            Finding(MD5, damage.name, damage.problem, path, repaired=healed, versioned=True)
        )
    report.unread += [
        Finding(MD5, damage.name, damage.problem, split_version(key)[0])
        for key, damage in unread.items()
    ]


@dataclass(frozen=True, slots=True)
class _RemoteWork:
    """One layout of one remote, and what is needed to read and mend it."""

    project: Project
    store: Store
    remote: Remote
    roots: Roots
    options: VerifyOptions
    progress: Progress

    @property
    def jobs(self) -> int:
        return self.options.jobs or self.remote.jobs


def _verify_layout(work: _RemoteWork, scratch: str, report: VerifyReport) -> None:
    store, remote, progress = work.store, work.remote, work.progress
    algorithm = store.algorithm
    try:
        sizes = remote.listing(algorithm, work.jobs, progress)
    except Unreachable as error:
        if not report.total:
            raise
        report.gone = str(error)  # what was found in the other layout is told all the same
        return
    chosen = {name: sizes[name] for name in some_of(sizes, work.options.sample)}
    task = progress.task(f"Verifying {remote.name}", len(chosen))
    checked = check_remote(remote, algorithm, chosen, scratch, work.jobs, task)
    task.close()
    _count(report, len(sizes), checked)
    damaged = list(checked.damaged)
    report.gone = checked.gone
    if not report.gone:
        try:
            damaged += _absent_there(work, sizes, checked)
        except Unreachable as error:  # what was found before is told all the same
            report.gone = str(error)
    repaired: dict[str, str] = {}
    if work.options.repair and not report.gone:
        with _telling_what_stops(progress, f"remote '{remote.name}'"):
            repaired = _send_good_copies(work, damaged)
    paths = _paths(work.roots, store)
    report.findings += _findings(damaged, paths, repaired)
    report.unread += _findings(checked.unread, paths, {})


def _absent_there(
    work: _RemoteWork, sizes: Mapping[str, int | None], checked: Checked
) -> list[Damage]:
    """As _absent, at the remote. sizes: of what is there."""
    store, remote = work.store, work.remote
    wrong = {damage.name for damage in checked.damaged}
    useless = wrong | {damage.name for damage in checked.unread}
    lists = [name for name in _lists(work.roots, store) if name in sizes and name not in useless]
    manifests = _remote_manifests(remote, store.algorithm, lists)
    quarantined = quarantined_there(remote, store.algorithm)
    return _absent(store, set(sizes) | wrong, manifests, quarantined)


def _remote_manifests(remote: Remote, algorithm: str, names: list[str]) -> dict[str, Manifest]:
    found: dict[str, Manifest] = {}
    for name in names:
        try:
            found[name] = parse_manifest(remote.read(algorithm, name), name)
        except (NotThere, CorruptObject):
            continue
    return found


def _send_good_copies(work: _RemoteWork, damaged: list[Damage]) -> dict[str, str]:
    """Brings good copies into the cache where it has none, then to the remote."""
    store, remote, progress = work.store, work.remote, work.progress
    names = [d.name for d in damaged if d.moved_to or d.problem in (MISSING, QUARANTINED)]
    here = store.present(names)
    here -= store.verify(sorted(here))
    lacking = [d for d in damaged if d.name in names and d.name not in here]
    origin = dict.fromkeys(here, "the cache")
    origin |= _mend(work.project, store, work.roots, lacking, progress, not_from=remote.name)
    files = sorted(name for name in origin if not name.endswith(".dir"))
    lists = {name: list[str]() for name in sorted(origin) if name.endswith(".dir")}
    sent = transfer.push(store, remote, TransferPlan(files, lists, []), Pace(work.jobs), progress)
    return {name: where for name, where in origin.items() if name not in sent.failed}
