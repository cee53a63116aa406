"""States: what a project tracks, as recorded in stage files and as found in the workspace."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Sequence

from pannier.core.diff import Scope, Tracked
from pannier.core.digest import MD5, Digest
from pannier.core.errors import InvalidFile, PannierError
from pannier.core.events import Progress
from pannier.core.manifest import Manifest
from pannier.core.path import is_within
from pannier.core.stage import Out
from pannier.project import snapshot as snapshots
from pannier.project.index import Index, OutRef
from pannier.project.presence import manifest_of, recorded_manifest
from pannier.project.project import Project
from pannier.project.revisions import TreeMemo
from pannier.project.targets import root_relative
from pannier.project.used import index_at


def tracked_outs(index: Index, scope: Scope) -> list[OutRef]:
    """The outputs whose bytes live in the store, as far as they are in scope, one a path."""
    chosen = {ref.path: ref for ref in index.outs() if ref.tracked and scope.parts(ref.path)}
    return list(chosen.values())


def places(
    project: Project, cwd: str, targets: Sequence[str], indexes: Sequence[Index]
) -> tuple[tuple[str, ...], list[str]]:
    """What targets name, as root-relative paths of outputs, above them or inside of them.

    A stage file or a stage stands for its outputs. A path is seen from cwd; if nothing is there,
    from the root, as DVC sees it. Returns those paths, and the targets that name nothing in any of
    indexes.
    """
    outs = {ref.path for index in indexes for ref in index.outs() if ref.tracked}
    chosen: dict[str, None] = {}
    unknown: list[str] = []
    for target in targets:
        seen_from = [root_relative(project, place, target) for place in dict.fromkeys((cwd, ""))]
        named = [path for path in seen_from if _names_data(path, outs)]
        there = [path for path in named if path in outs or os.path.lexists(project.absolute(path))]
        if named:
            chosen[(there or named)[0]] = None
            continue
        of_stages = [
            ref.path
            for index in indexes
            for ref in index.outs()
            if ref.tracked
            and (ref.stage.file in seen_from or ref.stage.address_from(cwd) == target)
        ]
        chosen |= dict.fromkeys(of_stages)
        if not of_stages:
            unknown.append(target)
    return tuple(chosen), unknown


def _names_data(path: str, outs: Collection[str]) -> bool:
    return path in outs or any(is_within(path, out) or is_within(out, path) for out in outs)


def index_of(project: Project, sha: str, memo: TreeMemo) -> Index:
    """All stages of a commit. An error in one of its files says which commit it is."""
    try:
        return index_at(project, sha, memo)
    except InvalidFile as error:
        raise PannierError(f"{error.message}\n(in revision '{sha[:7]}')", hint=error.hint) from None


def recorded(project: Project, outs: Iterable[OutRef], *, computed: bool) -> dict[str, Tracked]:
    """The state that stage files record. computed: leave out what has no digest yet."""
    state: dict[str, Tracked] = {}
    for ref in outs:
        digest = ref.out.digest
        if digest is not None:
            state[ref.path] = _recorded(project, ref.path, ref.out, digest)
        elif not computed:
            state[ref.path] = Tracked(ref.path, None)
    return state


def _recorded(project: Project, path: str, out: Out, digest: Digest) -> Tracked:
    if not digest.is_dir:
        return Tracked(path, digest.hex)
    store = project.store_of(digest.algorithm)
    return Tracked(
        path,
        digest.hex,
        is_dir=True,
        known=lambda: out.files is not None or store.has(digest.hex),
        members=lambda: recorded_manifest(project, out),
    )


def found(
    project: Project,
    outs: Iterable[OutRef],
    looks: dict[str, snapshots.Snapshot],
    progress: Progress,
) -> dict[str, Tracked]:
    """The state of the workspace at the places of outs. What is not there is not in it.

    looks: gets what was seen, by path. Reads the files that changed since they were last read.
    """
    state: dict[str, Tracked] = {}
    for ref in outs:
        algorithm = ref.out.digest.algorithm if ref.out.digest is not None else MD5
        look = snapshots.look(project, ref.path, algorithm, progress, lost=True)
        if look.kind == snapshots.ABSENT or _is_link_to_nothing(look):
            continue
        snapshots.measure(project, look, progress)
        if look.kind == snapshots.ABSENT:
            continue
        looks[ref.path] = look
        state[ref.path] = _found(project, look, progress)
    return state


def _is_link_to_nothing(look: snapshots.Snapshot) -> bool:
    return look.kind == snapshots.OTHER and not os.path.exists(look.absolute)


def _found(project: Project, look: snapshots.Snapshot, progress: Progress) -> Tracked:
    digest = look.digest
    if look.kind != snapshots.DIRECTORY or digest is None:
        return Tracked(look.path, digest.hex if digest is not None else None)

    def members() -> Manifest | None:
        # The stored list of the same digest is the same list, and costs no look at the files.
        if not look.sources:
            known = manifest_of(project, digest)
            if known is not None:
                return known
        return snapshots.measure_entries(project, look, progress).manifest()

    return Tracked(look.path, digest.hex, is_dir=True, known=lambda: True, members=members)
