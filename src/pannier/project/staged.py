"""What is staged for the next commit: pointers and pipelines that only Git's index holds."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterator

from pannier.formats import pointer
from pannier.formats.ignore import IgnoreRules
from pannier.git.repo import GitRepo
from pannier.git.unfinished import Sides, staged
from pannier.project.index import Index, OutRef, inner_project, outs_of, parse_stage_file
from pannier.project.project import Project
from pannier.project.revisions import RevisionTree

_STAGE_FILES = [f":(glob)**/{name}" for name in ("*.dvc", "dvc.yaml", "dvc.lock", ".dvcignore")]
_OURS, _THEIRS = 2, 3


def staged_outs(project: Project) -> list[OutRef]:
    """The outputs of all pointers and pipelines that the index holds otherwise than the commit
    that is checked out; of a conflict those of both sides.

    What is staged as it was committed is left out: it is no more in use than that commit. Raises
    InvalidFile, GitError.
    """
    git = project.git
    if git is None:
        return []
    top = os.path.relpath(project.root, os.path.realpath(git.root))
    prefix = "" if top == "." else f"{top}/"
    files = {
        path.removeprefix(prefix): sides
        for path, sides in staged(git, _STAGE_FILES).items()
        if path.startswith(prefix)
    }
    head = git.head()
    committed = RevisionTree(git, head, prefix.rstrip("/")) if head is not None else None
    changed = [
        path
        for path, sides in files.items()
        if set(sides.values()) != {committed.oid(path) if committed is not None else None}
    ]
    outs: list[OutRef] = []
    sides = [_OURS, _THEIRS] if any(len(files[path]) > 1 for path in changed) else [_OURS]
    for side in sides if changed else ():
        tree = _Staged(git, prefix, files, side)
        for path in _stage_files(project, tree, changed):
            index = Index(parse_stage_file(project, tree.read, path, whole=True))
            outs += [ref for stage in index.stages for ref in outs_of(stage)]
    return outs


def _stage_files(project: Project, tree: _Staged, changed: list[str]) -> Iterator[str]:
    """The stage files that changed ones are, or belong to, but for those that are none of ours."""
    rules = tree.ignore_rules()
    names = (
        path.removesuffix(".lock") + ".yaml" if posixpath.basename(path) == "dvc.lock" else path
        for path in changed
    )
    for path in dict.fromkeys(names):
        name = posixpath.basename(path)
        is_wanted = pointer.is_pointer_name(name) or pointer.is_pipeline_name(name)
        if not is_wanted or inner_project(project, path) is not None:
            continue
        if not rules.matches(path, False):
            yield path


class _Staged:
    """The files of a project as the index has them; in a conflict as one side has them."""

    def __init__(self, git: GitRepo, prefix: str, files: dict[str, Sides], side: int) -> None:
        """prefix: of the project's paths, as Git has them. files: those known already."""
        self._git, self._prefix, self._side = git, prefix, side
        self._files = dict(files)

    def read(self, path: str) -> bytes | None:
        if path not in self._files:
            literal = f":(literal){posixpath.normpath(self._prefix + path)}"
            found = {} if path.startswith("/") else staged(self._git, [literal])
            self._files[path] = next(iter(found.values()), {})
        sides = self._files[path]
        blob = sides.get(0, sides.get(self._side))
        if blob is None:
            return None
        return next(self._git.read_blobs([blob]))[1]

    def ignore_rules(self) -> IgnoreRules:
        files = sorted(path for path in self._files if posixpath.basename(path) == ".dvcignore")
        texts = ((posixpath.dirname(path), self.read(path)) for path in files)
        return IgnoreRules([(at, text.decode("utf-8", "replace")) for at, text in texts if text])
