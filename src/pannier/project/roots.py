"""Roots: what keeps objects from being garbage.

Unlike `used`, which collects what is to travel, nothing here may be overlooked: what cannot be read
is an error, never "nothing is tracked". Reading is lazy and shared: a pointer that Git keeps
unchanged over a thousand commits is read once.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator

from pannier.core.digest import DIR_SUFFIX, MD5, is_object_name
from pannier.core.errors import GitError, PannierError
from pannier.core.events import Progress
from pannier.core.record import dataclass, field
from pannier.formats import pointer
from pannier.git.repo import GitRepo
from pannier.git.unfinished import under_way
from pannier.project import revisions
from pannier.project.index import Index, OutRef, load_index, outs_of, parse_stage_file
from pannier.project.project import Project
from pannier.project.staged import staged_outs
from pannier.project.used import stage_files_at


@dataclass(frozen=True, slots=True)
class Scope:
    """Which states of a project count, beside its workspace, which always does: what stands there,
    what is staged, and what an unfinished merge or rebase may yet put there.

    num: so many commits, by first parents, from rev and from each branch; None for just these;
    below zero all. date: yyyy-mm-dd, commits of that day and later. skip_failed: revisions, and
    lists of files, that cannot be read do not count.
    """

    rev: str | None = None
    num: int | None = None
    all_branches: bool = False
    all_tags: bool = False
    all_commits: bool = False
    date: str | None = None
    all_experiments: bool = False
    skip_failed: bool = False

    @property
    def asks_history(self) -> bool:
        """True when the answer depends on commits that a shallow clone may lack."""
        many = self.num is not None and self.num not in (0, 1)
        return bool(self.all_branches or self.all_tags or self.all_commits or self.date or many)


Key = tuple[str | None, str]
"""(name of the only remote that an output goes to, algorithm)."""


@dataclass(slots=True)
class Roots:
    """The digests that roots name: by remote and algorithm, digest -> where it stands."""

    names: dict[Key, dict[str, str]] = field(default_factory=dict)

    def add(self, key: Key, name: str, label: str) -> None:
        self.names.setdefault(key, {}).setdefault(name, label)

    def manifests(self) -> Iterator[tuple[Key, str, str]]:
        """(key, digest, where it stands) of every directory."""
        for key, names in self.names.items():
            for name, label in names.items():
                if name.endswith(DIR_SUFFIX):
                    yield key, name, label


def start_of_day(date: str) -> int:
    """The first second of a day as people here count it. Raises PannierError."""
    try:
        return int(time.mktime(time.strptime(date, "%Y-%m-%d")))
    except (ValueError, OverflowError):
        raise PannierError(
            f"'{date}' is not a date", hint="write it as yyyy-mm-dd, for example 2024-02-29"
        ) from None


def collect_roots(project: Project, scope: Scope, progress: Progress, roots: Roots) -> None:
    """Adds what one project's workspace and chosen revisions name.

    Raises PannierError when anything of it cannot be read, or was not fetched.
    """
    _refuse_shallow(project, scope)
    name = "workspace"
    try:
        index = load_index(project, strict=True)
        _add(roots, index.outs(), "")
        name = "index"
        _add(roots, staged_outs(project), "Git's index")
    except PannierError as error:
        raise _failed(name, error) from None
    if project.git is None:
        return
    memo, parsed = revisions.TreeMemo(), _Parsed({})
    chosen = _revisions(project, scope)
    task = progress.task("Reading revisions", len(chosen), "commit")
    for revision in chosen:
        try:
            _add_revision(project, revision, memo, parsed, roots)
        except PannierError as error:
            if not scope.skip_failed:
                raise _failed(revision.name, error) from None
            progress.warn(f"Failed to collect '{revision.name}', skipping")
        task.advance()
    task.close()


def workspace_roots(project: Project) -> Roots:
    """What the workspace's pointers and lock files name. Raises InvalidFile."""
    roots = Roots()
    _add(roots, load_index(project).outs(), "")
    return roots


def _failed(name: str, error: PannierError) -> PannierError:
    hint = "nothing was removed; mend it, or bring it back with Git"
    if name == "index":
        hint = "nothing was removed; see 'git status': stage it as it is to be, or not at all"
    elif name != "workspace":
        hint = "nothing was removed; to do without such revisions add '--skip-failed'"
    return PannierError(f"Failed to collect '{name}': {error.message}", hint=error.hint or hint)


def _refuse_shallow(project: Project, scope: Scope) -> None:
    git = project.git
    if git is not None and scope.asks_history and git.is_shallow():
        raise PannierError(
            "this clone is shallow: commits that use data were never fetched, and their data would"
            f" count as unused (in '{git.root}'); nothing was removed",
            hint="bring the history with 'git fetch --unshallow', or keep only what the"
            " workspace uses: 'dvc gc --workspace'",
        )


def _revisions(project: Project, scope: Scope) -> list[revisions.Revision]:
    """Every commit that counts, once, with a name to call it by."""
    git = project.git
    assert git is not None
    chosen = revisions.select(
        git,
        all_branches=scope.all_branches,
        all_tags=scope.all_tags,
        all_commits=scope.all_commits,
    )
    named: list[tuple[str, str]] = [(r.name, r.sha) for r in chosen if r.sha is not None]
    num = scope.num or 1
    starts = [scope.rev] if scope.rev is not None else []
    if scope.all_branches and num != 1:
        starts += [sha for _, sha in git.branches()]
    for start in starts:
        commits = git.first_parents(start, num)
        named += [(start if number == 0 else sha, sha) for number, sha in enumerate(commits)]
    if scope.all_commits:
        named += [(sha, sha) for sha in git.stashed()]
    named += [(sha, sha) for sha in _under_way(git)]
    if scope.date is not None:
        named += [(sha, sha) for sha in git.commits_since(start_of_day(scope.date))]
    if scope.all_experiments:
        named += [(ref, sha) for ref, commits in git.experiments() for sha in commits]
    first: dict[str, str] = {}
    for name, sha in named:
        first.setdefault(sha, name)
    return [revisions.Revision(name, sha) for sha, name in first.items()]


def _under_way(git: GitRepo) -> list[str]:
    try:
        return under_way(git)
    except GitError as error:
        error.hint = "nothing was removed; see 'git status' for what is unfinished, and end it"
        raise


@dataclass(slots=True)
class _Parsed:
    """What pointers say, by their Git object: the same for all revisions."""

    outs: dict[str, list[OutRef]]


def _add_revision(
    project: Project,
    revision: revisions.Revision,
    memo: revisions.TreeMemo,
    parsed: _Parsed,
    roots: Roots,
) -> None:
    assert revision.sha is not None
    tree, paths = stage_files_at(project, revision.sha, memo)
    oids = {path: tree.oid(path) for path in paths}
    fresh = [path for path, oid in oids.items() if oid not in parsed.outs]
    tree.read_many(fresh)
    for path, oid in oids.items():
        outs = parsed.outs.get(oid) if oid is not None else None
        if outs is None:
            index = Index(parse_stage_file(project, tree.read, path, whole=True))
            outs = [ref for stage in index.stages for ref in outs_of(stage)]
            # A pipeline also depends on its lock file and parameters; a pointer on nothing.
            if oid is not None and pointer.is_pointer_name(path.rpartition("/")[2]):
                parsed.outs[oid] = outs
        _add(roots, outs, revision.name)


def _add(roots: Roots, outs: Iterable[OutRef], where: str) -> None:
    at = f" in {where}" if where else ""
    for ref in outs:
        out = ref.out
        if not out.cache:
            continue
        if out.digest is not None:
            roots.add((out.remote, out.digest.algorithm), out.digest.hex, ref.path + at)
        for row in out.files or ():
            name = row.get("md5")
            if is_object_name(name):
                roots.add((out.remote, MD5), str(name), ref.path + at)
