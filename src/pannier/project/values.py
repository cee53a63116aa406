"""Values of parameter and metric files at several moments, with what could not be read."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterable, Sequence

from pannier.core.errors import GitError, PannierError
from pannier.core.events import Progress
from pannier.core.path import join
from pannier.core.record import dataclass, field
from pannier.core.typed import Any
from pannier.core.value_diff import Change, compare, same
from pannier.git.repo import GitRepo
from pannier.project.moments import Moment, Moments
from pannier.project.project import Project
from pannier.project.revisions import WORKSPACE, Revision, select
from pannier.project.sides import NO_GIT
from pannier.project.targets import RevisionOptions


@dataclass(slots=True)
class Reading:
    """The values of one moment. files: path from the root -> what it holds, or why it could not be
    read. error: why nothing could be read at all.
    """

    files: dict[str, Any | PannierError] = field(default_factory=dict)
    error: PannierError | None = None

    @property
    def is_whole(self) -> bool:
        return self.error is None and len(self.values()) == len(self.files)

    def values(self) -> dict[str, Any]:
        """Of the files that could be read."""
        return {
            path: each for path, each in self.files.items() if not isinstance(each, PannierError)
        }


_FEW = 200
"""Revisions, and files of one, that are asked for at once and held so long."""

Look = Callable[[Moment], Iterable[tuple[str, Callable[[], Any]]]]
"""A moment -> its files, each with what reads its value."""


def read_all(
    project: Project, revisions: Sequence[Revision], look: Look, progress: Progress
) -> dict[str, Reading]:
    """Name of each revision -> its values. What cannot be read is told in the readings.

    Commits from before the project was there are left out.
    """
    moments = Moments(project, progress)
    readings = {}
    try:
        for at, revision in enumerate(revisions):
            if at % _FEW == 0:
                moments.foresee(one.sha for one in revisions[at : at + _FEW])
            moment = moments.at(revision.sha)
            if revision.sha is not None and not moment.is_there:
                continue
            readings[revision.name] = _read(moment, look)
    finally:
        moments.close()
    return readings


def _read(moment: Moment, look: Look) -> Reading:
    reading = Reading()
    try:
        files = list(look(moment))
        moment.foresee([path for path, _ in files[:_FEW]])
        for path, read in files:
            try:
                reading.files[path] = read()
            except PannierError as error:
                reading.files[path] = error
    except PannierError as error:
        return Reading(error=error)
    return reading


@dataclass(frozen=True, slots=True)
class Difference:
    """changes: file -> name -> change. readings: of both revisions, by name."""

    changes: dict[str, dict[str, Change]]
    readings: dict[str, Reading] = field(default_factory=dict)


def difference(
    project: Project,
    names: Sequence[str],
    read: Callable[[list[Revision]], dict[str, Reading]],
    *,
    all: bool,
) -> Difference:
    """What differs between two revisions, as the user named them; nothing before the first commit.

    all: values that are the same are there, too. Raises GitError.
    """
    if git_of(project).head() is None:
        return Difference({})
    readings = read(named_revisions(project, names))
    by_name = {name: each for joined, each in readings.items() for name in _split(joined, names)}
    old, new = (by_name.get(name, Reading()) for name in names)
    changes = compare(old.values(), new.values(), unchanged=all)
    return Difference(changes, dict(zip(names, (old, new), strict=True)))


def _split(joined: str, names: Sequence[str]) -> list[str]:
    """The names of one reading: they stand together where they mean one commit."""
    return [joined] if joined in names else list(names)


def named_revisions(project: Project, names: Sequence[str]) -> list[Revision]:
    """Revisions as the user named them; those of one commit together, joined by commas.

    Raises GitError.
    """
    commits: dict[str | None, list[str]] = {}
    distinct = list(dict.fromkeys(names))
    for name, sha in zip(distinct, commits_of(project, distinct), strict=True):
        commits.setdefault(sha, []).append(name)
    return [Revision(",".join(those), sha) for sha, those in commits.items()]


def commits_of(project: Project, names: Sequence[str]) -> list[str | None]:
    """The commit of each revision as the user named it; None for the workspace. Raises GitError."""
    revisions = [name for name in names if name != WORKSPACE]
    found = iter(git_of(project).resolve_all(revisions) if revisions else ())
    return [None if name == WORKSPACE else next(found) for name in names]


def shown_revisions(project: Project, options: RevisionOptions) -> list[Revision]:
    """The workspace under the name '' when nothing else is asked for; else it and what is."""
    if not options.any:
        return [Revision("", None)]
    return select(
        git_of(project),
        all_branches=options.all_branches,
        all_tags=options.all_tags,
        all_commits=options.all_commits,
    )


def hide_workspace(project: Project, readings: dict[str, Reading]) -> None:
    """Leaves the workspace out where it holds the same as the branch that is checked out."""
    branch = project.git.branch() if project.git is not None else None
    here, there = readings.get(WORKSPACE), readings.get(branch or "")
    if here is None or there is None or not (here.is_whole and there.is_whole):
        return
    if same(here.files, there.files):
        del readings[WORKSPACE]


def git_of(project: Project) -> GitRepo:
    """The project's repository. Raises GitError where there is none."""
    if project.git is None:
        raise GitError(NO_GIT)
    return project.git


def files_at(moment: Moment, paths: Iterable[str]) -> list[str]:
    """Each file once; of folders, all that they hold."""
    return list(dict.fromkeys(file for path in paths for file in moment.files(path)))


def targets_from(cwd: str, targets: Iterable[str]) -> list[str]:
    """Targets as typed in a folder, from the root."""
    return [join(cwd, posixpath.normpath(target)) for target in targets]
