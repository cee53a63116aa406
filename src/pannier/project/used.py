"""What outputs refer to: the objects to push, fetch or compare, per remote and algorithm."""

from __future__ import annotations

import contextlib
import os
import posixpath
from collections.abc import Iterable, Sequence

from pannier.core.errors import CorruptObject, MissingObject, NoRemote, PannierError
from pannier.core.events import Progress
from pannier.core.manifest import Manifest
from pannier.core.record import dataclass, field
from pannier.core.stage import Stage
from pannier.formats.ignore import IgnoreRules
from pannier.project import revisions
from pannier.project.index import Index, parse_stage_file
from pannier.project.presence import recorded_manifest
from pannier.project.project import Project
from pannier.project.targets import WORKSPACE_ONLY as WORKSPACE_ONLY
from pannier.project.targets import RevisionOptions as RevisionOptions
from pannier.project.targets import Selected, TargetOptions, select_outs
from pannier.store.objects import Store
from pannier.store.publishing import put_bytes


@dataclass(slots=True)
class Wanted:
    """Objects of one algorithm that go to or come from one remote.

    manifests: digest of a directory -> the part of its content that is wanted ('' for all).
    files: digest of a single file. labels: digest -> path, for messages. A directory whose list
    of files is not known yet stands in `manifests` only.
    """

    algorithm: str
    manifests: dict[str, set[str]] = field(default_factory=dict)
    files: set[str] = field(default_factory=set)
    labels: dict[str, str] = field(default_factory=dict)

    def members(self, name: str, manifest: Manifest) -> list[str]:
        """The digests of a directory's files that are wanted."""
        parts = self.manifests[name]
        if "" in parts:
            return list(dict.fromkeys(manifest.hexes))
        return list(
            dict.fromkeys(hex for part in sorted(parts) for hex in manifest.below(part).hexes)
        )


Groups = dict[tuple[str | None, str], Wanted]
"""(name of the only remote an output goes to, algorithm) -> objects."""


def collect(selected: Iterable[Selected], *, pushing: bool = False) -> Groups:
    """Groups the objects of outputs. pushing: leave out what is not to be pushed.

    Imports from other projects are never among them: those keep the data.
    """
    groups: Groups = {}
    for item in selected:
        out = item.ref.out
        if not item.ref.tracked or not is_ours(item.ref.stage) or (pushing and not out.push):
            continue
        digest = out.digest
        if digest is None:
            continue
        key = (out.remote, digest.algorithm)
        wanted = groups.setdefault(key, Wanted(digest.algorithm))
        wanted.labels.setdefault(digest.hex, item.ref.path)
        if digest.is_dir:
            wanted.manifests.setdefault(digest.hex, set()).add(item.inside)
        else:
            wanted.files.add(digest.hex)
    return groups


def is_ours(stage: Stage) -> bool:
    """False for an import from another repository: that one keeps the data."""
    return not any(dep.repo is not None for dep in stage.deps)


def by_versions(
    project: Project, selected: Iterable[Selected], remote: str | None
) -> tuple[list[Selected], dict[str, list[Selected]]]:
    """(what plain remotes have, what remotes with cloud versions have, by the remote's name).

    remote: instead of the default one, for outputs without one of their own.
    """
    plain: list[Selected] = []
    versioned: dict[str, list[Selected]] = {}
    names: dict[str | None, str | None] = {}
    for item in selected:
        stage = item.ref.stage
        if stage.is_import and stage.deps[0].is_versioned and not item.ref.out.push:
            continue  # its source keeps what was imported
        own = item.ref.out.remote or remote
        if own not in names:
            names[own] = None
            with contextlib.suppress(NoRemote):  # that is said when a remote is needed
                config = project.settings.remote(own)
                names[own] = config.name if config.is_versioned else None
        name = names[own]
        if name is None:
            plain.append(item)
        else:
            versioned.setdefault(name, []).append(item)
    return plain, versioned


def keep_lists(project: Project, selected: Iterable[Selected]) -> None:
    """Makes objects of the lists that pointers hold themselves, where all that they name is here:
    `status` and a plain remote want them as they want others."""
    for item in selected:
        digest = item.ref.out.digest
        if item.ref.out.files is None or digest is None or not item.ref.tracked:
            continue
        store = project.store_of(digest.algorithm)
        manifest = recorded_manifest(project, item.ref.out)
        if manifest is None or store.has(digest.hex):
            continue
        store.keep_manifest(digest.hex, manifest)
        if not store.missing(set(manifest.hexes)):
            put_bytes(store, digest.hex, manifest.to_bytes())


def local_members(store: Store, wanted: Wanted) -> tuple[dict[str, list[str]], list[str]]:
    """Directory -> digests of its files; and the directories whose list is not here."""
    members: dict[str, list[str]] = {}
    unknown: list[str] = []
    for name in wanted.manifests:
        try:
            members[name] = wanted.members(name, store.manifest(name))
        except (MissingObject, CorruptObject):
            unknown.append(name)
    return members, unknown


def is_complete(store: Store, wanted: Wanted) -> bool:
    """True when nothing is missing here: then no remote is needed, or even configured."""
    members, unknown = local_members(store, wanted)
    if unknown:
        return False
    every = {name for names in members.values() for name in names} | wanted.files
    return not store.missing(every)


def select_used(
    project: Project,
    targets: Sequence[str],
    options: TargetOptions,
    revs: RevisionOptions,
    progress: Progress,
) -> list[Selected]:
    """Outputs of the workspace and of the revisions asked for."""
    selected = select_outs(project, targets, options)
    if not revs.any or project.git is None:
        return selected
    paths = [(item.ref.path, item.inside) for item in selected] if targets else None
    chosen = revisions.select(
        project.git,
        all_branches=revs.all_branches,
        all_tags=revs.all_tags,
        all_commits=revs.all_commits,
    )
    memo = revisions.TreeMemo()
    for revision in chosen:
        if revision.sha is None:
            continue
        try:
            index = index_at(project, revision.sha, memo)
        except PannierError as error:
            progress.warn(f"failed to collect '{revision.name}', skipping: {error}")
            continue
        for ref in index.outs():
            if paths is None:
                selected.append(Selected(ref))
                continue
            selected += [Selected(ref, inside) for path, inside in paths if path == ref.path]
    return selected


def stage_files_at(
    project: Project, sha: str, memo: revisions.TreeMemo
) -> tuple[revisions.RevisionTree, list[str]]:
    """The files of a commit, and the paths of its pointers and pipelines."""
    assert project.git is not None
    subdir = os.path.relpath(project.root, os.path.realpath(project.git.root))
    tree = revisions.RevisionTree(project.git, sha, "" if subdir == "." else subdir, memo)
    files = tree.ignore_files()
    texts = tree.read_many(files)
    rules = IgnoreRules(
        [(posixpath.dirname(p), texts[p].decode("utf-8", "replace")) for p in files if p in texts]
    )
    paths = tree.stage_files(rules.matches)
    return tree, paths


def index_at(project: Project, sha: str, memo: revisions.TreeMemo) -> Index:
    """All stages of a commit. Pointers that Git keeps unchanged are read once for all commits."""
    tree, paths = stage_files_at(project, sha, memo)
    tree.read_many(paths)
    index = Index()
    for path in paths:
        index.stages.extend(parse_stage_file(project, tree.read, path, whole=True))
    return index
