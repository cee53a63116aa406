"""data status: the last commit, the stage files and the workspace, compared with one another."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Sequence

from pannier.core.diff import Changes, Scope, State, Tracked, compare, same_everywhere
from pannier.core.errors import CorruptObject, NoRemote
from pannier.core.events import Progress
from pannier.core.manifest import Manifest, parse_manifest
from pannier.core.path import is_within, relative
from pannier.core.record import dataclass, field
from pannier.formats.entries import version_at
from pannier.git.filters import is_dirty
from pannier.project import states
from pannier.project.index import Index, OutRef, load_index
from pannier.project.presence import is_in_cache, recorded_manifest
from pannier.project.project import Project
from pannier.project.revisions import TreeMemo
from pannier.project.snapshot import Snapshot
from pannier.project.targets import Selected
from pannier.project.used import collect
from pannier.store.remote import Remote
from pannier.store.remote_config import RemoteConfig
from pannier.store.versioned import VersionedRemote


@dataclass(frozen=True, slots=True)
class DataStatusOptions:
    """cwd: root-relative directory that targets start from. granular: also files inside of
    directories. untracked: also what neither Git nor DVC knows. git: also ask whether Git sees
    other changes. not_in_remote: also ask the remote, the default one without a name."""

    cwd: str = ""
    granular: bool = False
    unchanged: bool = False
    untracked: bool = False
    git: bool = False
    not_in_remote: bool = False
    remote: str | None = None


@dataclass(slots=True)
class DataStatus:
    """committed: from the last commit to the stage files. uncommitted: from the stage files to the
    workspace. Paths are root-relative, directories end in '/'; only untracked is seen from cwd.
    git_dirty: Git sees other changes. no_commits: a Git repository before its first one."""

    committed: Changes = field(default_factory=Changes)
    uncommitted: Changes = field(default_factory=Changes)
    not_in_cache: list[str] = field(default_factory=list)
    not_in_remote: list[str] = field(default_factory=list)
    untracked: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    git_dirty: bool = False
    no_commits: bool = False


def data_status(
    project: Project, targets: Sequence[str], options: DataStatusOptions, progress: Progress
) -> DataStatus:
    """Reads files that changed since they were last read, and writes nothing.

    Raises InvalidFile, DiskError, GitError; with not_in_remote ConfigError, TransportError.
    """
    report = DataStatus()
    now = load_index(project)
    head = _last_commit(project, report)
    indexes = [now] if head is None else [head, now]
    scope = Scope(options.granular, options.unchanged)
    if targets:
        chosen, unknown = states.places(project, options.cwd, targets, indexes)
        scope = Scope(options.granular, options.unchanged, chosen)
        for target in unknown:
            if not options.untracked:
                progress.warn(f"'{target}' is not tracked by DVC")
    outs = states.tracked_outs(now, scope)
    looks: dict[str, Snapshot] = {}
    recorded = states.recorded(project, outs, computed=True)
    found = states.found(project, outs, looks, progress)
    report.uncommitted = compare(recorded, found, scope)
    compared: list[State] = [recorded, found]
    if project.git is not None:
        old = states.tracked_outs(head, scope) if head is not None else []
        committed = states.recorded(project, old, computed=True)
        report.committed = compare(committed, recorded, scope)
        compared.append(committed)
    if options.unchanged:
        report.unchanged = _unchanged(compared, scope)
    report.not_in_cache = _not_in_cache(project, outs, looks, scope)
    if options.not_in_remote:
        report.not_in_remote = _not_in_remote(project, outs, options, scope, progress)
    _ask_git(project, targets, options, report)
    return report


def _last_commit(project: Project, report: DataStatus) -> Index | None:
    if project.git is None:
        return None
    sha = project.git.head()
    report.no_commits = sha is None
    return states.index_of(project, sha, TreeMemo()) if sha is not None else None


def _unchanged(compared: Sequence[State], scope: Scope) -> list[str]:
    """What every state has with the same content."""
    steady = {path: compared[0][path] for path in same_everywhere(compared)}
    found: list[str] = []
    for path, tracked in steady.items():
        parts = scope.parts(path)
        if "" in parts:
            found.append(path + "/" if tracked.is_dir else path)
        found += _members(tracked, parts, scope)
    if not scope.granular:
        return found
    # Of an output that changed, the files that did not.
    rest = [{p: t for p, t in state.items() if p not in steady} for state in compared]
    if not all(rest):
        return found
    first, *others = [compare(rest[0], state, scope) for state in rest[1:]]
    same = {entry.shown for entry in first.unchanged}
    for other in others:
        same &= {entry.shown for entry in other.unchanged}
    return sorted([*found, *same])


def _members(tracked: Tracked, parts: Sequence[str], scope: Scope) -> Iterator[str]:
    if scope.granular and tracked.is_dir and tracked.known():
        manifest = tracked.members()
        prefix = tracked.path + "/"
        for part in parts:
            yield from [prefix + path for path in manifest.below(part).paths] if manifest else ()


# -- the cache ----


def _not_in_cache(
    project: Project, outs: Sequence[OutRef], looks: dict[str, Snapshot], scope: Scope
) -> list[str]:
    found: list[str] = []
    for ref in outs:
        digest = ref.out.digest
        if digest is None:
            continue
        store = project.store_of(digest.algorithm)
        parts = scope.parts(ref.path)
        if not store.has(digest.hex):
            if "" in parts:
                found.append(ref.path + "/" if digest.is_dir else ref.path)
            continue
        if not (scope.granular and digest.is_dir):
            continue
        if is_in_cache(project, digest, looks.get(ref.path)):
            continue
        manifest = recorded_manifest(project, ref.out)
        if manifest is not None:
            missing = store.missing(manifest.hexes)
            found += _below(ref.path, manifest, parts, missing)
    return sorted(found)


def _below(path: str, manifest: Manifest, parts: Sequence[str], names: set[str]) -> list[str]:
    """The files of a directory, by their paths, whose digests are among names."""
    return [
        f"{path}/{inner}" for part in parts for inner, name in manifest.below(part) if name in names
    ]


# -- the remote ----


def _not_in_remote(
    project: Project,
    outs: Sequence[OutRef],
    options: DataStatusOptions,
    scope: Scope,
    progress: Progress,
) -> list[str]:
    """What would have to be pushed. Everything, when there is no remote to push to."""
    groups: dict[tuple[str | None, str], list[OutRef]] = {}
    for ref in outs:
        for key in collect([Selected(ref)], pushing=True):
            groups.setdefault(key, []).append(ref)
    found: list[str] = []
    for (own, algorithm), refs in groups.items():
        try:
            config = project.settings.remote(own or options.remote)
        except NoRemote:
            found += _absent(refs, _manifests(project, refs, scope), set(), scope)
            continue
        if config.is_versioned:
            found += _not_in_versions(config, refs, _manifests(project, refs, scope), scope)
            continue
        with Remote(config) as remote:
            manifests = _manifests(project, refs, scope, remote)
            names = {ref.out.digest.hex for ref in refs if ref.out.digest is not None}
            names |= {name for manifest in manifests.values() for name in manifest.hexes}
            there = set(remote.present(algorithm, names, remote.jobs, progress))
            found += _absent(refs, manifests, there, scope)
    return sorted(found)


def _not_in_versions(
    config: RemoteConfig, refs: Sequence[OutRef], manifests: dict[str, Manifest], scope: Scope
) -> list[str]:
    """What has no version at a remote with cloud versions, or one that is gone."""
    rows = {ref.path: _recorded_versions(ref, config.name) for ref in refs}
    with VersionedRemote(config) as remote:
        known = remote.known({key: id_ for some in rows.values() for key, id_, _ in some})
    found: list[str] = []
    for ref in refs:
        some, digest = rows[ref.path], ref.out.digest
        gone = {md5 for key, version, md5 in some if not (version and known.has(key, version))}
        there = {md5 for _, _, md5 in some} - gone
        if some and not gone and digest is not None:
            there.add(digest.hex)
        found += _absent([ref], manifests, there, scope)
    return found


def _recorded_versions(ref: OutRef, remote: str) -> list[tuple[str, str, str]]:
    """(key, version id or "", MD5) of the files of an output, as its entry says."""
    out, digest = ref.out, ref.out.digest
    if digest is not None and not digest.is_dir:
        entry = {"cloud": out.cloud} if out.cloud else out.extra
        return [(ref.path, version_at(entry, remote), digest.hex)]
    return [
        (f"{ref.path}/{row['relpath']}", version_at(row, remote), str(row.get("md5")))
        for row in out.files or ()
    ]


def _manifests(
    project: Project, refs: Sequence[OutRef], scope: Scope, remote: Remote | None = None
) -> dict[str, Manifest]:
    """By path of an output: its files, from the store, else from the remote. Nothing is kept."""
    if not scope.granular:
        return {}
    known: dict[str, Manifest] = {}
    lost: dict[str, list[OutRef]] = {}
    algorithm = ""
    for ref in refs:
        manifest = recorded_manifest(project, ref.out)
        if manifest is not None:
            known[ref.path] = manifest
        elif ref.out.digest is not None and ref.out.digest.is_dir:
            algorithm = ref.out.digest.algorithm
            lost.setdefault(ref.out.digest.hex, []).append(ref)
    if remote is not None and lost:
        fetched, _ = remote.read_many(algorithm, lost, remote.jobs)
        for name, data in fetched.items():
            try:
                manifest = parse_manifest(data, name)
            except CorruptObject:
                continue
            known |= {ref.path: manifest for ref in lost[name]}
    return known


def _absent(
    refs: Sequence[OutRef], manifests: dict[str, Manifest], there: set[str], scope: Scope
) -> list[str]:
    found: list[str] = []
    for ref in refs:
        digest, parts = ref.out.digest, scope.parts(ref.path)
        if digest is not None and digest.hex not in there and "" in parts:
            found.append(ref.path + "/" if digest.is_dir else ref.path)
        manifest = manifests.get(ref.path)
        if manifest is not None:
            found += _below(ref.path, manifest, parts, set(manifest.hexes) - there)
    return found


# -- Git ----


def _ask_git(
    project: Project, targets: Sequence[str], options: DataStatusOptions, report: DataStatus
) -> None:
    if project.git is None:
        return
    untracked: list[str] = []
    if options.untracked:
        untracked = project.git.untracked(project.root)
        wanted = [posixpath.normpath(target) for target in targets]
        report.untracked = [
            relative(path, options.cwd)
            for path in untracked
            if not targets or any(is_within(path, target) for target in wanted)
        ]
    if options.git:
        report.git_dirty = bool(untracked) or is_dirty(project.git)
