"""Sides: two revisions, or one and the workspace, made ready to be compared."""

from __future__ import annotations

import os
from collections.abc import Sequence

from pannier.core.diff import Scope, State
from pannier.core.errors import BadTarget, GitError, PannierError
from pannier.core.events import Progress
from pannier.core.record import dataclass, field
from pannier.git.repo import GitRepo
from pannier.project import states
from pannier.project.index import Index, OutRef, load_index
from pannier.project.project import Project
from pannier.project.revisions import WORKSPACE, TreeMemo
from pannier.project.snapshot import Snapshot

NO_GIT = (
    "Only supported for Git repositories. If you're seeing this error in a Git repo, try updating"
    " the DVC configuration with `dvc config core.no_scm false`."
)


@dataclass(frozen=True, slots=True)
class Range:
    """From where to where. old, new: revisions, or WORKSPACE; new None is the workspace too.
    cwd: root-relative directory that targets start from."""

    old: str = "HEAD"
    new: str | None = None
    targets: tuple[str, ...] = ()
    cwd: str = ""


HEAD_TO_WORKSPACE = Range()


@dataclass(slots=True)
class Side:
    """One revision, or the workspace. name: as it was typed. outs: those in scope. looks: what was
    seen in the workspace, by path."""

    name: str
    index: Index
    outs: list[OutRef] = field(default_factory=list)
    looks: dict[str, Snapshot] = field(default_factory=dict)
    state: State = field(default_factory=dict)

    @property
    def is_workspace(self) -> bool:
        return self.name == WORKSPACE


def open_sides(
    project: Project, wanted: Range, progress: Progress
) -> tuple[Side, Side, Scope] | None:
    """Both sides and what of them is asked for; None when they are the same commit, or when there
    is no commit yet. Reads the files of the workspace that changed since they were last read.

    Raises GitError, BadTarget, InvalidFile, DiskError.
    """
    if project.git is None:
        raise PannierError(
            NO_GIT, hint="'dvc data status' tells what changed in the workspace, also without Git"
        )
    if project.git.head() is None:
        return None
    names = (wanted.old, wanted.new or WORKSPACE)
    if names == (WORKSPACE, WORKSPACE):
        hint = "the workspace is compared with a revision: dvc diff HEAD"
        raise GitError(f"unknown Git revision '{WORKSPACE}'", hint=hint)
    commits = [_commit(project.git, name) for name in names]
    if commits[0] == commits[1]:
        return None
    memo = TreeMemo()
    old, new = (
        Side(name, states.index_of(project, sha, memo) if sha else load_index(project))
        for name, sha in zip(names, commits, strict=True)
    )
    scope = _scope(project, wanted, [old.index, new.index], progress)
    for side in (old, new):
        side.outs = states.tracked_outs(side.index, scope)
        if side.is_workspace:
            side.state = states.found(project, side.outs, side.looks, progress)
        else:
            side.state = states.recorded(project, side.outs, computed=False)
    return old, new, scope


def _commit(git: GitRepo, name: str) -> str | None:
    return None if name == WORKSPACE else git.resolve(name)


def _scope(project: Project, wanted: Range, indexes: Sequence[Index], progress: Progress) -> Scope:
    if not wanted.targets:
        return Scope()
    chosen, unknown = states.places(project, wanted.cwd, wanted.targets, indexes)
    for target in unknown:
        if not os.path.exists(os.path.join(project.root, wanted.cwd, target)):
            raise BadTarget(
                f"'{target}' does not exist, and is tracked in neither of the two revisions",
                hint="to see all that changed, leave out '--targets'",
            )
        progress.warn(f"'{target}' is tracked in neither of the two revisions")
    return Scope(targets=chosen)
