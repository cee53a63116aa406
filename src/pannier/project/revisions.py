"""Revisions, and reading a project's files from the workspace or from any of them.

An index is built by the same code from a WorkspaceTree and from a RevisionTree. Over many
revisions most files are the same Git objects: `oid` names them, so that what was parsed once is
not parsed again.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from pannier.core.errors import DiskError, GitError
from pannier.core.record import dataclass, field
from pannier.core.typed import Protocol
from pannier.git.objects import FOLDER, SUBMODULE, SYMLINK, Tree
from pannier.git.repo import GitRepo

WORKSPACE = "workspace"

Skip = Callable[[str, bool], bool]
"""(path relative to the project, is a directory) -> leave it out."""

_MAX_STAGE_FILES = 1_000_000
_MEMO_FILES = 500_000
_MEMO_BLOB_BYTES = 32 << 20
_ABSENT = {errno.ENOENT, errno.ENOTDIR, errno.ENXIO}


@dataclass(frozen=True, slots=True)
class Revision:
    """One state of the project. name: as DVC shows it; sha: None for the workspace."""

    name: str
    sha: str | None


def select(
    git: GitRepo | None,
    *,
    all_branches: bool = False,
    all_tags: bool = False,
    all_commits: bool = False,
) -> list[Revision]:
    """The workspace, then every chosen commit once.

    A commit that several branches and tags point to has all their names, joined by commas,
    branches first. all_commits overrides the others; its commits are called by their full sha.
    """
    selected = [Revision(WORKSPACE, None)]
    if git is None:
        return selected
    if all_commits:
        return selected + [Revision(sha, sha) for sha in git.all_commits()]
    names: dict[str, list[str]] = {}
    chosen = (git.branches() if all_branches else []) + (git.tags() if all_tags else [])
    for name, sha in chosen:
        names.setdefault(sha, []).append(name)
    return selected + [Revision(",".join(those), sha) for sha, those in names.items()]


class TreeReader(Protocol):
    """A project's files at one moment. Paths are POSIX, relative to the project's root.

    A path may start with '..': parameters and dependencies may lie outside the project.
    """

    def read(self, path: str) -> bytes | None:
        """A whole file, symbolic links followed; None when there is no such regular file."""
        ...

    def read_many(self, paths: Sequence[str]) -> dict[str, bytes]:
        """Those of paths that are files, with their bytes; cheaper than reading one by one."""
        ...

    def oid(self, path: str) -> str | None:
        """A name of the file's content that holds for all time and all revisions, when known."""
        ...


class WorkspaceTree:
    """The files as they are on disk. root: absolute."""

    def __init__(self, root: str) -> None:
        self.root = root

    def read(self, path: str) -> bytes | None:
        if "\0" in path:
            return None
        try:
            # O_NONBLOCK: a FIFO without a writer must not stop us for ever.
            fd = os.open(os.path.join(self.root, path), os.O_RDONLY | os.O_NONBLOCK)
            try:
                if not stat.S_ISREG(os.fstat(fd).st_mode):
                    return None
                with open(fd, "rb", closefd=False) as file:
                    return file.read()
            finally:
                os.close(fd)
        except OSError as error:
            if error.errno in _ABSENT:
                return None
            raise DiskError(path, error.errno or 0, error.strerror or str(error)) from None

    def read_many(self, paths: Sequence[str]) -> dict[str, bytes]:
        found = ((path, self.read(path)) for path in paths)
        return {path: data for path, data in found if data is not None}

    def oid(self, path: str) -> str | None:
        return None


class _Folder(NamedTuple):
    """What an index wants of one Git tree: files, and folders that hold such files.

    files: (name, object), the object None for a symbolic link.
    """

    files: tuple[tuple[str, str | None], ...]
    folders: tuple[tuple[str, _Folder], ...]
    is_project: bool


@dataclass(slots=True)
class TreeMemo:
    """What RevisionTrees of one repository learn from each other. Keyed by content: never stale."""

    folders: dict[str, _Folder] = field(default_factory=dict)
    blobs: dict[str, bytes] = field(default_factory=dict)
    files: int = 0
    blob_bytes: int = 0

    def keep_folder(self, oid: str, folder: _Folder) -> None:
        self.files += 1 + len(folder.files)
        if self.files > _MEMO_FILES:
            self.folders.clear()
            self.files = 1 + len(folder.files)
        self.folders[oid] = folder

    def keep_blob(self, oid: str, data: bytes) -> None:
        self.blob_bytes += len(data)
        if self.blob_bytes > _MEMO_BLOB_BYTES:
            self.blobs.clear()
            self.blob_bytes = len(data)
        self.blobs[oid] = data


class RevisionTree:
    """The files as a commit has them.

    sha: of a commit. subdir: where the project lies in the Git repository ('' at its top).
    memo: one for all revisions that are looked at.
    """

    def __init__(
        self, git: GitRepo, sha: str, subdir: str = "", memo: TreeMemo | None = None
    ) -> None:
        self.git, self.sha, self.subdir = git, sha, subdir
        self._memo = memo if memo is not None else TreeMemo()
        self._root: str | None = None
        self._listed: dict[str, str] = {}

    def read(self, path: str) -> bytes | None:
        return self.read_many([path]).get(path)

    def read_many(self, paths: Sequence[str]) -> dict[str, bytes]:
        named = {path: oid for path in paths if (oid := self.oid(path)) is not None}
        blobs = self._memo.blobs
        read = {oid: blobs[oid] for oid in named.values() if oid in blobs}
        missing = dict.fromkeys(oid for oid in named.values() if oid not in read)
        for oid, data in self.git.read_blobs(missing):
            read[oid] = data
            self._memo.keep_blob(oid, data)
        return {path: read[oid] for path, oid in named.items()}

    def oid(self, path: str) -> str | None:
        listed = self._listed.get(path)
        if listed is not None:
            return listed
        found = self._find(path)
        return None if found is None or found[0] in (FOLDER, SUBMODULE) else found[1]

    def files(self) -> Iterator[str]:
        """Every file of the project that Git keeps in this commit, in Git's order."""
        project = self._project()
        if project is not None:
            for path, mode, _ in self.git.objects.below(project):
                if mode != SUBMODULE:
                    yield path

    def entries(self, folder: str) -> Tree | None:
        """What a folder of the project holds: name -> (mode, object); None when it is none.

        Symbolic links on the way to it are not followed.
        """
        found = self._find(folder, follow=False)
        if found is None or found[0] != FOLDER:
            return None
        return self.git.objects.trees([found[1]])[found[1]]

    def entry(self, path: str) -> tuple[int, str] | None:
        """(mode, object) of a path, links not followed; None when it is not there."""
        return self._find(path, follow=False)

    def stage_files(self, skip: Skip | None = None) -> list[str]:
        """Pointers (`*.dvc`) and pipelines (`dvc.yaml`), without those skipped.

        A folder's files come before its inner folders. Folders with a `.dvc` folder of their own
        are other projects and left out, as DVC does.
        """
        return [path for path in self._wanted(skip) if not path.endswith(".dvcignore")]

    def ignore_files(self) -> list[str]:
        """Every `.dvcignore`, a folder's own before those further in."""
        return [path for path in self._wanted(None) if path.endswith(".dvcignore")]

    def _find(self, path: str, *, follow: bool = True) -> tuple[int, str] | None:
        if path.startswith("/"):
            return None
        if self._root is None:
            self._root = self.git.objects.root(self.sha)
        return self.git.objects.find(self._root, f"{self.subdir}/{path}", follow=follow)

    def _project(self) -> str | None:
        """The tree of the project's root; None in a commit that does not have it yet."""
        found = self._find("")
        return found[1] if found is not None and found[0] == FOLDER else None

    def _wanted(self, skip: Skip | None) -> Iterator[str]:
        project = self._project()
        if project is None:
            return
        count = 0
        stack = [("", self._folder(project))]
        while stack:
            prefix, folder = stack.pop()
            for name, oid in folder.files:
                count += 1
                if count > _MAX_STAGE_FILES:  # a few objects suffice: ten times one folder, nested
                    raise GitError(f"commit {self.sha} has over a million stage files")
                path = prefix + name
                if skip is None or not skip(path, False):
                    if oid is not None:
                        self._listed[path] = oid
                    yield path
            for name, inner in reversed(folder.folders):
                if skip is None or not skip(prefix + name, True):
                    stack.append((f"{prefix}{name}/", inner))

    def _folder(self, root: str) -> _Folder:
        known = self._memo.folders
        if root in known:
            return known[root]
        trees: dict[str, Tree] = {}
        level = [root]
        while level:
            found = self.git.objects.trees(level)
            trees |= found
            inner = {
                oid
                for tree in found.values()
                for name, (mode, oid) in tree.items()
                if mode == FOLDER and name != ".dvc"
            }
            level = [oid for oid in inner if oid not in known and oid not in trees]
        made: dict[str, _Folder] = {}
        stack = [root]
        while stack:  # inner folders before those that hold them
            oid = stack[-1]
            if oid in made:
                stack.pop()
                continue
            rows = trees[oid].items()
            folders = [(n, o) for n, (mode, o) in rows if mode == FOLDER and n != ".dvc"]
            waiting = [o for _, o in folders if o not in made and o in trees]
            if waiting:
                stack += waiting
                continue
            named = ((n, made.get(o) or known[o]) for n, o in folders)
            made[oid] = _Folder(
                files=tuple(
                    (n, None if mode == SYMLINK else o)
                    for n, (mode, o) in rows
                    if mode not in (FOLDER, SUBMODULE) and _is_wanted(n)
                ),
                folders=tuple(
                    (n, f) for n, f in named if (f.files or f.folders) and not f.is_project
                ),
                is_project=trees[oid].get(".dvc", (0, ""))[0] == FOLDER,
            )
            stack.pop()
        for oid, folder in made.items():
            self._memo.keep_folder(oid, folder)
        return made[root]


def _is_wanted(name: str) -> bool:
    return (name.endswith(".dvc") and name != ".dvc") or name in ("dvc.yaml", ".dvcignore")
